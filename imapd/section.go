package imapd

import (
	"bytes"
	"sync"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir/message"
)

// sectionAtt is BODY[...], BODY.PEEK[...] and the RFC822 items that are other words for them
// (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
type sectionAtt struct {
	name    string // RFC822 and its kin; empty for BODY[...]
	section wire.Section
	partial *wire.Partial
	peek    bool
}

func (a *sectionAtt) needs() needs {
	n := needFile
	if len(a.section.Part) > 0 || a.section.Specifier != "" || a.partial != nil { // a window needs the size of the whole
		n |= needStructure
	}
	if !a.peek {
		n |= setsSeen
	}
	return n
}

// headerBuffers hold a header while fields are picked from it.
var headerBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxHeader bounds the header that HEADER.FIELDS looks through; what lies behind is not found.
const maxHeader = 1 << 20

func (a *sectionAtt) write(s *session, w *responder, m *msgData) error {
	a.writeName(w)
	e, ok, err := a.extent(m, s.utf8)
	switch {
	case err != nil:
		return err
	case !ok:
		w.NIL()
		return nil
	case a.section.Fields == nil:
		return m.sendExtent(w, e, a.partial, &s.sel.mark)
	}
	buf := headerBuffers.Get().(*bytes.Buffer)
	defer headerBuffers.Put(buf)
	buf.Reset()
	e.End = min(e.End, e.Start+maxHeader)
	if _, err := message.CopyCRLF(buf, m.section(e)); err != nil {
		return err
	}
	header := buf.Bytes()
	not := a.section.Specifier == "HEADER.FIELDS.NOT"
	picked := message.HeaderFields(buf.AvailableBuffer(), header, a.section.Fields, not)
	return sendBytes(w, picked, a.partial)
}

// writeName repeats what was asked for (RFC 9051 §7.5.2), without PEEK and without the length.
func (a *sectionAtt) writeName(w *responder) {
	if a.name != "" {
		w.Raw(a.name).SP()
		return
	}
	writeSection(w, "BODY", &a.section, a.partial)
}

// writeSection names a section and the beginning of a window of it: "BODY[1.MIME]<0> ".
func writeSection(w *responder, name string, sec *wire.Section, p *wire.Partial) {
	w.Raw(name)
	w.Special('[')
	for i, n := range sec.Part {
		if i > 0 {
			w.Special('.')
		}
		w.Number(uint32(n))
	}
	if sec.Specifier != "" {
		if len(sec.Part) > 0 {
			w.Special('.')
		}
		w.Raw(sec.Specifier)
	}
	if sec.Fields != nil {
		w.SP()
		w.list(len(sec.Fields), func(i int) { w.AString(sec.Fields[i]) })
	}
	w.Special(']')
	if p != nil {
		w.Special('<').Number64(p.Offset).Special('>')
	}
	w.SP()
}

// extent finds the range that a section names; false for a part that is not there.
func (a *sectionAtt) extent(m *msgData, utf8 bool) (message.Extent, bool, error) {
	if len(a.section.Part) == 0 && a.section.Specifier == "" {
		e, err := m.whole()
		return e, true, err
	}
	i, ok := m.structure.Part(a.section.Part)
	if !ok {
		return message.Extent{}, false, nil
	}
	part := &m.structure.Parts[i]
	switch a.section.Specifier {
	case "":
		return part.Body, true, nil
	case "MIME":
		return part.Header, true, nil
	}
	if len(a.section.Part) > 0 { // HEADER and TEXT of a part are those of the message in it
		if !isMessage(part, utf8) {
			return message.Extent{}, false, nil
		}
		part = &m.structure.Parts[i+1]
	}
	if a.section.Specifier == "TEXT" {
		return part.Body, true, nil
	}
	return part.Header, true, nil
}
