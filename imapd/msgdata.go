package imapd

import (
	"context"
	"errors"
	"io"
	"sync"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// msgData is one message while it is fetched or searched: what is known of it, and its file, opened once at
// most however many items read it. It is reused from message to message.
type msgData struct {
	*maildir.Message // the caller's
	reader           *maildir.Reader
	envelope         *message.Envelope // loaded
	cached           message.Envelope  // what envelope points to
	structure        *message.Message
	decoded          message.Message // what structure points to when it came from the cache
	file             *maildir.File
	body             []byte // BODYSTRUCTURE as it is sent, loaded
	fields           []byte // the fields that clients list mail by, loaded
	listed           bool   // fields has them: else they are read from the file
	renderer         *renderer
	ready            []byte // the message as it is sent, if it was read ahead
}

func (m *msgData) reset(msg *maildir.Message) {
	m.close()
	m.Message = msg
	m.structure, m.ready = nil, nil
}

func (m *msgData) close() {
	if m.file != nil {
		_ = m.file.Close()
		m.file = nil
	}
}

// load gets what is needed. ErrExpunged tells that the message is gone.
func (m *msgData) load(ctx context.Context, need needs) error {
	if m.Gone && need&^setsSeen != 0 {
		return maildir.ErrExpunged
	}
	if need&needEnvelope != 0 {
		if err := m.reader.Envelope(ctx, m.Message, &m.cached); err != nil {
			return err
		}
		m.envelope = &m.cached
	}
	if need&needBody != 0 {
		if err := m.loadBody(ctx); err != nil {
			return err
		}
	}
	if need&needFields != 0 {
		fields, err := m.reader.Fields(ctx, m.Message)
		if err != nil {
			return err
		}
		m.fields, m.listed = append(m.fields[:0], fields...), fields != nil
		if !m.listed {
			need |= needStructure | needFile
		}
	}
	if need&needStructure != 0 {
		if _, err := m.parts(ctx); err != nil {
			return err
		}
	}
	if need&needFile != 0 {
		if err := m.open(ctx); err != nil {
			return err
		}
		return m.reparse()
	}
	return nil
}

// reparse reads anew the structure of a file that is not as long as the one that was parsed. Messages do not
// change, but a crash can cut one short and an editor can be let loose on one; ranges of what it was would promise
// literals that cannot be filled, and end the connection each time the client comes back for them.
func (m *msgData) reparse() error {
	if m.structure == nil || m.structure.FileSize == m.file.FileSize() {
		return nil
	}
	var p message.Parser
	st, err := p.Parse(io.NewSectionReader(m.file, 0, m.file.FileSize()))
	if err == nil {
		m.structure = st
	}
	return err
}

func (m *msgData) parts(ctx context.Context) (*message.Message, error) {
	if m.structure == nil {
		st, err := m.reader.Structure(ctx, m.Message, &m.decoded)
		if err != nil {
			return nil, err
		}
		m.structure = st
	}
	return m.structure, nil
}

func (m *msgData) open(ctx context.Context) (err error) {
	if m.file == nil {
		m.file, err = m.reader.OpenMessage(ctx, m.UID)
	}
	return err
}

// whole is the extent of the message as a whole. Its size is counted, not believed: a literal's length
// must be what is sent, whatever a file name or a cache says. What the cache counted is as good when the file has
// the length and the time that it had then.
func (m *msgData) whole() (message.Extent, error) {
	e := message.Extent{Range: message.Range{End: m.file.FileSize()}}
	if m.structure == nil && m.InternalDate.Unix() == m.file.ModTime().Unix() {
		if b := m.reader.Cached(m.Message, maildir.KindStructure); b != nil && m.decoded.UnmarshalBinary(b) == nil {
			m.structure = &m.decoded
		}
	}
	var err error
	if m.structure != nil && m.structure.FileSize == e.End {
		e.Size = m.structure.Size
		return e, nil
	}
	e.Size, err = message.CopyCRLF(io.Discard, m.section(e))
	return e, err
}

// section reads a range of the file as it lies on disk.
func (m *msgData) section(e message.Extent) *io.SectionReader {
	return io.NewSectionReader(m.file, e.Start, e.Len())
}

// copyBuffers serve copies between file and connection.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copySize); return &b }}

const copySize = 32 << 10

// onlyReader and onlyWriter hide methods that would make io.CopyBuffer allocate a buffer of its own.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// clip passes on n bytes after skipping some, then ends the copy.
type clip struct {
	w       io.Writer
	skip, n int64
}

// errClipped ends a copy that has all it wants.
var errClipped = errors.New("enough")

func (c *clip) Write(p []byte) (int, error) {
	taken := len(p)
	if c.skip > 0 {
		k := min(c.skip, int64(len(p)))
		c.skip -= k
		p = p[k:]
	}
	if int64(len(p)) > c.n {
		p = p[:c.n]
	}
	if _, err := c.w.Write(p); err != nil {
		return 0, err
	}
	if c.n -= int64(len(p)); c.n == 0 {
		return taken, errClipped
	}
	return taken, nil
}

// sendExtent writes a range of the message, or a window of it, as a literal, converting line ends on the
// way. Memory is one buffer however large the message.
func (m *msgData) sendExtent(w *responder, e message.Extent, p *wire.Partial, mark *readMark) error {
	offset, n := window(e.Size, p)
	lit := w.Literal(n, false)
	if n > 0 {
		if p == nil {
			mark = &readMark{}
		}
		if err := mark.copy(lit, m, e, offset, n); err != nil {
			return err
		}
	}
	return lit.Close()
}

// sendBytes writes computed text, or a window of it.
func sendBytes(w *responder, b []byte, p *wire.Partial) error {
	offset, n := window(int64(len(b)), p)
	lit := w.Literal(n, false)
	if _, err := lit.Write(b[offset : offset+n]); err != nil {
		return err
	}
	return lit.Close()
}
