package message

import (
	"bytes"
	"io"
	"slices"
)

// Parser reads messages one after another, reusing its buffers. The zero value
// is ready. It must not be used by two goroutines at once.
type Parser struct {
	win    window
	bounds boundaries
	frames []frame // open parts, innermost last
	parts  []Part
	last   []int32 // newest child of each part, -1 none: to set its Next
	begins []begin // where each part's header and body begin
	fields fields
	mem    arena
	words  words
	// boundaryEnd is where the newest boundary line ended.
	boundaryEnd int64
}

// frame is an open part.
type frame struct {
	part   int32
	digest bool // children are message/rfc822 by default (RFC 2046 §5.1.5)
}

// begin holds the marks of a part until its ends are known.
type begin struct{ header, body mark }

// hit is what ended a header or body: a boundary line of a frame, not yet
// read, or with frame < 0 the end of the message.
type hit struct {
	frame   int32
	closing bool
}

// Parse reads one message file (LF, CRLF or mixed) in one pass. The only errors
// are r's.
func (p *Parser) Parse(r io.Reader) (*Message, error) {
	m := new(Message)
	if err := p.ParseInto(r, m); err != nil {
		return nil, err
	}
	return m, nil
}

// ParseInto is Parse for a result that is soon done with: m's memory is reused, and
// what it held is overwritten.
func (p *Parser) ParseInto(r io.Reader, m *Message) error {
	p.win.reset(r)
	p.bounds.reset()
	p.frames, p.parts, p.last, p.begins = p.frames[:0], p.parts[:0], p.last[:0], p.begins[:0]
	p.mem, p.boundaryEnd = arena{m.text[:0], m.params[:0], m.addrs[:0], m.langs[:0]}, -1
	m.Envelope = Envelope{}
	p.open(-1, false)
	p.walk(m)
	p.fields.release()
	err := p.win.err
	p.win.src = nil
	if err != nil {
		p.release()
		return err
	}
	m.Envelope.setDefaults()
	for i := range p.parts {
		if e := p.parts[i].Envelope; e != nil {
			e.setDefaults()
		}
	}
	root := &p.parts[0]
	m.FileSize = p.win.at.off
	m.Size = root.Header.Size + root.Body.Size
	m.Parts = append(slices.Grow(m.Parts[:0], len(p.parts)), p.parts...)
	m.text, m.params, m.addrs, m.langs = p.mem.text, p.mem.params, p.mem.addrs, p.mem.langs
	p.release()
	return nil
}

// keepParts is about how many parts the buffers of an idle Parser are kept for.
const keepParts = 256

// release lets go of the result and of what one huge message made big.
func (p *Parser) release() {
	clear(p.parts)
	p.mem = arena{}
	if cap(p.parts) > 2*keepParts {
		p.parts, p.last, p.begins, p.frames = nil, nil, nil, nil
	}
	if cap(p.bounds.text) > windowSize || cap(p.bounds.open) > keepParts {
		p.bounds = boundaries{}
	}
}

// walk reads part after part until the message ends.
func (p *Parser) walk(m *Message) {
	for {
		h, done := p.header(m)
		if !done {
			h = p.skipBody()
		}
		for {
			p.close(h.frame)
			if h.frame < 0 {
				return
			}
			p.bounds.popAbove(h.frame, false)
			whole := p.win.skipLine()
			p.boundaryEnd = p.win.at.off
			f := p.frames[h.frame]
			if whole && !h.closing && len(p.parts) < MaxParts {
				p.open(f.part, f.digest)
				break
			}
			// Epilogue, or too many parts: what follows belongs to nobody. A boundary
			// line that the message ends in begins no part either.
			p.bounds.popAbove(h.frame, true)
			h = p.skipBody()
		}
	}
}

// open appends a part, whose header begins here, and makes it the innermost.
func (p *Parser) open(parent int32, digest bool) {
	i := int32(len(p.parts))
	part := Part{Parent: parent, Next: -1}
	if parent >= 0 {
		up := &p.parts[parent]
		up.Children++
		part.Depth = up.Depth + 1
		if prev := p.last[parent]; prev >= 0 {
			p.parts[prev].Next = i
		}
		p.last[parent] = i
	}
	part.Type, part.Subtype = "text", "plain"
	if digest {
		part.Type, part.Subtype = "message", "rfc822"
	}
	p.parts = append(p.parts, part)
	p.last = append(p.last, -1)
	p.begins = append(p.begins, begin{header: p.win.at, body: p.win.at})
	p.frames = append(p.frames, frame{part: i})
}

// close ends the parts inside frame at a boundary line or the end of the file. The
// line end before a boundary line belongs to it (RFC 2046 §5.1.1): the parts end
// before that, even where it is the blank line after the header of a part
// without a body. But an attached message keeps it when no text stands before it,
// see doc.go.
func (p *Parser) close(frame int32) {
	at := p.win.at
	end := at
	if 0 <= frame && int(frame) < len(p.frames)-1 {
		outermost := p.frames[frame+1].part
		if p.begins[outermost].header.off < at.off {
			end = p.win.beforeLineEnd()
		}
	}
	innermost := p.frames[len(p.frames)-1].part
	noText := p.begins[innermost].body.off > end.off || p.boundaryEnd == at.off
	for n := int32(len(p.frames)); n > frame+1; n-- {
		i := p.frames[n-1].part
		b := &p.begins[i]
		if noText && p.keepsLineEnd(i, end) {
			end = at
		}
		if b.body.off > end.off {
			b.body = end
		}
		if b.header.off > end.off {
			b.header = end
		}
		p.parts[i].Header = b.header.extent(b.body)
		p.parts[i].Body = b.body.extent(end)
		if p.parts[i].IsMultipart() && p.parts[i].Children == 0 {
			p.emptyChild(i, end)
		}
	}
	p.frames = p.frames[:frame+1]
}

// keepsLineEnd says whether part i is an attached message/rfc822, or the multipart
// that is all of one, with a body that begins before end.
func (p *Parser) keepsLineEnd(i int32, end mark) bool {
	if p.begins[i].body.off > end.off {
		return false
	}
	part := &p.parts[i]
	if part.IsMultipart() && part.Parent >= 0 {
		part = &p.parts[part.Parent]
	}
	return part.IsMessage() && !part.IsGlobal()
}

// emptyChild gives a multipart in which no boundary line was found the one part
// that the grammar of BODYSTRUCTURE demands (RFC 9051 §9, body-type-mpart):
// a text of no bytes.
func (p *Parser) emptyChild(i int32, at mark) {
	if len(p.parts) >= MaxParts {
		opaque(&p.parts[i])
		return
	}
	frames := len(p.frames)
	p.open(i, false)
	p.frames = p.frames[:frames]
	child := i + 1
	p.parts[child].Header, p.parts[child].Body = at.extent(at), at.extent(at)
	p.finishPart(child)
}

// header reads the header of the innermost part and, for a message/rfc822, of
// the message inside it and so on. When a header was cut short by a boundary
// or the end, done is true and h says by what.
func (p *Parser) header(m *Message) (h hit, done bool) {
	for {
		i := p.frames[len(p.frames)-1].part
		env := p.envelopeOf(m, i)
		h, done = p.readHeader(i, env)
		b := &p.begins[i]
		b.body = p.win.at
		if !p.enter(i) {
			return h, done
		}
		if done {
			// The message inside has neither header nor body.
			p.open(i, false)
			p.finishPart(i + 1)
			return h, done
		}
		p.open(i, false)
	}
}

// envelopeOf is where the envelope of the message whose root is part i belongs,
// nil when part i is the root of none.
func (p *Parser) envelopeOf(m *Message, i int32) *Envelope {
	up := p.parts[i].Parent
	if up < 0 {
		return &m.Envelope
	}
	return p.parts[up].Envelope
}

// enter looks at the type of the part whose header was just read; true when a
// message begins right after it.
func (p *Parser) enter(i int32) bool {
	part := &p.parts[i]
	switch {
	case part.IsMultipart():
		if part.Depth >= MaxDepth {
			opaque(part)
			return false
		}
		if boundary, ok := part.Param("boundary"); ok && len(boundary) > 0 {
			n := int32(len(p.frames) - 1)
			p.frames[n].digest = equalFoldString(part.Subtype, "digest")
			p.bounds.push(boundary, n)
		}
	case isMessageType(part.Type, part.Subtype):
		if encoded(part.Encoding) && equalFoldString(part.Subtype, "global") {
			// RFC 6532 §3.7 allows that: its structure is not in these bytes. A
			// message/rfc822 may not be encoded (RFC 2046 §5.2.1), and body-type-msg
			// wants an envelope whatever is in it.
			return false
		}
		if part.Depth >= MaxDepth || len(p.parts) >= MaxParts {
			opaque(part)
			return false
		}
		if equalFoldString(part.Subtype, "rfc822") {
			part.Type, part.Subtype = "message", "rfc822"
		}
		part.Envelope = new(Envelope)
		return true
	}
	return false
}

// opaque makes a part one that is not looked into.
func opaque(part *Part) {
	part.Type, part.Subtype, part.Params = "application", "octet-stream", nil
}

func isMessageType(typ, subtype string) bool {
	return equalFoldString(typ, "message") &&
		(equalFoldString(subtype, "rfc822") || equalFoldString(subtype, "global"))
}

func encoded(encoding string) bool {
	return equalFoldString(encoding, "base64") || equalFoldString(encoding, "quoted-printable")
}

// skipBody moves to the next boundary line or the end.
func (p *Parser) skipBody() hit {
	s := &p.win
	if len(p.bounds.open) == 0 {
		for s.skipLines() {
		}
		return hit{frame: -1}
	}
	for {
		if h, ok := p.boundaryHere(); ok {
			return h
		}
		if !s.skipToDashes() {
			return hit{frame: -1}
		}
	}
}

// boundaryHere looks whether the line that begins here is a boundary line.
func (p *Parser) boundaryHere() (hit, bool) {
	if len(p.bounds.open) == 0 {
		return hit{}, false
	}
	b := p.win.ahead(p.bounds.longest + 4)
	if len(b) < 2 || b[0] != '-' || b[1] != '-' {
		return hit{}, false
	}
	b = b[:min(len(b), p.bounds.longest+4)]
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	f, closing := p.bounds.find(b)
	return hit{f, closing}, f >= 0
}
