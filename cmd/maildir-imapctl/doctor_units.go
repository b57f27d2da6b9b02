package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

// unitFacts are settings of a unit by their names, as systemctl show tells them where systemd runs, else as the unit's
// files have them. A unit that is not there has none.
type unitFacts map[string][]string

// word is a setting of one value, the last that is given.
func (u unitFacts) word(name string) string {
	if all := u[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// words is a setting that is a list.
func (u unitFacts) words(name string) []string {
	return strings.Fields(strings.Join(u[name], " "))
}

// paths is a list of paths; what is in front of them, such as the dash that lets them be absent, is taken off.
func (u unitFacts) paths(name string) (all []string) {
	for _, p := range u.words(name) {
		p = strings.TrimLeft(p, "-+")
		all = append(all, strings.TrimSuffix(p, "/")+"/")
	}
	return all
}

// findUnit finds the unit that a configuration belongs to: that of the whole host, or an instance of the template.
func (x *exam) findUnit() {
	dir, name := filepath.Split(x.file)
	if filepath.Clean(dir) != x.at("/etc/maildir-imapd") {
		return // not a unit's
	}
	instance := strings.TrimSuffix(name, ".ini")
	x.unit = "maildir-imapd.service"
	if instance != "imapd" {
		x.unit = "maildir-imapd@" + unit.UnitNameEscape(instance) + ".service"
	}
	if x.service = x.unitNamed(x.unit); x.service == nil {
		x.unit = ""
	}
}

// sockets are the units that listen for the daemon.
func (x *exam) sockets() (names []string) {
	for _, kind := range []string{"imap", "imaps"} {
		names = append(names, strings.Replace(x.unit, "maildir-imapd", "maildir-imapd-"+kind, 1))
		names[len(names)-1] = strings.TrimSuffix(names[len(names)-1], ".service") + ".socket"
	}
	for _, s := range x.service.words("Sockets") {
		if strings.HasSuffix(s, ".socket") && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

// systemd tells whether it is what runs this machine.
func (h *host) systemd() bool {
	_, err := os.Stat(h.at("/run/systemd/system"))
	return err == nil
}

// unitNamed is what is known of a unit, nil where there is none.
func (x *exam) unitNamed(name string) unitFacts {
	if !x.systemd() {
		return x.unitFiles(name)
	}
	out, err := x.host.run(x.cmd.Context(), "systemctl", "show", "--no-pager", name)
	if err != nil {
		x.unseen(errors.Join(errors.New("systemctl show "+name), err))
		return nil
	}
	u := make(unitFacts)
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && value != "" {
			u[key] = append(u[key], value)
		}
	}
	if s := u.word("LoadState"); s == "not-found" || s == "" {
		return nil
	}
	return u
}

// unitDirs are where units lie, the first before the others.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// unitFiles reads a unit with its drop-ins.
func (x *exam) unitFiles(name string) unitFacts {
	file := name
	prefix, instance, templated := strings.Cut(strings.TrimSuffix(name, filepath.Ext(name)), "@")
	if templated {
		file = prefix + "@" + filepath.Ext(name)
	}
	var u unitFacts
	for _, dir := range unitDirs {
		if u = x.addUnitFile(nil, filepath.Join(dir, file), instance); u != nil {
			break
		}
	}
	if u == nil {
		return nil
	}
	dropIns := make(map[string]string)
	for _, dir := range slices.Backward(unitDirs) {
		for _, n := range []string{file, name} {
			all, _ := filepath.Glob(filepath.Join(x.at(dir), n+".d", "*.conf"))
			for _, path := range all {
				dropIns[filepath.Base(path)] = strings.TrimPrefix(path, x.root)
			}
		}
	}
	var bases []string
	for base := range dropIns {
		bases = append(bases, base)
	}
	slices.Sort(bases)
	for _, base := range bases {
		u = x.addUnitFile(u, dropIns[base], instance)
	}
	return u
}

// addUnitFile reads a file over what is known; without a file that is all. An empty value takes back a list.
func (x *exam) addUnitFile(u unitFacts, path, instance string) unitFacts {
	f, err := os.Open(x.at(path))
	if err != nil {
		return u
	}
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		x.problem(path, "is no unit that systemd could read: "+err.Error(), "systemd-analyze verify "+shellQuote(path))
		return u
	}
	if u == nil {
		u = make(unitFacts)
	}
	for _, o := range options {
		if o.Value == "" {
			delete(u, o.Name)
			continue
		}
		u[o.Name] = append(u[o.Name], strings.ReplaceAll(o.Value, "%i", unit.UnitNameUnescape(instance)))
	}
	return u
}
