package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lockedBuffer is a log that a test reads while the server writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("did not happen:", what)
}

// TestClientThatDoesNotRead: it is cut off after the write timeout, and keeps nobody from the mailbox
// meanwhile (promise 7).
func TestClientThatDoesNotRead(t *testing.T) {
	var log lockedBuffer
	s := startServer(t, func(s *testServer) {
		s.options.Limits.WriteTimeout = 700 * time.Millisecond
		s.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	other := s.client(t).login()
	text := "Subject: large\n\n" + strings.Repeat("0123456789abcde\n", 4<<20/16)
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(s.mail, "new", fmt.Sprintf("%d.a.b", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dead := s.client(t).login()
	_ = dead.Conn.(*net.TCPConn).SetReadBuffer(4096)
	dead.do("s SELECT INBOX")
	dead.send("f FETCH 1:* BODY[]\r\n")
	other.do("s SELECT INBOX")
	start := time.Now()
	for _, command := range []string{"a STORE 1:* +FLAGS (\\Flagged $New)", "b APPEND INBOX {3+}\r\nabc", "c UID EXPUNGE 1:*", "d RENAME INBOX Away"} {
		if l := other.do(command); !strings.Contains(l, " OK") {
			t.Error(l)
		}
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("another session's commands took %v", took)
	}
	eventually(t, "end of the connection", func() bool { return strings.Contains(log.String(), "answer not read within [limits] write_timeout") })
}

// TestLoginTimeoutWithinACommand: a command begun before the login does not extend the time for it.
func TestLoginTimeoutWithinACommand(t *testing.T) {
	for _, begun := range []string{"", "a", "a LOGIN {4096+}\r\nxx", "a AUTHENTICATE PLAIN\r\nAGFs"} {
		s := startServer(t, func(s *testServer) { s.options.Limits.LoginTimeout = 300 * time.Millisecond })
		c := s.client(t)
		c.send(begun)
		start := time.Now()
		if l := c.expect("* BYE"); !strings.Contains(l, "login_timeout") {
			t.Errorf("after %q: %q", begun, l)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("after %q it took %v", begun, took)
		}
	}
}

// TestInterruptBeforeTheWait: an interruption that comes before the waiting goroutine runs is not lost.
func TestInterruptBeforeTheWait(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := newConn(near, time.Second)
	if err := c.beginWait(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.interrupt()
	if err := c.awaitInput(); !isTimeout(err) {
		t.Errorf("the wait ended with %v", err)
	}
}

// TestCutAnywhere: a connection that ends in the middle of anything leaves nothing behind: no message, no
// temporary file, no session.
func TestCutAnywhere(t *testing.T) {
	s := startServer(t, nil)
	script := "a SELECT INBOX\r\nb APPEND INBOX (\\Seen x) {12+}\r\nA: b\r\n\r\ntext\r\nc SEARCH SUBJECT {3+}\r\nabc TEXT \"x\"\r\n" +
		"d IDLE\r\nDONE\r\ne STORE 1:* FLAGS ({2+}\r\n"
	for n := 1; n <= len(script); n += 3 {
		c := s.client(t).login()
		c.send(script[:n])
		c.Close()
	}
	eventually(t, "end of all sessions", func() bool { return s.server.Sessions() == 0 })
	left, err := os.ReadDir(filepath.Join(s.mail, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("in tmp: %v, %v", left, err)
	}
}

// TestPipelinedMix: many commands in one write are answered in order, one tagged line each, whatever
// became of those before.
func TestPipelinedMix(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	commands := []string{
		"NOOP", "SELECT INBOX", "APPEND INBOX {3+}\r\nabc", "APPEND None {3+}\r\nabc", "NONSENSE {4+}\r\n\r\n\r\n x",
		"FETCH 1 (FLAGS UID)", "IDLE\r\nDONE", "IDLE\r\nnonsense", "UID COPY 1 INBOX", "SEARCH TEXT {1+}\r\na (", "STORE 1 FLAGS ()",
		"UID MOVE 1 INBOX", "CLOSE", "FETCH 1 FLAGS", "EXAMINE INBOX", "EXPUNGE", "UNSELECT", "ID NIL", "SELECT None",
		"LIST \"\" {1+}\r\n*", "STATUS INBOX (MESSAGES)", "ENABLE X-NONE", "NAMESPACE", "DELETE INBOX", "CAPABILITY",
	}
	var all strings.Builder
	for round := range 3 {
		for i, command := range commands {
			if round == 1 {
				command = commands[len(commands)-1-i]
			}
			fmt.Fprintf(&all, "t%d-%d %s\r\n", round, i, command)
		}
		all.WriteString("end NOOP\r\n")
		c.send(all.String())
		next := 0
		for {
			l := c.line()
			if l == "" {
				t.Fatalf("round %d: the connection ended at command %d", round, next)
			}
			if strings.HasPrefix(l, "end ") {
				break
			}
			if tag := fmt.Sprintf("t%d-%d ", round, next); strings.HasPrefix(l, tag) {
				next++
			} else if l[0] == 't' {
				t.Fatalf("got %q, expected the answer to %s", l, tag)
			}
		}
		if next != len(commands) {
			t.Errorf("round %d: %d of %d commands were answered", round, next, len(commands))
		}
		all.Reset()
	}
}

// TestShutdownInEveryState: whatever a client is doing, Shutdown ends it in time and it hears BYE where it
// is at a command's end.
func TestShutdownInEveryState(t *testing.T) {
	s := startServer(t, nil)
	states := []string{"", "a AUTHENTICATE PLAIN\r\n", "a LOGIN {3}\r\n", "a STARTTLS\r\n"}
	for _, do := range states {
		s.client(t).send(do)
	}
	for _, do := range []string{"", "s SELECT INBOX\r\n", "s SELECT INBOX\r\ni IDLE\r\n", "i IDLE\r\n", "a APPEND INBOX {300}\r\n",
		"a APPEND INBOX {300+}\r\nx", "a COMPRESS DEFLATE\r\n", "a SEARCH (", "a SEARCH {5+}\r\nx"} {
		s.client(t).login().send(do)
	}
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	start := time.Now()
	if err := s.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
	if n := s.server.Sessions(); n > 0 {
		t.Errorf("%d connections are left", n)
	}
}

// TestLastWordArrives: a client that has sent more than the server cares to read still gets the end of its
// answers, not a reset.
func TestLastWordArrives(t *testing.T) {
	s := startServer(t, nil)
	more := strings.Repeat("x NOOP\r\n", 2000)
	for range 20 {
		c := s.client(t).login()
		c.send("b LOGOUT\r\n" + more)
		c.expect("* BYE")
		c.expect("b OK")
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Fatalf("after the last word: %q, %v", rest, err)
		}
	}
}

// TestBadCommandsInARow: the limit is for clients that do not speak IMAP, not for those that make a mistake
// now and then.
func TestBadCommandsInARow(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Limits.BadCommands = 3 })
	c := s.client(t).login()
	for range 5 {
		c.do("a NONSENSE")
		c.do("b FETCH 1 FLAGS")
		if l := c.do("c NOOP"); !strings.HasPrefix(l, "c OK") {
			t.Fatal(l)
		}
	}
	c.send("a NONSENSE\r\nb NONSENSE\r\nc NONSENSE\r\n")
	c.expect("* BYE")
}

// TestStricterThanDovecot: Dovecot takes these.
func TestStricterThanDovecot(t *testing.T) {
	c := startServer(t, nil).client(t).login()
	for _, command := range []string{
		`a LIST "" ()`,   // RFC 5258 §6: one pattern at least
		`a ID "maildir"`, // RFC 2971 §4: a list or NIL
	} {
		if l := c.do(command); !strings.HasPrefix(l, "a BAD") {
			t.Errorf("%s: %s", command, l)
		}
	}
}
