package imapd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// losesUIDValidity removes what tells a mailbox's UIDVALIDITY, and leaves signs that it had one.
func losesUIDValidity(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "dovecot-uidvalidity*"))
	for _, f := range append(files, filepath.Join(dir, "dovecot-uidlist"), filepath.Join(dir, "maildir-imapd.index")) {
		if e := os.Remove(f); e != nil && !os.IsNotExist(e) {
			err = errors.Join(err, e)
		}
	}
	if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "dovecot-uidvalidity"), []byte("00000005"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestAlertOnceASession: each session is told once of each mailbox whose UIDVALIDITY was lost, first of all in the answer to
// its first SELECT or EXAMINE of it (RFC 9051 §7.1: an ALERT must be shown to the user), and of no other; a session of the
// next process is told nothing.
func TestAlertOnceASession(t *testing.T) {
	const alert = "* OK [ALERT] The list of this mailbox's UIDs was lost: everything in it will be read anew\r\n"
	s := startServer(t, nil)
	c := s.client(t).login()
	for _, command := range []string{"a CREATE Work", "b CREATE Kept", "c SELECT INBOX"} {
		c.answer(command)
	}
	for _, name := range []string{"INBOX", "Work", "Kept"} {
		c.send("d APPEND " + name + " {14+}\r\nSubject: a\r\n\r\n\r\n")
		c.expect("d OK")
		c.answer("e SELECT " + name)
		c.answer("f FETCH 1 (ENVELOPE)")
	}
	s.stop()
	losesUIDValidity(t, s.mail)
	losesUIDValidity(t, filepath.Join(s.mail, ".Work"))
	s.start()
	type step struct {
		command string
		alerts  int
	}
	steps := []step{
		{"a STATUS INBOX (UIDVALIDITY)", 0},
		{"b SELECT INBOX", 1},
		{"c SELECT INBOX", 0},
		{"d NOOP", 0},
		{"e EXAMINE inbox", 0},
		{"f EXAMINE Work", 1},
		{"g SELECT Kept", 0},
		{"h SELECT Work", 0},
		{"i UNSELECT", 0},
		{"j SELECT INBOX", 0},
	}
	play := func(told int) {
		t.Helper()
		c := s.client(t).login()
		for _, x := range steps {
			got := c.answer(x.command)
			if n := strings.Count(got, "[ALERT]"); n != x.alerts*told {
				t.Errorf("%s: %d alerts, want %d: %q", x.command, n, x.alerts*told, got)
			}
			if body := strings.TrimPrefix(got, "* OK [CLOSED] Previous mailbox is closed\r\n"); x.alerts*told == 1 && !strings.HasPrefix(body, alert) {
				t.Errorf("%s: the alert is not the first that is said: %q", x.command, got)
			}
		}
		c.answer("z LOGOUT")
	}
	play(1)
	play(1) // whoever comes later is told as well, once
	if err := s.restart(); err != nil {
		t.Fatal(err)
	}
	play(0)
}
