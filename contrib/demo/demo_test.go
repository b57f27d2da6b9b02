package main

import (
	"bytes"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
)

// Every letter is a message that another library reads to the last part.
func TestLettersParse(t *testing.T) {
	now := time.Now()
	for i, l := range append(letters(), announcements()...) {
		raw := l.write(i, now)
		if bytes.Contains(raw, []byte("\r")) {
			t.Errorf("%q: has a CR; on disk lines end in LF", l.subject)
		}
		m, err := message.Read(bytes.NewReader(raw))
		if err != nil {
			t.Errorf("%q: %v", l.subject, err)
			continue
		}
		if got, err := m.Header.Text("Subject"); err != nil || got != l.subject {
			t.Errorf("subject %q, %v; want %q", got, err, l.subject)
		}
		if _, err := mail.ParseAddress(m.Header.Get("From")); err != nil {
			t.Errorf("%q: From: %v", l.subject, err)
		}
		err = m.Walk(func(_ []int, e *message.Entity, err error) error {
			if err != nil {
				return err
			}
			if e.MultipartReader() == nil {
				_, err = new(bytes.Buffer).ReadFrom(e.Body)
			}
			return err
		})
		if err != nil {
			t.Errorf("%q: %v", l.subject, err)
		}
	}
}

func TestSeed(t *testing.T) {
	dir := t.TempDir()
	n, err := seed(places{dir: dir, user: filepath.Join(dir, "mail", user), public: filepath.Join(dir, "public")})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "mail", user, "*", "*:2,*"))
	if err != nil || len(files) < 20 {
		t.Errorf("%d messages in INBOX's cur, %v", len(files), err)
	}
	for _, want := range []string{"mail/demo/new", "mail/demo/.Lists.news/cur", "mail/demo/.Drafts/cur", "public/Announcements/cur"} {
		if names, err := os.ReadDir(filepath.Join(dir, want)); err != nil || len(names) == 0 {
			t.Errorf("%s: %d messages, %v", want, len(names), err)
		}
	}
	if n < 30 {
		t.Errorf("%d messages", n)
	}
}

// The whole demo, once, with a daemon built for it.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the daemon")
	}
	daemon := filepath.Join(t.TempDir(), "maildir-imapd")
	build := exec.Command("go", "build", "-o", daemon, "maildir-imapd/cmd/maildir-imapd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	if err := run(t.Context(), daemon, true); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDaemonThatFails(t *testing.T) {
	err := run(t.Context(), "false", true)
	if err == nil || !strings.Contains(err.Error(), "did not start") {
		t.Errorf("error %v", err)
	}
	if err := run(t.Context(), "/nonexistent/daemon", true); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error %v", err)
	}
}
