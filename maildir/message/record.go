package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// recordVersion changes with the format and whenever Parse finds something else
// in the same bytes, so that old cache records are not believed.
const recordVersion = 1

// ErrRecord: the bytes are no record of this version.
var ErrRecord = errors.New("not a message structure record")

// AppendBinary appends the record of m to b.
func (m *Message) AppendBinary(b []byte) []byte {
	b = append(b, recordVersion)
	b = appendSized(b, func(b []byte) []byte { return m.Envelope.append(b) })
	b = binary.AppendUvarint(b, uint64(m.FileSize))
	b = binary.AppendUvarint(b, uint64(m.Size))
	b = binary.AppendUvarint(b, uint64(len(m.Parts)))
	for i := range m.Parts {
		b = m.Parts[i].append(b, int32(i))
	}
	return b
}

// appendSized appends what f appends, behind its length.
func appendSized(b []byte, f func([]byte) []byte) []byte {
	const room = 3 // enough for 2 MiB; more is moved
	start := len(b)
	b = append(b, 0, 0, 0)
	b = f(b)
	n := len(b) - start - room
	if n < 1<<21 {
		b[start] = byte(n) | 0x80
		b[start+1] = byte(n>>7) | 0x80
		b[start+2] = byte(n >> 14)
		return b
	}
	body := append([]byte(nil), b[start+room:]...)
	b = binary.AppendUvarint(b[:start], uint64(n))
	return append(b, body...)
}

func (p *Part) append(b []byte, i int32) []byte {
	b = binary.AppendUvarint(b, uint64(i-p.Parent))
	b = appendString(b, p.Type)
	b = appendString(b, p.Subtype)
	b = appendString(b, p.Encoding)
	b = appendParams(b, p.Params)
	b = appendText(b, p.ID)
	b = appendText(b, p.Description)
	b = appendText(b, p.MD5)
	b = appendText(b, p.Disposition)
	b = appendParams(b, p.DispParams)
	b = binary.AppendUvarint(b, uint64(len(p.Language)))
	for _, l := range p.Language {
		b = appendText(b, l)
	}
	b = appendText(b, p.Location)
	b = binary.AppendUvarint(b, uint64(p.Header.Start))
	b = appendExtent(b, p.Header)
	b = appendExtent(b, p.Body)
	if p.Envelope == nil {
		return append(b, 0)
	}
	return p.Envelope.append(append(b, 1))
}

func (e *Envelope) append(b []byte) []byte {
	b = appendText(b, e.Date)
	b = appendText(b, e.Subject)
	b = appendText(b, e.InReplyTo)
	b = appendText(b, e.MessageID)
	b = appendAddresses(b, e.From)
	b = appendAddressesOr(b, e.Sender, e.From)
	b = appendAddressesOr(b, e.ReplyTo, e.From)
	b = appendAddresses(b, e.To)
	b = appendAddresses(b, e.Cc)
	return appendAddresses(b, e.Bcc)
}

// appendText: 0 is nil, else the length plus one comes first.
func appendText(b, s []byte) []byte {
	if s == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(s))+1)
	return append(b, s...)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendParams(b []byte, list []Param) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, p := range list {
		b = appendText(b, p.Name)
		b = appendText(b, p.Value)
	}
	return b
}

// appendExtent leaves out Start: it is known.
func appendExtent(b []byte, e Extent) []byte {
	b = binary.AppendUvarint(b, uint64(e.Len()))
	b = binary.AppendUvarint(b, uint64(e.Size-e.Len()))
	return binary.AppendUvarint(b, uint64(e.Lines))
}

// appendAddresses: the number plus one; appendAddressesOr writes 0 for "as From".
func appendAddresses(b []byte, list []Address) []byte {
	b = binary.AppendUvarint(b, uint64(len(list))+1)
	for i := range list {
		a := &list[i]
		b = appendText(b, a.Name)
		b = appendText(b, a.Route)
		b = appendText(b, a.Mailbox)
		b = appendText(b, a.Host)
	}
	return b
}

func appendAddressesOr(b []byte, list, from []Address) []byte {
	if len(list) > 0 && sameAddresses(list, from) {
		return append(b, 0)
	}
	return appendAddresses(b, list)
}

func sameAddresses(a, b []Address) bool {
	return slices.EqualFunc(a, b, func(x, y Address) bool {
		return sameText(x.Name, y.Name) && sameText(x.Route, y.Route) &&
			sameText(x.Mailbox, y.Mailbox) && sameText(x.Host, y.Host)
	})
}

// sameText tells nil from empty.
func sameText(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
