package message

import "encoding/binary"

// record reads one record; bad is set once something does not fit.
type record struct {
	b   []byte
	bad bool
}

func (r *record) fail() { r.b, r.bad = nil, true }

func (r *record) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things that take at least one byte each.
func (r *record) count() int {
	v := r.uvarint()
	if v > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *record) bytes(n int) []byte {
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// text is a piece of the record itself.
func (r *record) text() []byte {
	v := r.uvarint()
	if v == 0 {
		return nil
	}
	if v-1 > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	return r.bytes(int(v - 1))
}

func (r *record) string() string { return word(r.bytes(r.count())) }

// size reads a number of bytes or lines, at most limit.
func (r *record) size(limit int64) int64 {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail()
		return 0
	}
	return int64(v)
}

func (r *record) extent(start, fileSize int64) Extent {
	n := r.size(fileSize - start)
	bare := r.size(n)
	return Extent{Range: Range{start, start + n}, Size: n + bare, Lines: r.size(n)}
}

func (r *record) addresses(dst, from []Address) []Address {
	n := r.uvarint()
	if n == 0 {
		return append(dst, from...)
	}
	if n--; n > uint64(len(r.b)) {
		r.fail()
		return dst
	}
	for range n {
		dst = append(dst, Address{Name: r.text(), Route: r.text(), Mailbox: r.text(), Host: r.text()})
	}
	return dst
}

func (r *record) envelope(e *Envelope) {
	e.Date, e.Subject = r.text(), r.text()
	e.InReplyTo, e.MessageID = r.text(), r.text()
	if len(e.From) > 0 && len(e.Sender) > 0 && &e.From[0] == &e.Sender[0] {
		e.Sender = nil // Parse shares them
	}
	if len(e.From) > 0 && len(e.ReplyTo) > 0 && &e.From[0] == &e.ReplyTo[0] {
		e.ReplyTo = nil
	}
	e.From = r.addresses(e.From[:0], nil)
	e.Sender = r.addresses(e.Sender[:0], e.From)
	e.ReplyTo = r.addresses(e.ReplyTo[:0], e.From)
	e.To = r.addresses(e.To[:0], nil)
	e.Cc = r.addresses(e.Cc[:0], nil)
	e.Bcc = r.addresses(e.Bcc[:0], nil)
}

// UnmarshalBinary reads an envelope's record. It keeps a copy of b and reuses
// e's memory, so that a warm e costs no allocation; what e held before is
// overwritten. b may be reused at once.
func (e *Envelope) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != envelopeVersion {
		return ErrRecord
	}
	e.text = append(e.text[:0], b[1:]...)
	r := record{b: e.text}
	r.envelope(e)
	e.References = r.text()
	if r.bad || len(r.b) > 0 {
		return ErrRecord
	}
	return nil
}

// UnmarshalBinary reads a record of parts; m's own envelope is emptied. It keeps
// a copy of b and reuses m's memory: what an earlier call gave is overwritten.
func (m *Message) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != recordVersion {
		return ErrRecord
	}
	m.text = append(m.text[:0], b[1:]...)
	m.params, m.langs, m.envs = m.params[:0], m.langs[:0], m.envs[:0]
	m.Parts = m.Parts[:0]
	m.Envelope.reset()
	r := record{b: m.text}
	m.FileSize = r.size(1 << 62)
	m.Size = r.size(1 << 62)
	n := r.count()
	if r.bad || n == 0 || n > MaxParts {
		return ErrRecord
	}
	for i := range int32(n) {
		m.part(&r, i)
		if r.bad {
			return ErrRecord
		}
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.IsMessage() && p.Children != 1 || p.IsMultipart() && p.Children == 0 {
			return ErrRecord
		}
	}
	if len(r.b) > 0 || m.Size != m.Parts[0].Header.Size+m.Parts[0].Body.Size {
		return ErrRecord
	}
	return nil
}

// part reads part i and hangs it into the tree.
func (m *Message) part(r *record, i int32) {
	m.Parts = append(m.Parts, Part{})
	p := &m.Parts[i]
	up := r.uvarint()
	p.Next = -1
	if up == 0 || up > uint64(i)+1 || (up == uint64(i)+1) != (i == 0) || !m.attach(i, i-int32(up)) {
		r.fail()
		return
	}
	p.Type, p.Subtype, p.Encoding = r.string(), r.string(), r.string()
	p.Params = m.readParams(r)
	p.ID, p.Description, p.MD5 = r.text(), r.text(), r.text()
	p.Disposition = r.text()
	p.DispParams = m.readParams(r)
	if n := r.count(); n > 0 {
		start := len(m.langs)
		for range n {
			m.langs = append(m.langs, r.text())
		}
		p.Language = m.langs[start:len(m.langs):len(m.langs)]
	}
	p.Location = r.text()
	p.Header = r.extent(r.size(m.FileSize), m.FileSize)
	p.Body = r.extent(p.Header.End, m.FileSize)
	if i > 0 {
		up := m.Parts[p.Parent].Body
		r.bad = r.bad || p.Header.Start < up.Start || p.Body.End > up.End
	}
	if r.size(1) == 1 {
		p.Envelope = m.newEnvelope()
		r.envelope(p.Envelope)
	}
}

// attach makes i the newest child of up, which must be on the way from the part
// before i to the root: the order is preorder.
func (m *Message) attach(i, up int32) bool {
	p := &m.Parts[i]
	p.Parent = up
	if up < 0 {
		return true
	}
	prev := int32(-1)
	for j := i - 1; j != up; j = m.Parts[j].Parent {
		if j < 0 {
			return false
		}
		prev = j
	}
	if prev >= 0 {
		m.Parts[prev].Next = i
	}
	m.Parts[up].Children++
	p.Depth = m.Parts[up].Depth + 1
	return p.Depth <= MaxDepth
}

func (m *Message) readParams(r *record) []Param {
	n := r.count()
	if n == 0 {
		return nil
	}
	start := len(m.params)
	for range n {
		m.params = append(m.params, Param{Name: r.text(), Value: r.text()})
	}
	return m.params[start:len(m.params):len(m.params)]
}

// newEnvelope takes the next of the slab, with the memory that it had.
func (m *Message) newEnvelope() *Envelope {
	n := len(m.envs)
	if n < cap(m.envs) {
		m.envs = m.envs[:n+1]
	} else {
		m.envs = append(m.envs, Envelope{})
	}
	return &m.envs[n]
}
