package message

var (
	stopName  = stopAt(" \t\r\n=;()\"")
	stopValue = stopAt(" \t\r\n;(\"")
	stopToken = stopAt(" \t\r\n()<>@,;:\\\"/[]?=") // RFC 2045 §5.1, tspecials
	stopLang  = stopAt(" \t\r\n,;(\"")
)

// takeContent uses a content field of RFC 2045, 2183, 1864, 3282 or 2557.
func (p *Parser) takeContent(part *Part, now field) {
	raw := p.fields.raw
	switch now {
	case fieldType:
		p.contentType(part, raw)
	case fieldEncoding:
		l := &p.fields.lex
		l.reset(raw)
		l.skipCFWS()
		start := len(l.out)
		l.run(stopValue)
		end := len(l.out)
		l.skipCFWS()
		if end > start && (l.done() || l.peek() == ';') {
			part.Encoding = p.words.word(l.out[start:end])
		} else {
			part.Encoding = ""
		}
	case fieldID:
		part.ID = p.unstructured(raw)
	case fieldDescription:
		part.Description = p.unstructured(raw)
	case fieldMD5:
		part.MD5 = p.unstructured(raw)
	case fieldLocation:
		part.Location = p.unstructured(raw)
	case fieldDisposition:
		l := &p.fields.lex
		l.reset(raw)
		l.skipCFWS()
		start := len(l.out)
		l.run(stopToken)
		end, empty := len(l.out), l.done()
		part.DispParams = p.parameters()
		switch {
		case end > start:
			part.Disposition = p.mem.copy(l.out[start:end])
		case part.DispParams != nil:
			part.Disposition = attachment // as an unknown one: RFC 2183 §2.8
		case empty:
			part.Disposition = nil
		default:
			part.Disposition = []byte{} // it has one, of no known type
		}
	case fieldLanguage:
		part.Language = p.languages(raw)
	}
}

var attachment = []byte("attachment")

func (p *Parser) unstructured(raw []byte) []byte {
	l := &p.fields.lex
	l.out = unfold(l.out[:0], raw)
	return p.mem.copy(l.out)
}

// contentType reads type, subtype and parameters. What is not type/subtype
// leaves the default (RFC 2045 §5.2).
func (p *Parser) contentType(part *Part, raw []byte) {
	l := &p.fields.lex
	l.reset(raw)
	l.skipCFWS()
	l.run(stopToken)
	typ := span{0, len(l.out)}
	l.skipCFWS()
	if typ.empty() || l.peek() != '/' {
		return
	}
	l.i++
	l.skipCFWS()
	sub := span{start: len(l.out)}
	l.run(stopToken)
	sub.end = len(l.out)
	if sub.empty() {
		return
	}
	part.Type, part.Subtype = p.words.word(l.text(typ)), p.words.word(l.text(sub))
	part.Params = p.parameters()
}

// languages reads the tags of a Content-Language field (RFC 3282 §2).
func (p *Parser) languages(raw []byte) [][]byte {
	l := &p.fields.lex
	l.reset(raw)
	tags := l.tags[:0]
	for {
		l.skipCFWS()
		if l.done() {
			l.tags = tags
			return p.mem.copyLangs(tags)
		}
		start := len(l.out)
		l.run(stopLang)
		if len(l.out) > start {
			tags = append(tags, p.mem.copy(l.out[start:]))
		} else {
			l.i++
		}
	}
}
