package message

// What stands for a part of an address that the message left out: NIL would
// make it a group (RFC 9051 §7.5.2).
var (
	missingMailbox = []byte("MISSING_MAILBOX")
	missingDomain  = []byte("MISSING_DOMAIN")
)

var (
	stopAtom   = stopAt(" \t\r\n(),:;<>@\"")
	stopDomain = stopAt(" \t\r\n(),:;<>@\"[")
)

// rawAddress is an address while it is read.
type rawAddress struct {
	name, route, mailbox, host span
}

// addresses reads an address-list, current or obsolete (RFC 5322 §3.4, §4.4).
// before are those of an earlier field of the same name.
func (p *Parser) addresses(before []Address, raw []byte) []Address {
	l := &p.fields.lex
	l.reset(raw)
	l.addrs = l.addrs[:0]
	group := false
	for len(before)+len(l.addrs) < MaxAddresses {
		l.comment = l.comment[:0]
		l.skipCFWS()
		if l.done() {
			break
		}
		switch l.peek() {
		case ',':
			l.i++
			continue
		case ';':
			l.i++
			if group {
				l.addrs = append(l.addrs, Address{})
				group = false
			}
			continue
		}
		if p.address(group) {
			group = true
		}
	}
	if group {
		l.addrs = append(l.addrs, Address{})
	}
	if before != nil {
		return append(before, l.addrs...)
	}
	return p.mem.copyAddrs(l.addrs)
}

// address reads one address or the beginning of a group, for which it returns
// true.
func (p *Parser) address(inGroup bool) bool {
	l := &p.fields.lex
	var a rawAddress
	before := l.i
	phrase := l.phrase(true)
	switch l.peek() {
	case '<':
		a.name = phrase
		l.angle(&a)
		p.keepAddress(&a)
		return false
	case ':':
		if inGroup {
			break
		}
		l.i++
		l.addrs = append(l.addrs, Address{Mailbox: p.mem.copy(l.text(phrase))})
		return true
	}
	l.bare(&a, before, phrase)
	p.keepAddress(&a)
	return false
}

// bare makes an address of a phrase that no angle bracket follows: its local part
// when it is one and an @ follows, or a single word. Several words are but a name
// (RFC 5322 §3.4: name-addr has brackets).
func (l *lexer) bare(a *rawAddress, before int, phrase span) {
	switch {
	case phrase.empty():
		l.i = before
	case l.several:
		a.name = phrase
		l.skipToComma()
		return
	}
	l.i = before
	l.comment = l.comment[:0]
	a.mailbox = l.phrase(false)
	if l.peek() == '@' {
		l.i++
		a.host = l.domain()
	}
	l.skipCFWS()
	if a.name.empty() {
		a.name.start = len(l.out)
		l.out = append(l.out, l.comment...)
		a.name.end = len(l.out)
	}
	l.skipToComma()
}

// phrase reads words up to something that is none: spaced, as the words of a
// name with one space between them, or joined as those of a local part. Several
// are two that no dot joins.
func (l *lexer) phrase(spaced bool) span {
	s := span{start: len(l.out)}
	l.several = false
	dot := false
	for {
		gap := l.i
		l.skipCFWS()
		c := l.peek()
		if l.done() || c != '"' && stopAtom[c] {
			s.end = len(l.out)
			return s
		}
		if !dot && c != '.' && len(l.out) > s.start {
			l.several = true
		}
		quote := c == '"' || l.i > 0 && l.in[l.i-1] == '"'
		if spaced && (l.i > gap || quote) && len(l.out) > s.start {
			l.out = append(l.out, ' ')
		}
		if c == '"' {
			l.quoted()
		} else {
			l.run(stopAtom)
		}
		dot = c != '"' && l.in[l.i-1] == '.'
	}
}

// angle reads <route:local@domain>.
func (l *lexer) angle(a *rawAddress) {
	l.i++
	l.skipCFWS()
	if c := l.peek(); c == '@' || c == ',' {
		a.route = l.route()
	}
	a.mailbox = l.phrase(false)
	if l.peek() == '@' {
		l.i++
		a.host = l.domain()
	}
	for !l.done() && l.peek() != '>' && l.peek() != ',' {
		l.i++
	}
	if l.peek() == '>' {
		l.i++
	}
	l.skipToComma()
}

// route reads an obsolete source route (RFC 5322 §4.4) up to its colon: domains
// with an @ before each, and commas. What has no @ after its commas is none.
func (l *lexer) route() span {
	for l.peek() == ',' {
		l.i++
		l.skipCFWS()
	}
	s := span{start: len(l.out)}
	if l.peek() != '@' {
		return s
	}
	for !l.done() && l.peek() != ':' && l.peek() != '>' {
		if c := l.peek(); !isSpace(c) {
			l.out = append(l.out, c)
		}
		l.i++
	}
	if l.peek() == ':' {
		l.i++
	}
	s.end = len(l.out)
	return s
}

// domain reads a domain or domain literal (RFC 5322 §3.4.1).
func (l *lexer) domain() span {
	l.skipCFWS()
	s := span{start: len(l.out)}
	if l.peek() == '[' {
		for !l.done() {
			c := l.peek()
			l.i++
			if !isSpace(c) {
				l.out = append(l.out, c)
			}
			if c == ']' {
				break
			}
		}
		s.end = len(l.out)
		return s
	}
	for {
		l.run(stopDomain)
		s.end = len(l.out)
		l.skipCFWS()
		if l.done() || s.empty() || stopDomain[l.peek()] || l.peek() != '.' && l.out[s.end-1] != '.' {
			return s
		}
	}
}

// skipToComma passes what is left of a broken address.
func (l *lexer) skipToComma() {
	for {
		l.skipCFWS()
		switch l.peek() {
		case 0:
			if l.done() {
				return
			}
		case ',', ';':
			return
		case '"':
			n := len(l.out)
			l.quoted()
			l.out = l.out[:n]
			continue
		}
		l.i++
	}
}

func (p *Parser) keepAddress(a *rawAddress) {
	l := &p.fields.lex
	addr := Address{Mailbox: missingMailbox, Host: missingDomain}
	if !a.name.empty() {
		addr.Name = p.mem.copy(l.text(a.name))
	}
	if !a.route.empty() {
		addr.Route = p.mem.copy(l.text(a.route))
	}
	if !a.mailbox.empty() {
		addr.Mailbox = p.mem.copy(l.text(a.mailbox))
	}
	if !a.host.empty() {
		addr.Host = p.mem.copy(l.text(a.host))
	}
	l.addrs = append(l.addrs, addr)
}
