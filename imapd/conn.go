package imapd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/imapd/park"
)

// Buffers live in pools and are held only while a command is read, run and answered: an idle connection
// owns its stash and nothing else.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}
)

// errDraining ends the wait for a command when the server shuts down.
var errDraining = errors.New("server is shutting down")

// errNudged ends the wait for a command because there is something to say to the client.
var errNudged = errors.New("something to say")

// errPlaintextBuffered: bytes came behind STARTTLS or COMPRESS before the layer was switched. Reading
// them would let someone on the path inject commands (CVE-2011-0411).
var errPlaintextBuffered = errors.New("data was sent before the new layer was negotiated")

// errNotRead: the client took nothing for longer than [limits] write_timeout.
var errNotRead = errors.New("the client does not read")

// conn is the bytes of one connection: buffers, deadlines, and the layers under them. It knows no IMAP.
type conn struct {
	nc   net.Conn     // TCP, or TLS over it
	sock *park.Socket // the TCP below; nil where TLS came without one
	src  io.Reader    // what is read: nc, or an inflater over it
	dst  io.Writer    // what is written: nc, or a deflater over it

	br *bufio.Reader // nil while idle
	bw *bufio.Writer // nil while idle

	gather *gather // what bw writes to while a command sends what lies in memory

	// stash takes the first bytes that end an idle wait, before a buffer is fetched from the pool.
	stash  [48]byte
	staged []byte       // unread part of stash
	ask    func() error // c.fill, bound once

	writeTimeout time.Duration
	in, out      atomic.Int64 // bytes on the wire, inside TLS

	mu       sync.Mutex // guards what follows against drain and nudge
	draining bool
	waiting  bool
	nudged   bool
}

func newConn(nc net.Conn, writeTimeout time.Duration) *conn {
	c := &conn{nc: nc, writeTimeout: writeTimeout}
	c.src, c.dst, c.ask = (*wireSide)(c), (*wireSide)(c), c.fill
	if tc, ok := nc.(*tls.Conn); ok {
		c.sock, _ = tc.NetConn().(*park.Socket)
	} else {
		c.sock = park.Over(nc)
	}
	return c
}

// wireSide is the conn's outer end: counts, and a deadline for every write.
type wireSide conn

func (s *wireSide) Read(p []byte) (int, error) {
	var n int
	var err error
	if tc, ok := s.nc.(*tls.Conn); ok {
		n, err = tc.Read(p)
	} else {
		n, err = s.sock.Read(p)
	}
	s.in.Add(int64(n))
	return n, err
}

func (s *wireSide) Write(p []byte) (int, error) {
	if err := s.nc.SetWriteDeadline(time.Now().Add(s.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := s.nc.Write(p)
	s.out.Add(int64(n))
	if isTimeout(err) {
		err = errNotRead // not to be taken for the end of a wait for input
	}
	return n, err
}

// Read feeds br: what the idle wait took first, then the stream.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.staged) > 0 {
		n := copy(p, c.staged)
		c.staged = c.staged[n:]
		return n, nil
	}
	// A client may wait for an answer before it finishes its next line.
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.src.Read(p)
}

// reader returns the buffered reader, from the pool if the conn was idle.
func (c *conn) reader() *bufio.Reader {
	if c.br == nil {
		c.br = readers.Get().(*bufio.Reader)
		c.br.Reset(c)
	}
	return c.br
}

// writer returns the buffered writer, from the pool if the conn was idle.
func (c *conn) writer() *bufio.Writer {
	if c.bw == nil {
		c.bw = writers.Get().(*bufio.Writer)
		c.bw.Reset(c.dst)
	}
	return c.bw
}

// flush sends what is buffered.
func (c *conn) flush() error {
	if c.bw == nil {
		return nil
	}
	if err := c.bw.Flush(); err != nil || c.gather == nil {
		return err
	}
	return c.gather.flush()
}

// buffered reports whether input is at hand that was read ahead.
func (c *conn) buffered() bool {
	return len(c.staged) > 0 || c.br != nil && c.br.Buffered() > 0
}

// release gives the buffers back; input that is still buffered keeps its buffer.
func (c *conn) release() {
	if c.bw != nil && c.bw.Buffered() == 0 {
		c.bw.Reset(nil)
		writers.Put(c.bw)
		c.bw = nil
	}
	if c.br != nil && c.br.Buffered() == 0 {
		c.br.Reset(nil)
		readers.Put(c.br)
		c.br = nil
	}
}

// await flushes, gives the buffers back and waits until input is there or the deadline passes.
func (c *conn) await(deadline time.Time) error {
	if c.buffered() {
		return nil
	}
	if err := c.rest(deadline); err != nil {
		return err
	}
	return c.awaitInput()
}

// rest gives the buffers back before a wait.
func (c *conn) rest(deadline time.Time) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.release()
	return c.beginWait(deadline)
}

// beginWait comes before awaitInput, on the goroutine that may interrupt it: a deadline set later would undo
// the interruption.
func (c *conn) beginWait(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return c.nc.SetReadDeadline(time.Now().Add(lastLook))
	}
	if c.nudged {
		c.nudged = false
		return errNudged
	}
	c.waiting = true
	return c.nc.SetReadDeadline(deadline)
}

// awaitInput waits for input without touching the writing side, so IDLE may run it beside the writer.
func (c *conn) awaitInput() error {
	if c.sock == nil {
		return c.awoken(c.fill())
	}
	return c.awoken(c.sock.Wait(c.ask))
}

// fill takes what there is. An error that comes along with input is met again by who reads on: TLS 1.2 looks for the
// client's farewell behind a record, and half of one must not make the wait go on over what the record said.
func (c *conn) fill() error {
	n, err := c.src.Read(c.stash[:])
	c.staged = c.stash[:n]
	if n > 0 {
		return nil
	}
	return err
}

func (c *conn) awoken(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if len(c.staged) > 0 {
		return nil
	}
	if c.draining {
		return errDraining
	}
	if c.nudged {
		c.nudged = false
		return errNudged
	}
	return err
}

// interrupt ends a wait of awaitInput in another goroutine.
func (c *conn) interrupt() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }

// readUntil bounds the reading of the rest of a command that has begun.
func (c *conn) readUntil(deadline time.Time) { _ = c.nc.SetReadDeadline(deadline) }

// lastLook is how long a server that shuts down looks for a command that has come already. It must be in the future
// for input to be looked for at all.
const lastLook = 2 * time.Millisecond

// drain makes the next or current wait for a command end with errDraining, unless one has come. A command that is
// running is not disturbed.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.waiting {
		_ = c.nc.SetReadDeadline(time.Now().Add(lastLook))
	}
}

// leaving tells whether drain was called.
func (c *conn) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// nudge makes the present or the next wait for a command end with errNudged. Input that has come goes first: then it
// is the wait after that.
func (c *conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nudged = true
	if c.waiting {
		c.interrupt()
	}
}

// startTLS puts TLS over the connection. The caller has flushed its OK.
func (c *conn) startTLS(config *tls.Config, timeout time.Duration) (*tls.Conn, error) {
	if c.buffered() {
		return nil, errPlaintextBuffered
	}
	tc := tls.Server(c.sock, config)
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if err := tc.Handshake(); err != nil {
		return nil, err
	}
	if err := tc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.nc = tc
	c.mu.Unlock()
	return tc, nil
}

// swap puts another layer (compression) between the buffers and the wire. wrap is given the present ends.
// Input that was read ahead belongs to the new layer only if the client pipelined it before our OK, which
// RFC 4978 §3 forbids.
func (c *conn) swap(wrap func(r io.Reader, w io.Writer) (io.Reader, io.Writer)) error {
	if c.buffered() {
		return errPlaintextBuffered
	}
	if err := c.flush(); err != nil {
		return err
	}
	c.release()
	c.src, c.dst = wrap(c.src, c.dst)
	return nil
}

// compressed tells whether there is a layer over the socket or TLS.
func (c *conn) compressed() bool { return c.dst != (*wireSide)(c) }

// takeBuffered empties the read-ahead, for the hand-over of a connection.
func (c *conn) takeBuffered() []byte {
	var b []byte
	if c.br != nil {
		b = make([]byte, c.br.Buffered())
		_, _ = io.ReadFull(c.br, b)
	}
	return append(b, c.staged...)
}

// hangUp ends the connection after a last word: what the client sent meanwhile is read, for a short time,
// because closing a socket with unread input makes the kernel drop what was just written.
func (c *conn) hangUp() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}

const (
	lingerTime  = 300 * time.Millisecond
	lingerBytes = 64 << 10
)

func (c *conn) close() error {
	c.mu.Lock()
	nc := c.nc // Shutdown may cut a connection while STARTTLS is at work on it
	c.mu.Unlock()
	return nc.Close()
}
