package imapd

import (
	"errors"
	"io"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir/message"
)

// window is the part of size bytes that a partial asks for (RFC 9051 §6.4.5: a start beyond the end gives
// the empty string).
func window(size int64, p *wire.Partial) (offset, n int64) {
	if p == nil {
		return 0, size
	}
	offset = min(p.Offset, size)
	return offset, min(p.Size, size-offset)
}

// readMark is how far windows of one extent have been read: a byte of the file and the byte of the
// converted text it became. Clients fetch a large message window by window, and where in the file a window
// begins is known only by reading up to it.
type readMark struct {
	uid        imap.UID
	extent     message.Extent
	disk, sent int64
}

// copy sends n bytes of the converted text from offset on, and moves the mark along.
func (k *readMark) copy(w io.Writer, m *msgData, e message.Extent, offset, n int64) error {
	if k.uid != m.UID || k.extent != e || k.sent > offset {
		*k = readMark{uid: m.UID, extent: e}
	}
	src := m.section(e)
	if e.Size == e.Len() && offset > 0 { // nothing to convert: start where the window does
		var last [1]byte
		if _, err := src.ReadAt(last[:], offset-1); err != nil {
			return err
		}
		k.disk = offset
		if last[0] == '\r' {
			k.disk-- // so that the window's LF is not taken for a bare one
		}
		k.sent = k.disk
	}
	if _, err := src.Seek(k.disk, io.SeekStart); err != nil {
		return err
	}
	through := &markedCopy{mark: k, src: src, dst: clip{w, offset - k.sent, n}, disk: k.disk, sent: k.sent}
	if _, err := message.CopyCRLF(through, through); err != nil && !errors.Is(err, errClipped) {
		return err
	}
	return nil
}

// markedCopy is both ends of a conversion.
type markedCopy struct {
	mark       *readMark
	src        io.Reader
	dst        clip
	disk, sent int64
	cr         bool // the last byte read was a CR
}

// Read is called when everything read before has been converted and written: the counts belong together.
// Behind a CR there is no mark: its LF would be taken for a bare one.
func (c *markedCopy) Read(p []byte) (int, error) {
	if !c.cr {
		c.mark.disk, c.mark.sent = c.disk, c.sent
	}
	n, err := c.src.Read(p)
	if n > 0 {
		c.disk, c.cr = c.disk+int64(n), p[n-1] == '\r'
	}
	return n, err
}

func (c *markedCopy) Write(p []byte) (int, error) {
	n, err := c.dst.Write(p)
	c.sent += int64(n)
	return n, err
}

var decoders = sync.Pool{New: func() any { return new(message.Decoder) }}

// decodable tells whether an encoding can be undone.
func decodable(encoding string) bool {
	d := decoders.Get().(*message.Decoder)
	defer decoders.Put(d)
	return d.Reset(nil, encoding) == nil
}

// decodeMark is how far windows of one encoded part have been decoded: clients fetch large parts window by
// window, and where in the file a window begins is known only by decoding up to it.
type decodeMark struct {
	uid      imap.UID
	extent   message.Extent
	encoding string
	at       message.Mark
}

// decode writes at most n decoded bytes from offset on, says how many there were, and moves the mark to
// where they begin, or with them written to where they end.
func (k *decodeMark) decode(w io.Writer, m *msgData, e message.Extent, encoding string, offset, n int64) (int64, error) {
	if k.uid != m.UID || k.extent != e || k.encoding != encoding || k.at.Decoded > offset {
		*k = decodeMark{uid: m.UID, extent: e, encoding: encoding}
	}
	d := decoders.Get().(*message.Decoder)
	defer decoders.Put(d)
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	src := m.section(e)
	if _, err := src.Seek(k.at.Encoded, io.SeekStart); err != nil {
		return 0, err
	}
	if err := d.Resume(src, encoding, k.at); err != nil {
		return 0, err
	}
	if _, err := io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(d, offset-k.at.Decoded), *buf); err != nil {
		return 0, err
	}
	k.at = d.Mark()
	done, err := io.CopyBuffer(onlyWriter{w}, io.LimitReader(d, n), *buf)
	if w != io.Discard {
		k.at = d.Mark()
	}
	return done, err
}
