package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
	"golang.org/x/sys/unix"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/gate"
	"maildir-imapd/maildir"
)

// TestOpenSecretsAreTold: one line for each secret that others can reach, none for those that they cannot.
func TestOpenSecretsAreTold(t *testing.T) {
	dir := t.TempDir()
	c := config.Default()
	c.Server.State, c.Auth.File, c.TLS.Certificate = dir+"/state", dir+"/users", dir+"/both.pem"
	c.Hosts = []config.Host{{Name: "mail.example.net", Certificate: dir + "/open.pem", Key: dir + "/net.key"}}
	must(t, os.Mkdir(c.Server.State, 0o750))
	for _, name := range []string{"users", "both.pem", "open.pem", "net.key", "state/login-seed"} {
		write(t, filepath.Join(dir, name), "x")
		must(t, os.Chmod(filepath.Join(dir, name), 0o640))
	}
	must(t, os.Chmod(dir+"/open.pem", 0o644)) // a certificate alone is public
	var b bytes.Buffer
	warnSecrets(c, slog.New(slog.NewTextHandler(&b, nil)))
	if b.Len() > 0 {
		t.Errorf("of nothing: %s", &b)
	}
	for path, want := range map[string]string{
		dir + "/users":            `what="[auth] file" file=` + dir + `/users mode=0644 do="chmod o= `,
		dir + "/both.pem":         `what="[tls] key"`,
		dir + "/state/login-seed": `what="[server] state"`,
		dir + "/net.key":          `what="[tls \"mail.example.net\"] key"`,
	} {
		must(t, os.Chmod(path, 0o644))
		b.Reset()
		warnSecrets(c, slog.New(slog.NewTextHandler(&b, nil)))
		if !strings.Contains(b.String(), want) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%s: %s", path, &b)
		}
		must(t, os.Chmod(path, 0o600))
	}
	must(t, os.Chmod(c.Server.State, 0o777))
	b.Reset()
	warnSecrets(c, slog.New(slog.NewTextHandler(&b, nil)))
	if !strings.Contains(b.String(), "[server] state") {
		t.Errorf("state: %s", &b)
	}
}

// TestPasswordFileErrorsSayWhatToDo: of those that the daemon's user cannot read.
func TestPasswordFileErrorsSayWhatToDo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	c := config.Default()
	c.Auth.File = filepath.Join(t.TempDir(), "users")
	write(t, c.Auth.File, "ann:{PLAIN}secret\n")
	must(t, os.Chmod(c.Auth.File, 0))
	if _, err := loadPasswords(c, nil); err == nil || !strings.Contains(err.Error(), "this runs as "+whoami()) {
		t.Errorf("%v", err)
	}
}

// TestVanishedPasswordFile: the default file may be absent at a start, but one that goes away while its users are
// being served locks nobody out.
func TestVanishedPasswordFile(t *testing.T) {
	c := config.Default()
	if _, err := os.Stat(c.Auth.File); err == nil {
		t.Skip("this machine has " + c.Auth.File)
	}
	f, err := loadPasswords(c, nil)
	if err != nil || f.Len() != 0 {
		t.Fatalf("at the start: %v, %v", f, err)
	}
	if _, err := loadPasswords(c, f); err != nil {
		t.Errorf("still absent: %v", err)
	}
	before, err := auth.Parse("users", []byte("ann:{PLAIN}secret\n"))
	must(t, err)
	if _, err := loadPasswords(c, before); err == nil || !strings.Contains(err.Error(), "make it with maildir-imapctl passwd") {
		t.Errorf("gone: %v", err)
	}
}

// TestMailErrorsSayWhatToDo: what a new installation meets first.
func TestMailErrorsSayWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		&os.PathError{Op: "mkdir", Path: "/x", Err: unix.EROFS}:  "ReadWritePaths=",
		&os.PathError{Op: "mkdir", Path: "/x", Err: unix.EACCES}: "this runs as " + whoami(),
		maildir.ErrNoPermission:                                  "this runs as " + whoami(),
	} {
		if got := advice(fmt.Errorf("open tree: %w", err)); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
	if got := advice(maildir.ErrFull); got != "" {
		t.Errorf("%q", got)
	}
}

// TestEndPointBinding: a login bound to the certificate works with the one that the server showed, and with no
// other.
func TestEndPointBinding(t *testing.T) {
	cfg := mailHost(t)
	cfg.Listeners[1].Enabled = true
	certs, err := gate.LoadCertificates(cfg, "mail.example.org", slog.New(slog.DiscardHandler))
	must(t, err)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	server := tls.Server(near, certs.Config())
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	client := tls.Client(far, &tls.Config{ServerName: "mail.example.org", InsecureSkipVerify: true})
	go func() { _, _ = client.Read(make([]byte, 1)) }() // takes the session tickets
	must(t, client.Handshake())
	must(t, <-shaken)
	state := server.ConnectionState()
	p, err := loadPasswords(cfg, nil)
	must(t, err)
	a := engineAuth(newAuthenticator(cfg, "mail.example.org", p, nil), certs)

	seen := auth.EndPointBinding(client.ConnectionState().PeerCertificates[0])
	for _, tt := range []struct {
		data []byte
		ok   bool
	}{{seen, true}, {append([]byte{seen[0] ^ 1}, seen[1:]...), false}, {nil, false}} {
		x, err := a.Start("SCRAM-SHA-256-PLUS", imapd.ConnInfo{TLS: true, TLSState: &state})
		must(t, err)
		c, err := scram.SHA256.NewClient("ann", "secret", "")
		must(t, err)
		conv := c.NewConversationWithChannelBinding(scram.ChannelBinding{Type: "tls-server-end-point", Data: tt.data})
		var challenge []byte
		for done := false; !done && err == nil; {
			var said string
			if said, err = conv.Step(string(challenge)); err == nil {
				challenge, done, err = x.Next(t.Context(), []byte(said))
			}
		}
		if (err == nil) != tt.ok {
			t.Errorf("%x: %v", tt.data, err)
		}
	}
}
