package message

import "bytes"

// field says what a header field is for.
type field uint8

const (
	fieldOther field = iota
	fieldType
	fieldEncoding
	fieldID
	fieldDescription
	fieldMD5
	fieldDisposition
	fieldLanguage
	fieldLocation
	fieldDate
	fieldSubject
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldInReplyTo
	fieldMessageID
	fieldReferences
	fieldCount
)

const longestField = 25 // Content-Transfer-Encoding

// fieldBegins says which letters fields of each length that are looked at begin
// with: most fields of a message are not.
var fieldBegins = func() (t [longestField + 1]uint32) {
	for _, name := range []string{
		"content-type", "content-transfer-encoding", "content-id", "content-description", "content-md5",
		"content-disposition", "content-language", "content-location", "date", "subject", "from", "sender",
		"reply-to", "to", "cc", "bcc", "in-reply-to", "message-id", "references",
	} {
		t[len(name)] |= 1 << (name[0] & 31)
	}
	return t
}()

// fieldOf knows the field by its name, in any case.
func fieldOf(name []byte) field {
	var b [longestField]byte
	if len(name) == 0 || len(name) > len(b) || fieldBegins[len(name)]&(1<<(name[0]&31)) == 0 {
		return fieldOther
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b[i] = c
	}
	switch string(b[:len(name)]) {
	case "content-type":
		return fieldType
	case "content-transfer-encoding":
		return fieldEncoding
	case "content-id":
		return fieldID
	case "content-description":
		return fieldDescription
	case "content-md5":
		return fieldMD5
	case "content-disposition":
		return fieldDisposition
	case "content-language":
		return fieldLanguage
	case "content-location":
		return fieldLocation
	case "date":
		return fieldDate
	case "subject":
		return fieldSubject
	case "from":
		return fieldFrom
	case "sender":
		return fieldSender
	case "reply-to":
		return fieldReplyTo
	case "to":
		return fieldTo
	case "cc":
		return fieldCc
	case "bcc":
		return fieldBcc
	case "in-reply-to":
		return fieldInReplyTo
	case "message-id":
		return fieldMessageID
	case "references":
		return fieldReferences
	}
	return fieldOther
}

// fields is the state of the header being read.
type fields struct {
	now  field  // the field whose value is being collected
	raw  []byte // its value so far, with line ends
	seen uint32 // bit of each field that was taken
	lex  lexer

	taken [fieldCount]int32 // bytes of each that were looked at

	envelopeOnly bool // ParseHeader: content fields are of no interest
}

// release gives back what one message with huge fields made big.
func (f *fields) release() {
	if cap(f.raw) > windowSize {
		f.raw = nil
	}
	f.lex.release()
}

func (f *fields) add(b []byte) {
	b = b[:min(len(b), f.room(f.now))]
	f.raw = append(f.raw, b...)
	f.taken[f.now] += int32(len(b))
}

// room is how much of a field is still looked at, all of its name in the header
// together: a header that repeats them must not fill the memory.
func (f *fields) room(now field) int {
	limit := int32(MaxField)
	if now < fieldDate {
		limit = MaxContentField
	}
	return int(limit - f.taken[now])
}

// readHeader reads the header of part i, through the blank line. A boundary line
// ends it too: the message is broken, but its next part must not be lost.
func (p *Parser) readHeader(i int32, env *Envelope) (h hit, done bool) {
	f := &p.fields
	f.now, f.seen, f.taken = fieldOther, 0, [fieldCount]int32{}
	defer p.finishPart(i)
	s := &p.win
	for {
		n := s.lineEnd()
		if n == 0 {
			p.take(i, env)
			return hit{frame: -1}, true
		}
		line := s.buf[s.r : s.r+n]
		if line[0] == '\n' || n == 2 && line[0] == '\r' && line[1] == '\n' {
			p.take(i, env)
			s.skip(n)
			return hit{}, false
		}
		if line[0] == '-' {
			if h, ok := p.boundaryHere(); ok {
				p.take(i, env)
				return h, true
			}
			line = s.buf[s.r : s.r+n]
		}
		if line[0] != ' ' && line[0] != '\t' {
			p.take(i, env)
			line = f.start(line, env != nil)
		}
		p.collect(line, n)
	}
}

// collect adds the line to the value of the field at hand and moves past it; n
// is the length of the whole line as far as the window reaches.
func (p *Parser) collect(value []byte, n int) {
	f, s := &p.fields, &p.win
	for {
		if f.now != fieldOther {
			f.add(value)
		}
		done := s.buf[s.r+n-1] == '\n'
		s.skip(n)
		if done {
			return
		}
		if n = s.lineEnd(); n == 0 {
			return
		}
		value = s.buf[s.r : s.r+n]
	}
}

// cutName splits a field at the colon, which is looked for as far as any window
// reaches; false where there is none.
func cutName(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line[:min(len(line), headerWindow)], ':')
	if colon < 0 {
		return nil, nil, false
	}
	name = line[:colon]
	for len(name) > 0 && isWSP(name[len(name)-1]) {
		name = name[:len(name)-1] // obsolete: RFC 5322 §4.5.3
	}
	return name, line[colon+1:], true
}

// start begins a new field and returns the rest of its line.
func (f *fields) start(line []byte, envelope bool) []byte {
	f.now, f.raw = fieldOther, f.raw[:0]
	name, value, ok := cutName(line)
	if !ok {
		return nil
	}
	f.now = fieldOf(name)
	if f.now >= fieldDate && !envelope || f.now < fieldDate && f.envelopeOnly || f.room(f.now) <= 0 {
		f.now = fieldOther
	}
	return value
}

// take uses the field that was collected.
func (p *Parser) take(i int32, env *Envelope) {
	f := &p.fields
	now := f.now
	f.now = fieldOther
	if now == fieldOther || now == fieldReferences && i > 0 {
		return
	}
	first := f.seen&(1<<now) == 0
	f.seen |= 1 << now
	if now >= fieldDate {
		p.takeEnvelope(env, now)
	} else if first || now != fieldType {
		p.takeContent(&p.parts[i], now)
	}
}

// finishPart sets the defaults once the header was read.
func (p *Parser) finishPart(i int32) {
	part := &p.parts[i]
	if part.Encoding == "" {
		part.Encoding = "7bit"
	}
	if i == 0 && plainDefault(part) {
		// The default in other letters (RFC 2045 §5.2) is written as the default.
		part.Type, part.Subtype, part.Encoding = "text", "plain", "7bit"
		part.Params[0] = defaultCharset
	}
	if part.IsText() {
		_, plain := findParam(part.Params, "charset")
		_, extended := findParam(part.Params, "charset*")
		switch {
		case plain || extended:
		case part.Params == nil:
			part.Params = defaultParams
		default:
			part.Params = append(part.Params, defaultCharset)
		}
	}
}

// plainDefault says whether the part is a text/plain in us-ascii and 7bit, in
// whatever letters.
func plainDefault(part *Part) bool {
	return equalFoldString(part.Type, "text") && equalFoldString(part.Subtype, "plain") &&
		equalFoldString(part.Encoding, "7bit") && len(part.Params) == 1 &&
		equalFold(part.Params[0].Name, "charset") && equalFold(part.Params[0].Value, "us-ascii")
}

// What a text part has when it says nothing of its charset (RFC 2045 §5.2); never
// changed.
var (
	defaultCharset = Param{Name: []byte("charset"), Value: []byte("us-ascii")}
	defaultParams  = []Param{defaultCharset}
)
