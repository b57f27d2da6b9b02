package imapd

import (
	"errors"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gather sits between the buffered writer of a plain connection and its socket while a command sends what lies
// in memory already: text is collected, pieces are noted where they lie, and writev(2) takes all of it at once.
// Over TLS or a compressor nothing is won: there the bytes are read once more anyway.
type gather struct {
	c    *conn
	raw  rawWriter
	text []byte       // what came by Write; never grown, since vec points into it
	tail int          // where the text begins that vec does not have
	vec  []unix.Iovec // what goes out, in this order
}

// rawWriter is a socket's descriptor, for writing when it can be written to.
type rawWriter interface {
	Write(func(fd uintptr) (done bool)) error
}

const (
	gatherText   = 16 << 10
	gatherPieces = 512 // twice that may go out by one call
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
	c.gather = &gather{c: c, raw: raw, text: make([]byte, 0, gatherText), vec: make([]unix.Iovec, 0, 2*gatherPieces)}
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
		return len(p), nil
	}
	g.cut()
	g.put(p)
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
	g.put(b)
	if len(g.vec) >= 2*gatherPieces-2 {
		return g.flush()
	}
	return nil
}

func (g *gather) put(b []byte) {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	g.vec = append(g.vec, v)
}

// cut notes the text that has come since the last piece.
func (g *gather) cut() {
	if len(g.text) > g.tail {
		g.put(g.text[g.tail:])
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
		for len(vec) > 0 && n >= int(vec[0].Len) {
			n -= int(vec[0].Len)
			vec = vec[1:]
		}
		if n > 0 {
			left := unsafe.Slice(vec[0].Base, int(vec[0].Len))[n:]
			vec[0].Base = &left[0]
			vec[0].SetLen(len(left))
		}
	}
	g.drop()
	return err
}

// drop forgets what has not been sent: what it lies in is wanted, and the connection is at its end.
func (g *gather) drop() {
	clear(g.vec)
	g.vec, g.text, g.tail = g.vec[:0], g.text[:0], 0
}

// writev makes one call. The socket never makes it wait, so the scheduler, which would take the processor away from
// a call of that length and give it to another thread, need not be told of it.
func (g *gather) writev(vec []unix.Iovec) (n int, err error) {
	if err := g.c.nc.SetWriteDeadline(time.Now().Add(g.c.writeTimeout)); err != nil {
		return 0, err
	}
	werr := g.raw.Write(func(fd uintptr) bool {
		for {
			k, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)))
			switch errno {
			case 0:
				n, err = int(k), nil
				return true
			case unix.EAGAIN:
				return false
			case unix.EINTR:
			default:
				n, err = 0, errno
				return true
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
