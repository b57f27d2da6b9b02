package maildir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Load fills in the sizes and dates of messages. What is not known yet is read
// once, several files at a time, remembered, and written down by FlushCache. A
// message whose file has vanished gets Gone.
func (h *Handle) Load(ctx context.Context, msgs []Message) error {
	var lack []int32
	for i := range msgs {
		if msg := &msgs[i]; !msg.Gone && (msg.Size < 0 || msg.InternalDate.IsZero()) {
			lack = append(lack, int32(i))
		}
	}
	if len(lack) == 0 {
		return nil
	}
	return h.Readers().Run(ctx, len(lack), func(_, i int) error { return h.load(ctx, &msgs[lack[i]]) })
}

func (h *Handle) load(ctx context.Context, msg *Message) error {
	switch err := h.m.load1(ctx, msg); {
	case err == nil:
	case errors.Is(err, ErrExpunged):
		msg.Gone = true
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fsx.ErrNotRegular):
		h.m.once("unreadable", "a message cannot be read", "err", err)
		msg.Size = max(msg.Size, 0)
		if msg.InternalDate.IsZero() {
			msg.InternalDate = time.Unix(0, 0)
		}
	default:
		return opError("read", h.loc.name, err)
	}
	return nil
}

func (m *Mailbox) load1(ctx context.Context, msg *Message) error {
	m.mu.RLock()
	if e := m.state.find(msg.UID); e != nil { // known since the copy was made?
		now := e.message()
		msg.Size, msg.InternalDate = now.Size, now.InternalDate
	}
	m.mu.RUnlock()
	if msg.Size < 0 {
		var f fsx.File
		if err := m.openMessage(ctx, msg.UID, &f); err != nil {
			return err
		}
		size, err := crlfSize(&f)
		date := f.Stat().Mtime / second
		f.Close()
		if err != nil {
			return err
		}
		msg.Size, msg.InternalDate = size, time.Unix(date, 0)
		m.know(msg.UID, size, date)
		return nil
	}
	if msg.InternalDate.IsZero() {
		return m.follow(ctx, msg.UID, func(d *fsx.Dir, name string) error {
			st, err := d.StatName(name)
			if err == nil {
				msg.InternalDate = time.Unix(st.Mtime/second, 0)
				m.know(msg.UID, -1, st.Mtime/second)
			}
			return err
		})
	}
	return nil
}

var sizeBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// crlfSize is a message's size once every bare LF is CRLF: RFC822.SIZE without
// a parse.
func crlfSize(r io.Reader) (int64, error) {
	p := sizeBuffers.Get().(*[]byte)
	defer sizeBuffers.Put(p)
	buf := *p
	var size int64
	cr := false // the piece before ended with a CR
	for {
		n, err := r.Read(buf)
		b := buf[:n]
		if n > 0 {
			size += int64(n + bytes.Count(b, []byte{'\n'}) - bytes.Count(b, []byte("\r\n")))
			if cr && b[0] == '\n' {
				size--
			}
			cr = b[n-1] == '\r'
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
