package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// What the daemon's unit lets it see and write is worked out from its settings, as systemd.exec(5) has them: the longest
// path counts. But what is hidden stays hidden below, whatever is writable there; only an empty file system that is
// put over a directory has room for what systemd binds into it: the unit's own directories, and BindPaths=.

// sight is how the daemon sees a path.
type sight int

const (
	writable sight = iota
	readOnly
	covered // by an empty file system
	hidden
)

// rule is one setting.
type rule struct {
	dir string // with a slash behind it
	s   sight
	by  string
	in  bool // it is bound into what is covered
}

// rules are a unit's.
func (u unitFacts) rules() (all []rule) {
	add := func(s sight, by string, dirs ...string) {
		for _, d := range dirs {
			all = append(all, rule{dir: strings.TrimSuffix(d, "/") + "/", s: s, by: by})
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
	case "yes", "true", "on", "1":
		add(hidden, "ProtectHome="+v, "/home", "/root", "/run/user")
	case "tmpfs":
		add(covered, "ProtectHome="+v, "/home", "/root", "/run/user")
	case "read-only":
		add(readOnly, "ProtectHome="+v, "/home", "/root", "/run/user")
	}
	switch v := u.word("PrivateTmp"); v {
	case "yes", "true", "on", "1", "connected", "disconnected":
		add(covered, "PrivateTmp="+v, "/tmp", "/var/tmp")
	}
	add(readOnly, "ReadOnlyPaths=", u.paths("ReadOnlyPaths")...)
	add(hidden, "InaccessiblePaths=", u.paths("InaccessiblePaths")...)
	for _, p := range u.paths("TemporaryFileSystem") {
		dir, _, _ := strings.Cut(p, ":")
		add(covered, "TemporaryFileSystem=", dir)
	}
	add(writable, "ReadWritePaths=", u.paths("ReadWritePaths")...)
	bind := func(s sight, by string, dirs ...string) {
		add(s, by, dirs...)
		for i := range dirs {
			all[len(all)-1-i].in = true
		}
	}
	for _, key := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, p := range u.paths(key) {
			from, to, other := strings.Cut(p, ":")
			to, _, _ = strings.Cut(to, ":")
			if !other {
				to = from
			}
			bind(map[bool]sight{true: readOnly}[key == "BindReadOnlyPaths"], key+"=", to)
		}
	}
	for key, dir := range map[string]string{"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log", "RuntimeDirectory": "/run"} {
		for _, name := range u.words(key) {
			name, _, _ = strings.Cut(name, ":")
			bind(writable, key+"=", filepath.Join(dir, name))
		}
	}
	return all
}

// sees is how the daemon sees a path without links, and by which setting.
func (u unitFacts) sees(path string) (s sight, by string) {
	rules := u.rules()
	for i := range rules { // the links that a unit's paths may be are resolved by systemd
		if real, err := filepath.EvalSymlinks(rules[i].dir); err == nil {
			rules[i].dir = strings.TrimSuffix(real, "/") + "/"
		}
	}
	slices.SortStableFunc(rules, func(a, b rule) int { return len(a.dir) - len(b.dir) })
	var last rule
	for _, r := range rules {
		switch {
		case !strings.HasPrefix(path+"/", r.dir):
		case r.s == hidden:
			return hidden, r.by
		case last.s != covered || r.in || r.s == covered:
			last = r
		}
	}
	return last.s, last.by
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
	case s == covered:
		x.problem(p.path, fmt.Sprintf("%s has %s: the daemon sees nothing here; %s is there", x.unit, by, p.what), x.dropIn(real, "Service", "BindPaths="+real))
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
		if s, by := x.service.sees(real); s >= covered {
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
