package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// Literal is the header of a literal.
type Literal struct {
	Size    int64
	NonSync bool // {n+}: the client does not wait (RFC 7888)
	Binary  bool // ~{n}: a literal8, which may hold NUL (RFC 3516)
}

// LiteralHeader reads ["~"] "{" number64 ["+"] "}" CRLF and leaves the octets
// to LiteralReader, DiscardLiteral or, after an error, DiscardLine. It asks for
// no continuation and holds the literal to no limit: that is the caller's.
func (d *Decoder) LiteralHeader() Literal {
	var l Literal
	l.Binary = d.TrySpecial('~')
	if !d.TrySpecial('{') {
		d.unexpected("a literal")
		return Literal{}
	}
	n, ok := d.digits(math.MaxInt64)
	if !ok {
		n = math.MaxInt64 // past every limit that a caller may have
	}
	l.Size = int64(n)
	l.NonSync = d.TrySpecial('+')
	d.Special('}')
	d.lineEnd()
	if d.err != nil {
		return Literal{}
	}
	if l.NonSync {
		d.pending = l.Size
	} else {
		d.awaiting = true
	}
	return l
}

// LiteralReader returns a reader of exactly l.Size bytes, valid until the next
// one. For a synchronising literal the caller has sent the continuation. NUL
// outside a literal8 is a *SyntaxError, also of the Decoder. What is left
// unread DiscardLine skips.
func (d *Decoder) LiteralReader(l Literal) io.Reader {
	d.awaiting = false
	d.pending = l.Size
	d.lit = literalReader{d: d, binary: l.Binary}
	return &d.lit
}

type literalReader struct {
	d      *Decoder
	binary bool
}

func (r *literalReader) Read(p []byte) (int, error) {
	d := r.d
	if d.err != nil {
		return 0, d.err
	}
	if d.pending == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > d.pending {
		p = p[:d.pending]
	}
	n, err := d.r.Read(p)
	d.pending -= int64(n)
	if !r.binary {
		if i := bytes.IndexByte(p[:n], 0); i >= 0 {
			d.Fail("NUL is allowed in a literal8, ~{n}, only")
			return i, d.err
		}
	}
	if err != nil {
		d.ioError(err)
		return n, d.err
	}
	return n, nil
}

// argLiteral reads a literal as an argument.
func (d *Decoder) argLiteral() string {
	l := d.LiteralHeader()
	if d.err != nil {
		return ""
	}
	if l.Size > d.lim.Literal {
		d.exceed(LimitLiteral, "literal is longer than %d bytes", d.lim.Literal)
	}
	if !d.argument(l.Size) {
		var e *LimitError
		if errors.As(d.err, &e) && l.NonSync && l.Size > d.lim.Discard {
			e.Fatal = true
		}
		return ""
	}
	if !l.NonSync {
		if d.cont == nil {
			d.Fail("synchronising literals are not taken here")
			return ""
		}
		if err := d.cont(); err != nil {
			d.ioError(err)
			return ""
		}
	}
	r := d.LiteralReader(l)
	if int64(cap(d.buf)) < l.Size {
		d.buf = make([]byte, l.Size)
	}
	d.buf = d.buf[:l.Size]
	if _, err := io.ReadFull(r, d.buf); err != nil {
		return "" // the reader has set d.err
	}
	return string(d.buf)
}

// DiscardLiteral skips what the client sends of a literal that was refused:
// nothing of a synchronising one that was not asked for. Past Limits.Discard it
// returns a fatal *LimitError.
func (d *Decoder) DiscardLiteral(_ Literal) error {
	if d.awaiting {
		return nil
	}
	left := d.lim.Discard
	return d.discardPending(&left)
}

// DiscardLine skips the rest of the command, with the non-synchronising
// literals in it, so that the next command starts clean. After the end of the
// line, or while the client waits for a continuation that it will not get, there
// is nothing to skip. It returns a fatal *LimitError when the rest is longer
// than Limits.Discard, and errors of the reader. The Decoder's own error stays.
func (d *Decoder) DiscardLine() error {
	if err := d.readerError(); err != nil {
		return err
	}
	if d.ended || d.awaiting {
		return nil
	}
	left := d.lim.Discard
	var t literalAt
	t.feed(d.last[:])
	for {
		if err := d.discardPending(&left); err != nil {
			return err
		}
		end, err := d.skipToLF(&t, &left)
		if err != nil {
			return err
		}
		if end {
			if !t.nonSync() {
				d.ended = true
				return nil
			}
			d.pending, t = t.size, literalAt{}
		}
	}
}

// readerError returns d.err if reading on is of no use: the reader failed, or
// the error is fatal.
func (d *Decoder) readerError() error {
	switch e := d.err.(type) {
	case nil, *SyntaxError:
		return nil
	case *LimitError:
		if !e.Fatal {
			return nil
		}
	}
	return d.err
}

func (d *Decoder) discardPending(left *int64) error {
	if d.pending > *left {
		return d.discardLimit()
	}
	for d.pending > 0 {
		n, err := d.r.Discard(int(min(d.pending, 1<<20)))
		d.pending -= int64(n)
		*left -= int64(n)
		if err != nil {
			return unexpectedEOF(err)
		}
	}
	return nil
}

// skipToLF drops what the reader holds up to the next LF, and reports whether
// there was one.
func (d *Decoder) skipToLF(t *literalAt, left *int64) (bool, error) {
	if _, err := d.r.Peek(1); err != nil {
		return false, unexpectedEOF(err)
	}
	win, _ := d.r.Peek(d.r.Buffered())
	i := bytes.IndexByte(win, '\n')
	n := i + 1
	if i < 0 {
		n = len(win)
		t.feed(win)
	} else {
		t.feed(win[:i])
	}
	*left -= int64(n)
	if *left < 0 {
		return false, d.discardLimit()
	}
	_, _ = d.r.Discard(n)
	return i >= 0, nil
}

func (d *Decoder) discardLimit() error {
	return &LimitError{
		Msg:   fmt.Sprintf("more than %d bytes after an error", d.lim.Discard),
		Limit: LimitDiscard, Value: d.lim.Discard, Fatal: true,
	}
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// literalAt recognises the header of a non-synchronising literal at the end of
// the bytes it was fed.
type literalAt struct {
	state byte // how much of '{', digit, '+', '}', CR was seen
	size  int64
}

func (t *literalAt) nonSync() bool { return t.state >= 4 }

func (t *literalAt) feed(b []byte) {
	for _, c := range b {
		switch {
		case c == '{':
			*t = literalAt{state: 1}
		case '0' <= c && c <= '9' && (t.state == 1 || t.state == 2):
			t.state = 2
			if t.size > (math.MaxInt64-9)/10 {
				t.size = math.MaxInt64 // past any bound from here on
			} else {
				t.size = t.size*10 + int64(c-'0')
			}
		case c == '+' && t.state == 2, c == '}' && t.state == 3, c == '\r' && t.state == 4:
			t.state++
		default:
			t.state = 0
		}
	}
}
