package imapd

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowMail is a server whose message files take a while to open, with n messages in INBOX.
func slowMail(t *testing.T, n int, each time.Duration) (s *testServer, opened *atomic.Int64) {
	s = startServer(t, nil)
	s.server.patience = patience{look: 20 * time.Millisecond, lookEvery: 20 * time.Millisecond, tell: 50 * time.Millisecond}
	c := s.client(t).login()
	for i := range n {
		text := fmt.Sprintf("Subject: number %d\r\n\r\nThe text of a message.\r\n", i)
		c.do(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s", len(text), text))
	}
	c.do("z LOGOUT")
	opened = new(atomic.Int64)
	hook := func(op, path string) error {
		if op == "open" && strings.Contains(path, "/cur/") {
			opened.Add(1)
			time.Sleep(each)
		}
		return nil
	}
	s.hook.Store(&hook)
	t.Cleanup(func() { s.hook.Store(nil) })
	return s, opened
}

// gone waits until no session is left, and returns how long that took.
func (s *testServer) gone(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	eventually(t, "the session ends", func() bool { return s.server.Sessions() == 0 })
	return time.Since(start)
}

// TestSearchEndsWithItsClient: a search that would take many seconds is stopped when nobody is there to hear
// the answer, whatever lies between the client and the socket.
func TestSearchEndsWithItsClient(t *testing.T) {
	const n, each = 160, 100 * time.Millisecond // 4 s with four readers
	for _, way := range []string{"closed", "reset", "tls", "compressed"} {
		t.Run(way, func(t *testing.T) {
			s, opened := slowMail(t, n, each)
			c := s.client(t)
			if way == "tls" {
				c.do("s STARTTLS")
				c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
				c.r = bufio.NewReader(c.Conn)
			}
			c.login()
			c.do("b SELECT INBOX")
			raw := c.Conn
			if way == "compressed" {
				c.do("x COMPRESS DEFLATE")
				w, _ := flate.NewWriter(raw, 1)
				_, _ = io.WriteString(w, "c SEARCH BODY nothing-like-it\r\n")
				_ = w.Flush()
			} else {
				c.send("c SEARCH BODY nothing-like-it\r\n")
			}
			eventually(t, "the search runs", func() bool { return opened.Load() > 0 })
			if tcp, ok := raw.(*net.TCPConn); ok && way == "reset" {
				_ = tcp.SetLinger(0)
			}
			_ = raw.Close()
			if took := s.gone(t); took > 3*time.Second || opened.Load() >= n {
				t.Errorf("the search went on for %v, to message %d", took, opened.Load())
			}
		})
	}
}

// TestHalfClosedClientIsAnswered: who sends all his commands, closes that side and listens, is not gone.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	s, _ := slowMail(t, 30, 50*time.Millisecond)
	c := s.client(t).login()
	c.do("b SELECT INBOX")
	c.send("c SEARCH BODY \"text of a message\"\r\n")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if l := c.expect("* SEARCH"); !strings.HasSuffix(l, " 29 30\r\n") {
		t.Errorf("got %q", l)
	}
	c.expect("c OK")
}

// TestProgress: a slow search says how far it is (RFC 9585), a quick one nothing.
func TestProgress(t *testing.T) {
	const n = 40
	s, _ := slowMail(t, n, 30*time.Millisecond)
	c := s.client(t).login()
	c.do("b SELECT INBOX")
	c.send("b2 SEARCH SEEN\r\nc1 SEARCH BODY nothing-like-it\r\n")
	if lines := c.progress("c1", n); len(lines) == 0 {
		t.Error("no word of progress")
	}
}

// progress reads up to the end of a command and returns how far it said it was. The goal stays the same, and
// what is done grows (RFC 9585 §4). Nothing may be said of other commands.
func (c *client) progress(tag string, goal int) (lines []int) {
	c.t.Helper()
	last := -1
	for l := c.line(); !strings.HasPrefix(l, tag+" OK"); l = c.line() {
		if !strings.Contains(l, "INPROGRESS") {
			continue
		}
		var done, of int
		if _, err := fmt.Sscanf(l, `* OK [INPROGRESS ("`+tag+`" %d %d)]`, &done, &of); err != nil {
			if _, err := fmt.Sscanf(l, `* OK [INPROGRESS ("`+tag+`" %d NIL)]`, &done); err != nil || done != goal {
				c.t.Errorf("bad line %q", l)
			}
			of = goal
		}
		if done < last || of != goal || done > goal {
			c.t.Errorf("%q after %d", l, last)
		}
		lines, last = append(lines, done), done
	}
	return lines
}

// TestProgressOfSorting: what is slow in a SORT or THREAD is not its search.
func TestProgressOfSorting(t *testing.T) {
	const n = 300 // more than a batch
	s, _ := slowMail(t, n, 2*time.Millisecond)
	c := s.client(t).login()
	c.do("b SELECT INBOX")
	c.send("c THREAD REFERENCES UTF-8 ALL\r\n")
	lines := c.progress("c", 2*n)
	if len(lines) == 0 || lines[len(lines)-1] < n {
		t.Errorf("words of progress: %v", lines)
	}
}

// TestSearchDoesNotStarveOthers: while one search reads many slow files, another, of few, is served in turn.
func TestSearchDoesNotStarveOthers(t *testing.T) {
	s, opened := slowMail(t, 200, 20*time.Millisecond)
	long := s.client(t).login()
	long.do("b SELECT INBOX")
	long.send("c SEARCH BODY nothing-like-it\r\n")
	eventually(t, "the long search runs", func() bool { return opened.Load() > 0 })
	short := s.client(t).login()
	short.do("b SELECT INBOX")
	start := time.Now()
	if l := short.do("d SEARCH 1:4 BODY \"text of\""); !strings.HasPrefix(l, "d OK") {
		t.Fatal(l)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("four messages took %v", took)
	}
	long.Close()
	short.do("z LOGOUT")
	s.gone(t)
}
