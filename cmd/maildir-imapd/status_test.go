package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maildir-imapd/imapd/config"
)

// systemd is who listens at NOTIFY_SOCKET.
func systemd(t *testing.T) (heard <-chan string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Setenv("NOTIFY_SOCKET", path)
	lines, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			lines <- string(b[:n])
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return lines
}

// hears waits for a status with these words, which comes without a tick of the watchdog.
func hears(t *testing.T, heard <-chan string, has, hasNot string) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case s := <-heard:
			if strings.HasPrefix(s, "STATUS=") && strings.Contains(s, has) && (hasNot == "" || !strings.Contains(s, hasNot)) {
				return
			}
		case <-late:
			t.Fatalf("systemd is not told %q", has)
		}
	}
}

// client is one that reads lines.
type client struct {
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, addr string) (c client, greeting string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	c = client{nc, bufio.NewReader(nc)}
	greeting, err = c.r.ReadString('\n')
	must(t, err)
	return c, greeting
}

func (c client) says(t *testing.T, command, until string) {
	t.Helper()
	_, err := io.WriteString(c, command)
	must(t, err)
	for line := ""; !strings.HasPrefix(line, until); {
		line, err = c.r.ReadString('\n')
		must(t, err)
	}
}

// TestStatusAtTheChange: that mailboxes are polled, and that memory is used up, systemctl status says when it begins and
// when it ends; meanwhile new clients are refused with the key and its value, and those who are logged in are served.
func TestStatusAtTheChange(t *testing.T) {
	heard := systemd(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := mailHost(t)
	cfg.Limits.Memory = config.Limit{Set: true, N: 64 << 20}
	d, err := newDaemon("imapd.ini", cfg, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	must(t, err)
	var inUse atomic.Int64
	d.memory.read = func() (int64, uint64) { return inUse.Load(), 0 }
	var refuse atomic.Bool
	refuse.Store(true)
	d.watch.mu.Lock() // who reads it holds this, or begins later
	d.watch.events.Fault = func(op, dir string) error {
		if op == "watch" && strings.HasSuffix(dir, "/new") && refuse.Load() {
			return syscall.ENOSPC
		}
		return nil
	}
	d.watch.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- d.run() }()
	addr := strings.TrimPrefix(d.gate.Addresses()[0], "imap ")

	c, _ := connect(t, addr)
	c.says(t, "a LOGIN ann secret\r\nb SELECT INBOX\r\nc IDLE\r\n", "+")
	hears(t, heard, "1 mailboxes are polled", "refused")
	c.says(t, "DONE\r\nd UNSELECT\r\n", "d OK")
	hears(t, heard, "connections, listening", "polled")

	inUse.Store(70 << 20)
	hears(t, heard, "new connections are refused: [limits] memory = 64M is used up", "")
	if _, got := connect(t, addr); got != "* BYE [UNAVAILABLE] Short of memory, the limit is [limits] memory = 64M\r\n" {
		t.Errorf("a new client reads %q", got)
	}
	c.says(t, "e SELECT INBOX\r\n", "e OK")
	inUse.Store(40 << 20)
	hears(t, heard, "connections, listening", "refused")
	if _, got := connect(t, addr); !strings.HasPrefix(got, "* OK") {
		t.Errorf("afterwards: %q", got)
	}
	if n := d.gate.Refusals()["memory"]; n != 1 {
		t.Errorf("%d refusals are counted", n)
	}
	must(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not end")
	}
}
