package imapd

import (
	"context"
	"io"
	"math"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir/message"
)

// extBinary is RFC 3516: parts with their transfer encoding undone, and literal8 in APPEND.
var extBinary = extension{
	after: []imap.Cap{imap.CapBinary},
	fetchItems: []fetchItem{
		{"BINARY", parseBinary(false)},
		{"BINARY.PEEK", parseBinary(true)},
		{"BINARY.SIZE", func(d *wire.Decoder) fetchAtt { return &binarySizeAtt{binarySection{path: d.SectionBinary().Part}} }},
	},
}

func parseBinary(peek bool) func(*wire.Decoder) fetchAtt {
	return func(d *wire.Decoder) fetchAtt {
		return &binaryAtt{binarySection: binarySection{path: d.SectionBinary().Part}, peek: peek, partial: d.Partial()}
	}
}

// binarySection is a part whose encoding is undone.
type binarySection struct{ path []int }

// prepare refuses an encoding that cannot be undone before a byte of the answer is written (RFC 3516 §4.3).
func (b *binarySection) prepare(_ context.Context, m *msgData) error {
	if part, ok := b.part(m); ok && len(b.path) > 0 {
		if !decodable(part.Encoding) {
			return no(imap.ResponseCodeUnknownCTE, "The part has an unknown transfer encoding")
		}
	}
	return nil
}

func (b *binarySection) part(m *msgData) (*message.Part, bool) {
	i, ok := m.structure.Part(b.path)
	if !ok {
		return nil, false
	}
	return &m.structure.Parts[i], true
}

// encoded is what is decoded, and how. The whole message is not decoded: it has no encoding of its own.
func (b *binarySection) encoded(m *msgData, part *message.Part) (message.Extent, string) {
	if len(b.path) == 0 {
		return message.Extent{Range: message.Range{End: m.file.FileSize()}}, "binary"
	}
	return part.Body, part.Encoding
}

// size counts the decoded bytes.
func (b *binarySection) size(m *msgData, part *message.Part) (int64, error) {
	e, encoding := b.encoded(m, part)
	return new(decodeMark).decode(io.Discard, m, e, encoding, 0, math.MaxInt64)
}

// binaryAtt is BINARY[...] and BINARY.PEEK[...].
type binaryAtt struct {
	binarySection
	partial *wire.Partial
	peek    bool
}

func (a *binaryAtt) needs() needs {
	if a.peek {
		return needStructure | needFile
	}
	return needStructure | needFile | setsSeen
}

func (a *binaryAtt) write(s *session, w *responder, m *msgData) error {
	writeSection(w, "BINARY", &wire.Section{Part: a.path}, a.partial)
	part, ok := a.part(m)
	if !ok {
		w.NIL()
		return nil
	}
	e, encoding := a.encoded(m, part)
	mark, offset, most := &decodeMark{}, int64(0), int64(math.MaxInt64)
	if a.partial != nil {
		mark, offset, most = &s.sel.decoded, a.partial.Offset, a.partial.Size
	}
	// A literal's length comes before it: what is sent is decoded twice, never kept.
	n, err := mark.decode(io.Discard, m, e, encoding, offset, most)
	if err != nil {
		return err
	}
	lit := w.Literal(n, true)
	if n > 0 {
		if _, err := mark.decode(lit, m, e, encoding, offset, n); err != nil {
			return err
		}
	}
	return lit.Close()
}

// binarySizeAtt is BINARY.SIZE[...].
type binarySizeAtt struct{ binarySection }

func (a *binarySizeAtt) needs() needs { return needStructure | needFile }

func (a *binarySizeAtt) write(_ *session, w *responder, m *msgData) error {
	writeSection(w, "BINARY.SIZE", &wire.Section{Part: a.path}, nil)
	var size int64
	if part, ok := a.part(m); ok {
		var err error
		if size, err = a.size(m, part); err != nil {
			return err
		}
	}
	w.Number64(size)
	return nil
}
