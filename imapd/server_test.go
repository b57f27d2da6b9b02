package imapd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maildir-imapd/maildir"
)

// client is a raw IMAP client for what transcripts cannot say.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (s *testServer) client(t testing.TB) *client {
	t.Helper()
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	cl := &client{t, c, bufio.NewReader(c)}
	cl.expect("* OK")
	return cl
}

func (c *client) login() *client {
	c.do("l LOGIN " + testUser + " " + testPassword)
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// line is the next line, "" at the end of the connection.
func (c *client) line() string {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	s, err := c.r.ReadString('\n')
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatal("no answer")
	}
	return s
}

// expect reads lines until one begins with prefix, and returns it.
func (c *client) expect(prefix string) string {
	c.t.Helper()
	for {
		l := c.line()
		if l == "" {
			c.t.Fatalf("the connection ended before %q", prefix)
		}
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
}

// do sends a command and returns its tagged line.
func (c *client) do(command string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	tag, _, _ := strings.Cut(command, " ")
	return c.expect(tag + " ")
}

func TestShutdownSaysBye(t *testing.T) {
	s := startServer(t, nil)
	idle := s.client(t).login()
	idle.do("a SELECT INBOX")
	idle.send("b IDLE\r\n")
	idle.expect("+")
	waiting, before := s.client(t).login(), s.client(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{idle, waiting, before} {
		c.expect("* BYE")
		if l := c.line(); l != "" {
			t.Errorf("after BYE: %q", l)
		}
	}
	late, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if l, _ := bufio.NewReader(late).ReadString('\n'); !strings.HasPrefix(l, "* BYE [UNAVAILABLE]") {
		t.Errorf("a late client got %q", l)
	}
}

// TestShutdownWaitsForCommand: an APPEND in progress is finished.
func TestShutdownWaitsForCommand(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	c.send("a APPEND INBOX {10}\r\n")
	c.expect("+")
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		done <- s.server.Shutdown(ctx)
	}()
	time.Sleep(50 * time.Millisecond)
	c.send("A: b\r\n\r\nc\n\r\n")
	if l := c.expect("a "); !strings.HasPrefix(l, "a OK [APPENDUID") {
		t.Errorf("got %q", l)
	}
	c.expect("* BYE")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestStartTLSInjection: what was pipelined in clear behind STARTTLS is never run.
func TestStartTLSInjection(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t)
	c.send("a STARTTLS\r\nb LOGIN alice secret\r\n")
	c.expect("a OK")
	if l := c.line(); l != "" {
		t.Errorf("the connection goes on with %q", l)
	}
}

func TestStartTLS(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.info.RequireTLS = true })
	c := s.client(t)
	if l := c.do("a LOGIN alice secret"); !strings.HasPrefix(l, "a NO [PRIVACYREQUIRED]") {
		t.Errorf("in clear: %q", l)
	}
	c.do("b STARTTLS")
	tc := tls.Client(c.Conn, s.transcript().TLS)
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	over := &client{t, tc, bufio.NewReader(tc)}
	if l := over.do("c LOGIN alice secret"); !strings.HasPrefix(l, "c OK") {
		t.Errorf("over TLS: %q", l)
	}
	over.send("d NOOP\r\ne NOOP\r\n") // pipelining goes on working over the new layer
	over.expect("d OK")
	over.expect("e OK")
}

// TestTLSOnPlainPort: a client that begins with a handshake is sent away with a clear log line.
func TestTLSOnPlainPort(t *testing.T) {
	var log bytes.Buffer
	s := startServer(t, func(s *testServer) { s.options.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("the handshake succeeded")
	}
	_, _ = io.Copy(io.Discard, c) // until the server hangs up
	s.stopOnce()
	if !strings.Contains(log.String(), "TLS on a port that begins in clear") {
		t.Errorf("the log says %q", log.String())
	}
}

// stopOnce waits for the server's connections to end, so that its log is complete.
func (s *testServer) stopOnce() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.server.Shutdown(ctx)
}

// TestLogLines pins what administrators and fail2ban match.
func TestLogLines(t *testing.T) {
	var log bytes.Buffer
	strip := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "conn" || a.Key == "out" || a.Key == "in" {
			return slog.Attr{}
		}
		return a
	}
	s := startServer(t, func(s *testServer) {
		s.options.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: strip}))
	})
	c := s.client(t)
	c.do("a LOGIN alice hunter2")
	c.do(`b ID ("name" "test")`)
	c.login()
	c.do("c LOGOUT")
	s.stopOnce()
	want := `level=WARN msg="login failed" remote=127.0.0.1 user=alice method=LOGIN tls=false listener=imap err=`
	if !strings.Contains(log.String(), want) {
		t.Errorf("no %q in\n%s", want, log.String())
	}
	for _, want := range []string{
		"level=INFO msg=login remote=127.0.0.1 user=alice method=LOGIN tls=false listener=imap client=test\n",
		"level=INFO msg=logout remote=127.0.0.1 user=alice why=\"logged out\" fetched=0 appended=0 expunged=0 seconds=0\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "hunter2") {
		t.Error("a password is in the log")
	}
}

// TestLogoutCounts: the line about a logout says what the session did.
func TestLogoutCounts(t *testing.T) {
	var log bytes.Buffer
	s := startServer(t, func(s *testServer) { s.options.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := s.client(t).login()
	c.do("a SELECT INBOX")
	for i := range 4 {
		c.do(fmt.Sprintf("b%d APPEND INBOX (\\Deleted) {10+}\r\nA: b\r\n\r\nc\n", i))
	}
	c.do("c FETCH 1:4 BODY.PEEK[]")
	c.do("d UID EXPUNGE 1")
	c.do("f STORE 1 -FLAGS (\\Deleted)")
	c.do("g EXPUNGE")
	c.do("h STORE 1 +FLAGS (\\Deleted)")
	c.do("i CLOSE")
	c.do("j LOGOUT")
	s.stopOnce()
	if want := "fetched=4 appended=4 expunged=4"; !strings.Contains(log.String(), want) {
		t.Errorf("no %q in\n%s", want, log.String())
	}
}

// brokenTree fails where a healthy store cannot.
type brokenTree struct{ Tree }

func (brokenTree) List(context.Context) ([]maildir.Entry, error) {
	return nil, errors.New("open /secret/path: strange")
}

// TestInternalErrorIsAnswered: an error nobody thought of is NO [SERVERBUG], and its text stays here.
func TestInternalErrorIsAnswered(t *testing.T) {
	s := startServer(t, func(s *testServer) {
		open := s.options.Open
		s.options.Open = func(ctx context.Context, l *Login) (*Mail, error) {
			m, err := open(ctx, l)
			m.Namespaces[0].Tree = brokenTree{m.Namespaces[0].Tree}
			return m, err
		}
	})
	c := s.client(t).login()
	if l := c.do(`a LIST "" *`); !strings.HasPrefix(l, "a NO [SERVERBUG]") || strings.Contains(l, "secret") {
		t.Errorf("got %q", l)
	}
	c.do("b NOOP")
}

// TestStoreErrorsAreMapped: each error of the store has the code that RFC 5530 gives it.
func TestStoreErrorsAreMapped(t *testing.T) {
	for err, code := range map[error]string{
		maildir.ErrNotExist: "NONEXISTENT", maildir.ErrExist: "ALREADYEXISTS", maildir.ErrExpunged: "EXPUNGEISSUED",
		maildir.ErrReadOnly: "NOPERM", maildir.ErrNoPermission: "NOPERM", maildir.ErrInUse: "INUSE",
		maildir.ErrFull: "OVERQUOTA", maildir.ErrKeywordLimit: "LIMIT", maildir.ErrCorrupt: "CORRUPTION",
		maildir.ErrTemporary: "UNAVAILABLE",
		errors.New("else"):   "SERVERBUG",
	} {
		if got := mapError(fmt.Errorf("op: %w", err)); got.code != code || got.status != statusNO {
			t.Errorf("%v: %s [%s]", err, got.status, got.code)
		}
	}
}

// TestTooManyBadCommands: a session that only talks nonsense is ended.
func TestTooManyBadCommands(t *testing.T) {
	s := startServer(t, nil)
	before, after := s.client(t), s.client(t).login()
	for range DefaultLimits().BadCommandsPreLogin {
		before.send("a NONSENSE\r\n")
	}
	before.expect("* BYE")
	for range DefaultLimits().BadCommands {
		after.send("a NONSENSE\r\n")
	}
	after.expect("* BYE")
}

// TestFailedLogins: the third failure in a row ends the connection.
func TestFailedLogins(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t)
	c.do("a LOGIN alice x")
	c.do("b LOGIN zoe secret")
	c.send("c LOGIN alice y\r\n")
	c.expect("* BYE")
	if l := c.line(); !strings.HasPrefix(l, "c NO [AUTHENTICATIONFAILED]") {
		t.Errorf("got %q", l)
	}
	if l := c.line(); l != "" {
		t.Errorf("the connection goes on with %q", l)
	}
}

// TestLoginTimeout: who does not log in is told why the connection ends.
func TestLoginTimeout(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Limits.LoginTimeout = 100 * time.Millisecond })
	c := s.client(t)
	if l := c.expect("* BYE"); !strings.Contains(l, "login_timeout") {
		t.Errorf("got %q", l)
	}
}

// TestPerUser: the refusal names key and value.
func TestPerUser(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Limits.PerUser = 1 })
	s.client(t).login()
	c := s.client(t)
	if l := c.do("a LOGIN alice secret"); !strings.Contains(l, "NO [LIMIT]") || !strings.Contains(l, "per_user = 1") {
		t.Errorf("got %q", l)
	}
	c.expect("* BYE")
}

// TestPreauth: PREAUTH, and no command to log in.
func TestPreauth(t *testing.T) {
	s := startServer(t, nil)
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.server.ServePreauth(context.Background(), theirs, &ConnInfo{}, Identity{User: testUser, Mechanism: "PREAUTH"})
	}()
	c := &client{t, ours, bufio.NewReader(ours)}
	c.expect("* PREAUTH [CAPABILITY")
	if l := c.do("a LOGIN alice secret"); !strings.HasPrefix(l, "a BAD") {
		t.Errorf("got %q", l)
	}
	c.do("b LOGOUT")
	ours.Close()
	<-done
}

// TestUnreadableMessage: one file that cannot be read hides no other, from FETCH or SEARCH.
func TestUnreadableMessage(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	c.do("a SELECT INBOX")
	for i := range 3 {
		c.do(fmt.Sprintf("b%d APPEND INBOX {20+}\r\nSubject: s%d\r\n\r\nabc\r\n", i, i))
	}
	files, err := filepath.Glob(filepath.Join(s.mail, "cur", "*"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	// The names need not sort as the UIDs do: the second message is known by its text.
	second := files[slices.IndexFunc(files, func(name string) bool {
		text, _ := os.ReadFile(name)
		return bytes.Contains(text, []byte("s1"))
	})]
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	// A link out of the tree is what even root may not follow.
	if err := os.Symlink("/etc/hostname", second); err != nil {
		t.Fatal(err)
	}
	c.send("c FETCH 1:3 BODY.PEEK[TEXT]\r\n")
	c.expect("* 1 FETCH")
	c.expect("* 3 FETCH")
	if l := c.expect("c "); !strings.HasPrefix(l, "c NO [") {
		t.Errorf("FETCH: %q", l)
	}
	c.send("d SEARCH BODY abc\r\n")
	if l := c.expect("* SEARCH"); l != "* SEARCH 1 3\r\n" {
		t.Errorf("SEARCH: %q", l)
	}
	c.expect("d OK")
	if err := os.Remove(second); err != nil { // the store's checker wants it gone
		t.Fatal(err)
	}
	c.do("e NOOP")
}
