package wire

import (
	"bufio"
	"strings"
)

// keepScratch is how much token memory an idle Decoder holds on to.
const keepScratch = 1 << 10

// Decoder reads one command at a time.
type Decoder struct {
	r    *bufio.Reader
	lim  Limits
	utf8 bool
	cont func() error

	err      error
	line     int // bytes consumed of the current command, literals apart
	args     int
	argBytes int64
	depth    int
	started  bool   // a byte of the current command was consumed
	buf      []byte // token longer than what the reader holds, or with escapes

	// Where the client is in the stream, for DiscardLine.
	ended    bool     // the line end of the command was consumed
	awaiting bool     // a synchronising literal was announced and not asked for
	pending  int64    // literal bytes that the client is sending or has sent
	last     [32]byte // end of what was consumed: the header of a literal may have begun there
	lit      literalReader
}

// NewDecoder returns a Decoder without a reader: Reset gives it one.
func NewDecoder(lim Limits) *Decoder {
	d := &Decoder{}
	d.SetLimits(lim)
	return d
}

// Reset makes the Decoder read from r. It may be called between commands, when
// r's buffer comes from a pool or TLS or compression begins; whatever the old
// reader still buffers is the caller's.
func (d *Decoder) Reset(r *bufio.Reader) {
	d.r = r
	d.Begin()
}

// SetLimits changes the budgets from the next token on.
func (d *Decoder) SetLimits(lim Limits) { d.lim = lim.withDefaults() }

// SetUTF8 makes mailbox names plain UTF-8 (RFC 6855 §3, or RFC 9051 §5.1 after
// ENABLE IMAP4rev2) instead of modified UTF-7.
func (d *Decoder) SetUTF8(on bool) { d.utf8 = on }

// SetContinue sets the function that asks the client for a synchronising
// literal: it writes "+ …" and flushes. Without one such literals are refused.
func (d *Decoder) SetContinue(f func() error) { d.cont = f }

// Begin starts a new command: it forgets the error and restores the budgets.
func (d *Decoder) Begin() {
	d.err = nil
	d.line, d.args, d.argBytes, d.depth = 0, 0, 0, 0
	d.started, d.ended, d.awaiting, d.pending = false, false, false, 0
	d.last = [len(d.last)]byte{}
	if cap(d.buf) > keepScratch {
		d.buf = nil
	}
}

// Peek returns the next byte without consuming it: '\r' or '\n' at the end of
// the line, 0 after an error.
func (d *Decoder) Peek() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.Peek(1)
	if err != nil {
		d.ioError(err)
		return 0
	}
	if b[0] == 0 {
		d.failNUL()
	}
	return b[0]
}

func (d *Decoder) failNUL() { d.Fail("NUL is not allowed in a command") }

// window returns what the reader holds, at least one byte and at most one past
// the line's budget, or nil after an error. It stays valid until the next Peek.
func (d *Decoder) window() []byte {
	if d.Peek(); d.err != nil {
		return nil
	}
	n := min(d.r.Buffered(), max(d.lim.Line-d.line, 0)+1)
	b, _ := d.r.Peek(n)
	return b
}

// consume drops n buffered bytes of the line.
func (d *Decoder) consume(n int) {
	if n == 0 {
		return
	}
	d.drop(n)
	d.line += n
	if d.line > d.lim.Line {
		d.exceed(LimitLine, "command line is longer than %d bytes", int64(d.lim.Line))
	}
}

// drop drops n buffered bytes and keeps the end of them in d.last.
func (d *Decoder) drop(n int) {
	d.started = true
	b, _ := d.r.Peek(n) // cannot fail: the bytes are in the buffer
	if n < len(d.last) {
		copy(d.last[:], d.last[n:])
		copy(d.last[len(d.last)-n:], b)
	} else {
		copy(d.last[:], b[n-len(d.last):])
	}
	_, _ = d.r.Discard(n)
}

// span consumes the longest run of bytes of the class. The result is valid
// until the next read.
func (d *Decoder) span(c class) []byte {
	d.buf = d.buf[:0]
	for {
		win := d.window()
		if d.err != nil {
			return nil
		}
		n := 0
		for n < len(win) && classes[win[n]]&c != 0 {
			n++
		}
		if n == len(win) || len(d.buf) > 0 {
			d.buf = append(d.buf, win[:n]...)
		}
		d.consume(n)
		if d.err != nil {
			return nil
		}
		if n < len(win) {
			if win[n] == 0 {
				// Peek says so when the NUL comes first in its window;
				// the error must not depend on how the bytes arrive.
				d.failNUL()
				return nil
			}
			if len(d.buf) > 0 {
				return d.buf
			}
			return win[:n]
		}
	}
}

// token is a span that must not be empty, counted as an argument.
func (d *Decoder) token(c class, want string) []byte {
	b := d.span(c)
	if d.err == nil && len(b) == 0 {
		d.unexpected(want)
	}
	if !d.argument(int64(len(b))) {
		return nil
	}
	return b
}

// Special consumes the byte c, which must come next. Parentheses count towards
// Limits.Depth.
func (d *Decoder) Special(c byte) {
	if !d.TrySpecial(c) {
		d.unexpected(describe(c))
	}
}

// TrySpecial consumes the byte c if it comes next.
func (d *Decoder) TrySpecial(c byte) bool {
	if d.Peek() != c || d.err != nil {
		return false
	}
	d.consume(1)
	switch c {
	case '(':
		d.deeper()
	case ')':
		d.depth--
	}
	return d.err == nil
}

// SP consumes one space.
func (d *Decoder) SP() { d.Special(' ') }

// TrySP consumes a space if one comes next.
func (d *Decoder) TrySP() bool { return d.TrySpecial(' ') }

// PeekText reports whether a text comes next, letters in either case, and
// consumes nothing: where an option in parentheses may stand and a list of
// something else, its first word tells. No byte is waited for that need not come.
func (d *Decoder) PeekText(text string) bool {
	if d.err != nil {
		return false
	}
	for i := range len(text) {
		b, err := d.r.Peek(i + 1)
		if err != nil {
			d.ioError(err)
			return false
		}
		if !strings.EqualFold(string(b[i]), text[i:i+1]) {
			return false
		}
	}
	return true
}

// CRLF consumes the line end, after which the command is complete. A bare LF
// is taken too: people type at a server through telnet or a pipe, and scripts
// written with echo send it. A CR alone is an error.
func (d *Decoder) CRLF() {
	d.lineEnd()
	if d.err == nil {
		d.ended = true
	}
}

func (d *Decoder) lineEnd() {
	c := d.Peek()
	if c == '\r' && d.err == nil {
		// Line ends are outside the line's budget: a line of just the
		// limit is allowed to end.
		d.drop(1)
		if c = d.Peek(); c != '\n' {
			d.Fail("CR without LF")
			return
		}
	}
	if d.err != nil {
		return
	}
	if c != '\n' {
		d.unexpected("the end of the line")
		return
	}
	d.drop(1)
}

// List reads "(" f *(SP f) ")". The list may be empty: rules that want an
// element count them.
func (d *Decoder) List(f func()) {
	d.Special('(')
	if d.err != nil || d.TrySpecial(')') {
		return
	}
	for {
		f()
		if d.err != nil || d.TrySpecial(')') {
			return
		}
		if !d.TrySP() {
			d.unexpected(`a space or ")"`)
			return
		}
	}
}

// Tag reads the tag of a command: any ASTRING-CHAR but "+".
func (d *Decoder) Tag() string { return string(d.token(classTag, "a tag")) }

// Atom reads an atom as it was sent.
func (d *Decoder) Atom() string { return string(d.token(classAtom, "an atom")) }

// Command reads an atom and returns it in upper case.
func (d *Decoder) Command() string { return d.upper(classAtom, "a command") }

// Keyword reads a word of the protocol such as a fetch item or search key and
// returns it in upper case. Unlike an atom it ends before "[", so BODY[TEXT] is
// the keyword BODY and a section.
func (d *Decoder) Keyword() string { return d.upper(classKeyword, "a keyword") }

func (d *Decoder) upper(c class, want string) string {
	b := d.token(c, want)
	var a [24]byte
	if len(b) > len(a) {
		return strings.ToUpper(string(b))
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		a[i] = c
	}
	if w, ok := words[string(a[:len(b)])]; ok {
		return w
	}
	return string(a[:len(b)])
}
