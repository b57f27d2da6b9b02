package message

// lexer reads the tokens of a structured field (RFC 5322 §3.2, RFC 2045 §5.1).
// Its texts are spans of out, which grows and may move; they are kept by the
// arena before the next field.
type lexer struct {
	in      []byte
	i       int
	out     []byte
	comment []byte // text of the newest comment
	params  []rawParam
	addrs   []Address
	several bool // the newest phrase is no local part
	list    []Param
	tags    [][]byte
}

// span is a piece of lexer.out.
type span struct{ start, end int }

func (s span) empty() bool { return s.start == s.end }

func (l *lexer) reset(in []byte) {
	l.in, l.i, l.out, l.comment = in, 0, l.out[:0], l.comment[:0]
}

func (l *lexer) release() {
	l.in = nil
	if cap(l.out) > windowSize {
		l.out = nil
	}
	if cap(l.comment) > windowSize {
		l.comment = nil
	}
	clear(l.addrs[:cap(l.addrs)])
	clear(l.list[:cap(l.list)])
	clear(l.tags[:cap(l.tags)])
	if cap(l.addrs) > 256 {
		l.addrs = nil
	}
	if cap(l.list) > 256 {
		l.list, l.params = nil, nil
	}
	if cap(l.tags) > 256 {
		l.tags = nil
	}
}

func (l *lexer) text(s span) []byte { return l.out[s.start:s.end] }

// peek is the next byte, 0 at the end.
func (l *lexer) peek() byte {
	if l.i < len(l.in) {
		return l.in[l.i]
	}
	return 0
}

func (l *lexer) done() bool { return l.i >= len(l.in) }

// skipCFWS passes white space and comments (RFC 5322 §3.2.2) and remembers the
// last comment that has a text.
func (l *lexer) skipCFWS() {
	for l.i < len(l.in) {
		switch {
		case isSpace(l.in[l.i]):
			l.i++
		case l.in[l.i] == '(':
			l.readComment()
		default:
			return
		}
	}
}

// readComment reads one comment. Inner comments keep their parentheses; one
// that is never closed goes on to the end of the field.
func (l *lexer) readComment() {
	l.comment = l.comment[:0]
	depth := 0
	for ; l.i < len(l.in); l.i++ {
		c := l.in[l.i]
		switch c {
		case '(':
			if depth++; depth == 1 {
				continue
			}
		case ')':
			if depth--; depth == 0 {
				l.i++
				return
			}
		case '\\':
			if l.i+1 < len(l.in) {
				l.i++
				c = l.in[l.i]
			}
		case '\r', '\n':
			continue
		}
		l.comment = append(l.comment, c)
	}
}

// quoted appends the text of a quoted-string (RFC 5322 §3.2.4); the opening
// quote is next. One that is never closed goes on to the end and gives false.
func (l *lexer) quoted() bool {
	for l.i++; l.i < len(l.in); l.i++ {
		c := l.in[l.i]
		switch c {
		case '"':
			l.i++
			return true
		case '\\':
			if l.i+1 < len(l.in) {
				l.i++
				c = l.in[l.i]
			}
		case '\r', '\n':
			continue
		}
		l.out = append(l.out, c)
	}
	return false
}

// run appends bytes up to the first that stop holds.
func (l *lexer) run(stop *[256]bool) {
	start := l.i
	for l.i < len(l.in) && !stop[l.in[l.i]] {
		l.i++
	}
	l.out = append(l.out, l.in[start:l.i]...)
}

func stopAt(s string) *[256]bool {
	var t [256]bool
	for i := range len(s) {
		t[s[i]] = true
	}
	return &t
}
