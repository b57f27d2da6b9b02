package auth

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"
)

const (
	scramLine = "{SCRAM-SHA-256}4096,My92iHHJu+HuTnfMiwadAA==,7DsOhp043be8uIxAHXl1l8He1KUwsWFtQfCxvmMKwmU=,1D2kCgmG0PvxfCJHXwEYthPA/iqHqbKTxDaoi2cEybs="
	scram1    = "{SCRAM-SHA-1}4096,2I5XcVPnSHr8E/5aODLxBg==,hKv+PoBwhYp4ctSgMlMtR2TIHpY=,kIppwzbcGXsZdVHlLafaiFiQLh4="
	cramLine  = "{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56"
	shaLine   = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
	bcryptPW  = "$2y$05$TRY9DLMKK3yJoQ/X72GDIeMr8utwYw9LfJxHi0biTon.MlIwWgqTO"
)

// TestAnonymous: who does not say who it is gets in where that is allowed, and nowhere else; what is said is not taken.
func TestAnonymous(t *testing.T) {
	a := quick(testFile(t, "anonymous:{PLAIN}secret"))
	if _, err := a.Start("ANONYMOUS", overTLS); err == nil {
		t.Error("allowed without a word")
	}
	a = New(Options{File: testFile(t, "anonymous:{PLAIN}secret::::::groups=staff"), Delay: time.Millisecond, Anonymous: true, Mechanisms: []string{"PLAIN"}})
	if got := strings.Join(a.Mechanisms(overTLS), " "); got != "PLAIN ANONYMOUS" {
		t.Errorf("offered: %s", got)
	}
	for _, responses := range [][][]byte{{[]byte("x@example.org")}, {nil, []byte("")}, {{}}, {[]byte(strings.Repeat("\u00fc", 255))}} {
		x := start(t, a, "anonymous", inClear)
		_, done, err := converse(t, x, responses...)
		want := User{Name: "anonymous", Mechanism: "ANONYMOUS", Anonymous: true}
		if d := cmp.Diff(want, x.User()); !done || err != nil || d != "" {
			t.Errorf("%q: %v %v %s", responses, done, err, d)
		}
		if _, _, err := x.Next(t.Context(), []byte("x")); err == nil {
			t.Error("goes on after its end")
		}
	}
	for _, bad := range []string{"a\x00b", "\xff", strings.Repeat("x", 256), "a\r\nb"} {
		x := start(t, a, "ANONYMOUS", inClear)
		_, _, err := converse(t, x, []byte(bad))
		cause(t, err, ErrProtocol)
		if x.User().Anonymous {
			t.Errorf("%q: in", bad)
		}
	}
	u, err := a.Login(t.Context(), "anonymous", "secret", overTLS)
	if err != nil || u.Anonymous {
		t.Errorf("a user of that name: %+v %v", u, err)
	}
}

func TestMechanismsOffered(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		allowed    []string
		clear      bool
		c          Conn
		want       string
	}{
		{name: "bcrypt, TLS", line: bcryptPW, c: overTLS, want: "PLAIN LOGIN"},
		{name: "bcrypt, clear", line: bcryptPW, c: inClear, want: ""},
		{name: "bcrypt, clear allowed here", line: bcryptPW, c: Conn{Cleartext: true}, want: "PLAIN LOGIN"},
		{name: "bcrypt, clear allowed everywhere", line: bcryptPW, clear: true, c: inClear, want: "PLAIN LOGIN"},
		{name: "cram, clear", line: cramLine, c: inClear, want: "CRAM-MD5"},
		{name: "cram, TLS", line: cramLine, c: overTLS, want: "CRAM-MD5 PLAIN LOGIN"},
		{name: "scram, clear", line: scramLine, c: inClear, want: "SCRAM-SHA-256"},
		{name: "scram, bound", line: scramLine, c: bound, want: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"},
		{name: "scram 1, TLS", line: scram1, c: overTLS, want: "SCRAM-SHA-1 PLAIN LOGIN"},
		{name: "plain, bound", line: "{PLAIN}secret", c: bound, want: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"},
		{name: "allowed only", line: "{PLAIN}secret", c: bound, allowed: []string{"plain", "cram-md5"}, want: "CRAM-MD5 PLAIN"},
		{name: "binding without data", line: scramLine, c: Conn{TLS: true, ChannelBinding: func() (string, []byte) { return "tls-unique", nil }}, want: "SCRAM-SHA-256 PLAIN LOGIN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Options{File: testFile(t, "alice:"+tt.line), Mechanisms: tt.allowed, Cleartext: tt.clear})
			got := a.Mechanisms(tt.c)
			if d := cmp.Diff(tt.want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
			for _, m := range mechanisms {
				_, err := a.Start(strings.ToLower(m.name), tt.c)
				if offered := strings.Contains(" "+tt.want+" ", " "+m.name+" "); offered != (err == nil) {
					t.Errorf("%s: offered %v, start: %v", m.name, offered, err)
				}
			}
			_, err := a.Login(context.Background(), "alice", "secret", tt.c)
			if offered := strings.Contains(" "+tt.want+" ", " PLAIN "); offered != (err == nil) {
				t.Errorf("LOGIN command: PLAIN offered %v, got %v", offered, err)
			}
		})
	}
}

func TestRefusedMechanismsSayWhy(t *testing.T) {
	a := quick(testFile(t, "alice:"+scramLine))
	for mech, want := range map[string]string{"PLAIN": "PRIVACYREQUIRED", "CRAM-MD5": "CANNOT", "GSSAPI": "CANNOT", "": "CANNOT"} {
		_, err := a.Start(mech, inClear)
		var e *Error
		if !errors.As(err, &e) || string(e.ResponseCode()) != want {
			t.Errorf("%s: %v", mech, err)
		}
	}
}

// converse runs an exchange: responses are given in turn, the first may be nil.
func converse(t testing.TB, x Exchange, responses ...[]byte) (challenges []string, done bool, err error) {
	t.Helper()
	for _, r := range responses {
		var c []byte
		c, done, err = x.Next(context.Background(), r)
		if err != nil || done {
			return challenges, done, err
		}
		challenges = append(challenges, string(c))
	}
	return challenges, done, err
}

func start(t testing.TB, a *Authenticator, mech string, c Conn) Exchange {
	t.Helper()
	x, err := a.Start(mech, c)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestPlainAndLogin(t *testing.T) {
	a := quick(testFile(t, "alice:"+shaLine, "bob:"+shaLine))
	b := func(s string) []byte { return []byte(s) }
	for _, tt := range []struct {
		mech      string
		responses [][]byte
		prompts   string
		cause     error
	}{
		{mech: "PLAIN", responses: [][]byte{b("\x00alice\x00secret")}},
		{mech: "PLAIN", responses: [][]byte{nil, b("\x00alice\x00secret")}, prompts: "|"},
		{mech: "PLAIN", responses: [][]byte{b("alice\x00alice\x00secret")}},
		{mech: "PLAIN", responses: [][]byte{b("\x00alice\x00wrong")}, cause: ErrBadPassword},
		{mech: "PLAIN", responses: [][]byte{b("bob\x00alice\x00wrong")}, cause: ErrBadPassword},
		{mech: "PLAIN", responses: [][]byte{b("\x00carol\x00secret")}, cause: ErrNoUser},
		{mech: "PLAIN", responses: [][]byte{b("\x00../alice\x00secret")}, cause: ErrBadName},
		{mech: "PLAIN", responses: [][]byte{b("")}, cause: ErrProtocol},
		{mech: "PLAIN", responses: [][]byte{b("alice\x00secret")}, cause: ErrProtocol},
		{mech: "PLAIN", responses: [][]byte{b("\x00alice\x00secret\x00")}, cause: ErrProtocol},
		{mech: "LOGIN", responses: [][]byte{nil, b("alice"), b("secret")}, prompts: "Username:|Password:|"},
		{mech: "LOGIN", responses: [][]byte{b("alice"), b("secret")}, prompts: "Password:|"},
		{mech: "LOGIN", responses: [][]byte{nil, b("alice"), b("")}, prompts: "Username:|Password:|", cause: ErrBadPassword},
		{mech: "LOGIN", responses: [][]byte{nil, b("carol"), b("secret")}, prompts: "Username:|Password:|", cause: ErrNoUser},
	} {
		x := start(t, a, tt.mech, overTLS)
		got, done, err := converse(t, x, tt.responses...)
		if p := strings.Join(append(got, ""), "|"); p != tt.prompts {
			t.Errorf("%s %q: prompts %q", tt.mech, tt.responses, p)
		}
		if tt.cause != nil {
			cause(t, err, tt.cause)
			continue
		}
		if err != nil || !done || x.User().Name != "alice" || x.User().Mechanism != tt.mech {
			t.Errorf("%s %q: %v %v %+v", tt.mech, tt.responses, done, err, x.User())
		}
		if _, _, err := x.Next(context.Background(), []byte("\x00bob\x00secret")); err == nil || x.User().Name != "alice" {
			t.Errorf("%s: goes on after its end", tt.mech)
		}
	}
}

func TestAuthorizationIdentity(t *testing.T) {
	a := quick(testFile(t, "alice:"+shaLine, "alice:"+scramLine, "bob:"+shaLine))
	_, _, err := converse(t, start(t, a, "PLAIN", overTLS), []byte("bob\x00alice\x00secret"))
	var e *Error
	if !errors.As(err, &e) || e.ResponseCode() != "AUTHORIZATIONFAILED" || !errors.Is(err, ErrAuthzid) {
		t.Errorf("PLAIN: %v", err)
	}
	client, cerr := scram.SHA256.NewClient("alice", "secret", "bob")
	if cerr != nil {
		t.Fatal(cerr)
	}
	x := start(t, a, "SCRAM-SHA-256", inClear)
	if err := runSCRAM(x, client.NewConversation()); !errors.Is(err, ErrAuthzid) || x.User().Name != "" {
		t.Errorf("SCRAM: %v %+v", err, x.User())
	}
}

func TestCRAMVectors(t *testing.T) {
	// Dovecot's own test of the stored form.
	if got := newCRAM("test").hex(); got != "e02d374fde0dc75a17a557039a3a5338c7743304777dccd376f332bee68d2cf6" {
		t.Errorf("contexts of \"test\": %s", got)
	}
	// RFC 2195 §2.
	got := hex.EncodeToString(newCRAM("tanstaaftanstaaf").mac([]byte("<1896.697170952@postoffice.reston.mci.net>")))
	if got != "b913a602c7eda7a495b4e6e7334d3890" {
		t.Errorf("RFC 2195's example: %s", got)
	}
	// A key longer than a block.
	long := strings.Repeat("long ", 20)
	mac := hmac.New(md5.New, []byte(long))
	mac.Write([]byte("<x@y>"))
	if !hmac.Equal(mac.Sum(nil), newCRAM(long).mac([]byte("<x@y>"))) {
		t.Error("a password of more than 64 bytes")
	}
}

func TestCRAM(t *testing.T) {
	a := quick(testFile(t, "alice:"+cramLine, "bob:{PLAIN}secret", "carol:"+shaLine, "two words:"+cramLine))
	for _, tt := range []struct {
		user, password string
		cause          error
	}{
		{"alice", "secret", nil},
		{"bob", "secret", nil},
		{"two words", "secret", nil},
		{"alice", "wrong", ErrBadPassword},
		{"bob", "wrong", ErrBadPassword},
		{"carol", "secret", ErrNoVerifier},
		{"dave", "secret", ErrNoUser},
		{"", "secret", ErrBadName},
	} {
		x := start(t, a, "CRAM-MD5", inClear)
		c, _, err := x.Next(context.Background(), nil)
		if err != nil || !strings.HasPrefix(string(c), "<") || !strings.HasSuffix(string(c), "@mail.example.org>") {
			t.Fatalf("challenge %q, %v", c, err)
		}
		mac := hmac.New(md5.New, []byte(tt.password))
		mac.Write(c)
		_, done, err := x.Next(context.Background(), []byte(tt.user+" "+hex.EncodeToString(mac.Sum(nil))))
		if tt.cause != nil {
			cause(t, err, tt.cause)
		} else if err != nil || !done || x.User().Name != tt.user || x.User().Mechanism != "CRAM-MD5" {
			t.Errorf("%s: %v, %+v", tt.user, err, x.User())
		}
	}
	_, _, err := converse(t, start(t, a, "CRAM-MD5", inClear), []byte("alice x"))
	cause(t, err, ErrProtocol)
	// The digest of all-zero contexts is what the fake exchange compares with: knowing
	// that must not help.
	x := start(t, a, "CRAM-MD5", inClear)
	c, _, _ := x.Next(context.Background(), nil)
	_, _, err = x.Next(context.Background(), []byte("dave "+hex.EncodeToString(new(cramContexts).mac(c))))
	cause(t, err, ErrNoUser)
}
