package maildir

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/fulltext"
	"maildir-imapd/maildir/message"
)

const (
	textBatch = 512     // messages between two looks at who else wants something
	textToken = 16      // messages for one token of the crew
	textWrite = 1 << 20 // bytes of records that are written before the batch is through
)

// textBuilder makes the text indices of all mailboxes, one at a time.
func textBuilder() background { return background{do: indexText} }

// IndexText asks for the mailbox's text index to be made, or completed with what
// has arrived since, while others have it open. It returns at once. A search that
// had to read many files calls it. Small mailboxes get no index: reading them is
// as fast.
func (h *Handle) IndexText() {
	m := h.m
	if m.dead.Load() || m.frozen.Load() {
		return
	}
	highest, n := m.extent()
	x := &m.text
	x.mu.Lock()
	idle := n < textLeast || highest == x.highest || m.store.now().Before(x.later)
	x.mu.Unlock()
	if !idle {
		m.store.text.ask(m)
	}
}

// extent is the highest UID and the number of messages.
func (m *Mailbox) extent() (highest imap.UID, n int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.maxUID(), m.state.list.len()
}

// indexText makes one index.
func indexText(ctx context.Context, m *Mailbox) {
	if !m.store.join(m) {
		return
	}
	defer m.store.release(m)
	var w textWorker
	if err := w.index(ctx, m); err != nil && ctx.Err() == nil && !errors.Is(err, fsx.ErrCrash) {
		m.text.mu.Lock()
		m.text.later = m.store.now().Add(textAgain)
		m.text.mu.Unlock()
		m.once("text", "cannot make the text index: searches read the messages", "err", err)
	}
}

// join counts one more user of a mailbox that somebody has open.
func (s *Store) join(m *Mailbox) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || m.users == 0 || m.dead.Load() {
		return false
	}
	m.users++
	return true
}

// alone tells that all others have closed the mailbox.
func (s *Store) alone(m *Mailbox) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.users == 1
}

// textWorker is what making filters takes.
type textWorker struct {
	walk    message.SearchText
	builder fulltext.Builder
	parts   message.Message
	records []byte
}

// index gives every message that has none its record. A message that cannot be
// read has none and is read by every search.
func (w *textWorker) index(ctx context.Context, m *Mailbox) error {
	var set textSet
	var dead, all int64
	owner := textOwner{m: m}
	end, err := m.scanText(ctx, func(r textEntry) {
		all += int64(len(r.filter))
		if owner.has(r) {
			set.add(r.uid)
		} else {
			dead += int64(len(r.filter))
		}
	})
	if err != nil {
		return err
	}
	if id, err := idNow(m.own, textName); err != nil || id.size != end {
		m.text.forget() // what follows the end is mended before more is appended
	}
	if dead > textWorth && dead > all/2 {
		if err := m.compactText(ctx); err != nil {
			return err
		}
	}
	have := set.set()
	r := &Reader{m: m, name: "text index"}
	defer r.Release()
	after := imap.UID(0)
	w.records = w.records[:0]
	for {
		highest, _ := m.extent()
		msgs := m.textless(have, after, textBatch)
		if len(msgs) == 0 {
			m.text.mu.Lock()
			m.text.highest = highest
			m.text.mu.Unlock()
			return nil
		}
		after = msgs[len(msgs)-1].UID
		left := false
		for some := range slices.Chunk(msgs, textToken) {
			if err := w.some(ctx, r, some); err != nil {
				return err
			}
			if left = m.store.alone(m) || m.dead.Load(); left {
				break // the rest another time
			}
			if err := w.write(ctx, m, &have, textWrite); err != nil {
				return err
			}
		}
		if err := w.write(ctx, m, &have, 1); err != nil {
			return err
		}
		m.flushCache(false)
		if left {
			return nil
		}
	}
}

// write appends the records that have been made, if they are as many bytes as are
// worth it.
func (w *textWorker) write(ctx context.Context, m *Mailbox, have *imap.UIDSet, worth int) error {
	if len(w.records) < worth {
		return nil
	}
	err := m.writeText(ctx, w.records, have)
	w.records = w.records[:0]
	return err
}

// textless returns the next messages that have no record.
func (m *Mailbox) textless(have imap.UIDSet, after imap.UID, most int) []Message {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var msgs []Message
	s := &m.state
	w := s.list.from(after + 1)
	for e := w.next(); e != nil && len(msgs) < most; e = w.next() {
		if !setHolds(have, e.uid) {
			msgs = append(msgs, e.message())
		}
	}
	return msgs
}

// some makes the records of a few messages, for one token.
func (w *textWorker) some(ctx context.Context, r *Reader, msgs []Message) error {
	crew := r.m.store.readers
	select {
	case crew.tokens <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-crew.tokens }()
	for i := range msgs {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.one(ctx, r, &msgs[i])
	}
	return nil
}

// one makes the record of a message, or none when it cannot be read, or not as far
// as its structure says: what is not there now may come back. There is no session
// that a panic could end, so the message is left to those who ask for it.
func (w *textWorker) one(ctx context.Context, r *Reader, msg *Message) {
	defer func() {
		if p := recover(); p != nil {
			r.m.once("text panic", "internal error: a message's text cannot be read", "uid", msg.UID, "err", p, "stack", string(debug.Stack()))
		}
	}()
	r.m.mu.RLock()
	e := r.m.state.find(msg.UID)
	if e == nil {
		r.m.mu.RUnlock()
		return
	}
	name := textNameOf(&r.m.state, e)
	r.m.mu.RUnlock()
	p, err := r.Structure(ctx, msg, &w.parts)
	if err != nil {
		return
	}
	f, err := r.OpenMessage(ctx, msg.UID)
	if err != nil {
		return
	}
	defer f.Close()
	if f.FileSize() != p.FileSize {
		return
	}
	w.builder.Reset()
	if err := w.walk.Walk(p, f, message.ScopeText, func(chunk []byte) bool {
		w.builder.Add(chunk)
		return ctx.Err() == nil
	}); err != nil || ctx.Err() != nil {
		return
	}
	limit := min(w.walk.Size()/textShare-textRecord, textMost)
	w.records = appendTextRecord(w.records, msg.UID, name, func(dst []byte) []byte { return w.builder.Filter(dst, int(limit)) })
}
