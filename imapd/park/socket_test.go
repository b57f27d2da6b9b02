package park

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a TCP connection.
func pair(t *testing.T) (near *Socket, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near = Over(c)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// waiter reads from r, over s, into text.
type waiter struct {
	s    *Socket
	r    io.Reader
	text string
	asks int
}

func (w *waiter) wait() error {
	return w.s.Wait(func() error {
		w.asks++
		var b [100]byte
		n, err := w.r.Read(b[:])
		w.text += string(b[:n])
		return err
	})
}

// TestWait: input before and during the wait, its end, the deadline and a close from elsewhere.
func TestWait(t *testing.T) {
	near, far := pair(t)
	w := &waiter{s: near, r: near}
	far.Write([]byte("at once"))
	if err := w.wait(); err != nil || w.text != "at once" {
		t.Fatalf("%q, %v", w.text, err)
	}
	time.AfterFunc(20*time.Millisecond, func() { far.Write([]byte(", later")) })
	if err := w.wait(); err != nil || w.text != "at once, later" {
		t.Fatalf("%q, %v", w.text, err)
	}
	if w.asks != 3 {
		t.Errorf("asked %d times, want once, then twice", w.asks)
	}
	near.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if err := w.wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v after the deadline", err)
	}
	near.SetReadDeadline(time.Time{})
	time.AfterFunc(10*time.Millisecond, func() { near.SetReadDeadline(time.Unix(1, 0)) })
	if err := w.wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v after an interruption", err)
	}
	near.SetReadDeadline(time.Time{})
	far.Write([]byte("; read as ever"))
	b := make([]byte, 14)
	if n, err := io.ReadFull(near, b); err != nil || string(b[:n]) != "; read as ever" {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
	far.Close()
	if err := w.wait(); err != io.EOF {
		t.Errorf("%v at the end", err)
	}
	near, _ = pair(t)
	time.AfterFunc(10*time.Millisecond, func() { near.Close() })
	if err := (&waiter{s: near, r: near}).wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v when closed", err)
	}
}

// TestReset: an error of the socket is the error of an ordinary read.
func TestReset(t *testing.T) {
	near, far := pair(t)
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	var op *net.OpError
	if err := (&waiter{s: near, r: near}).wait(); !errors.As(err, &op) || op.Op != "read" {
		t.Errorf("%v", err)
	}
}

// TestUnderTLS: records that come in pieces, several in one piece, and the deadline between two pieces.
func TestUnderTLS(t *testing.T) {
	near, far := pair(t)
	cut := &cutter{Conn: far}
	client := tls.Client(cut, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := errors.Join(server.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	w := &waiter{s: near, r: server}
	cut.size = 3
	written := make(chan struct{})
	go func() { client.Write([]byte("in pieces")); close(written) }()
	if err := w.wait(); err != nil || w.text != "in pieces" {
		t.Fatalf("%q, %v", w.text, err)
	}
	if w.asks < 3 {
		t.Errorf("asked %d times: nothing came in pieces", w.asks)
	}

	<-written
	cut.size, cut.hold = 0, true
	client.Write([]byte("one"))
	client.Write([]byte(" two"))
	cut.Conn.Write(cut.held)
	for w.text = ""; w.text != "one two"; {
		if err := w.wait(); err != nil { // the second record is in the layer already, not in the socket
			t.Fatal(err)
		}
	}

	cut.held = nil
	client.Write([]byte("late"))
	cut.Conn.Write(cut.held[:7])
	near.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := w.wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v between two pieces", err)
	}
	near.SetReadDeadline(time.Time{})
	cut.Conn.Write(cut.held[7:])
	if w.text = ""; w.wait() != nil || w.text != "late" {
		t.Errorf("%q after the deadline", w.text)
	}
}

// cutter writes in small pieces, or keeps what is written.
type cutter struct {
	net.Conn
	size int
	hold bool
	held []byte
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.hold {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	for b := p; c.size > 0 && len(b) > 0; b = b[min(c.size, len(b)):] {
		if _, err := c.Conn.Write(b[:min(c.size, len(b))]); err != nil {
			return 0, err
		}
		time.Sleep(time.Millisecond)
	}
	if c.size == 0 {
		return c.Conn.Write(p)
	}
	return len(p), nil
}

// TestWithoutDescriptor: what has none is waited for by reading.
func TestWithoutDescriptor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go b.Write([]byte("pipe"))
	s := Over(a)
	w := &waiter{s: s, r: s}
	if err := w.wait(); err != nil || w.text != "pipe" || w.asks != 1 {
		t.Errorf("%q, %v, asked %d times", w.text, err, w.asks)
	}
}

// TestFrames: a goroutine waits below none of the layers' frames.
func TestFrames(t *testing.T) {
	near, far := pair(t)
	done := make(chan error, 1)
	go func() { done <- (&waiter{s: near, r: near}).wait() }()
	time.Sleep(20 * time.Millisecond)
	buf := make([]byte, 1<<16)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "park.(*waiter).wait") && strings.Contains(g, "park.(*Socket).Read(") {
			t.Errorf("it waits in the layers:\n%s", g)
		}
	}
	far.Close()
	<-done
}

// TestFlood: input that yields nothing, as empty blocks do in an inflater, is not read on and on: deadline and close
// are looked at in between.
func TestFlood(t *testing.T) {
	for _, c := range []struct {
		name string
		stop func(near *Socket)
		want error
	}{
		{"deadline", func(near *Socket) { near.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"close", func(near *Socket) { go near.Close(); time.Sleep(50 * time.Millisecond) }, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := pair(t)
			if _, err := far.Write(make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
			taken := 0
			err := near.Wait(func() error {
				for {
					var b [64]byte
					n, err := near.Read(b[:])
					if err != nil {
						return err
					}
					if taken += n; taken == 64*mostReads*3 {
						c.stop(near)
					}
				}
			})
			if !errors.Is(err, c.want) || taken > 64*mostReads*4 {
				t.Errorf("%v after %d bytes", err, taken)
			}
		})
	}
}
