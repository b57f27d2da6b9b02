package imapd

import (
	"errors"
	"io"
	"slices"
	"sync"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// sectionAtt is BODY[...], BODY.PEEK[...] and the RFC822 items that are other words for them
// (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
type sectionAtt struct {
	name    string // RFC822 and its kin; empty for BODY[...]
	section wire.Section
	partial *wire.Partial
	peek    bool
	listed  bool // listsMail
}

func (a *sectionAtt) needs() needs {
	n := needFile
	switch {
	case a.listed:
		n = needFields
	case len(a.section.Part) > 0 || a.section.Specifier != "" || a.partial != nil: // a window needs the size of the whole
		n |= needStructure
	}
	if !a.peek {
		n |= setsSeen
	}
	return n
}

// listsMail tells whether a section is fields of the message's header that clients list mail by, all of them.
func listsMail(sec *wire.Section) bool {
	if len(sec.Part) > 0 || sec.Specifier != "HEADER.FIELDS" {
		return false
	}
	for _, name := range sec.Fields {
		if !maildir.ListField(name) {
			return false
		}
	}
	return true
}

func (a *sectionAtt) write(s *session, w *responder, m *msgData) error {
	a.writeName(w)
	if a.listed && m.listed {
		return a.sendFields(w, m.fields)
	}
	if m.ready != nil && a.whole() && a.partial == nil {
		return sendReady(w, m.ready)
	}
	if a.whole() && m.file.FileSize() <= smallMessage {
		return a.sendSmall(w, m)
	}
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
	return a.sendSelected(w, m, e)
}

// whole tells whether the section is the message.
func (a *sectionAtt) whole() bool { return len(a.section.Part) == 0 && a.section.Specifier == "" }

// smallMessage is what is sent out of memory, where counting costs nothing; larger ones are read twice.
const smallMessage = copySize

// sendSmall sends a small message as a whole, or a window of it.
func (a *sectionAtt) sendSmall(w *responder, m *msgData) error {
	buf := fieldBuffers.Get().(*[]byte)
	defer fieldBuffers.Put(buf)
	raw := copyBuffers.Get().(*[]byte)
	n, err := m.file.ReadAt((*raw)[:m.file.FileSize()], 0)
	*buf = message.AppendCRLF((*buf)[:0], (*raw)[:n])
	copyBuffers.Put(raw)
	if err != nil && err != io.EOF { // one that has become shorter is sent as it is
		return err
	}
	return sendBytes(w, *buf, a.partial)
}

// sendReady sends a message that was read ahead. It stays where it is until the batch has been sent.
func sendReady(w *responder, b []byte) error {
	w.Special('{').Number64(int64(len(b))).Raw("}\r\n")
	if err := w.Err(); err != nil {
		return err
	}
	return w.c.piece(b)
}

// fieldBuffers hold headers while fields are picked from them, and small messages.
var fieldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// smallHeader is what is read into memory to pick fields from; larger ones are read twice.
const smallHeader = 64 << 10

// sendFields sends the fields that were asked for out of a header block in memory.
func (a *sectionAtt) sendFields(w *responder, header []byte) error {
	buf := fieldBuffers.Get().(*[]byte)
	defer fieldBuffers.Put(buf)
	*buf = message.HeaderFields((*buf)[:0], header, a.section.Fields, a.section.Specifier == "HEADER.FIELDS.NOT")
	return sendBytes(w, *buf, a.partial)
}

// sendSelected sends the fields that were asked for out of a header in the file. The length of the literal
// comes before them: a large header is read once to count and once to send.
func (a *sectionAtt) sendSelected(w *responder, m *msgData, e message.Extent) error {
	if e.Len() <= smallHeader {
		buf := fieldBuffers.Get().(*[]byte)
		defer fieldBuffers.Put(buf)
		*buf = slices.Grow((*buf)[:0], int(e.Len()))[:e.Len()]
		if n, err := m.file.ReadAt(*buf, e.Start); n < len(*buf) {
			return err
		}
		return a.sendFields(w, *buf)
	}
	not := a.section.Specifier == "HEADER.FIELDS.NOT"
	size, err := message.SelectFields(io.Discard, m.section(e), a.section.Fields, not)
	if err != nil {
		return err
	}
	offset, n := window(size, a.partial)
	lit := w.Literal(n, false)
	if n > 0 {
		_, err = message.SelectFields(&clip{lit, offset, n}, m.section(e), a.section.Fields, not)
		if err != nil && !errors.Is(err, errClipped) {
			return err
		}
	}
	return lit.Close()
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
	if a.whole() {
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
