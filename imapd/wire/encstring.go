package wire

import (
	"strconv"
	"unicode/utf8"
)

// quotable reports whether s may be quoted, with UTF-8 in it if eightBit.
func quotable[T string | []byte](s T, eightBit bool) bool {
	if len(s) > maxQuoted {
		return false
	}
	var bits byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\r' || c == '\n' || c == 0 {
			return false
		}
		bits |= c
	}
	if bits < utf8.RuneSelf {
		return true
	}
	if !eightBit {
		return false
	}
	switch s := any(s).(type) {
	case string:
		return utf8.ValidString(s)
	case []byte:
		return utf8.Valid(s)
	}
	return false
}

// String writes a string: quoted where that is allowed, else as a literal. For
// NUL, which has no place outside BINARY's literal8, goes U+FFFD.
func (e *Encoder) String(s string) *Encoder { return encodeString(e, s) }

// StringBytes is String for bytes.
func (e *Encoder) StringBytes(s []byte) *Encoder { return encodeString(e, s) }

// NString writes NIL for nil, else a string.
func (e *Encoder) NString(s []byte) *Encoder {
	if s == nil {
		return e.NIL()
	}
	return encodeString(e, s)
}

// AString writes an atom where s is one that nobody can misread (not NIL, no
// brackets), else a string.
func (e *Encoder) AString(s string) *Encoder { return encodeAString(e, s) }

// Mailbox writes a name given in UTF-8.
func (e *Encoder) Mailbox(name string) *Encoder {
	if e.utf8 || mutf7Plain(name) {
		return encodeAString(e, name)
	}
	e.name = appendMUTF7(e.name[:0], name)
	return encodeAString(e, e.name)
}

// MailboxString is Mailbox where the grammar has a string and no atom
// (RFC 9051 §9, namespace-descr).
func (e *Encoder) MailboxString(name string) *Encoder {
	if e.utf8 || mutf7Plain(name) {
		return encodeString(e, name)
	}
	e.name = appendMUTF7(e.name[:0], name)
	return encodeString(e, e.name)
}

func encodeAString[T string | []byte](e *Encoder, s T) *Encoder {
	if len(s) > 0 && len(s) <= maxQuoted && !isNIL(s) && all(s, classKeyword) {
		return put(e, s)
	}
	return encodeString(e, s)
}

func encodeString[T string | []byte](e *Encoder, s T) *Encoder {
	if !quotable(s, e.utf8) {
		return textLiteral(e, s)
	}
	e.Special('"')
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			put(e, s[start:i])
			e.Special('\\')
			start = i
		}
	}
	put(e, s[start:])
	return e.Special('"')
}

func put[T string | []byte](e *Encoder, s T) *Encoder {
	if !e.ready() {
		return e
	}
	var err error
	switch s := any(s).(type) {
	case string:
		_, err = e.w.WriteString(s)
	case []byte:
		_, err = e.w.Write(s)
	}
	e.fail(err)
	return e
}

func (e *Encoder) literalHeader(size int64, binary bool) {
	e.buf = e.buf[:0]
	if binary {
		e.buf = append(e.buf, '~')
	}
	e.buf = append(e.buf, '{')
	e.buf = strconv.AppendInt(e.buf, size, 10)
	e.buf = append(e.buf, "}\r\n"...)
	e.RawBytes(e.buf)
}
