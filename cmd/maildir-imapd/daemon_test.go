package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
)

// mailHost is a configuration for one user, ann, in a directory of its own.
func mailHost(t testing.TB) *config.Config {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/users", "ann:{PLAIN}secret\n")
	c, _, err := config.Parse([]byte(`
[server]
state = state
[listener "imap"]
listen = 127.0.0.1:0
[listener "imaps"]
enabled = no
[auth]
file = users
cleartext = loopback
[mail]
path = mail/%u
`), filepath.Join(dir, "imapd.ini"), dir)
	must(t, err)
	return c
}

// TestDaemonEndsClean: nothing of the daemon is left when run returns, with a client connected and one idle.
func TestDaemonEndsClean(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := mailHost(t)
	var out bytes.Buffer
	log, level := newLog(config.Log{Level: "debug", Format: "text", Target: "stderr"}, &out)
	d, err := newDaemon(filepath.Join(cfg.Server.State, "..", "imapd.ini"), cfg, log, level)
	must(t, err)
	addr := strings.TrimPrefix(d.gate.Addresses()[0], "imap ")
	ended := make(chan error, 1)
	go func() { ended <- d.run() }()

	var clients []*bufio.Reader
	for _, commands := range []string{"", "a LOGIN ann secret\r\nb SELECT INBOX\r\nc IDLE\r\n"} {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = io.WriteString(c, commands)
		must(t, err)
		r := bufio.NewReader(c)
		for want := map[bool]string{true: "+", false: "* OK"}[commands != ""]; ; {
			line, err := r.ReadString('\n')
			must(t, err)
			if strings.HasPrefix(line, want) {
				break
			}
		}
		clients = append(clients, r)
	}
	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	for i, r := range clients {
		rest, _ := io.ReadAll(r)
		if !strings.Contains(string(rest), "* BYE") {
			t.Errorf("client %d was told %q", i, rest)
		}
	}
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the daemon does not end")
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("a password is in the log")
	}
}

// TestFailedStartLeavesNothing: what was begun before the error is taken back.
func TestFailedStartLeavesNothing(t *testing.T) {
	for name, spoil := range map[string]func(*config.Config){
		"password file": func(c *config.Config) { c.Auth.File = "/nonexistent" },
		"certificate":   func(c *config.Config) { c.TLS.Certificate = "/nonexistent" },
		"listener":      func(c *config.Config) { c.Listeners[0].Listen = []string{"192.0.2.1:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			cfg := mailHost(t)
			spoil(cfg)
			if _, err := newDaemon("x.ini", cfg, slog.New(slog.DiscardHandler), new(slog.LevelVar)); err == nil {
				t.Error("it started")
			}
		})
	}
}

// TestPreauthAsAnother: who may say which user.
func TestPreauthAsAnother(t *testing.T) {
	cfg := mailHost(t)
	root := filepath.Dir(filepath.Dir(cfg.Mail.Path)) // of the test
	const me, other = 54321, 54322                    // accounts without a name
	must(t, os.MkdirAll(root+"/mail/bob", 0o700))
	if os.Geteuid() == 0 {
		must(t, os.Chown(root+"/mail", other, other))
		must(t, os.Chown(root+"/mail/bob", me, me))
	}
	for _, tt := range []struct {
		user string
		euid int
		ok   bool
	}{
		{"ann", 0, true},
		{"bob", me, os.Geteuid() == 0},
		{"ann", me, false},    // would be made in a directory of other's
		{"bob", other, false}, // can be read perhaps, but is not theirs
		{"ann", other, os.Geteuid() == 0},
		{"../ann", me, true}, // refused later, with the words for it
	} {
		err := refuseOther(cfg, imapd.Identity{User: tt.user}, tt.euid)
		if (err == nil) != tt.ok {
			t.Errorf("%s by %d: %v", tt.user, tt.euid, err)
		}
	}
	u, err := user.Current()
	must(t, err)
	uid, err := strconv.Atoi(u.Uid)
	must(t, err)
	if err := refuseOther(cfg, imapd.Identity{User: u.Username}, uid); err != nil {
		t.Errorf("oneself: %v", err)
	}
}

func TestPreauthEndsClean(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	in := strings.NewReader("a SELECT INBOX\r\nb LOGOUT\r\n")
	must(t, preauth(t.Context(), mailHost(t), "ann", in, &out, slog.New(slog.DiscardHandler)))
	if s := out.String(); !strings.HasPrefix(s, "* PREAUTH ") || !strings.Contains(s, "\r\na OK ") || !strings.HasSuffix(s, "\r\n") {
		t.Errorf("%q", s)
	}
	if err := preauth(t.Context(), mailHost(t), "../ann", strings.NewReader(""), &out, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("%v", err) // told to the client: BYE
	}
	if s := out.String(); !strings.Contains(s, "* BYE") {
		t.Errorf("%q", s)
	}
}
