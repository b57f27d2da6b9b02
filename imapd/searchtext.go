package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/unicode/norm"

	"maildir-imapd/maildir/message"
)

// fold is the form in which text is compared: decomposed, lower case (RFC 9051 §6.4.4: case-insensitive;
// RFC 5051 is the model: what is searched for without its accents is found with them).
func fold(s string) string { return strings.ToLower(norm.NFKD.String(s)) }

// charsetDecoder converts whole strings from a charset to UTF-8.
func charsetDecoder(name string) (func(string) (string, error), error) {
	if _, err := charset.Reader(name, strings.NewReader("")); err != nil {
		return nil, err
	}
	return func(s string) (string, error) {
		r, err := charset.Reader(name, strings.NewReader(s))
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(r)
		return string(b), err
	}, nil
}

// words decodes the encoded words of RFC 2047 in a header field; what does not decode stays as it is.
var words = mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) {
	return charset.Reader(name, r)
}}

func decodeWords(raw []byte) string {
	s := string(raw)
	if !bytes.Contains(raw, []byte("=?")) {
		return s
	}
	if decoded, err := words.DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// holds tells whether a field's value, raw or decoded, contains a folded string.
func holds(raw []byte, needle string) bool {
	return strings.Contains(fold(decodeWords(raw)), needle) ||
		bytes.Contains(raw, []byte("=?")) && strings.Contains(fold(string(raw)), needle)
}

// envelopeNode looks at the cached envelope.
type envelopeNode func(m *msgData) bool

func (envelopeNode) cost() cost          { return costCached }
func (envelopeNode) bind(*session) error { return nil }

func (f envelopeNode) match(ctx context.Context, r *searchRun) (bool, error) {
	if err := r.m.load(ctx, needEnvelope); err != nil {
		return false, err
	}
	return f(&r.m), nil
}

var subjectKey = searchKey{"SUBJECT", func(p *searchParser) searchNode {
	needle := p.text()
	return envelopeNode(func(m *msgData) bool { return m.envelope.Subject != nil && holds(m.envelope.Subject, needle) })
}}

func fromField(e *message.Envelope) []message.Address { return e.From }
func toField(e *message.Envelope) []message.Address   { return e.To }
func ccField(e *message.Envelope) []message.Address   { return e.Cc }
func bccField(e *message.Envelope) []message.Address  { return e.Bcc }

func addressKey(name string, field func(*message.Envelope) []message.Address) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		needle := p.text()
		var line []byte
		return envelopeNode(func(m *msgData) bool {
			for _, a := range field(m.envelope) {
				line = appendAddress(line[:0], &a)
				if holds(line, needle) {
					return true
				}
			}
			return needle == "" && len(field(m.envelope)) > 0
		})
	}}
}

// appendAddress spells an address as a person would search for it.
func appendAddress(b []byte, a *message.Address) []byte {
	b = append(b, a.Name...)
	b = append(b, " <"...)
	b = append(b, a.Mailbox...)
	if a.Host != nil {
		b = append(b, '@')
		b = append(b, a.Host...)
	}
	return append(b, '>')
}

// headerNode is HEADER: one field of the message's own header.
type headerNode struct{ field, needle string }

var headerKey = searchKey{"HEADER", func(p *searchParser) searchNode {
	p.d.SP()
	field := p.d.AString()
	return &headerNode{field, p.text()}
}}

func (*headerNode) cost() cost          { return costHeader }
func (*headerNode) bind(*session) error { return nil }

func (n *headerNode) match(ctx context.Context, r *searchRun) (bool, error) {
	if err := r.m.load(ctx, needStructure|needFile); err != nil {
		return false, err
	}
	header, err := r.m.header(r.m.structure.Parts[0].Header)
	if err != nil {
		return false, err
	}
	for _, f := range splitFields(message.HeaderFields(nil, header, []string{n.field}, false)) {
		_, value, ok := bytes.Cut(f, []byte(":"))
		if ok && holds(bytes.TrimSpace(value), n.needle) {
			return true, nil
		}
	}
	return false, nil
}

// header reads a header block, as it lies on disk.
func (m *msgData) header(e message.Extent) ([]byte, error) {
	e.End = min(e.End, e.Start+maxHeader)
	b := make([]byte, e.Len())
	_, err := m.file.ReadAt(b, e.Start)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// splitFields cuts a header block into unfolded fields (RFC 5322 §2.2.3).
func splitFields(block []byte) [][]byte {
	var fields [][]byte
	for line := range bytes.Lines(block) {
		text := bytes.TrimRight(line, "\r\n")
		switch {
		case len(text) == 0:
		case (text[0] == ' ' || text[0] == '\t') && len(fields) > 0:
			last := &fields[len(fields)-1]
			*last = append(bytes.Clone(*last), text...)
		default:
			fields = append(fields, text)
		}
	}
	return fields
}

// bodyNode is BODY, and TEXT, which looks at the header too.
type bodyNode struct {
	needle string
	header bool
}

func bodyKey(name string, header bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode { return &bodyNode{p.text(), header} }}
}

func (*bodyNode) cost() cost          { return costBody }
func (*bodyNode) bind(*session) error { return nil }

func (n *bodyNode) match(ctx context.Context, r *searchRun) (bool, error) {
	if n.needle == "" {
		return true, nil
	}
	m := &r.m
	if err := m.load(ctx, needStructure|needFile); err != nil {
		return false, err
	}
	for i := range m.structure.Parts {
		part := &m.structure.Parts[i]
		inner := i > 0 && m.structure.Parts[part.Parent].IsMessage() // header of an attached message
		if inner || i == 0 && n.header {
			if ok, err := n.inHeader(m, part.Header); ok || err != nil {
				return ok, err
			}
		}
		if part.IsText() {
			if ok, err := n.inText(m, part); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

func (n *bodyNode) inHeader(m *msgData, e message.Extent) (bool, error) {
	block, err := m.header(e)
	if err != nil {
		return false, err
	}
	for _, f := range splitFields(block) {
		if holds(f, n.needle) {
			return true, nil
		}
	}
	return false, nil
}

// inText looks for the string in a decoded text part, a window at a time, so that memory does not grow
// with the part.
func (n *bodyNode) inText(m *msgData, part *message.Part) (bool, error) {
	r, err := message.DecodeTransfer(m.section(part.Body), part.Encoding)
	if err != nil {
		r = m.section(part.Body) // an unknown encoding is searched as it is
	}
	if name, ok := part.Param("charset"); ok && !plainCharset(name) {
		if decoded, err := charset.Reader(string(name), r); err == nil {
			r = decoded
		}
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	window := *buf
	keep := 0
	// Folding may change lengths; four times the needle is more than any rune's forms differ.
	overlap := min(4*len(n.needle)+utf8.UTFMax, len(window)/2)
	for {
		k, err := io.ReadFull(r, window[keep:])
		text := window[:keep+k]
		if strings.Contains(fold(string(text)), n.needle) {
			return true, nil
		}
		if err != nil {
			return false, nil // end of part, or bytes that do not decode: not found
		}
		keep = copy(window, text[len(text)-overlap:])
	}
}

func plainCharset(name []byte) bool {
	return strings.EqualFold(string(name), "us-ascii") || strings.EqualFold(string(name), "utf-8")
}
