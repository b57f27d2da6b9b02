package imapd

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// gather sits between the buffered writer of a plain connection and its socket while a command sends what lies
// in memory already: text is collected, pieces are noted where they lie, and writev(2) takes all of it at once.
// Over TLS or a compressor nothing is won: there the bytes are read once more anyway.
type gather struct {
	c    *conn
	raw  rawWriter
	text []byte   // what came by Write; never grown, since vec points into it
	tail int      // where the text begins that vec does not have
	size int      // of what waits
	vec  [][]byte // what goes out, in this order
}

// rawWriter is a socket's descriptor, for writing when it can be written to.
type rawWriter interface {
	Write(func(fd uintptr) (done bool)) error
}

const (
	gatherText   = 16 << 10
	gatherPieces = 128
	gatherBytes  = 256 << 10
)

// startGather makes c's writer collect, until endGather, if the socket is what it writes to.
func (c *conn) startGather() {
	if c.compressed() {
		return
	}
	switch c.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return
	}
	raw, ok := rawOf(c.nc).(rawWriter)
	if !ok {
		return
	}
	bw := c.writer()
	if bw.Flush() != nil {
		return // whoever writes next is told
	}
	c.gather = &gather{c: c, raw: raw, text: make([]byte, 0, gatherText), vec: make([][]byte, 0, 2*gatherPieces)}
	bw.Reset(c.gather)
}

// endGather sends what is collected and lets the writer write again.
func (c *conn) endGather() error {
	g := c.gather
	if g == nil {
		return nil
	}
	err := c.flush()
	c.gather = nil
	c.bw.Reset(c.dst)
	return err
}

// piece sends b, which must not change until the next flush, behind what was written before.
func (c *conn) piece(b []byte) error {
	if c.gather == nil {
		_, err := c.writer().Write(b)
		return err
	}
	if err := c.bw.Flush(); err != nil {
		return err
	}
	return c.gather.add(b)
}

// Write collects. What is too long to be copied goes out at once: it is the caller's.
func (g *gather) Write(p []byte) (int, error) {
	if len(p) <= cap(g.text)-len(g.text) {
		g.text = append(g.text, p...)
		g.size += len(p)
		return len(p), nil
	}
	g.cut()
	g.vec = append(g.vec, p)
	if err := g.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (g *gather) add(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	g.cut()
	g.vec = append(g.vec, b)
	g.size += len(b)
	if len(g.vec) >= gatherPieces || g.size >= gatherBytes {
		return g.flush()
	}
	return nil
}

// cut notes the text that has come since the last piece.
func (g *gather) cut() {
	if len(g.text) > g.tail {
		g.vec = append(g.vec, g.text[g.tail:])
		g.tail = len(g.text)
	}
}

// flush sends all of it. As with every write of the connection the client has [limits] write_timeout to take
// something; taking something gives it that time anew.
func (g *gather) flush() error {
	g.cut()
	vec := g.vec
	var err error
	for len(vec) > 0 && err == nil {
		var n int
		n, err = g.writev(vec)
		g.c.out.Add(int64(n))
		for len(vec) > 0 && n >= len(vec[0]) {
			n -= len(vec[0])
			vec = vec[1:]
		}
		if n > 0 {
			vec[0] = vec[0][n:]
		}
	}
	clear(g.vec)
	g.vec, g.text, g.tail, g.size = g.vec[:0], g.text[:0], 0, 0
	return err
}

func (g *gather) writev(vec [][]byte) (n int, err error) {
	if err := g.c.nc.SetWriteDeadline(time.Now().Add(g.c.writeTimeout)); err != nil {
		return 0, err
	}
	werr := g.raw.Write(func(fd uintptr) bool {
		for {
			if n, err = unix.Writev(int(fd), vec); err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case isTimeout(werr):
		return 0, errNotRead
	case werr != nil:
		return 0, werr
	case err != nil:
		return 0, &net.OpError{Op: "writev", Net: "tcp", Err: err}
	case n == 0:
		return 0, errNothingTaken
	}
	return n, nil
}

// errNothingTaken: a socket that takes no byte and reports no error would be asked for ever.
var errNothingTaken = errors.New("the socket took nothing")
