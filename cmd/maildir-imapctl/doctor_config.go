package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
)

// checkConfig tells of what maildir-imapd -check finds in the configuration, and of what its account cannot read.
func checkConfig(x *exam) {
	again := fmt.Sprintf("# mend the line, then: maildir-imapd -check -config %s", shellQuote(x.file))
	for _, p := range x.asked {
		x.problem(placeOf(p), textOf(p)+"; the daemon does not start with it, and one that runs keeps what it had", again)
	}
	for i := range x.warns {
		x.problem(placeOf(&x.warns[i].Problem), textOf(&x.warns[i].Problem), again)
	}
	if x.site == nil {
		return
	}
	for _, f := range []struct{ key, path string }{{"", x.file}, {"[auth] groups", x.c.Auth.Groups}, {"[server] motd", x.c.Server.Motd}} {
		if f.path == "" {
			continue
		}
		_, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.key == "":
			// all defaults
		case errors.Is(err, fs.ErrNotExist) && f.key == "[server] motd":
			// none today
		case errors.Is(err, fs.ErrNotExist):
			x.problem(f.path, f.key+" names this file, which is not there", fmt.Sprintf("# make it, or take the key out of %s", visible(x.file)))
		default:
			x.readable(f.path, orElse(f.key, "the configuration"))
		}
	}
	if x.c.Auth.Groups == "" {
		return
	}
	_, err := auth.LoadGroups(x.c.Auth.Groups)
	for _, l := range badLines(err) {
		x.problem(fmt.Sprintf("%s:%d", l.Path, l.Line), l.Msg, again)
	}
}

// badLines are those of which an error tells.
func badLines(err error) (lines []*auth.LineError) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			lines = append(lines, badLines(e)...)
		}
		return lines
	}
	if l, ok := err.(*auth.LineError); ok {
		return []*auth.LineError{l}
	}
	if err = errors.Unwrap(err); err != nil {
		return badLines(err)
	}
	return nil
}

// placeOf is where a problem is, and textOf what it is.
func placeOf(p *config.Problem) string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return p.File
}

func textOf(p *config.Problem) string {
	return strings.TrimPrefix(strings.TrimPrefix(p.Error(), placeOf(p)), ": ")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// realPath is absolute and has no links.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// readable tells where the daemon's account cannot read a file that it needs.
func (x *exam) readable(path, what string) {
	if !x.has(needsAccount) {
		return
	}
	real, err := realPath(path)
	if err != nil {
		x.unseen(err)
		return
	}
	needs := []need{{real, 4, what}}
	for _, dir := range above(filepath.Dir(real)) {
		needs = append(needs, need{dir, 1, "leads to " + what})
	}
	for _, n := range x.refused(needs) {
		l, err := lookAt(n.path)
		if err != nil {
			x.unseen(err)
			continue
		}
		x.problem(n.path, fmt.Sprintf("%s, as which the daemon runs, has no permission %s (%s); %s", x.account.name, lettersOf(n.want), &l, n.why),
			l.mend(&x.account, n.path, n.want, x.secretGroup())...)
	}
}
