package message

import (
	"bytes"
	"slices"
	"strconv"
)

// rawParam is a parameter as it stands in the field.
type rawParam struct {
	name, value span
	index       int  // of a continuation, RFC 2231 §3; else alone
	extended    bool // the name ends in *, RFC 2231 §4
	order       int
}

const (
	maxParams = 4096
	alone     = -1
)

// parameters reads what follows the type of a Content-Type or Content-Disposition
// field: plain parameters in their order, then those of RFC 2231 by name, with
// continuations joined. Broken pieces are skipped to the next semicolon.
func (p *Parser) parameters() []Param {
	l := &p.fields.lex
	l.params, l.list = l.params[:0], l.list[:0]
	l.skipCFWS()
	if !l.done() && l.peek() != ';' && l.i > 0 && isSpace(l.in[l.i-1]) {
		l.oneParam() // somebody forgot the semicolon after the type
	}
	for l.nextParam() {
	}
	if len(l.params) == 0 {
		return nil
	}
	rest := l.params[:0]
	for _, r := range l.params {
		if l.split(&r) {
			rest = append(rest, r)
			continue
		}
		l.list = append(l.list, Param{p.mem.copy(l.text(r.name)), p.mem.copy(l.text(r.value))})
	}
	if len(rest) > 0 {
		p.joinParams(rest)
	}
	return p.mem.copyParams(l.list)
}

// nextParam reads one name=value; false at the end.
func (l *lexer) nextParam() bool {
	for len(l.params) < maxParams {
		for {
			l.skipCFWS()
			if l.done() {
				return false
			}
			if l.peek() == ';' {
				break
			}
			if l.peek() == '"' {
				n := len(l.out)
				l.quoted()
				l.out = l.out[:n]
				continue
			}
			l.i++
		}
		l.i++
		if l.oneParam() {
			return true
		}
	}
	return false
}

func (l *lexer) oneParam() bool {
	l.skipCFWS()
	r := rawParam{name: span{start: len(l.out)}, order: len(l.params)}
	l.run(stopName)
	r.name.end = len(l.out)
	l.skipCFWS()
	if r.name.empty() || l.peek() != '=' {
		return false
	}
	l.i++
	l.skipCFWS()
	r.value.start = len(l.out)
	if l.peek() == '"' {
		if !l.quoted() && !equalFold(l.text(r.name), "boundary") {
			return false
		}
	} else {
		l.run(stopValue)
	}
	r.value.end = len(l.out)
	l.params = append(l.params, r)
	return true
}

// split takes the name apart when it has one of the forms of RFC 2231: name*,
// name*0, name*0*. It leaves the bare name.
func (l *lexer) split(r *rawParam) bool {
	name := l.text(r.name)
	star := bytes.IndexByte(name, '*')
	if star <= 0 {
		return false
	}
	rest := name[star+1:]
	if len(rest) > 0 {
		i := 0
		for ; i < len(rest) && '0' <= rest[i] && rest[i] <= '9' && r.index < maxParams; i++ {
			r.index = r.index*10 + int(rest[i]-'0')
		}
		switch {
		case i == 0 || i < len(rest)-1:
			return false
		case i < len(rest) && rest[i] != '*':
			return false
		}
		r.extended = i < len(rest)
	} else {
		r.extended, r.index = true, alone
	}
	r.name.end = r.name.start + star
	return true
}

// joinParams appends the parameters of RFC 2231 to the list. Numbers that do not
// count up from 0 leave their pieces as they are.
func (p *Parser) joinParams(rest []rawParam) {
	l := &p.fields.lex
	slices.SortFunc(rest, func(a, b rawParam) int {
		if c := compareFold(l.text(a.name), l.text(b.name)); c != 0 {
			return c
		}
		if a.index != b.index {
			return a.index - b.index
		}
		return a.order - b.order
	})
	for i := 0; i < len(rest); {
		if rest[i].index == alone {
			p.keepPiece(rest[i])
			i++
			continue
		}
		j, whole, extended := i, true, false
		for ; j < len(rest) && compareFold(l.text(rest[j].name), l.text(rest[i].name)) == 0; j++ {
			whole = whole && rest[j].index == j-i
			extended = extended || rest[j].extended
		}
		if whole {
			p.joinOne(rest[i:j], extended)
		} else {
			for _, r := range rest[i:j] {
				p.keepPiece(r)
			}
		}
		i = j
	}
}

// joinOne appends one parameter made of its pieces in order. When any is in the
// extended form the result is: plain pieces are escaped.
func (p *Parser) joinOne(pieces []rawParam, extended bool) {
	l := &p.fields.lex
	name := span{start: len(l.out)}
	l.out = append(l.out, l.text(pieces[0].name)...)
	if extended {
		l.out = append(l.out, '*')
	}
	name.end = len(l.out)
	if extended && !pieces[0].extended {
		l.out = append(l.out, "''"...)
	}
	for _, r := range pieces {
		if extended && !r.extended {
			l.escape(r.value)
		} else {
			l.out = append(l.out, l.text(r.value)...)
		}
	}
	l.list = append(l.list, Param{p.mem.copy(l.text(name)), p.mem.copy(l.out[name.end:])})
}

func (p *Parser) keepPiece(r rawParam) {
	l := &p.fields.lex
	start := len(l.out)
	l.out = append(l.out, l.text(r.name)...)
	l.out = append(l.out, '*')
	if r.index != alone {
		l.out = strconv.AppendInt(l.out, int64(r.index), 10)
		if r.extended {
			l.out = append(l.out, '*')
		}
	}
	l.list = append(l.list, Param{p.mem.copy(l.out[start:]), p.mem.copy(l.text(r.value))})
}

// escape appends a plain value so that decoding by RFC 2231 §4 gives it back. The
// value is a string to IMAP, not a token in a field: only the % must not stay.
func (l *lexer) escape(value span) {
	for i := value.start; i < value.end; i++ {
		if c := l.out[i]; c != '%' {
			l.out = append(l.out, c)
		} else {
			l.out = append(l.out, "%25"...)
		}
	}
}

func compareFold(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if c := int(lower(a[i])) - int(lower(b[i])); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}
