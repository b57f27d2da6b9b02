package park

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a connection's lowest layer. One goroutine reads at a time; writers may work beside it.
type Socket struct {
	net.Conn
	raw syscall.RawConn // nil: it can only be read by waiting
	ask func(fd uintptr) bool

	fd   int          // while ask runs, -1 else
	left int          // how often ask may still read
	read func() error // what ask calls
	err  error        // what that returned
}

// Over makes a Socket of c. Where c has no descriptor, Wait is an ordinary read.
func Over(c net.Conn) *Socket {
	s := &Socket{Conn: c, fd: -1}
	if under, ok := c.(syscall.Conn); ok {
		if raw, err := under.SyscallConn(); err == nil {
			s.raw, s.ask = raw, s.asked
		}
	}
	return s
}

// NetConn is what lies below.
func (s *Socket) NetConn() net.Conn { return s.Conn }

// Wait calls read, which reads from s through whatever lies above it, until that returns something else than the
// news that nothing has come yet, and waits for input in between. It ends with the connection's read deadline, too.
func (s *Socket) Wait(read func() error) error {
	if s.raw == nil {
		return read()
	}
	s.read = read
	for {
		if err := s.raw.Read(s.ask); err != nil {
			return err
		}
		if !errors.Is(s.err, errEnough) {
			return s.err
		}
	}
}

// asked runs under the descriptor's read lock, which is why Read must not go through the Conn meanwhile.
func (s *Socket) asked(fd uintptr) bool {
	s.fd, s.left = int(fd), mostReads
	s.err = s.read()
	s.fd = -1
	return !errors.Is(s.err, errNotYet)
}

// Read waits, but not within Wait.
func (s *Socket) Read(p []byte) (int, error) {
	if s.fd < 0 || len(p) == 0 {
		return s.Conn.Read(p)
	}
	if s.left == 0 {
		return 0, errEnough
	}
	s.left--
	for {
		n, err := unix.Read(s.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, errNotYet
		case err != nil:
			return 0, &net.OpError{Op: "read", Net: s.LocalAddr().Network(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("read", err)}
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// mostReads is how often the layers may read at one time. They go on reading while nothing comes out for the reader,
// as an inflater does at empty blocks; deadline and close are looked at in between only, and a client that never stops
// sending such would put them off for ever.
const mostReads = 32

// notYet is a net.Error. crypto/tls goes on after one that calls itself temporary, as it does after a deadline.
type notYet string

const (
	errNotYet notYet = "no input yet"
	errEnough notYet = "more input than is taken at one time"
)

func (e notYet) Error() string { return string(e) }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }
