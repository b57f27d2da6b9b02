package gate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maildir-imapd/imapd/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer is a log that tests can read while others write.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func testConfig(t *testing.T) *config.Config {
	t.Helper()
	c := config.Default()
	c.Server.State = t.TempDir()
	c.Listeners[0].Listen = []string{"127.0.0.1:0"}
	c.Listeners[1].Listen = []string{"127.0.0.1:0"}
	return c
}

// echo greets with what the gate told it, and holds the connection until the client closes.
func echo(_ context.Context, c net.Conn, in *Info) {
	defer c.Close()
	what := in.Listener + " " + string(in.Mode)
	if in.TLS != nil {
		what += " " + tls.VersionName(in.TLS.Version)
	}
	_, _ = io.WriteString(c, "* OK "+what+"\r\n")
	_, _ = io.Copy(io.Discard, c)
}

func start(t *testing.T, c *config.Config, o Options) (*Gate, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	o.Log = log.logger()
	if o.Handler == nil {
		o.Handler = echo
	}
	if o.Certificates == nil {
		certs, err := LoadCertificates(c, "mail.example.org", o.Log)
		if err != nil {
			t.Fatal(err)
		}
		o.Certificates = certs
	}
	g, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	g.Start(t.Context())
	t.Cleanup(func() { g.Close(); g.Wait() })
	return g, log
}

func (g *Gate) addr(t *testing.T, name string) string {
	t.Helper()
	for _, a := range g.Addresses() {
		if n, addr, _ := strings.Cut(a, " "); n == name {
			return addr
		}
	}
	t.Fatalf("no listener %s in %q", name, g.Addresses())
	return ""
}

func dial(t *testing.T, addr string) (net.Conn, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, firstLine(t, c)
}

func dialTLS(t *testing.T, addr string, conf *tls.Config) (*tls.Conn, string) {
	t.Helper()
	conf.InsecureSkipVerify = true
	c, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, firstLine(t, c)
}

func firstLine(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not in time: " + what)
}

func TestBothListeners(t *testing.T) {
	g, _ := start(t, testConfig(t), Options{})
	if _, got := dial(t, g.addr(t, "imap")); got != "* OK imap starttls" {
		t.Error(got)
	}
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{}); got != "* OK imaps implicit TLS 1.3" {
		t.Error(got)
	}
}

func TestLimits(t *testing.T) {
	c := testConfig(t)
	c.Limits.PerIP, c.Limits.MaxConnections = 2, 3
	g, log := start(t, c, Options{})
	first, _ := dial(t, g.addr(t, "imap"))
	dial(t, g.addr(t, "imap"))
	const perIP = "* BYE [UNAVAILABLE] Too many connections from your address, the limit is [limits] per_ip = 2"
	if _, got := dial(t, g.addr(t, "imap")); got != perIP {
		t.Error(got)
	}
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{}); got != perIP {
		t.Errorf("under TLS: %s", got)
	}
	if l := log.String(); strings.Count(l, "connection refused") != 1 || !strings.Contains(l, `limit="[limits] per_ip" value=2`) {
		t.Errorf("log: %s", l)
	}
	first.Close()
	eventually(t, "the place is free again", func() bool { return g.Connections() == 1 })
	if _, got := dial(t, g.addr(t, "imap")); !strings.HasPrefix(got, "* OK") {
		t.Error(got)
	}
	loose := *c
	loose.Limits.PerIP = 0
	loose.Limits.MaxConnections = 2
	g.Reload(&loose)
	if _, got := dial(t, g.addr(t, "imap")); got != "* BYE [UNAVAILABLE] Too many connections, the limit is [limits] max_connections = 2" {
		t.Error(got)
	}
}

// TestShortOfMemory: while the process says so new connections are refused with key and value, those that are in stay, and
// the log is left to who knows when it began. Refusals are counted by limit.
func TestShortOfMemory(t *testing.T) {
	c := testConfig(t)
	c.Limits.PerIP = 2
	var full atomic.Bool
	g, log := start(t, c, Options{Memory: func() (string, bool) { return "64M", full.Load() }})
	in, got := dial(t, g.addr(t, "imap"))
	if !strings.HasPrefix(got, "* OK") {
		t.Fatal(got)
	}
	full.Store(true)
	const refused = "* BYE [UNAVAILABLE] Short of memory, the limit is [limits] memory = 64M"
	if _, got := dial(t, g.addr(t, "imap")); got != refused {
		t.Error(got)
	}
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{}); got != refused {
		t.Errorf("under TLS: %s", got)
	}
	_ = in.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection that was there: %v", err)
	}
	full.Store(false)
	for _, want := range []string{"* OK", "* BYE [UNAVAILABLE] Too many connections from your address"} {
		if _, got := dial(t, g.addr(t, "imap")); !strings.HasPrefix(got, want) {
			t.Errorf("afterwards: %s", got)
		}
	}
	if n := g.Refusals(); n["memory"] != 2 || n["per_ip"] != 1 || n["max_connections"] != 0 {
		t.Errorf("%v", n)
	}
	if strings.Contains(log.String(), "memory") {
		t.Errorf("log: %s", log)
	}
}

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:1":              "192.0.2.7/32",
		"[::ffff:192.0.2.7]:1":     "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:1": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":         "fe80::/64",
	} {
		got, ok := source(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if !ok || got.String() != want {
			t.Errorf("%s counts as %v %v, want %s", addr, got, ok, want)
		}
	}
	if _, ok := source(&net.UnixAddr{}); ok {
		t.Error("a unix socket has an address")
	}
}

func TestHandshakeTimeout(t *testing.T) {
	c := testConfig(t)
	c.Limits.LoginTimeout = 100 * time.Millisecond
	g, log := start(t, c, Options{})
	conn, err := net.Dial("tcp", g.addr(t, "imaps"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent client was not cut: %v", err)
	}
	eventually(t, "log line", func() bool { return strings.Contains(log.String(), "TLS handshake failed") })
}

// TestCloseFinishesHandshake: who was accepted before Close hears the handler, which says BYE.
func TestCloseFinishesHandshake(t *testing.T) {
	g, _ := start(t, testConfig(t), Options{})
	conn, err := net.Dial("tcp", g.addr(t, "imaps"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "connection counted", func() bool { return g.Connections() == 1 })
	g.Close()
	if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
	g.Wait()
}

func TestCloseWaitsForNoHandshake(t *testing.T) {
	g, _ := start(t, testConfig(t), Options{})
	conn, err := net.Dial("tcp", g.addr(t, "imaps"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "connection counted", func() bool { return g.Connections() == 1 })
	begin := time.Now()
	g.Close()
	g.Wait()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestSystemdSockets(t *testing.T) {
	socket := func(name string) Socket {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return Socket{name, l}
	}
	c := testConfig(t)
	c.Listeners[0].Listen, c.Listeners[1].Listen = []string{"127.0.0.1:1"}, nil // neither may be opened
	c.Listeners[1].Enabled = false                                              // the socket unit decides
	g, log := start(t, c, Options{Sockets: []Socket{socket("imaps"), socket("foo"), socket("imap")}})
	if n := len(g.Addresses()); n != 2 {
		t.Errorf("%q", g.Addresses())
	}
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{}); got != "* OK imaps implicit TLS 1.3" {
		t.Error(got)
	}
	if l := log.String(); !strings.Contains(l, "socket from systemd without a section") || !strings.Contains(l, "name=foo") {
		t.Error(l)
	}
	before := g.Addresses()
	g.Reload(c)
	if !slices.Equal(before, g.Addresses()) {
		t.Errorf("reload lost systemd's sockets: %q", g.Addresses())
	}
}

func TestOneListenerIsEnough(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := testConfig(t)
	c.Listeners[0].Listen = []string{taken.Addr().String()}
	g, log := start(t, c, Options{})
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{}); !strings.HasPrefix(got, "* OK imaps") {
		t.Error(got)
	}
	if !strings.Contains(log.String(), "address already in use") {
		t.Error(log.String())
	}
	c.Listeners[1].Enabled = false
	if _, err := New(c, Options{Log: log.logger()}); !errors.Is(err, ErrNoListener) || !strings.Contains(err.Error(), `[listener "imap"] listen`) {
		t.Errorf("none: %v", err)
	}
	c.Listeners[0].Enabled = false
	if _, err := New(c, Options{Log: log.logger()}); !errors.Is(err, ErrNoListener) || !strings.Contains(err.Error(), "enabled = no") {
		t.Errorf("all disabled: %v", err)
	}
}

func TestReloadListeners(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fixed := free.Addr().String()
	free.Close()
	c := testConfig(t)
	c.Listeners[0].Listen = []string{fixed}
	g, _ := start(t, c, Options{})
	stays, _ := dial(t, fixed)

	unix := filepath.Join(t.TempDir(), "s")
	next := *c
	next.Listeners = []config.Listener{
		{Name: "imap", Enabled: true, TLS: config.NoTLS, Listen: []string{unix}},
		{Name: "office", Enabled: true, TLS: config.Required, Listen: []string{fixed}}, // the same address
	}
	g.Reload(&next)
	if _, got := dial(t, fixed); got != "* OK office required" {
		t.Error(got)
	}
	u, err := net.Dial("unix", unix)
	if err != nil {
		t.Fatal(err)
	}
	if got := firstLine(t, u); got != "* OK imap none" {
		t.Error(got)
	}
	u.Close()
	if len(g.Addresses()) != 2 {
		t.Errorf("%q", g.Addresses())
	}
	if _, err := stays.Write([]byte("x")); err != nil {
		t.Errorf("a reload dropped a connection: %v", err)
	}
	bad := next
	bad.Listeners = []config.Listener{{Name: "imap", Enabled: true, Listen: []string{"192.0.2.1:1"}}}
	g.Reload(&bad)
	if len(g.Addresses()) != 2 {
		t.Errorf("a bad address closed the good ones: %q", g.Addresses())
	}
}
