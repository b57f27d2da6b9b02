package imapd

import (
	"bufio"
	"bytes"
	"context"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// bodyVersion comes first in the KindBody section of a message's cache record and changes with what
// writeBody makes of the same structure. Behind it is BODYSTRUCTURE's value as sessions without UTF8=ACCEPT
// get it.
const bodyVersion = 1

// renderer writes answers to memory.
type renderer struct {
	text bytes.Buffer
	w    *bufio.Writer
	to   responder
}

func newRenderer() *renderer {
	r := &renderer{to: responder{Encoder: wire.NewEncoder()}}
	r.w = bufio.NewWriterSize(&r.text, 4<<10)
	return r
}

// body renders the section of KindBody. It is valid until the next call.
func (r *renderer) body(m *message.Message) ([]byte, error) {
	r.text.Reset()
	r.w.Reset(&r.text)
	r.to.Reset(r.w)
	r.to.Special(bodyVersion)
	writeBody(&r.to, m, 0, true)
	if err := r.to.Flush(); err != nil {
		return nil, err
	}
	return r.text.Bytes(), nil
}

// loadBody has BODYSTRUCTURE at hand as it is sent: from the cache, else rendered and remembered.
func (m *msgData) loadBody(ctx context.Context) error {
	b := m.reader.Cached(m.Message, maildir.KindBody)
	if len(b) == 0 || b[0] != bodyVersion {
		st, err := m.parts(ctx)
		if err != nil {
			return err
		}
		if m.renderer == nil {
			m.renderer = newRenderer()
		}
		if b, err = m.renderer.body(st); err != nil {
			return err
		}
		m.reader.Remember(m.UID, maildir.KindBody, b)
	}
	m.body = append(m.body[:0], b[1:]...)
	return nil
}
