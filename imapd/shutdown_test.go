package imapd

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// shutdownDuring begins an APPEND, shuts the server down, and sends more: the rest of the message and what follows it.
func shutdownDuring(t *testing.T, c *client, s *testServer, more string) {
	t.Helper()
	c.send("a APPEND INBOX {10}\r\n")
	c.expect("+")
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		done <- s.server.Shutdown(ctx)
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	time.Sleep(50 * time.Millisecond)
	c.send("A: b\r\n\r\nc\n\r\n" + more)
}

// TestShutdownRunsWhatCame: commands that the client had sent ahead are answered before BYE.
func TestShutdownRunsWhatCame(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	long := strings.Repeat("x", 20<<10) // more than is read ahead at one time
	shutdownDuring(t, c, s, "b NOOP\r\nc APPEND INBOX {20480+}\r\n"+long+"\r\nd STATUS INBOX (MESSAGES)\r\n")
	for _, tag := range []string{"a", "b", "c", "d"} {
		if l := c.expect(tag + " "); !strings.HasPrefix(l, tag+" OK") {
			t.Errorf("got %q", l)
		}
	}
	c.expect("* BYE")
}

// TestShutdownByeWithAnswer: a client that waits for its answer finds BYE right behind it, and so sends no command
// that nobody would read.
func TestShutdownByeWithAnswer(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	shutdownDuring(t, c, s, "")
	c.expect("a OK")
	if next, _ := c.r.Peek(c.r.Buffered()); !strings.HasPrefix(string(next), "* BYE") {
		t.Errorf("%q came with the answer, not BYE", next)
	}
}

// TestShutdownAnswersSlowReaders: what was answered arrives as a whole, also where the client sends a command ahead while
// the end of that is on its way.
func TestShutdownAnswersSlowReaders(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	const size = 400 << 10
	c.send("m APPEND INBOX {409600+}\r\n" + strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64) + "\r\n")
	c.expect("m OK")
	c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	shutdownDuring(t, c, s, "s SELECT INBOX\r\nb FETCH 1 BODY.PEEK[]\r\n")
	time.Sleep(150 * time.Millisecond) // all is answered
	c.send("c NOOP\r\n")
	time.Sleep(10 * time.Millisecond)
	rest, err := io.ReadAll(c.r)
	if !strings.Contains(string(rest), "\r\nb OK") || !strings.Contains(string(rest), "\r\n* BYE") {
		t.Errorf("%d bytes of the answer came, then %v", len(rest), err)
	}
}
