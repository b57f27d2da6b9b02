package maildir

import (
	"slices"
	"sort"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Message is the copy of a message's state that the engine works on.
type Message struct {
	UID          imap.UID
	Seq          uint32 // in the handle's view
	Flags        Flags
	ModSeq       uint64
	Size         int64     // RFC822.SIZE, -1 = not known yet (Handle.Load)
	InternalDate time.Time // zero = not known yet (Handle.Load)
	SaveDate     int64     // seconds since 1970, 0 = not known
	Recent       bool
	Gone         bool // expunged meanwhile, though still in the view

	place cachePlace // of its cache record
}

// Delta is what a view must be told: expunges first, in this order, then the
// new number of messages, then flags.
type Delta struct {
	Expunged      []uint32 // sequence numbers, each counting after those before it
	ExpungedUIDs  []imap.UID
	Exists        uint32
	ExistsChanged bool
	Recent        uint32
	RecentChanged bool
	Flags         []Message // changed by others; Seq is valid after the expunges
	NewKeywords   bool
	More          bool // there is more to tell: Sync again when this is written
}

// deltaMost is how many expunges or flag changes a Delta tells at most, so that what
// another session has done to a whole mailbox costs none of the others its memory.
const deltaMost = 256

// view is what one session sees. It holds no list of messages: a sequence
// number is the rank among the live ones plus the number of those below that
// are expunged but not yet told. A session that is up to date costs this
// struct, whatever the mailbox's size.
//
// It belongs to the handle's goroutine, which touches it holding Mailbox.state
// for reading at least; whoever holds that lock for writing may move the
// cursor (changeLog.seal).
type view struct {
	at      uint64    // cursor in the change log
	maxUID  imap.UID  // the last message of the view
	gone    ranked    // expunged, not yet told; exact
	flagged uidRanges // flags changed by others, not yet told; may span gaps
	recent  uidRanges
	nRecent uint32
	told    uint32 // number of recent messages as last told
	keysGen int
}

// pull moves the cursor to the end of the log and folds what it passes.
func (v *view) pull(l *changeLog, h *Handle) {
	end := l.end()
	if v.at >= end {
		return
	}
	for _, c := range l.lines[v.at-l.first:] {
		switch hi := min(c.hi, v.maxUID); {
		case c.lo > hi:
		case c.expunged:
			v.gone.addRange(c.lo, hi)
		case c.by != h || h == nil:
			v.flagged.addRange(c.lo, hi)
		}
	}
	v.at = end
}

// behind tells whether there is something to tell.
func (v *view) behind(s *state) bool {
	return s.maxUID() > v.maxUID || len(v.gone.uidRanges) > 0 || len(v.flagged) > 0 || v.nRecent != v.told || v.keysGen != s.keysGen
}

// exists is the number of messages in the view.
func (v *view) exists(s *state) uint32 {
	return uint32(v.live(s) + v.gone.count())
}

// live is how many of the view's messages still exist.
func (v *view) live(s *state) int {
	if v.maxUID >= s.maxUID() {
		return s.list.len()
	}
	return s.pos(v.maxUID + 1)
}

// before is the number of messages in the view with a smaller UID.
func (v *view) before(s *state, uid imap.UID) int { return s.pos(uid) + v.gone.below(uid) }

// uidAt is the UID of a sequence number between 1 and exists.
func (v *view) uidAt(s *state, seq uint32) imap.UID {
	if len(v.gone.uidRanges) == 0 {
		return s.list.at(int(seq) - 1).uid
	}
	// The smallest UID up to which the view has seq messages.
	return imap.UID(sort.Search(int(v.maxUID), func(uid int) bool { return v.before(s, imap.UID(uid)+1) >= int(seq) }))
}

// lockView takes the state for reading with the view's cursor at the end of
// the log.
func (h *Handle) lockView() *state {
	h.m.mu.RLock()
	h.view.pull(&h.m.log, h)
	if h.own != nil {
		h.own.pull(&h.m.state, &h.view)
	}
	return &h.m.state
}

// Count is the number of messages in the view.
func (h *Handle) Count() uint32 {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	return h.view.exists(s)
}

// Recent is the number of messages in the view that are recent in it.
func (h *Handle) Recent() uint32 { return h.view.nRecent }

// MaxUID is the highest UID of the view, 0 when it is empty.
func (h *Handle) MaxUID() imap.UID {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	n := h.view.exists(s)
	if n == 0 {
		return 0
	}
	return h.view.uidAt(s, n)
}

// SeqOf is the sequence number of a UID, 0 when the view does not have it.
func (h *Handle) SeqOf(uid imap.UID) uint32 {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	if uid == 0 || uid > h.view.maxUID || s.find(uid) == nil && !h.view.gone.contains(uid) {
		return 0
	}
	return uint32(h.view.before(s, uid)) + 1
}

// FirstUnseen is the sequence number of the first message without \Seen, 0
// when there is none.
func (h *Handle) FirstUnseen() uint32 {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	var i int
	if h.own != nil {
		i = h.own.firstUnseen(s)
	} else {
		i = s.firstUnseen()
	}
	if i < 0 {
		return 0
	}
	uid := s.list.at(i).uid
	if uid > h.view.maxUID {
		return 0
	}
	return uint32(i+h.view.gone.below(uid)) + 1
}

// UIDsOf translates a set of sequence numbers; '*' is the last message. False:
// the set names a number beyond the view.
func (h *Handle) UIDsOf(seq imap.SeqSet) (imap.UIDSet, bool) {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	n := h.view.exists(s)
	if n == 0 {
		return nil, false
	}
	var set imap.UIDSet
	for _, r := range seq {
		lo, hi := r.Start, r.Stop
		if lo == 0 {
			lo = n
		}
		if hi == 0 {
			hi = n
		}
		if lo > hi {
			lo, hi = hi, lo
		}
		if hi > n {
			return nil, false
		}
		set.AddRange(h.view.uidAt(s, lo), h.view.uidAt(s, hi))
	}
	return set, true
}

// Messages appends to dst the view's messages with a UID above after and up to
// upTo, at most max of them. One call holds the state lock for reading: ask
// for some hundreds at a time.
func (h *Handle) Messages(dst []Message, after, upTo imap.UID, max int) []Message {
	s := h.lockView()
	defer h.m.mu.RUnlock()
	n := len(dst)
	dst = h.view.messages(dst, s, after, upTo, max)
	if h.own != nil {
		h.own.fill(dst[n:])
	}
	return dst
}

func (v *view) messages(dst []Message, s *state, after, upTo imap.UID, max int) []Message {
	upTo = min(upTo, v.maxUID)
	if after >= upTo {
		return dst
	}
	gone := v.gone.uidRanges
	g := gone.find(after + 1)
	seq := uint32(s.pos(after+1) + v.gone.below(after+1))
	w := s.list.from(after + 1)
	e := w.next()
	next := func() imap.UID { // the next of the gone ones
		if g == len(gone) {
			return upTo + 1
		}
		return gone[g].lo
	}
	lost := next()
	if g < len(gone) && lost <= after {
		lost = after + 1
	}
	for ; max > 0; max-- {
		live := e != nil && e.uid <= upTo
		seq++
		switch {
		case live && (lost > upTo || e.uid < lost):
			dst = append(dst, Message{})
			m := &dst[len(dst)-1]
			e.fill(m)
			m.Seq, m.Recent = seq, v.recent.contains(m.UID)
			e = w.next()
		case g < len(gone) && lost <= upTo:
			dst = append(dst, Message{UID: lost, Seq: seq, Size: -1, Gone: true})
			if lost++; lost > gone[g].hi {
				g++
				lost = next()
			}
		default:
			return dst
		}
	}
	return dst
}

// Sync moves the view to the shared state and says in d what to tell. With
// expunge false, expunged messages stay in the view until a later Sync(true),
// as RFC 9051 §7.5.1 asks of commands that use sequence numbers. d is of bounded
// size; what does not fit is left to the next call. Expunges are told to the end
// before anything else is.
func (h *Handle) Sync(expunge bool, d *Delta) {
	*d = Delta{Expunged: d.Expunged[:0], ExpungedUIDs: d.ExpungedUIDs[:0], Flags: d.Flags[:0]}
	s := h.lockView()
	defer h.m.mu.RUnlock()
	v := &h.view
	if expunge && len(v.gone.uidRanges) > 0 {
		if d.More = v.tellGone(s, d); d.More {
			d.Exists, d.Recent = v.exists(s), v.told
			return
		}
	}
	if maxUID := s.maxUID(); maxUID > v.maxUID {
		v.arrivals(s, maxUID, h.m.herald(maxUID, h.places()))
		d.ExistsChanged = true
	}
	d.Exists = v.exists(s)
	if d.Recent, d.RecentChanged = v.nRecent, v.nRecent != v.told; d.RecentChanged {
		v.told = v.nRecent
	}
	if d.NewKeywords = v.keysGen != s.keysGen; d.NewKeywords {
		v.keysGen = s.keysGen
	}
	if len(v.flagged) > 0 {
		if d.More = v.tellFlags(s, d); h.own != nil {
			h.own.fill(d.Flags)
		}
	}
}

// tellGone lists expunges in ascending order: when one is told, those before it
// are out of the client's count already. True: there are more.
func (v *view) tellGone(s *state, d *Delta) bool {
	for i, r := range v.gone.uidRanges {
		below := s.pos(r.lo) // no live message lies inside the range
		for uid := r.lo; ; uid++ {
			if len(d.Expunged) == deltaMost {
				v.gone.cut(i, uid)
				return true
			}
			d.Expunged = append(d.Expunged, uint32(below)+1)
			d.ExpungedUIDs = append(d.ExpungedUIDs, uid)
			if v.recent.contains(uid) {
				v.recent.remove(uid)
				v.nRecent--
			}
			if uid == r.hi {
				break
			}
		}
	}
	v.gone = ranked{}
	return false
}

// arrivals takes in what is above the view. A message that still lies in new/
// is recent here, and so is one that APPEND, COPY or MOVE has put into cur/
// and no session has been told of (RFC 3501 §2.3.2): it lies above heralded.
// One that this session itself has moved to cur/ has been noted by claim.
func (v *view) arrivals(s *state, maxUID, heralded imap.UID) {
	v.recent.addAbove(s.freshAt, v.maxUID)
	v.recent.addAbove(s.placedAt, max(v.maxUID, heralded))
	v.maxUID = maxUID
	v.nRecent = uint32(v.recent.count())
}

// herald returns the UID up to which sessions have been told of the messages,
// and moves it to upTo when a session that can change the mailbox is told.
func (m *Mailbox) herald(upTo imap.UID, tell bool) imap.UID {
	for {
		old := m.heralded.Load()
		if !tell || old >= uint32(upTo) || m.heralded.CompareAndSwap(old, uint32(upTo)) {
			return imap.UID(old)
		}
	}
}

// tellFlags lists flag changes. True: there are more.
func (v *view) tellFlags(s *state, d *Delta) bool {
	done := 0
	for walked := 0; done < len(v.flagged); {
		r := &v.flagged[done]
		n := len(d.Flags)
		if n == deltaMost || walked >= 8*deltaMost {
			v.flagged = slices.Delete(v.flagged, 0, done)
			return true
		}
		d.Flags = v.messages(d.Flags, s, r.lo-1, r.hi, deltaMost-n)
		got := len(d.Flags) - n
		walked += got
		if got == 0 || d.Flags[len(d.Flags)-1].UID >= r.hi {
			done++
		} else {
			r.lo = d.Flags[len(d.Flags)-1].UID + 1
		}
		kept := d.Flags[:n]
		for i := range got {
			if m := &d.Flags[n+i]; !m.Gone {
				kept = append(kept, *m)
			}
		}
		d.Flags = kept
	}
	v.flagged = v.flagged[:0]
	if cap(v.flagged) > 64 {
		v.flagged = nil
	}
	return false
}
