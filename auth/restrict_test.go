package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

func from(ip string) Conn {
	return Conn{Remote: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}, Cleartext: true}
}

// TestRestrictions: Dovecot's nologin and allow_nets keep out whom they keep out there, by every mechanism.
func TestRestrictions(t *testing.T) {
	unix := Conn{Remote: &net.UnixAddr{Net: "unix"}, Cleartext: true}
	for _, tt := range []struct {
		extra string
		conn  Conn
		in    bool
	}{
		{"", from("192.0.2.1"), true},
		{"userdb_quota=1G", from("192.0.2.1"), true},
		{"nologin", from("192.0.2.1"), false},
		{"nologin=y", from("192.0.2.1"), false},
		{"allow_nets=192.0.2.0/24", from("192.0.2.1"), true},
		{"allow_nets=192.0.2.7/24", from("192.0.2.1"), true},
		{"allow_nets=192.0.2.0/24", from("198.51.100.1"), false},
		{"allow_nets=198.51.100.1,2001:db8::/32", from("198.51.100.1"), true},
		{"allow_nets=198.51.100.1,2001:db8::/32", from("2001:db8::5"), true},
		{"allow_nets=198.51.100.1,2001:db8::/32", from("198.51.100.2"), false},
		{"allow_nets=local", unix, true},
		{"allow_nets=local", from("127.0.0.1"), false},
		{"allow_nets=127.0.0.1", unix, false},
		{"allow_nets=127.0.0.1", Conn{Cleartext: true}, false},
	} {
		f, err := Parse("users", []byte("ann:{PLAIN}secret::::::"+tt.extra+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		a := New(Options{File: f, Delay: time.Nanosecond})
		_, err = a.Login(t.Context(), "ann", "secret", tt.conn)
		if (err == nil) != tt.in || (err != nil && !errors.Is(err, ErrNotFromHere)) {
			t.Errorf("%q, LOGIN from %v: %v", tt.extra, tt.conn.Remote, err)
		}
		var e *Error
		if errors.As(err, &e) && e.Text != failedText {
			t.Errorf("the client learns %q", e.Text)
		}
		for mech, try := range map[string]func(*Authenticator, Conn) error{"CRAM-MD5": byCRAM, "SCRAM-SHA-256": bySCRAM} {
			if err := try(a, tt.conn); (err == nil) != tt.in {
				t.Errorf("%q, %s from %v: %v", tt.extra, mech, tt.conn.Remote, err)
			}
		}
	}
	_, err := Parse("users", []byte("ann:{PLAIN}secret::::::allow_nets=192.0.2.0/33\n"))
	if err == nil || !strings.Contains(err.Error(), `users:1: user "ann": allow_nets: "192.0.2.0/33" is no`) {
		t.Errorf("%v", err)
	}
	// A second line of the user does not open what the first has closed.
	f, err := Parse("users", []byte("ann:{PLAIN}secret::::::nologin\nann:{PLAIN}secret::::::allow_nets=0.0.0.0/0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{File: f, Delay: time.Nanosecond}).Login(t.Context(), "ann", "secret", from("192.0.2.1")); err == nil {
		t.Error("nologin of the first line is forgotten")
	}
}

func byCRAM(a *Authenticator, c Conn) error {
	x, err := a.Start("CRAM-MD5", c)
	if err != nil {
		return err
	}
	challenge, _, err := x.Next(context.Background(), nil)
	if err != nil {
		return err
	}
	_, _, err = x.Next(context.Background(), []byte("ann "+hex.EncodeToString(newCRAM("secret").mac(challenge))))
	return err
}

func bySCRAM(a *Authenticator, c Conn) error {
	client, err := scram.SHA256.NewClient("ann", "secret", "")
	if err != nil {
		return err
	}
	x, err := a.Start("SCRAM-SHA-256", c)
	if err != nil {
		return err
	}
	return runSCRAM(x, client.NewConversation())
}

// TestFIFOIsRefused: opening one must not wait for a writer.
func TestFIFOIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := LoadFile(path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("%v", err)
	}
}
