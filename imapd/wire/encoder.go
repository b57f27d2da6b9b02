package wire

import (
	"bufio"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// maxQuoted is the length past which a string goes as a literal: clients keep
// lines in fixed buffers, literals are counted.
const maxQuoted = 4 << 10

// Encoder writes responses. Its methods return the Encoder, so that calls
// chain; the first error sticks and nothing is written after it.
type Encoder struct {
	w    *bufio.Writer
	utf8 bool
	err  error
	open bool          // a literal is being filled
	lit  literalWriter // the one that is or was
	buf  []byte        // of numbers, dates and literal headers
	name []byte        // of mailbox names
}

// NewEncoder returns an Encoder without a writer: Reset gives it one.
func NewEncoder() *Encoder { return &Encoder{buf: make([]byte, 0, 64)} }

// Reset makes the Encoder write to w and forgets its error.
func (e *Encoder) Reset(w *bufio.Writer) { e.w, e.err, e.open = w, nil, false }

// SetUTF8 allows UTF-8 in quoted strings and mailbox names (RFC 6855 §3,
// RFC 9051 §5.1).
func (e *Encoder) SetUTF8(on bool) { e.utf8 = on }

// UTF8 tells what SetUTF8 was told.
func (e *Encoder) UTF8() bool { return e.utf8 }

// Err returns the first error.
func (e *Encoder) Err() error { return e.err }

// Flush sends what the writer holds.
func (e *Encoder) Flush() error {
	if e.err == nil {
		e.fail(e.w.Flush())
	}
	return e.err
}

func (e *Encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// ready reports whether a token may be written now.
func (e *Encoder) ready() bool {
	if e.err == nil && e.open {
		e.err = ErrLiteralOpen
	}
	return e.err == nil
}

// Raw writes s as it is.
func (e *Encoder) Raw(s string) *Encoder {
	if e.ready() {
		_, err := e.w.WriteString(s)
		e.fail(err)
	}
	return e
}

// RawBytes writes b as it is.
func (e *Encoder) RawBytes(b []byte) *Encoder {
	if e.ready() {
		_, err := e.w.Write(b)
		e.fail(err)
	}
	return e
}

// Special writes one byte.
func (e *Encoder) Special(c byte) *Encoder {
	if e.ready() {
		e.fail(e.w.WriteByte(c))
	}
	return e
}

// SP writes a space.
func (e *Encoder) SP() *Encoder { return e.Special(' ') }

// CRLF ends the line.
func (e *Encoder) CRLF() *Encoder { return e.Raw("\r\n") }

// NIL writes NIL.
func (e *Encoder) NIL() *Encoder { return e.Raw("NIL") }

// Atom writes a word of the protocol. One with bytes that would end the token
// is an error: see Raw for words with brackets and spaces in them.
func (e *Encoder) Atom(s string) *Encoder {
	ok := s != ""
	for i := 0; i < len(s) && ok; i++ {
		switch c := s[i]; c {
		case '(', ')', '{', '"':
			ok = false
		default:
			ok = ' ' < c && c < 0x7f
		}
	}
	if !ok {
		e.fail(fmt.Errorf("atom %q: %w", s, ErrToken))
	}
	return e.Raw(s)
}

// Number writes a number.
func (e *Encoder) Number(n uint32) *Encoder {
	e.buf = strconv.AppendUint(e.buf[:0], uint64(n), 10)
	return e.RawBytes(e.buf)
}

// Number64 writes a number64. Negative ones do not exist: they are an error.
func (e *Encoder) Number64(n int64) *Encoder {
	if n < 0 {
		e.fail(fmt.Errorf("number %d: %w", n, ErrToken))
	}
	e.buf = strconv.AppendInt(e.buf[:0], n, 10)
	return e.RawBytes(e.buf)
}

// Text writes resp-text. What may not stand in it, so that nothing a client or
// a file name contains can start a line, becomes a space (controls) or "?"
// (8-bit without SetUTF8, and what is not UTF-8 with it).
func (e *Encoder) Text(s string) *Encoder {
	start := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		with := ""
		switch {
		case r < ' ' || r == 0x7f:
			with = " "
		case r >= utf8.RuneSelf && (!e.utf8 || r == utf8.RuneError && n == 1):
			with = "?"
		}
		if with != "" {
			e.Raw(s[start:i]).Raw(with)
			start = i + n
		}
		i += n
	}
	return e.Raw(s[start:])
}

// Flag writes a flag. One that is no flag of the grammar, which a keyword file
// of another program may well hold, is an error.
func (e *Encoder) Flag(f imap.Flag) *Encoder {
	if !flagOK(f) {
		e.fail(fmt.Errorf("flag %q: %w", string(f), ErrToken))
	}
	return e.Raw(string(f))
}

// Flags writes a parenthesised list. Flags that the grammar has no form for are
// left out, so that one odd keyword on disk does not end the session.
func (e *Encoder) Flags(flags []imap.Flag) *Encoder {
	e.Special('(')
	first := true
	for _, f := range flags {
		if !flagOK(f) {
			continue
		}
		if !first {
			e.SP()
		}
		first = false
		e.Raw(string(f))
	}
	return e.Special(')')
}

func flagOK(f imap.Flag) bool {
	if f == imap.FlagWildcard {
		return true
	}
	if f != "" && f[0] == '\\' {
		f = f[1:]
	}
	return f != "" && all(string(f), classAtom)
}

// DateTime writes a date-time in t's own zone. Years that do not fit four
// digits are brought to the nearest that does.
func (e *Encoder) DateTime(t time.Time) *Encoder {
	switch y := t.Year(); {
	case y < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case y > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	e.buf = t.AppendFormat(e.buf[:0], `"02-Jan-2006 15:04:05 -0700"`)
	return e.RawBytes(e.buf)
}

// NumSet writes a number set; 0 is "*". An empty one has no form and is an
// error.
func (e *Encoder) NumSet(set imap.NumSet) *Encoder {
	empty := true
	switch s := set.(type) {
	case imap.SeqSet:
		for i, r := range s {
			e.numRange(i, r.Start, r.Stop)
		}
		empty = len(s) == 0
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			return e.Special('$')
		}
		for i, r := range s {
			e.numRange(i, uint32(r.Start), uint32(r.Stop))
		}
		empty = len(s) == 0
	}
	if empty {
		e.fail(fmt.Errorf("empty number set: %w", ErrToken))
	}
	return e
}

func (e *Encoder) numRange(i int, start, stop uint32) {
	if i > 0 {
		e.Special(',')
	}
	e.seqNumber(start)
	if start != stop {
		e.Special(':')
		e.seqNumber(stop)
	}
}

func (e *Encoder) seqNumber(n uint32) {
	if n == 0 {
		e.Special('*')
	} else {
		e.Number(n)
	}
}
