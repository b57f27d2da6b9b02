package message

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// Scope says which of a message's texts are wanted.
type Scope uint8

// What SEARCH looks at (RFC 9051 §6.4.4). TEXT is both, and with both come the
// MIME headers of the parts, where the names of attachments are.
const (
	ScopeHeader Scope = 1 << iota // the message's own header
	ScopeBody                     // text parts, and headers and texts of attached messages

	ScopeText = ScopeHeader | ScopeBody
)

// SearchText hands out the text of messages as SEARCH compares it: decoded,
// folded as by [Fold], in units with a NUL after each. A unit is one header
// field as it is written, one header field decoded where that differs, one text
// part, or one HTML part as a person sees it, after the unit of its source. A
// part that is message/* but no message here, such as a delivery report, is
// a text too. Attachments of other types are not.
//
// It is reused from message to message by one goroutine at a time, and not copied.
// Its memory does not grow with the parts.
type SearchText struct {
	f     io.ReaderAt
	visit func(chunk []byte) bool
	err   error
	done  bool // visit has said so, or err

	size  int64 // of the decoded text
	count bool  // what is emitted counts

	win      []byte // of the file
	winAt    int64
	fold     Folder
	out      []byte // folded, for visit
	raw      []byte // a piece of a part without its transfer encoding
	utf      []byte // a piece as UTF-8
	seen     []byte // a piece as a person sees it
	field    []byte // a header field without its line ends
	held     []byte // the beginning of a character that is not whole yet
	decoders map[*coding]*encoding.Decoder
	reader   windowReader
	transfer Decoder
	strip    stripper
	flow     flowed

	whole, joined, stripped func(piece []byte)
}

const (
	searchChunk = 32 << 10 // folded bytes that are worth a visit
	searchPiece = 16 << 10 // bytes that are worked on at once
)

// Walk hands out the texts in scope, m being the structure of f. A chunk is valid
// until visit returns and may be cut anywhere; visit ends the walk by returning
// false. The error is f's.
func (t *SearchText) Walk(m *Message, f io.ReaderAt, scope Scope, visit func(chunk []byte) bool) error {
	if t.win == nil {
		t.win = make([]byte, 0, windowSize)
	}
	if t.out == nil {
		t.out = make([]byte, 0, 2*searchChunk)
		t.sinks()
	}
	t.f, t.visit, t.err, t.done, t.size = f, visit, nil, false, 0
	t.win, t.out = t.win[:0], t.out[:0]
	t.fold.Reset()
	for i := range m.Parts {
		part := &m.Parts[i]
		want := ScopeText // the MIME header of a part
		switch {
		case i == 0:
			want = ScopeHeader
		case m.Parts[part.Parent].IsMessage():
			want = ScopeBody
		}
		if scope&want == want {
			t.header(part)
		}
		if !t.done && scope&ScopeBody != 0 && (part.IsText() || equalFoldString(part.Type, "message") && !part.IsMessage()) {
			t.part(part)
		}
		if t.done {
			break
		}
	}
	if !t.done && len(t.out) > 0 {
		visit(t.out)
	}
	t.f, t.visit = nil, nil
	return t.err
}

// Size is the number of bytes of text in UTF-8 that the last Walk has come across,
// each counted once: headers as they are written, texts decoded.
func (t *SearchText) Size() int64 { return t.size }

// textVersion is raised whenever Walk hands out other text for the same message
// than before.
const textVersion = 2

// TextVersion changes when Walk may hand out other text for the same message than
// it did: what was derived from that is void then.
func TextVersion() uint32 {
	return crc32.ChecksumIEEE(fmt.Append(nil, textVersion, unicode.Version, norm.Version))
}

// window is what lies at off, up to end; nothing at the end of the file or after
// an error.
func (t *SearchText) window(off, end int64) []byte {
	if off >= end || t.done {
		return nil
	}
	i := off - t.winAt
	if i < 0 || i >= int64(len(t.win)) {
		n, err := t.f.ReadAt(t.win[:cap(t.win)], off)
		if err != nil && err != io.EOF {
			t.err, t.done = err, true
			return nil
		}
		t.win, t.winAt, i = t.win[:n], off, 0
	}
	b := t.win[i:]
	return b[:min(int64(len(b)), end-off)]
}

// emit folds a piece of the unit at hand.
func (t *SearchText) emit(b []byte) {
	if t.count {
		t.size += int64(len(b))
	}
	for len(b) > 0 && !t.done {
		n := min(len(b), searchPiece)
		t.out = t.fold.Append(t.out, b[:n])
		b = b[n:]
		if len(t.out) >= searchChunk {
			t.done = !t.visit(t.out)
			t.out = t.out[:0]
		}
	}
}

// endUnit ends the unit at hand.
func (t *SearchText) endUnit() { t.out = append(t.fold.Finish(t.out), 0) }

// part hands out one text part.
func (t *SearchText) part(p *Part) {
	html := equalFoldString(p.Subtype, "html")
	c := t.coding(p, html)
	sink := t.whole
	if format, ok := p.Param("format"); ok && equalFold(format, "flowed") && equalFoldString(p.Subtype, "plain") {
		delsp, _ := p.Param("delsp")
		t.flow = flowed{delsp: equalFold(delsp, "yes"), start: true}
		sink = t.joined
	}
	t.count = true
	t.decode(p, c, sink)
	t.count = false
	t.endUnit()
	if !html || t.done {
		return
	}
	t.strip.reset()
	t.decode(p, c, t.stripped)
	t.seen = t.strip.finish(t.seen[:0])
	t.emit(t.seen)
	t.endUnit()
}

// sinks makes the three things that can become of a decoded piece, once.
func (t *SearchText) sinks() {
	t.whole = t.emit
	t.joined = func(b []byte) {
		t.seen = t.flow.append(t.seen[:0], b)
		t.emit(t.seen)
	}
	t.stripped = func(b []byte) {
		t.seen = t.strip.append(t.seen[:0], b)
		t.emit(t.seen)
	}
}

// coding is the charset of a part. One that says nothing, or nothing that is
// known, is read as plain text; HTML may tell in its head.
func (t *SearchText) coding(p *Part, html bool) *coding {
	label, ok := p.Param("charset")
	if !ok {
		if label, ok = p.Param("charset*"); ok {
			label = DecodeExtended(nil, label)
		}
	}
	c := codingOf(label)
	if c == nil {
		c = plainCoding
	}
	if html && c.plain && !equalFold(label, "utf-8") {
		var first []byte
		t.decode(p, plainCoding, func(b []byte) {
			first = b
			t.done = true // the first piece is enough
		})
		t.done = t.err != nil
		if told := metaCharset(first); told != nil {
			return told
		}
	}
	return c
}

// metaCharset is what HTML says of its own charset, by the beginning of it; nil
// for nothing that could be true of text that has been read so far.
func metaCharset(b []byte) *coding {
	b = b[:min(len(b), 1024)]
	for {
		i := bytes.IndexByte(b, '=')
		if i < 0 {
			return nil
		}
		name, value := trimSpace(b[:i]), trimSpace(b[i+1:])
		b = b[i+1:]
		if len(name) < 7 || !equalFold(name[len(name)-7:], "charset") {
			continue
		}
		value = bytes.TrimLeft(value, "\"'")
		n := bytes.IndexAny(value, "\"' ;>/")
		if n < 0 {
			return nil
		}
		if c := codingOf(value[:n]); c != nil && (c.plain || c.ascii) {
			return c
		}
		return nil
	}
}

// decode hands out a part as UTF-8, a piece at a time.
func (t *SearchText) decode(p *Part, c *coding, sink func([]byte)) {
	t.held = t.held[:0]
	if d := t.decoders[c]; d != nil {
		d.Reset()
	}
	t.reader = windowReader{t, p.Body.Start, p.Body.End}
	if isIdentity(p.Encoding) || t.transfer.Reset(&t.reader, p.Encoding) != nil { // or nobody knows how
		for off := p.Body.Start; !t.done; {
			b := t.window(off, p.Body.End)
			if len(b) == 0 {
				break
			}
			b = b[:min(len(b), searchPiece)]
			off += int64(len(b))
			t.convert(c, b, false, sink)
		}
	} else {
		if t.raw == nil {
			t.raw = make([]byte, searchPiece)
		}
		for !t.done {
			n, err := io.ReadFull(&t.transfer, t.raw)
			t.convert(c, t.raw[:n], false, sink)
			if err != nil {
				break
			}
		}
	}
	t.convert(c, nil, true, sink)
}

// windowReader reads a range of the file through the window.
type windowReader struct {
	t        *SearchText
	off, end int64
}

// Read reads.
func (r *windowReader) Read(b []byte) (int, error) {
	w := r.t.window(r.off, r.end)
	if len(w) == 0 {
		return 0, io.EOF
	}
	n := copy(b, w)
	r.off += int64(n)
	return n, nil
}

// convert hands a piece on as UTF-8.
func (t *SearchText) convert(c *coding, b []byte, end bool, sink func([]byte)) {
	switch {
	case t.done:
	case c.plain, c.ascii && len(t.held) == 0 && isASCII(b):
		if len(b) > 0 {
			sink(b)
		}
	case c.table != nil:
		t.utf = appendTable(t.utf[:0], b, c.table)
		sink(t.utf)
	default:
		t.transform(c, b, end, sink)
	}
}

func (t *SearchText) transform(c *coding, b []byte, end bool, sink func([]byte)) {
	d := t.decoders[c]
	if d == nil {
		if t.decoders == nil || len(t.decoders) > 16 {
			t.decoders = make(map[*coding]*encoding.Decoder)
		}
		d = c.enc.NewDecoder()
		t.decoders[c] = d
	}
	if t.utf = t.utf[:cap(t.utf)]; len(t.utf) < searchPiece {
		t.utf = make([]byte, searchPiece)
	}
	t.held = append(t.held, b...)
	src := t.held
	for !t.done {
		wrote, read, err := d.Transform(t.utf, src, end)
		if wrote > 0 {
			sink(t.utf[:wrote])
		}
		src = src[read:]
		if err != transform.ErrShortDst || wrote+read == 0 {
			break
		}
	}
	if len(src) > 64 {
		src = nil // no character is as long as this
	}
	t.held = t.held[:copy(t.held, src)]
}
