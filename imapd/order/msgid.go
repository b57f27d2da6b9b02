package order

// NextID finds the next valid message id of a field (Message-ID, In-Reply-To, References) and appends it to
// dst as RFC 5256 §3 compares them: id-left "@" id-right without the brackets, quoting undone where it quotes
// nothing, space and comments left out. What is no msg-id of RFC 5322 §3.6.4 (or §4.5.4) is passed over.
// rest is what follows; ok is false when there is none.
func NextID(dst, field []byte) (id, rest []byte, ok bool) {
	from := len(dst)
	for i := 0; i < len(field); i++ {
		switch field[i] {
		case '<':
			s := idScanner{in: field, i: i + 1, out: dst[:from]}
			if s.id() {
				return s.out, field[s.i:], true
			}
			dst = s.out[:from]
			if !s.unclosed && s.i-1 > i { // begin again at what stopped it: it may be the bracket of the next
				i = s.i - 1
			}
		case '"': // a phrase (RFC 5322 §4.5.4) may hold anything
			i = skipQuoted(field, i)
		}
	}
	return dst, nil, false
}

// skipQuoted is the last byte of a quoted string that begins at i, or i where it has no end.
func skipQuoted(in []byte, i int) int {
	for j := i + 1; j < len(in); j++ {
		switch in[j] {
		case '"':
			return j
		case '\\':
			j++
		case '<': // no phrase: somebody's quote mark was left alone
			return i
		}
	}
	return i
}

// idScanner reads one msg-id behind its "<".
type idScanner struct {
	in  []byte
	i   int
	out []byte
	// unclosed: the end of a quoted string was not found. That happens once in a field, as no quote is left
	// then for another to begin with.
	unclosed bool
}

// part reads the left part, up to the "@", or the right one, up to the ">". Neither may be empty.
func (s *idScanner) part(end byte) bool {
	from, left := len(s.out), end == '@'
	for s.i < len(s.in) {
		switch c := s.in[s.i]; {
		case c == end:
			s.i++
			return len(s.out) > from
		case c == '<', left && (c == '>' || c == '\\'):
			return false
		case left && c == '"':
			if !s.quoted() {
				return false
			}
		case idSpace(c):
			s.i++
		case c == '(':
			if !s.comment() {
				return false
			}
		default:
			s.out = append(s.out, c)
			s.i++
		}
	}
	return false
}

// id reads both.
func (s *idScanner) id() bool {
	if !s.part('@') {
		return false
	}
	s.out = append(s.out, '@')
	return s.part('>')
}

// quoted reads a quoted-string of the left part. It loses its quotes where it would be a dot-atom without
// them (RFC 5256 §3: <"a"@b> and <a@b> are one).
func (s *idScanner) quoted() bool {
	open := len(s.out)
	s.out = append(s.out, '"')
	atom := true
	for s.i++; s.i < len(s.in); s.i++ {
		c := s.in[s.i]
		switch {
		case c == '"':
			s.i++
			if atom && len(s.out) > open+1 {
				n := copy(s.out[open:], s.out[open+1:])
				s.out = s.out[:open+n]
			} else {
				s.out = append(s.out, '"')
			}
			return true
		case c == '\r', c == '\n':
			continue
		case c == '\\' && s.i+1 < len(s.in):
			s.i++
			if c = s.in[s.i]; c == '"' || c == '\\' {
				s.out = append(s.out, '\\')
			}
		}
		atom = atom && atomText(c)
		s.out = append(s.out, c)
	}
	s.unclosed = true
	return false
}

// comment skips a comment (RFC 5322 §3.2.2). One that has angle brackets is none: the "(" was text.
func (s *idScanner) comment() bool {
	for depth := 0; s.i < len(s.in); s.i++ {
		switch s.in[s.i] {
		case '(':
			depth++
		case '\\':
			s.i++
		case '<', '>':
			return false
		case ')':
			if depth--; depth == 0 {
				s.i++
				return true
			}
		}
	}
	return false
}

func idSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// atomText tells what may stand in a dot-atom. Eight-bit text may (RFC 6532).
func atomText(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '"', 0x7f:
		return false
	}
	return c > ' '
}
