package message

// Limits of what is looked at. They bound the size of the result, not of the
// message.
const (
	MaxDepth     = 1024    // nesting of parts
	MaxParts     = 32768   // parts of one message
	MaxField     = 1 << 18 // bytes of the fields of one name in one header
	MaxAddresses = 16384   // addresses of the fields of one name

	// MaxContentField is MaxField for the content fields of RFC 2045 and its kin.
	MaxContentField = 1 << 16
)

// Range is a byte range of the file as it lies on disk.
type Range struct{ Start, End int64 }

// Len is the number of bytes on disk.
func (r Range) Len() int64 { return r.End - r.Start }

// Extent is a range with its measure as IMAP sends it.
type Extent struct {
	Range
	Size  int64 // bytes once every bare LF is CRLF
	Lines int64 // line ends
}

// Message is the structure of one message.
type Message struct {
	Size     int64 // RFC822.SIZE: header and body of Parts[0]
	FileSize int64 // bytes on disk
	Parts    []Part
	Envelope Envelope

	text   []byte     // what the fields point into
	params []Param    // slab of the parts' parameters
	addrs  []Address  // ParseInto: slab of the envelopes' addresses
	langs  [][]byte   // slab of the parts' languages
	envs   []Envelope // UnmarshalBinary: slab of the parts' envelopes
}

// Param is one parameter of a Content-Type or Content-Disposition field. A name
// that ends in * has a value in the form of RFC 2231 §4; continuations
// (RFC 2231 §3) are joined.
type Param struct{ Name, Value []byte }

// Part is one node of the tree. In fields that are slices nil means NIL.
type Part struct {
	Parent   int32 // index of the parent, -1 for the message itself
	Next     int32 // index of the next sibling, -1 for the last
	Depth    int32 // 0 for the message itself
	Children int32 // number of children; the first is at the next index

	Type, Subtype string // as written in the message, never empty
	Encoding      string // as written in the message, "7bit" by default
	Params        []Param
	ID            []byte // Content-ID
	Description   []byte // Content-Description
	MD5           []byte // Content-MD5
	Disposition   []byte // type of Content-Disposition
	DispParams    []Param
	Language      [][]byte // Content-Language
	Location      []byte   // Content-Location

	Header Extent // with the blank line, if there is one
	Body   Extent

	// Envelope of the message inside, only when IsMessage; that message's own
	// header and structure are the next part.
	Envelope *Envelope
}

// IsMultipart says whether the part is sent as body-type-mpart (RFC 9051 §9). It
// has at least one child: where the message has none there is a text of no bytes.
func (p *Part) IsMultipart() bool { return equalFoldString(p.Type, "multipart") }

// IsText says whether the part is sent as body-type-text, with its lines.
func (p *Part) IsText() bool { return equalFoldString(p.Type, "text") }

// IsMessage says whether the part is a message/rfc822 (RFC 2046 §5.2.1) or
// message/global (RFC 6532 §3.7) whose only child is the message inside.
// A message/global that was transfer encoded is none: its structure is hidden.
func (p *Part) IsMessage() bool { return p.Envelope != nil }

// IsGlobal says whether an IsMessage part is a message/global: body-type-msg in
// IMAP4rev2 (RFC 9051 §9, media-message) but body-type-basic in IMAP4rev1,
// whose grammar has an envelope for message/rfc822 only (RFC 3501 §9).
func (p *Part) IsGlobal() bool { return p.IsMessage() && !equalFoldString(p.Subtype, "rfc822") }

// Param is the value of the named Content-Type parameter.
func (p *Part) Param(name string) (value []byte, ok bool) { return findParam(p.Params, name) }

func findParam(list []Param, name string) ([]byte, bool) {
	for i := range list {
		if equalFold(list[i].Name, name) {
			return list[i].Value, true
		}
	}
	return nil, false
}

// Envelope is RFC 9051 §7.5.2's, from the header fields of one message. Fields
// are raw, unfolded, not decoded; nil means NIL. Sender and ReplyTo are From
// where the message has none. References is no part of what RFC 9051 calls the
// envelope: threads are made of it (RFC 5256 §3); only a message's own has it,
// not those of attached messages.
type Envelope struct {
	Date, Subject, InReplyTo, MessageID []byte
	References                          []byte
	From, Sender, ReplyTo, To, Cc, Bcc  []Address

	text  []byte    // UnmarshalBinary, ParseHeader: what the fields point into
	addrs []Address // ParseHeader: what the lists are made of
}

// reset empties e and keeps its memory.
func (e *Envelope) reset() { *e = Envelope{text: e.text, addrs: e.addrs} }

// Address is one address of an envelope; nil means NIL. A group is an address
// with Mailbox the group's name and Host nil, then its members, then an
// address of four nils.
type Address struct{ Name, Route, Mailbox, Host []byte }

// Part finds the part that an IMAP part number names (RFC 9051 §6.4.5.1):
// numbers count the children of a multipart; part 1 of anything else is its
// own body, which is the same index; numbers below a message/rfc822 go
// on in the message inside it. The empty path is the message itself.
func (m *Message) Part(path []int) (index int, ok bool) {
	if len(m.Parts) == 0 {
		return 0, false
	}
	i := int32(0)
	fresh := true // nothing numbered since the last message header: 1 may be its body
	for _, n := range path {
		if n < 1 {
			return 0, false
		}
		p := &m.Parts[i]
		if !fresh && p.IsMessage() && p.Children == 1 {
			i++
			p = &m.Parts[i]
			fresh = true
		}
		if !p.IsMultipart() || p.Children == 0 {
			if !fresh || n != 1 {
				return 0, false
			}
			fresh = false
			continue
		}
		if int64(n) > int64(p.Children) {
			return 0, false
		}
		for i++; n > 1; n-- {
			i = m.Parts[i].Next
		}
		fresh = false
	}
	return int(i), true
}
