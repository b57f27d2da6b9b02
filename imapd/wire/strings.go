package wire

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// AString reads an astring: an atom that may hold "]", or a string.
func (d *Decoder) AString() string {
	switch d.Peek() {
	case '"', '{':
		return d.String()
	}
	return string(d.token(classAString, "an atom or string"))
}

// String reads a quoted string or a literal. Literals are read into memory
// within Limits.Literal; a synchronising one is asked for first.
func (d *Decoder) String() string {
	switch d.Peek() {
	case '"':
		return d.quoted()
	case '{':
		return d.argLiteral()
	}
	d.unexpected("a string")
	return ""
}

// NString reads a string or NIL, for which ok is false.
func (d *Decoder) NString() (s string, ok bool) {
	switch d.Peek() {
	case '"', '{':
		s = d.String()
		return s, d.err == nil
	}
	if b := d.token(classAtom, "a string or NIL"); d.err == nil && !isNIL(b) {
		d.Fail("expected a string or NIL, found an atom")
	}
	return "", false
}

// NString8 reads an nstring or a literal8, the one string that may hold NUL
// (values of METADATA, RFC 5464 §5). ok is false for NIL.
func (d *Decoder) NString8() (s string, ok bool) {
	if d.Peek() == '~' {
		s = d.argLiteral()
		return s, d.err == nil
	}
	return d.NString()
}

func isNIL[T string | []byte](s T) bool {
	return len(s) == 3 && s[0]|0x20 == 'n' && s[1]|0x20 == 'i' && s[2]|0x20 == 'l'
}

// quoted reads a quoted string. RFC 9051 allows UTF-8 in it, RFC 3501 only
// 7-bit; UTF-8 is always taken, since a client need not ask which of the two the
// server speaks. Other 8-bit text has to come in a literal.
func (d *Decoder) quoted() string {
	d.consume(1)
	d.buf = d.buf[:0]
	var bits byte
	for {
		win := d.window()
		if d.err != nil {
			return ""
		}
		n := 0
		for n < len(win) && classQuoted(win[n]) {
			bits |= win[n]
			n++
		}
		if n < len(win) && win[n] == '"' && len(d.buf) == 0 {
			d.consume(n + 1)
			return d.quotedText(win[:n], bits)
		}
		d.buf = append(d.buf, win[:n]...)
		d.consume(n)
		if d.err != nil {
			return ""
		}
		if n == len(win) {
			continue
		}
		switch d.Peek() {
		case '"':
			d.consume(1)
			return d.quotedText(d.buf, bits)
		case '\\':
			d.quotedPair()
		case '\r', '\n':
			// The line end stays where it is, for DiscardLine. A command
			// line cannot end inside a quoted string, so what looks like
			// the header of a literal before it is one: DiscardLine
			// follows it.
			d.Fail("the line ends inside a quoted string")
		}
	}
}

func classQuoted(c byte) bool {
	return c != '"' && c != '\\' && c != '\r' && c != '\n' && c != 0
}

func (d *Decoder) quotedPair() {
	d.consume(1)
	switch c := d.Peek(); {
	case d.err != nil:
	case c == '"' || c == '\\':
		d.buf = append(d.buf, c)
		d.consume(1)
	default:
		d.Fail(`only \" and \\ are allowed after a backslash in a quoted string`)
	}
}

func (d *Decoder) quotedText(b []byte, bits byte) string {
	if !d.argument(int64(len(b))) {
		return ""
	}
	if bits >= 0x80 && !utf8.Valid(b) {
		d.Fail("8-bit text in a quoted string is not UTF-8: use a literal")
		return ""
	}
	return string(b)
}

// Base64Line reads one line of a SASL exchange with its line end (RFC 9051
// §6.2.2). An empty line is an empty response; "*" cancels. The line has a
// budget of its own.
func (d *Decoder) Base64Line() (response []byte, cancelled bool) {
	d.line, d.ended = 0, false
	if d.TrySpecial('*') {
		d.CRLF()
		return nil, d.err == nil
	}
	b := bytes.Clone(d.span(classBase64))
	d.CRLF()
	return d.base64(b), false
}

// InitialResponse reads the initial response of AUTHENTICATE (RFC 4959 §3):
// base64, or "=" for an empty one, which is not nil.
func (d *Decoder) InitialResponse() []byte {
	b := d.token(classBase64, "base64")
	if len(b) == 1 && b[0] == '=' {
		return []byte{}
	}
	return d.base64(b)
}

var strictBase64 = base64.StdEncoding.Strict()

func (d *Decoder) base64(b []byte) []byte {
	if d.err != nil {
		return nil
	}
	out := make([]byte, strictBase64.DecodedLen(len(b)))
	n, err := strictBase64.Decode(out, b)
	if err != nil {
		d.Fail("invalid base64")
		return nil
	}
	return out[:n]
}

// equalFold compares a word with an upper-case ASCII one.
func equalFold(s, upper string) bool {
	return len(s) == len(upper) && strings.EqualFold(s, upper)
}
