package imapd

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// rawClient is a client without a byte on the heap, so that what is measured is the server's.
type rawClient int

func dialRaw(t testing.TB, addr net.Addr) rawClient {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: addr.(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return rawClient(fd)
}

// do sends text and reads until a line begins with until.
func (c rawClient) do(t testing.TB, text, until string) {
	t.Helper()
	if _, err := syscall.Write(int(c), []byte(text)); err != nil {
		t.Fatal(err)
	}
	var buf [4096]byte
	var got []byte
	for !bytes.Contains(append([]byte("\n"), got...), []byte("\n"+until)) || !bytes.HasSuffix(got, []byte("\r\n")) {
		n, err := syscall.Read(int(c), buf[:])
		if n <= 0 || err != nil {
			t.Fatalf("after %q: %v, %q", text, err, got)
		}
		got = append(got, buf[:n]...)
	}
}

// inUse is the memory that the heap's live objects and the stacks take.
func inUse() (heap, stacks uint64) {
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse, m.StackInuse
}

// stored is a connection whose client sends without compressing: stored blocks (RFC 1951 §3.2.4).
type stored struct{ net.Conn }

func (s stored) Write(p []byte) (int, error) {
	n := uint16(len(p))
	_, err := s.Conn.Write(append([]byte{0, byte(n), byte(n >> 8), byte(^n), byte(^n >> 8)}, p...))
	return len(p), err
}

// TestIdleStack holds the stack of a session that waits to its bound, whatever layers its connection has: Go gives
// stack back by halves, so one frame more anywhere on the way to the wait can double it.
func TestIdleStack(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's frames are larger")
	}
	const n, most = 200, 5 << 10
	s := startServer(t, func(s *testServer) { s.options.Log, s.options.Limits.PerUser = quietLog, 0 })
	for _, row := range []struct {
		name string
		open func(c *client)
	}{
		{"plain", func(c *client) { c.login() }},
		{"TLS", func(c *client) {
			c.do("t STARTTLS")
			c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
			c.r = bufio.NewReader(c.Conn)
			c.login()
		}},
		{"COMPRESS", func(c *client) {
			c.login().do("c COMPRESS DEFLATE")
			c.r = bufio.NewReader(flate.NewReader(c.Conn))
			c.Conn = stored{c.Conn}
		}},
	} {
		_, before := inUse()
		for range n {
			c := s.client(t)
			row.open(c)
			c.do("s SELECT INBOX")
			c.do("f FETCH 1:* (UID FLAGS ENVELOPE)")
		}
		time.Sleep(50 * time.Millisecond)
		_, after := inUse()
		each := max(int64(after)-int64(before), 0) / n
		t.Logf("%-10s %6d bytes of stack a session", row.name, each)
		if each > most {
			t.Errorf("%s: %d bytes of stack a session, want %d at most", row.name, each, most)
		}
	}
}

// TestIdleSessionMemory holds what a session costs that has INBOX selected and waits, bare and in IDLE, to its
// bound. MAILDIR_IMAPD_IDLE is the number of sessions; with MAILDIR_IMAPD_PROFILE=DIR the heap is written there.
func TestIdleSessionMemory(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MAILDIR_IMAPD_IDLE"))
	if n == 0 {
		n = 200
	}
	s := startServer(t, func(s *testServer) { s.options.Log, s.options.Limits.PerUser = quietLog, 0 })
	s.client(t).login()
	for i := range 500 {
		s.put(t, fmt.Sprintf("Subject: %d\n\nx\n", i))
	}
	s.client(t).login().do("s SELECT INBOX")
	for _, row := range []struct {
		name, file string
		most       uint64 // bytes
		after      func(c rawClient)
	}{
		{"selected", "selected", 16 << 10, func(rawClient) {}},
		{"after a FETCH of headers and bodies", "fetch", 16 << 10, func(c rawClient) {
			c.do(t, "f FETCH 1:* (UID FLAGS ENVELOPE)\r\n", "f OK")
			c.do(t, "f FETCH 1:20 (BODY.PEEK[])\r\n", "f OK")
		}},
		{"in IDLE", "idle", 16 << 10, func(c rawClient) { c.do(t, "i IDLE\r\n", "+") }},
	} {
		heap, stacks := inUse()
		conns := make([]rawClient, n)
		for i := range conns {
			conns[i] = dialRaw(t, s.ln.Addr())
			conns[i].do(t, "", "* OK")
			conns[i].do(t, "l LOGIN "+testUser+" "+testPassword+"\r\n", "l OK")
			conns[i].do(t, "s SELECT INBOX\r\n", "s OK")
			row.after(conns[i])
		}
		time.Sleep(50 * time.Millisecond)
		heap1, stacks1 := inUse()
		each := func(after, before uint64) uint64 { return uint64(max(int64(after)-int64(before), 0)) / uint64(n) }
		h, st := each(heap1, heap), each(stacks1, stacks)
		t.Logf("%-40s %6d bytes of heap and %6d of stacks a session", row.name, h, st)
		if h+st > row.most && !raceDetector {
			t.Errorf("%s: %d bytes a session, want %d at most", row.name, h+st, row.most)
		}
		if dir := os.Getenv("MAILDIR_IMAPD_PROFILE"); dir != "" {
			f := must(os.Create(dir + "/" + row.file + ".heap"))
			_ = pprof.Lookup("heap").WriteTo(f, 0)
			_ = f.Close()
			f = must(os.Create(dir + "/" + row.file + ".goroutines"))
			_ = pprof.Lookup("goroutine").WriteTo(f, 1)
			_ = f.Close()
		}
		for _, c := range conns {
			_ = syscall.Close(int(c))
		}
		eventually(t, "end of the sessions", func() bool { return s.server.Sessions() <= 2 })
	}
}
