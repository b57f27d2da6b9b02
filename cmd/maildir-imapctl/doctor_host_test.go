package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var examTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// examined is an exam of a machine that a test has made.
type examined struct {
	*exam
	t   *testing.T
	dir string // of the configuration and what it names
	out strings.Builder
}

// newExam makes a machine on which everything is well, with the mail of two users below mail, as the test's own account.
func newExam(t *testing.T, ini string) *examined {
	t.Helper()
	e := &examined{t: t, dir: t.TempDir()}
	e.write("imapd.ini", "[server]\nroot = yes\nstate = state\nhostname = mail.example.org\n[auth]\nfile = users\n[mail]\npath = mail/%u\n"+ini)
	e.write("users", "ann:{PLAIN}x\nbob:{PLAIN}x\n")
	for _, dir := range []string{"state", "mail/ann/cur", "mail/ann/new", "mail/ann/tmp", "mail/ann/.Work/cur", "mail/bob/cur", "host/proc", "host/etc/systemd/system"} {
		e.mkdir(dir)
	}
	e.write("host/proc/sys/fs/inotify/max_user_watches", "8192\n")
	e.write("host/proc/sys/fs/inotify/max_user_instances", "128\n")
	e.write("host/proc/net/tcp", "  sl\n")
	e.exam = &exam{cmd: doctorCommand(), file: filepath.Join(e.dir, "imapd.ini"), host: host{
		root:     filepath.Join(e.dir, "host"),
		run:      func(context.Context, string, ...string) (string, error) { return "", errors.New("no such program") },
		now:      func() time.Time { return examTime },
		clock:    func() (bool, error) { return true, nil },
		hostname: func() (string, error) { return "vm", nil },
		statfs:   unix.Statfs,
		disk:     thisDisk,
	}}
	e.cmd.SetContext(t.Context())
	e.cmd.SetOut(&e.out)
	return e
}

func (e *examined) path(name string) string { return filepath.Join(e.dir, name) }

func (e *examined) mkdir(name string) {
	e.t.Helper()
	if err := os.MkdirAll(e.path(name), 0o755); err != nil {
		e.t.Fatal(err)
	}
}

func (e *examined) write(name, text string) {
	e.t.Helper()
	e.mkdir(filepath.Dir(name))
	if err := os.WriteFile(e.path(name), []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

func (e *examined) link(to, name string) {
	e.t.Helper()
	e.mkdir(filepath.Dir(name))
	if err := os.Symlink(to, e.path(name)); err != nil {
		e.t.Fatal(err)
	}
}

// finds runs a check and wants these findings, each a beginning of a line, with a * for whatever; lines of commands
// begin with four blanks. No more is said.
func (e *examined) finds(check string, want ...string) {
	e.t.Helper()
	e.out.Reset()
	e.bad, e.found, e.noted = nil, 0, 0
	checks, err := chosenChecks([]string{check}, false)
	if err != nil {
		e.t.Fatal(err)
	}
	err = e.exam.run(checks, "")
	got := strings.Split(strings.TrimSuffix(strings.ReplaceAll(e.out.String(), e.dir, "DIR"), "\n"), "\n")
	if len(want) == 0 {
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "nothing found") {
			e.t.Errorf("%s: want nothing, error %v:\n%s", check, err, strings.Join(got, "\n"))
		}
		return
	}
	if notes := strings.HasPrefix(want[0], "note: "); notes && err != nil || !notes && !errors.Is(err, errFindings) {
		e.t.Errorf("%s: error %v", check, err)
	} else if notes {
		want = append(slices.Clip(want), "nothing else found (as account ")
	}
	for i, line := range got {
		if i >= len(want) || !matches(line, want[i]) {
			e.t.Errorf("%s: line %d is not what was wanted:\n%s\nwant:\n%s", check, i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
			return
		}
	}
	if len(got) < len(want) {
		e.t.Errorf("%s: there is no %q in\n%s", check, want[len(got)], strings.Join(got, "\n"))
	}
}

func matches(line, want string) bool {
	for i, part := range strings.Split(want, "*") {
		at := strings.Index(line, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		line = line[at+len(part):]
	}
	return true
}
