package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// The versions change with the formats and whenever Parse finds something else
// in the same bytes, so that old cache records are not believed.
const (
	recordVersion   = 2
	envelopeVersion = 1
)

// ErrRecord: the bytes are no record of this version.
var ErrRecord = errors.New("not a message structure record")

// AppendBinary appends the envelope's record to b.
func (e *Envelope) AppendBinary(b []byte) []byte {
	return appendText(e.append(append(b, envelopeVersion)), e.References)
}

// AppendBinary appends the record of m's parts to b: all of m but its own
// envelope, which has a record of its own.
func (m *Message) AppendBinary(b []byte) []byte {
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, uint64(m.FileSize))
	b = binary.AppendUvarint(b, uint64(m.Size))
	b = binary.AppendUvarint(b, uint64(len(m.Parts)))
	for i := range m.Parts {
		b = m.Parts[i].append(b, int32(i))
	}
	return b
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
