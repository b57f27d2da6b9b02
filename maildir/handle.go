package maildir

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"

	"github.com/emersion/go-imap/v2"
)

// Handle is one selection of a mailbox: the shared Mailbox and one session's
// view of it. One goroutine at a time may use it.
type Handle struct {
	Reader
	store *Store
	mode  Mode
	loc   location
	view  view
	apart bool      // \Seen is the user's own, and not in the names of the files
	own   *markView // the user's marks then; nil in a target until one is set

	over    *QuotaError   // of the last mail that came in through this handle
	changed chan struct{} // made by Changed
	waitsAt int           // in Mailbox.waiting
	closed  bool
}

// Counts are STATUS's numbers, of the mailbox and not of a view.
type Counts struct {
	Messages, Recent, Unseen, Deleted uint32
}

var errClosed = errors.New("store is closed")

// Close ends the selection.
func (h *Handle) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	h.FlushCache()
	if h.own != nil {
		h.own.leave()
	}
	h.m.mu.Lock()
	h.m.log.detach(h)
	h.m.mu.Unlock()
	if h.changed != nil {
		h.m.waiting.remove(h)
		h.store.watch.leave(h.m)
		if h.own != nil {
			h.store.watch.leaveMarks(h)
		}
	}
	h.store.release(h.m)
	return nil
}

// Name is the mailbox's name as the client knows it.
func (h *Handle) Name() string { return h.loc.name }

// QuotaExceeded tells what limit the last mail that came in through this handle went
// beyond, where that is only warned of; nil for none.
func (h *Handle) QuotaExceeded() *QuotaError { return h.over }

// UIDValidity is the mailbox's UIDVALIDITY.
func (h *Handle) UIDValidity() uint32 {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	return h.m.state.validity
}

// UIDNext is the UID that the next message will get, or a smaller one than that.
func (h *Handle) UIDNext() imap.UID {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	return h.m.state.next
}

// HighestModSeq is the mailbox's highest MODSEQ (RFC 7162), as the user sees it.
func (h *Handle) HighestModSeq() uint64 {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	if h.own != nil {
		return h.own.highest(s.modseq)
	}
	return s.modseq
}

// GUID is the mailbox's identity, which outlives renames.
func (h *Handle) GUID() (id [16]byte) {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	hex.Decode(id[:], []byte(h.m.state.guid))
	return id
}

// Keywords are the mailbox's keywords; the index is the bit in Flags.Keywords.
// Unused bits have empty names.
func (h *Handle) Keywords() []imap.Flag {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	n := len(h.m.state.keys)
	for n > 0 && h.m.state.keys[n-1] == "" {
		n--
	}
	flags := make([]imap.Flag, n)
	for i := range flags {
		flags[i] = imap.Flag(h.m.state.keys[i])
	}
	return flags
}

// CanAddKeywords tells whether there is room for one keyword more, and the user may add it.
func (h *Handle) CanAddKeywords() bool {
	if h.May(DeedFlag) != nil {
		return false
	}
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	for _, k := range h.m.state.keys {
		if k == "" {
			return true
		}
	}
	return false
}

// Counts tells the mailbox's numbers as of the last Refresh, at no cost.
func (h *Handle) Counts(context.Context) (Counts, error) {
	if err := h.m.alive(); err != nil {
		return Counts{}, opError("status", h.loc.name, err)
	}
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	s := &h.m.state
	unseen := s.unseen
	if h.own != nil {
		unseen = h.own.unseen(s)
	}
	return Counts{Messages: uint32(s.list.len()), Recent: uint32(h.m.recent()), Unseen: uint32(unseen), Deleted: uint32(s.deleted)}, nil
}

// recent counts what the next session to select the mailbox is the first to
// see. The caller holds state.
func (m *Mailbox) recent() int {
	s := &m.state
	return s.fresh + s.placedAt.above(imap.UID(m.heralded.Load()))
}

// TotalSize is the sum of all RFC822.SIZEs, and of those marked \Deleted. It
// costs nothing once all sizes are known.
func (h *Handle) TotalSize(ctx context.Context) (size, deletedSize int64, err error) {
	for after := imap.UID(0); ; {
		h.m.mu.RLock()
		s := &h.m.state
		if s.sizeless == 0 {
			size, deletedSize = s.size, s.deletedSize
			h.m.mu.RUnlock()
			break
		}
		var msgs []Message
		w := s.list.from(after + 1)
		e := w.next()
		for ; e != nil && len(msgs) < 256; e = w.next() {
			if e.size < 0 {
				msgs = append(msgs, e.message())
			}
			after = e.uid
		}
		size, deletedSize = s.size, s.deletedSize
		done := e == nil && len(msgs) == 0
		h.m.mu.RUnlock()
		if done {
			break // those left are unreadable
		}
		if err := h.Load(ctx, msgs); err != nil {
			return 0, 0, err
		}
	}
	h.FlushCache()
	return size, deletedSize, nil
}

// Refresh looks at the disk for what others have done. When they have done
// nothing it costs two stats. What it finds is published to all sessions; this
// one sees it with its next Sync.
func (h *Handle) Refresh(ctx context.Context) error {
	return opError("refresh", h.loc.name, cmp.Or(h.refreshMarks(ctx), h.m.refresh(ctx, h)))
}

// Woken is Refresh after a signal of Changed, and tells whether there is something
// for Sync to tell. While the mailbox is watched it looks at the disk only if there
// are changes that memory does not explain.
func (h *Handle) Woken(ctx context.Context) (news bool, err error) {
	if err := cmp.Or(h.refreshMarks(ctx), h.m.woken(ctx, h)); err != nil {
		return true, opError("refresh", h.loc.name, err)
	}
	s := h.lockView()
	defer h.m.mu.RUnlock()
	return h.view.behind(s), nil
}
