package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// What the daemon's unit lets it see and write is worked out from its settings, as systemd.exec(5) has them: what is
// hidden stays hidden below, whatever is writable there; else the longest path counts.

// sight is how the daemon sees a path.
type sight int

const (
	writable sight = iota
	readOnly
	hidden
)

// rule is one setting.
type rule struct {
	dir string // with a slash behind it
	s   sight
	by  string
}

// rules are a unit's.
func (u unitFacts) rules() (all []rule) {
	add := func(s sight, by string, dirs ...string) {
		for _, d := range dirs {
			all = append(all, rule{strings.TrimSuffix(d, "/") + "/", s, by})
		}
	}
	switch v := u.word("ProtectSystem"); v {
	case "strict":
		add(readOnly, "ProtectSystem=strict", "/")
	case "full":
		add(readOnly, "ProtectSystem=full", "/usr", "/boot", "/efi", "/etc")
	case "yes", "true", "on", "1":
		add(readOnly, "ProtectSystem="+v, "/usr", "/boot", "/efi")
	}
	switch v := u.word("ProtectHome"); v {
	case "yes", "true", "on", "1", "tmpfs":
		add(hidden, "ProtectHome="+v, "/home", "/root", "/run/user")
	case "read-only":
		add(readOnly, "ProtectHome="+v, "/home", "/root", "/run/user")
	}
	switch v := u.word("PrivateTmp"); v {
	case "yes", "true", "on", "1", "connected", "disconnected":
		add(hidden, "PrivateTmp="+v, "/tmp", "/var/tmp")
	}
	add(readOnly, "ReadOnlyPaths=", u.paths("ReadOnlyPaths")...)
	add(hidden, "InaccessiblePaths=", u.paths("InaccessiblePaths")...)
	for _, p := range u.paths("TemporaryFileSystem") {
		dir, _, _ := strings.Cut(p, ":")
		add(hidden, "TemporaryFileSystem=", dir)
	}
	add(writable, "ReadWritePaths=", u.paths("ReadWritePaths")...)
	for key, dir := range map[string]string{"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log", "RuntimeDirectory": "/run"} {
		for _, name := range u.words(key) {
			add(writable, key, filepath.Join(dir, name))
		}
	}
	return all
}

// sees is how the daemon sees a path without links, and by which setting.
func (u unitFacts) sees(path string) (s sight, by string) {
	longest := 0
	for _, r := range u.rules() {
		// The links that a unit's paths may be are resolved by systemd.
		dir := r.dir
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = strings.TrimSuffix(real, "/") + "/"
		}
		switch {
		case !strings.HasPrefix(path+"/", dir):
		case r.s == hidden:
			return hidden, r.by
		case len(dir) >= longest:
			longest, s, by = len(dir), r.s, r.by
		}
	}
	return s, by
}

// confined tells of a place that the unit keeps from the daemon.
func (x *exam) confined(p *mailPlace, real string) {
	s, by := x.service.sees(real)
	writes := "ReadWritePaths=" + real
	switch {
	case s == writable:
	case s == readOnly:
		x.problem(p.path, fmt.Sprintf("%s has %s: the daemon may read here, but not write; %s is there", x.unit, by, p.what), x.dropIn(real, "Service", writes))
	case strings.HasPrefix(by, "ProtectHome="):
		x.problem(p.path, fmt.Sprintf("%s has %s: the daemon sees nothing here; %s is there", x.unit, by, p.what), x.dropIn(real, "Service", "ProtectHome=no", writes))
	case strings.HasPrefix(by, "PrivateTmp="):
		x.problem(p.path, fmt.Sprintf("%s has %s: the daemon has another directory of this name; %s is there", x.unit, by, p.what), "# keep no mail where everything is removed: change the path in "+visible(x.file))
	default:
		x.problem(p.path, fmt.Sprintf("%s has %s: the daemon sees nothing here; %s is there", x.unit, by, p.what), "systemctl edit "+shellQuote(x.unit)+"    # take the path out of "+by)
	}
}

// hiddenFiles tells of files that the configuration names and the unit hides.
func (x *exam) hiddenFiles() {
	if x.service == nil {
		return
	}
	files := []string{x.c.Auth.File, x.c.Auth.Groups, x.c.Server.Motd, x.c.TLS.Certificate, x.c.TLS.Key}
	for _, h := range x.c.Hosts {
		files = append(files, h.Certificate, h.Key)
	}
	told := make(map[string]bool)
	for _, f := range files {
		if f == "" || told[f] {
			continue
		}
		told[f] = true
		real, _ := existing(f)
		if s, by := x.service.sees(real); s == hidden {
			x.problem(f, fmt.Sprintf("%s has %s: the daemon does not see this file, which %s names", x.unit, by, visible(x.file)),
				"# put it elsewhere, such as below /etc/maildir-imapd")
		}
	}
}

// dropIn is the command that adds settings to the daemon's unit, in a file of its own for each place.
func (x *exam) dropIn(path, section string, lines ...string) string {
	if shellQuote(path) != path || strings.Contains(path, "%") {
		return fmt.Sprintf("systemctl edit %s    # [%s] %s, with the path quoted for systemd", shellQuote(x.unit), section, strings.Join(lines, " "))
	}
	dir := "/etc/systemd/system/" + x.unit + ".d"
	return fmt.Sprintf(`mkdir -p %s && printf '[%s]\n%s\n' >%[1]s/%[4]s.conf && systemctl daemon-reload && systemctl try-restart %[5]s`,
		dir, section, strings.Join(lines, `\n`), "mail-"+strings.ReplaceAll(unit.UnitNamePathEscape(path), `\`, "_"), x.unit)
}
