package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// nulStandIn is what goes out for a NUL where only a literal8 may hold one
// (RFC 3501 §4.3.1 and RFC 9051 §9, CHAR8). One byte for one, so that sizes,
// offsets and windows stay what they are; the byte that Dovecot sends too, so
// that what a client has cached from it stays right. It is no character of
// UTF-8 by itself, hence nobody reads it as text.
const nulStandIn = 0x80

// nulInText stands for a NUL in a string that the server has made of a message,
// such as a subject or a file name: U+FFFD as from Dovecot, so that the text stays
// UTF-8. Nobody counts on the length of these.
const nulInText = "\uFFFD"

// textLiteral writes a string as a literal.
func textLiteral[T string | []byte](e *Encoder, s T) *Encoder {
	size := len(s)
	for rest := s; ; size += len(nulInText) - 1 {
		i := indexNUL(rest)
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	e.literalHeader(int64(size), false)
	for {
		i := indexNUL(s)
		if i < 0 {
			return put(e, s)
		}
		put(e, s[:i])
		e.Raw(nulInText)
		s = s[i+1:]
	}
}

func indexNUL[T string | []byte](s T) int {
	switch s := any(s).(type) {
	case string:
		return strings.IndexByte(s, 0)
	case []byte:
		return bytes.IndexByte(s, 0)
	}
	return -1
}

// Literal starts a literal, or a literal8 if binary, of exactly size bytes. The
// caller writes them and closes the writer, which is valid until the next
// Literal; before Close no other token may be written. A literal that was not
// filled exactly leaves the connection out of step: Close, and from then on Err,
// report ErrLiteralSize. NUL passes in a literal8 only; elsewhere the client gets
// 0x80 for it. The writer is an io.ReaderFrom as well, so that io.Copy needs no
// buffer of its own.
func (e *Encoder) Literal(size int64, binary bool) io.WriteCloser {
	if size < 0 {
		e.fail(fmt.Errorf("literal of %d bytes: %w", size, ErrToken))
	}
	e.literalHeader(size, binary)
	e.open = e.err == nil
	e.lit = literalWriter{e: e, left: size, binary: binary}
	return &e.lit
}

type literalWriter struct {
	e      *Encoder
	left   int64
	binary bool
	closed bool
}

func (l *literalWriter) Write(p []byte) (int, error) {
	e := l.e
	if e.err != nil {
		return 0, e.err
	}
	if l.closed || int64(len(p)) > l.left {
		e.fail(ErrLiteralSize)
		return 0, e.err
	}
	if l.binary || bytes.IndexByte(p, 0) < 0 {
		n, err := e.w.Write(p)
		l.left -= int64(n)
		e.fail(err)
		return n, err
	}
	for rest := p; len(rest) > 0; {
		b := l.free()
		if e.err != nil {
			return len(p) - len(rest), e.err
		}
		b = b[:copy(b, rest)]
		rest = rest[len(b):]
		for i := range b {
			if b[i] == 0 {
				b[i] = nulStandIn
			}
		}
		_, _ = e.w.Write(b) // cannot fail: it is the buffer's own, and fits
		l.left -= int64(len(b))
	}
	return len(p), nil
}

// free is the room the connection's buffer has, at least one byte.
func (l *literalWriter) free() []byte {
	if l.e.w.Available() == 0 {
		l.e.fail(l.e.w.Flush())
	}
	return l.e.w.AvailableBuffer()[:l.e.w.Available()]
}

// ReadFrom fills the literal from r, which must end just when it is full. It
// reads into what the connection's buffer has free: nothing is copied.
func (l *literalWriter) ReadFrom(r io.Reader) (int64, error) {
	e := l.e
	if e.err != nil {
		return 0, e.err
	}
	var done int64
	for l.left > 0 {
		b := l.free()
		if e.err != nil {
			return done, e.err
		}
		n, err := r.Read(b[:min(int64(len(b)), l.left)])
		_, _ = l.Write(b[:n]) // as above
		done += int64(n)
		if err == io.EOF {
			return done, nil // Close says what is missing
		}
		if err != nil {
			e.fail(err)
			return done, err
		}
	}
	// Bytes that do not fit are a fault here as in Write.
	if m, _ := io.ReadFull(r, e.buf[:1]); m > 0 {
		e.fail(ErrLiteralSize)
		return done, e.err
	}
	return done, nil
}

// Close ends the literal. Closing it twice is the same as once.
func (l *literalWriter) Close() error {
	e := l.e
	if l.closed {
		return e.err
	}
	l.closed, e.open = true, false
	if l.left != 0 {
		e.fail(ErrLiteralSize)
	}
	return e.err
}
