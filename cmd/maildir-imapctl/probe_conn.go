package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"maildir-imapd/imapd/config"
)

const (
	probeLine  = 8 << 10         // a line of the greeting or of what comes before TLS
	probeBytes = 64 << 20        // what a server may send altogether
	probeSniff = time.Second / 2 // in which a server that begins without TLS has begun to speak
	probeSteps = 6               // all steps together have as many times the time of one
)

// line is a connection as far as the greeting.
type line struct {
	*limited
	conn     net.Conn // with TLS, where there is any
	in       *bufio.Reader
	greeting string
	secure   bool
	broken   bool // it has TLS of a version that can be broken
	renewed  bool // by STARTTLS
	trusted  bool // the certificate is good, or known to be this host's own
	stop     func() bool
}

func (l *line) close() {
	l.stop()
	_ = l.conn.Close()
}

// limited is a connection whose every read and write ends at a limit, whatever deadline its user sets: a server that says
// nothing, or never ends, cannot hold the probe up.
type limited struct {
	net.Conn
	mu    sync.Mutex
	limit time.Time // of this step
	end   time.Time // of all
	left  int
}

// step begins a step that may take so long.
func (c *limited) step(d time.Duration) {
	c.mu.Lock()
	c.limit = time.Now().Add(d)
	if c.limit.After(c.end) {
		c.limit = c.end
	}
	limit := c.limit
	c.mu.Unlock()
	_ = c.Conn.SetDeadline(limit)
}

func (c *limited) capped(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() || t.After(c.limit) {
		return c.limit
	}
	return t
}

func (c *limited) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(c.capped(t)) }
func (c *limited) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(c.capped(t)) }
func (c *limited) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.capped(t)) }

func (c *limited) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left -= n; c.left < 0 {
		return 0, fmt.Errorf("the server sent more than %d MiB", probeBytes>>20)
	}
	return n, err
}

// open connects, begins TLS and reads the greeting. What it finds is in r; false, and there is no more to do.
func (p *prober) open(ctx context.Context, t target, r *probed) (*line, bool) {
	start := time.Now()
	d := net.Dialer{Timeout: p.timeout}
	raw, err := d.DialContext(ctx, t.network, t.addr)
	if err != nil {
		return nil, r.wrong("%s", dialWords(t, err, p.timeout))
	}
	r.took("connect", start)
	r.Encryption = "none"
	if a := raw.RemoteAddr().String(); a != t.addr {
		r.Address = a
	}
	now := time.Now()
	c := &limited{Conn: raw, end: now.Add(probeSteps * p.timeout), left: probeBytes}
	c.step(p.timeout)
	l := &line{limited: c, conn: c, in: bufio.NewReaderSize(c, probeLine), stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	mode := t.tls
	if t.sniff && l.silent() {
		mode = config.Implicit
	}
	ok := true
	switch mode {
	case config.Implicit:
		ok = p.handshake(ctx, t, l, r) && p.greet(l, r)
	default:
		ok = p.greet(l, r) && p.startTLS(ctx, t, l, r, mode)
	}
	if !ok {
		l.close()
	}
	return l, ok
}

// silent tells whether a server waits for the client to begin, as one does who wants TLS.
func (l *line) silent() bool {
	_ = l.limited.Conn.SetReadDeadline(time.Now().Add(probeSniff))
	_, err := l.in.Peek(1)
	_ = l.SetReadDeadline(time.Time{})
	return err != nil && errors.Is(err, os.ErrDeadlineExceeded)
}

// greet reads the greeting, and says who it is that gives another.
func (p *prober) greet(l *line, r *probed) bool {
	start := time.Now()
	l.step(p.timeout)
	text, err := l.read()
	r.took("greeting", start)
	switch {
	case err != nil && text == "" && errors.Is(err, os.ErrDeadlineExceeded):
		hint := "; one that wants TLS at once, as on port 993, would not, nor would one that cannot start"
		if l.secure {
			hint = ""
		}
		return r.wrong("the server accepts the connection and says nothing for %v: it is no IMAP server, or does not work%s", p.timeout, hint)
	case err != nil && text == "":
		return r.wrong("the server ended the connection without a greeting (%v): it is too busy, or keeps this address out", plain(err))
	case err != nil:
		return r.wrong("the server's greeting has no end: it begins with %.60q", text)
	}
	r.Greeting = text
	l.greeting = text
	word := strings.ToUpper(text)
	switch {
	case strings.HasPrefix(word, "* BYE"):
		return r.wrong("the server refuses the connection: %.200q", text)
	case strings.HasPrefix(word, "* OK"), strings.HasPrefix(word, "* PREAUTH"):
		return true
	}
	return r.wrong("this is no IMAP server but %s: its greeting is %.80q", speaker(word), text)
}

// speaker guesses whose greeting it is that is not IMAP's.
func speaker(greeting string) string {
	for _, x := range [][2]string{
		{"220", "one for SMTP or FTP"}, {"+OK", "one for POP3"}, {"SSH-", "one for SSH"}, {"HTTP/", "one for the web"}, {"* ", "something like one"},
	} {
		if strings.HasPrefix(greeting, x[0]) {
			return x[1]
		}
	}
	return "something else"
}

// startTLS asks for TLS, where the server begins without.
func (p *prober) startTLS(ctx context.Context, t target, l *line, r *probed, mode config.TLSMode) bool {
	l.step(p.timeout)
	answer, err := l.command("p1 CAPABILITY")
	if err != nil {
		return r.wrong("the server does not answer CAPABILITY: %v", plain(err))
	}
	for _, text := range answer {
		if words := strings.Fields(strings.ToUpper(text)); len(words) > 2 && words[0] == "*" && words[1] == "CAPABILITY" {
			r.BeforeTLS = words[2:]
		}
	}
	if !hasWord(r.BeforeTLS, "STARTTLS") {
		if t.network != "unix" && mode != config.NoTLS {
			r.wrong("the server offers no TLS here: passwords and mail cross the network for everybody to read")
		}
		return true
	}
	start := time.Now()
	answer, err = l.command("p2 STARTTLS")
	switch {
	case err != nil:
		return r.wrong("the server offers STARTTLS and does not answer it: %v", plain(err))
	case !strings.HasPrefix(strings.ToUpper(answer[len(answer)-1]), "P2 OK"):
		return r.wrong("the server offers STARTTLS and refuses it: %.200q", answer[len(answer)-1])
	case l.in.Buffered() > 0: // RFC 9051 §11.1
		return r.wrong("the server sent text behind its answer to STARTTLS: somebody may be in between")
	}
	r.took("STARTTLS", start)
	l.renewed = true
	return p.handshake(ctx, t, l, r)
}

// command sends a command and reads to its tagged answer.
func (l *line) command(text string) ([]string, error) {
	if _, err := io.WriteString(l.conn, text+"\r\n"); err != nil {
		return nil, err
	}
	tag, _, _ := strings.Cut(text, " ")
	var all []string
	for range 100 {
		s, err := l.read()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if strings.HasPrefix(strings.ToLower(s), tag+" ") {
			return all, nil
		}
	}
	return nil, errors.New("a hundred lines and no end")
}

// read reads one line.
func (l *line) read() (string, error) {
	b, err := l.in.ReadSlice('\n')
	return strings.TrimRight(string(b), "\r\n"), err
}

// replay is the connection for a client that comes late: the greeting first, once more, then what the server says. What
// was offered before TLS counts no more, and is left out of it.
func (l *line) replay() net.Conn {
	greeting := l.greeting
	if i, j := strings.Index(greeting, "["), strings.Index(greeting, "]"); l.renewed && 0 <= i && i < j {
		greeting = greeting[:i] + strings.TrimLeft(greeting[j+1:], " ")
	}
	return &replayed{Conn: l.conn, in: io.MultiReader(strings.NewReader(greeting+"\r\n"), l.in)}
}

type replayed struct {
	net.Conn
	in    io.Reader
	depth int // parentheses that are open in this line, whatever they stand in
}

// probeDepth is more than a server has a reason for; imapclient goes into each list by a call, until there is no more stack.
const probeDepth = 10000

func (c *replayed) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	for _, x := range b[:n] {
		switch x {
		case '(':
			c.depth++
		case ')':
			c.depth--
		case '\n':
			c.depth = 0
		}
		if c.depth > probeDepth {
			return 0, errors.New("the server sent lists in lists without end")
		}
	}
	return n, err
}

// Write mends an empty SASL response, which imapclient writes as "=": that is what an empty initial response is only
// (RFC 4959 §3), and ends SCRAM with an error.
func (c *replayed) Write(b []byte) (int, error) {
	if string(b) == "=\r\n" {
		if _, err := c.Conn.Write(b[1:]); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// dialWords says why there is no connection.
func dialWords(t target, err error, timeout time.Duration) string {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host of the name " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		if t.own {
			return "nothing listens there: see systemctl status 'maildir-imapd*', and start the sockets"
		}
		return "nothing listens there: the port is closed"
	case errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Sprintf("no answer for %v: the host is down, or a firewall swallows the connection", timeout)
	}
	return fmt.Sprintf("no connection: %v", plain(err))
}

// plain is an error as a person says it.
func plain(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server ended the connection"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, net.ErrClosed): // by imapclient
		return "what the server sent was not understood"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// handshake begins TLS and looks at the certificate, which is taken for the moment: what is wrong with it is told, and
// decides whether a password is sent.
func (p *prober) handshake(ctx context.Context, t target, l *line, r *probed) bool {
	start := time.Now()
	l.step(p.timeout)
	c := tls.Client(l.limited, &tls.Config{ServerName: sniName(t.name), InsecureSkipVerify: true, NextProtos: []string{"imap"}, MinVersion: tls.VersionTLS10})
	if err := c.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		switch {
		case errors.As(err, &record) && bytes.HasPrefix(record.RecordHeader[:], []byte("* ")):
			return r.wrong("the server speaks without TLS on a port where TLS is to come first: mail programs that are told TLS get no connection")
		case errors.As(err, &record):
			return r.wrong("what answers does not speak TLS: it begins with %q", record.RecordHeader[:])
		}
		return r.wrong("TLS cannot begin: %v", plain(err))
	}
	r.took("TLS", start)
	l.conn, l.in, l.secure = c, bufio.NewReaderSize(c, probeLine), true
	state := c.ConnectionState()
	r.Encryption = tls.VersionName(state.Version)
	r.Cipher = tls.CipherSuiteName(state.CipherSuite)
	if state.Version < tls.VersionTLS12 {
		l.broken = true
		r.wrong("%s is old and broken: newer mail programs refuse it", r.Encryption)
	}
	l.trusted = p.judge(t, state.PeerCertificates, r)
	return true
}

// sniName is the name by which a server chooses the certificate; addresses are none.
func sniName(name string) string {
	if net.ParseIP(name) != nil {
		return ""
	}
	return name
}

func hasWord(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}
