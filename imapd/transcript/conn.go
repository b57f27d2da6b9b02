package transcript

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

// errQuiet: nothing came in time.
var errQuiet = errors.New("no response")

// conn is a client's end of a connection. Responses are read by a goroutine that reads one when asked for
// one, so that the stream may be swapped between two responses and a wait may be given up and resumed.
type conn struct {
	net     net.Conn
	r       *bufio.Reader
	w       io.Writer
	flate   *flate.Writer
	oneByte bool
	want    chan struct{}
	got     chan read
	asked   bool
	unread  [][]byte // read while waiting for something else
	log     dialogue
	name    string
}

// dialogue is where what is said is written down.
type dialogue interface {
	WriteString(string) (int, error)
	String() string
}

type read struct {
	raw []byte
	err error
}

func newConn(c net.Conn, name string, oneByte bool, log dialogue) *conn {
	k := &conn{net: c, r: bufio.NewReader(c), oneByte: oneByte, want: make(chan struct{}, 1), got: make(chan read), log: log, name: name}
	k.setWriter(c)
	go k.readLoop()
	return k
}

func (c *conn) setWriter(w io.Writer) {
	if c.oneByte {
		w = &byteWriter{w}
	}
	c.w = w
}

// byteWriter gives every byte a write of its own.
type byteWriter struct{ w io.Writer }

func (b *byteWriter) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.w.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func (c *conn) readLoop() {
	defer close(c.got)
	for range c.want {
		raw, err := readResponse(c.r)
		c.got <- read{raw, err}
		if err != nil {
			return
		}
	}
}

// readResponse reads a line and the literals in it.
func readResponse(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	for {
		line, err := r.ReadBytes('\n')
		raw = append(raw, line...)
		if err != nil {
			return raw, err
		}
		n, ok := literalAtEnd(raw)
		if !ok {
			return raw, nil
		}
		lit := make([]byte, n)
		if _, err := io.ReadFull(r, lit); err != nil {
			return raw, err
		}
		raw = append(raw, lit...)
	}
}

func literalAtEnd(line []byte) (int, bool) {
	line, ok := bytes.CutSuffix(line, []byte("}\r\n"))
	i := bytes.LastIndexByte(line, '{')
	if !ok || i < 0 {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[i+1:]))
	return n, err == nil && n >= 0 && n < 64<<20
}

// next returns the next response.
func (c *conn) next(wait time.Duration) ([]byte, error) {
	if len(c.unread) > 0 {
		raw := c.unread[0]
		c.unread = c.unread[1:]
		return raw, nil
	}
	if !c.asked {
		c.want <- struct{}{}
		c.asked = true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r, ok := <-c.got:
		if !ok {
			return nil, io.EOF
		}
		c.asked = false
		if len(r.raw) > 0 {
			c.log.WriteString(c.name + " S: " + string(r.raw))
		}
		return r.raw, r.err
	case <-timer.C:
		return nil, errQuiet
	}
}

func (c *conn) send(b []byte) error {
	c.log.WriteString(c.name + " C: " + string(b))
	_ = c.net.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	if c.flate != nil {
		return c.flate.Flush()
	}
	return nil
}

// deflate turns both directions to RFC 4978's raw deflate.
func (c *conn) deflate() error {
	w, err := flate.NewWriter(c.w, flate.DefaultCompression)
	if err != nil {
		return err
	}
	c.flate, c.w = w, w
	c.r = bufio.NewReader(flate.NewReader(c.r))
	return nil
}

func (c *conn) startTLS(cfg *tls.Config) error {
	t := tls.Client(c.net, cfg)
	_ = t.SetDeadline(time.Now().Add(10 * time.Second))
	if err := t.Handshake(); err != nil {
		return err
	}
	_ = t.SetDeadline(time.Time{})
	c.net, c.r = t, bufio.NewReader(t)
	c.setWriter(t)
	return nil
}

func (c *conn) close() {
	_ = c.net.Close()
	close(c.want)
	for range c.got { // until the reader has ended
	}
}
