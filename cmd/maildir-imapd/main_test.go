package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/gate"
)

func TestRefuseRoot(t *testing.T) {
	c := config.Default()
	if err := refuseRoot(c, "x.ini", 0); err == nil || !strings.Contains(err.Error(), "[server] root = yes in x.ini") {
		t.Errorf("root: %v", err)
	}
	if err := refuseRoot(c, "x.ini", 1000); err != nil {
		t.Errorf("a user: %v", err)
	}
	c.Server.Root = true
	if err := refuseRoot(c, "x.ini", 0); err != nil {
		t.Errorf("allowed root: %v", err)
	}
}

func TestCleartext(t *testing.T) {
	local, remote := &net.TCPAddr{IP: net.IPv6loopback}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}
	for _, tt := range []struct {
		word          config.Cleartext
		local, remote bool
	}{
		{config.CleartextTLSOnly, false, false},
		{config.CleartextNo, false, false},
		{config.CleartextLoopback, true, false},
		{config.CleartextYes, true, true},
	} {
		for addr, want := range map[net.Addr]bool{local: tt.local, remote: tt.remote} {
			got := connInfo(addressed{remote: addr}, &gate.Info{Mode: config.StartTLS}, tt.word)
			if got.Cleartext != want || !got.StartTLS || got.RequireTLS {
				t.Errorf("%s from %v: %+v", tt.word, addr, got)
			}
		}
	}
	if got := connInfo(addressed{remote: remote}, &gate.Info{Mode: config.Required}, ""); !got.StartTLS || !got.RequireTLS {
		t.Errorf("required: %+v", got)
	}
}

// addressed is a connection that has only addresses.
type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }
func (a addressed) LocalAddr() net.Addr  { return a.remote }

func TestCleartextNoLeavesNoPasswords(t *testing.T) {
	dir := t.TempDir()
	c := config.Default()
	c.Auth.File = filepath.Join(dir, "users")
	must(t, os.WriteFile(c.Auth.File, []byte("ann:{PLAIN}secret\n"), 0o600))
	c.Auth.Cleartext = config.CleartextNo
	p, err := loadPasswords(c, nil)
	must(t, err)
	a := engineAuth(newAuthenticator(c, "mail.example.org", p, nil), nil)
	got := a.Mechanisms(imapd.ConnInfo{TLS: true})
	for _, m := range got {
		if m == "PLAIN" || m == "LOGIN" {
			t.Errorf("%s is offered", m)
		}
	}
	if len(got) == 0 {
		t.Error("nothing is offered")
	}
	if _, err := a.Login(t.Context(), "ann", "secret", imapd.ConnInfo{TLS: true}); err == nil {
		t.Error("the LOGIN command works")
	}
}

func TestLoginSeedIsKept(t *testing.T) {
	dir := t.TempDir()
	first := loginSeed(dir)
	if len(first) != 32 || !bytes.Equal(first, loginSeed(dir)) {
		t.Error("not the same after a restart")
	}
	if info, err := os.Stat(filepath.Join(dir, "login-seed")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if loginSeed("") != nil {
		t.Error("a seed out of nowhere")
	}
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	log, level := newLog(config.Log{Level: "warn", Format: "json", Target: "stderr"}, &b)
	log.Info("hidden")
	log.Warn("seen", "user", "ann")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["user"] != "ann" {
		t.Errorf("%v %s", err, b.String())
	}
	setLevel(level, config.Log{Level: "debug"})
	b.Reset()
	if log.Debug("now seen"); b.Len() == 0 {
		t.Error("the level does not turn")
	}
}

// TestJournalLines: what reaches the journal has neither time nor level, and survives a journal that is away.
func TestJournalLines(t *testing.T) {
	var b bytes.Buffer
	h := newJournalHandler("text", slog.LevelInfo, &b)
	log := slog.New(h).With("conn", 7)
	log.Info("login failed", "user", "ann", "remote", "192.0.2.1")
	got := b.String()
	if got == "" { // this machine has a journal, which has it now
		h.out.mu.Lock()
		got = h.out.line.String()
		h.out.mu.Unlock()
	}
	if want := "msg=\"login failed\" conn=7 user=ann remote=192.0.2.1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	s, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	defer s.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4000000")
	n := notifier{slog.New(slog.DiscardHandler)}
	next := func() string {
		b := make([]byte, 1000)
		_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
		m, err := s.Read(b)
		must(t, err)
		return string(b[:m])
	}
	n.ready("all well")
	if got := next(); got != "READY=1\nSTATUS=all well" {
		t.Errorf("%q", got)
	}
	n.reloading()
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || !strings.HasSuffix(got, "\nSTATUS=Reloading") {
		t.Errorf("%q", got)
	}
	n.stopping()
	if got := next(); !strings.HasPrefix(got, "STOPPING=1\n") {
		t.Errorf("%q", got)
	}
	if got := n.watchdog(); got != 2*time.Second {
		t.Errorf("watchdog every %v", got)
	}
}

// TestOverPipe: output is complete when the session ends first, and the session ends when the input does.
func TestOverPipe(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	in, hold := io.Pipe()
	err := overPipe(in, &out, func(c net.Conn) {
		b := make([]byte, 3)
		_, _ = hold.Write([]byte("abc"))
		_, _ = io.ReadFull(c, b)
		_, _ = c.Write(b)
		_, _ = c.Write(bytes.Repeat([]byte("x"), 1<<20))
	})
	hold.Close()
	if err != nil || out.Len() != 1<<20+3 || !strings.HasPrefix(out.String(), "abc") {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	err = overPipe(strings.NewReader("x"), io.Discard, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if err != nil {
		t.Error(err)
	}
}

// TestDefaultsAgree: the engine's defaults are those of an empty configuration.
func TestDefaultsAgree(t *testing.T) {
	if d := cmp.Diff(imapd.DefaultLimits(), engineLimits(config.Default())); d != "" {
		t.Errorf("(-engine +config):\n%s", d)
	}
}
