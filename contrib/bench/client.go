package main

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// client is a raw IMAP connection. It looks at nothing but the last line of what the server says.
type client struct {
	c    net.Conn
	buf  []byte
	tail []byte // the end of what was read last
	n    int
	keep bool   // whether to keep whole answers
	kept []byte // the last answer, if so
}

// buffers are what connections read into. A new one for each login would have the bench clear more than a
// gigabyte a second on the processors that it shares with the server.
var buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

const largeBuffer = 256 << 10

// way is how a client comes to a server.
type way struct {
	addr     string
	tls      bool // from the first byte
	compress bool
	from     net.IP // nil: whatever the kernel takes
}

func (w way) dial() (*client, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if w.from != nil {
		d.LocalAddr = &net.TCPAddr{IP: w.from}
	}
	c, err := d.Dial("tcp", w.addr)
	if err != nil {
		return nil, err
	}
	if w.tls {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // nobody signed it
	}
	k := &client{c: c, buf: buffers.Get().(*[largeBuffer]byte)[:]}
	if err := k.until("* OK"); err != nil {
		k.drop()
		return nil, err
	}
	return k, nil
}

func (w way) login(user string) (*client, error) {
	k, err := w.dial()
	if err != nil {
		return nil, err
	}
	if err = k.do("LOGIN " + user + " " + password); err == nil && w.compress {
		if err = k.do("COMPRESS DEFLATE"); err == nil {
			k.c = deflated{k.c, flate.NewReader(k.c)}
		}
	}
	if err != nil {
		k.drop()
		return nil, err
	}
	return k, nil
}

func login(addr, user string) (*client, error) { return way{addr: addr}.login(user) }

// deflated is a connection after COMPRESS (RFC 4978). What the client says goes in stored blocks (RFC 1951
// §3.2.4): the bench compresses nothing.
type deflated struct {
	net.Conn
	r io.Reader
}

func (d deflated) Read(p []byte) (int, error) { return d.r.Read(p) }

func (d deflated) Write(p []byte) (int, error) {
	const most = 1<<16 - 1
	for b := p; len(b) > 0; b = b[min(len(b), most):] {
		n := uint16(min(len(b), most))
		block := append([]byte{0, byte(n), byte(n >> 8), byte(^n), byte(^n >> 8)}, b[:n]...)
		if _, err := d.Conn.Write(block); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// until reads until the last line begins with one of the prefixes. Servers say nothing after a tagged line
// that was not asked for, so only the end of each read is looked at.
func (k *client) until(prefixes ...string) error {
	k.tail, k.kept = k.tail[:0], k.kept[:0]
	_ = k.c.SetReadDeadline(time.Now().Add(5 * time.Minute))
	for {
		n, err := k.c.Read(k.buf)
		if err != nil {
			return err
		}
		if k.keep {
			k.kept = append(k.kept, k.buf[:n]...)
		}
		k.tail = append(k.tail, k.buf[max(0, n-2048):n]...)
		if len(k.tail) > 4096 {
			k.tail = append(k.tail[:0], k.tail[len(k.tail)-2048:]...)
		}
		if !bytes.HasSuffix(k.tail, []byte("\r\n")) {
			continue
		}
		line := k.tail[bytes.LastIndexByte(k.tail[:len(k.tail)-2], '\n')+1:]
		for _, p := range prefixes {
			if bytes.HasPrefix(line, []byte(p)) {
				return nil
			}
		}
	}
}

// do sends one command and waits for its OK.
func (k *client) do(command string) error {
	k.n++
	tag := fmt.Sprintf("bEnCh%d", k.n)
	if _, err := k.c.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		return err
	}
	if err := k.until(tag + " "); err != nil {
		return fmt.Errorf("%s: %w", brief(command), err)
	}
	line := string(k.tail[bytes.LastIndex(k.tail, []byte(tag)):])
	if !strings.HasPrefix(line, tag+" OK") {
		return fmt.Errorf("%s: %s", brief(command), strings.TrimSpace(line))
	}
	return nil
}

func brief(command string) string {
	if len(command) > 60 {
		return command[:60] + "..."
	}
	return command
}

func (k *client) close() {
	_ = k.do("LOGOUT")
	k.drop()
}

// drop ends the connection without a word.
func (k *client) drop() {
	_ = k.c.Close()
	k.shrink(0)
}

// shrink gives the large buffer back and goes on with so many bytes.
func (k *client) shrink(to int) {
	if len(k.buf) == largeBuffer {
		buffers.Put((*[largeBuffer]byte)(k.buf))
	}
	k.buf = make([]byte, to)
}
