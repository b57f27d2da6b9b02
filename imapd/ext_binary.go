package imapd

import (
	"context"
	"errors"
	"io"

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
		if _, err := message.DecodeTransfer(eofReader{}, part.Encoding); err != nil {
			return no(imap.ResponseCodeUnknownCTE, "The part has an unknown transfer encoding")
		}
	}
	return nil
}

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }

func (b *binarySection) part(m *msgData) (*message.Part, bool) {
	i, ok := m.structure.Part(b.path)
	if !ok {
		return nil, false
	}
	return &m.structure.Parts[i], true
}

// reader gives the decoded bytes. The whole message is not decoded, it has no encoding of its own.
func (b *binarySection) reader(m *msgData, part *message.Part) (io.Reader, error) {
	if len(b.path) == 0 {
		whole := message.Extent{Range: message.Range{End: m.file.FileSize()}}
		return message.DecodeTransfer(m.section(whole), "binary")
	}
	return message.DecodeTransfer(m.section(part.Body), part.Encoding)
}

func (b *binarySection) size(m *msgData, part *message.Part) (int64, error) {
	r, err := b.reader(m, part)
	if err != nil {
		return 0, err
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{r}, *buf)
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

func (a *binaryAtt) write(_ *session, w *responder, m *msgData) error {
	writeSection(w, "BINARY", &wire.Section{Part: a.path}, a.partial)
	part, ok := a.part(m)
	if !ok {
		w.NIL()
		return nil
	}
	size, err := a.size(m, part) // a literal's length comes before it: decoded twice, never kept
	if err != nil {
		return err
	}
	offset, n := window(size, a.partial)
	lit := w.Literal(n, true)
	if n > 0 {
		r, err := a.reader(m, part)
		if err != nil {
			return err
		}
		buf := copyBuffers.Get().(*[]byte)
		defer copyBuffers.Put(buf)
		if _, err := io.CopyBuffer(&clip{lit, offset, n}, onlyReader{r}, *buf); err != nil && !errors.Is(err, errClipped) {
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
