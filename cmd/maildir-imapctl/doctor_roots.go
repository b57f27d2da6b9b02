package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/usermail"
)

// mailPlace is a directory that the daemon works in, or below which it makes others.
type mailPlace struct {
	path  string // as the configuration has it
	what  string
	state bool
	base  bool   // users' trees are made below it
	tmp   string // a tmp of a Maildir there; empty: none was found
}

// places are those of the configuration, each once: for users' own mail not each tree, but what is above them all.
func (x *exam) places() (all []mailPlace) {
	add := func(p mailPlace) {
		if i := slices.IndexFunc(all, func(o mailPlace) bool { return o.path == p.path }); i < 0 {
			all = append(all, p)
		} else if all[i].tmp == "" {
			all[i].tmp = p.tmp
		}
	}
	for _, u := range x.users {
		o, err := usermail.Own(x.c, u)
		if err != nil {
			continue // folders tells
		}
		add(mailPlace{path: baseOf(x.c.Mail.Path, o.Root), what: "users' mail", base: true, tmp: tmpIn(o.Root)})
		for template, path := range map[string]string{x.c.Mail.Control: o.Control, x.c.Mail.Index: o.Index} {
			if path != "" {
				add(mailPlace{path: baseOf(template, path), what: "users' lists", base: true})
			}
		}
	}
	for _, n := range x.c.Namespaces {
		for _, o := range usermail.AllPublic(x.c, n, x.users) {
			p := mailPlace{path: o.Root, what: fmt.Sprintf("[namespace %q]", n.Name)}
			x.eachFolder(&mailTree{root: o.Root}, func(dir string) { p.tmp = orElse(p.tmp, tmpIn(dir)) })
			add(p)
		}
	}
	for _, dir := range x.c.Mail.Follow {
		add(mailPlace{path: dir, what: "[mail] follow"})
	}
	add(mailPlace{path: x.state.dir, what: "[server] state", state: true})
	return all
}

// baseOf is what the paths that a template makes have in common; of homes, what one of them is in.
func baseOf(template, path string) string {
	if !strings.HasPrefix(template, "/") || strings.HasPrefix(template, "/%") {
		return filepath.Dir(filepath.Dir(path))
	}
	fixed, _, some := strings.Cut(template, "%")
	if !some {
		return filepath.Dir(path)
	}
	return filepath.Clean(fixed[:strings.LastIndex(fixed, "/")])
}

func tmpIn(maildir string) string {
	tmp := filepath.Join(maildir, "tmp")
	if st, err := os.Lstat(tmp); err != nil || !st.IsDir() {
		return ""
	}
	return tmp
}

// checkRoots looks whether the places of mail are there, mounted, writable, and not hidden from the daemon by its unit.
func checkRoots(x *exam) {
	for _, p := range x.places() {
		real, near := existing(p.path)
		there := real == near
		switch unmounted := x.mount(&p); {
		case unmounted:
			continue
		case !there && p.state && x.service.word("StateDirectory") != "":
			// systemd makes it
		case !there && (p.base || p.state):
			x.problem(p.path, fmt.Sprintf("is not there; %s belongs there, and the daemon cannot make it", p.what),
				fmt.Sprintf("install -d -o %s -g %s -m 0750 %s", shellQuote(x.account.name), shellQuote(groupName(x.account.gid)), shellQuote(p.path)))
		case p.base:
			x.newTrees(&p, real)
		}
		var st unix.Statfs_t
		switch err := x.statfs(near, &st); {
		case err != nil:
			x.unseen(fmt.Errorf("%s: %w", near, err))
		case st.Flags&unix.ST_RDONLY != 0:
			x.problem(p.path, fmt.Sprintf("is on a file system that is read-only; %s is there, and nothing can be changed or delivered", p.what),
				"# if dmesg tells of errors there, check it with fsck(8) before anything is written; else:", remount(p.path))
		}
		if x.service != nil {
			x.confined(&p, real)
		}
	}
	x.hiddenFiles()
}

// existing is a path without links as far as it is there, and the last directory on it that is.
func existing(path string) (real, near string) {
	for p := path; ; p = filepath.Dir(p) {
		near, err := filepath.EvalSymlinks(p)
		if err == nil {
			return filepath.Join(near, strings.TrimPrefix(path, p)), near
		}
		if !errors.Is(err, fs.ErrNotExist) || p == "/" {
			return path, path
		}
	}
}

// newTrees looks whether the daemon can make the trees of users who have none yet.
func (x *exam) newTrees(p *mailPlace, real string) {
	missing := ""
	for _, u := range x.users {
		if o, err := usermail.Own(x.c, u); err == nil && filepath.Dir(o.Root) == p.path && !there(o.Root) {
			missing = u.Name
			break
		}
	}
	if missing == "" {
		return
	}
	for _, n := range x.refused([]need{{real, 3, ""}}) {
		l, err := lookAt(n.path)
		if err != nil || l.may(&x.account, n.want) {
			continue // read-only: told below
		}
		x.problem(p.path, fmt.Sprintf("%s cannot make directories here (%s), and %s has no mail yet: the first login fails", x.account.name, &l, missing),
			l.mend(&x.account, n.path, n.want, x.account.gid)...)
	}
}

// mount looks for mounts on the way to a place that are not there, or may come after the daemon.
func (x *exam) mount(p *mailPlace) (missing bool) {
	if !x.systemd() {
		return false
	}
	for _, dir := range above(p.path)[1:] {
		name := unit.UnitNamePathEscape(dir) + ".mount"
		u := x.unitNamed(name)
		if u == nil || u.word("LoadState") != "loaded" {
			continue
		}
		if u.word("ActiveState") != "active" {
			x.problem(dir, fmt.Sprintf("is not mounted; %s is there", p.what), "systemctl start "+shellQuote(name))
			return true
		}
		early := slices.Contains(u.words("Before"), "local-fs.target") || slices.Contains(x.service.words("After"), name)
		if x.service != nil && !early {
			x.problem(dir, fmt.Sprintf("may be mounted after the daemon has begun; %s is there", p.what), x.dropIn(dir, "Unit", "RequiresMountsFor="+dir))
		}
	}
	return false
}
