package auth

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	bcryptCost = 4
	goleak.VerifyTestMain(m)
}

// testFile parses lines that must be good.
func testFile(t testing.TB, lines ...string) *File {
	t.Helper()
	f, err := Parse("users", []byte(strings.Join(lines, "\n")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// quick is an Authenticator whose failures do not hold the tests up.
func quick(f *File) *Authenticator {
	return New(Options{File: f, Hostname: "mail.example.org", Delay: time.Microsecond, Workers: 2})
}

var (
	inClear = Conn{}
	overTLS = Conn{TLS: true, Remote: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}}
	bound   = Conn{TLS: true, ChannelBinding: func() (string, []byte) { return "tls-exporter", []byte("exported") },
		EndPoint: func() []byte { return []byte("certificate") }}
)

// cause asserts that err is a failure that tells the client nothing, for this reason.
func cause(t testing.TB, err, want error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
		return
	}
	if e.ClientText() != failedText || e.ResponseCode() != "AUTHENTICATIONFAILED" {
		t.Errorf("the client is told %q [%s]", e.ClientText(), e.ResponseCode())
	}
}

func load(t *testing.T, name string) (*File, error) {
	t.Helper()
	return LoadFile(filepath.Join("..", "testdata", "auth", name))
}

func TestEveryFormOfSecret(t *testing.T) {
	f, err := load(t, "good.passwd")
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() < 40 {
		t.Errorf("only %d users", f.Len())
	}
	a := quick(f)
	for name := range f.users {
		u, err := a.Login(context.Background(), name, "secret", overTLS)
		if err != nil || u.Name != name || u.Mechanism != "LOGIN" {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		wrongs := []string{"", "Secret", "secre", "secrets", "secret\x00", f.users[name].forPlain()[0].raw, strings.Repeat("secret", 500)}
		if raceDetector {
			wrongs = wrongs[1:2]
		}
		for _, wrong := range wrongs {
			_, err := a.Login(context.Background(), name, wrong, overTLS)
			cause(t, err, ErrBadPassword)
		}
	}
}

func TestFurtherFields(t *testing.T) {
	f, err := load(t, "good.passwd")
	if err != nil {
		t.Fatal(err)
	}
	u := f.users["fields"].user
	if u.UID != "1000" || u.GID != "100" || u.Home != "/home/fields" || u.Extra["quota"] != "1G" || u.Extra["allow_nets"] != "10.0.0.0/8" {
		t.Errorf("fields: %+v", u)
	}
	if u := f.users["several"].user; u.UID != "1001" || u.GID != "101" || u.Home != "/home/several" {
		t.Errorf("several: %+v", u)
	}
}

func TestEveryBadLineIsNamed(t *testing.T) {
	f, err := load(t, "bad.passwd")
	if err == nil || f != nil {
		t.Fatalf("loaded: %v", f)
	}
	b, rerr := os.ReadFile(filepath.Join("..", "testdata", "auth", "bad.passwd.want"))
	if rerr != nil {
		t.Fatal(rerr)
	}
	got := strings.ReplaceAll(err.Error(), filepath.Join("..", "testdata", "auth")+"/", "") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(filepath.Join("..", "testdata", "auth", "bad.passwd.want"), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != string(b) {
		t.Errorf("got\n%swant\n%s", got, b)
	}
	input, rerr := os.ReadFile(filepath.Join("..", "testdata", "auth", "bad.passwd"))
	if rerr != nil {
		t.Fatal(rerr)
	}
	if lines := strings.Count(string(input), "\n") - 1; strings.Count(got, "\n") != lines {
		t.Errorf("%d messages for %d lines", strings.Count(got, "\n"), lines)
	}
	if strings.Contains(strings.ToLower(got), "hunter") || strings.Contains(got, "TeGI5") {
		t.Error("a message contains a secret")
	}
	var le *LineError
	if !errors.As(err, &le) || le.Line != 2 {
		t.Errorf("first LineError: %+v", le)
	}
}

func TestNamesOfUsers(t *testing.T) {
	for _, bad := range []string{"", ".", "..", ".a", "a/b", "/", "a\x00b", "a\nb", "a\x7f", "a\u0085", "a\xff", strings.Repeat("a", 256)} {
		if err := CheckName(bad); !errors.Is(err, ErrBadName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"a", "a.b", "a@b.example", "ä", "a b", strings.Repeat("a", 255)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestLoadFileRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := LoadFile(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
	for name, content := range map[string]string{
		"NUL":       "a:{PLAIN}x\x00y\n",
		"mark":      "\ufeffa:{PLAIN}x\n",
		"long line": "a:{PLAIN}" + strings.Repeat("x", maxLine) + "\n",
	} {
		if _, err := Parse("f", []byte(content)); err == nil || !strings.HasPrefix(err.Error(), "f:1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := Parse("f", []byte("# c\r\n\r\na:{PLAIN}x\r\nb:{PLAIN}y"))
	if err != nil || f.Len() != 2 || *f.users["a"].forPlain()[0].plain != "x" {
		t.Errorf("CRLF: %v, %v", f, err)
	}
}

// bcrypt reads 72 bytes: a longer password is refused rather than cut.
func TestBcryptLongPassword(t *testing.T) {
	long := strings.Repeat("0123456789", 8)
	secrets, err := makeSecrets([]string{"bcrypt"}, long[:72])
	if err != nil {
		t.Fatal(err)
	}
	a := quick(testFile(t, "alice:"+secrets["bcrypt"]))
	if _, err := a.Login(context.Background(), "alice", long[:72], overTLS); err != nil {
		t.Error(err)
	}
	_, err = a.Login(context.Background(), "alice", long[:73], overTLS)
	cause(t, err, ErrBadPassword)
}
