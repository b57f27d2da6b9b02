package maildir

import (
	"context"
	"encoding/hex"
)

// markView is one session's end of the marks of its user in a mailbox. Besides the mailbox's change log
// it is what tells the session of changes: of those that the same user's other sessions make.
type markView struct {
	k       *Marks
	h       *Handle
	box     *markBox      // k.mu
	pending uidRanges     // k.mu: changed by others, not yet in the session's view
	wake    chan struct{} // k.mu: nil while the session waits for nothing
}

// sharedFile makes \Seen each user's own, where it lies in a mailbox of a tree that says at all whether it is.
const sharedFile = "dovecot-shared"

// isApart tells whether the handle's user has a \Seen of their own in the mailbox. A tree that has no say in
// this, as that of the user's own mail, has it in the names of the files.
func (h *Handle) isApart() (bool, error) {
	if h.loc.tree == nil || h.loc.tree.o.Access.Private == nil {
		return false, nil
	}
	if h.loc.tree.o.Access.Private() {
		return true, nil
	}
	_, err := h.m.dir.StatName(sharedFile)
	if isGone(err) {
		return false, nil
	}
	return err == nil, err
}

// joinMarks gives a new handle its user's marks. A target that has never been served has no
// identity yet; it gets them when something is to be marked.
func (h *Handle) joinMarks(ctx context.Context) (err error) {
	if h.apart, err = h.isApart(); err != nil || h.mode == Target {
		return err
	}
	if !h.apart {
		if had, err := h.hadMarks(ctx); err != nil || !had {
			return err
		}
	}
	if err := h.attachMarks(ctx); err != nil {
		return err
	}
	if h.mode == Select || h.mode == Examine {
		return h.own.begin(ctx)
	}
	return nil
}

// hadMarks tells whether the user has marks in a mailbox where \Seen is not their own now. It was once, and the
// user's MODSEQs must not fall below those that were told: they go on as those of marks do. The marks themselves are
// kept for the day when it is their own again. What lasts as long as a session is not looked for.
func (h *Handle) hadMarks(ctx context.Context) (bool, error) {
	if h.loc.tree == nil || h.loc.tree.o.Access.Private == nil || h.loc.tree.o.Access.Marks == nil {
		return false, nil
	}
	k := h.loc.tree.o.Access.Marks
	if err := k.refresh(ctx); err != nil {
		return false, err
	}
	key := h.markKey()
	k.mu.RLock()
	defer k.mu.RUnlock()
	for range k.of(key) {
		return true, nil
	}
	return false, nil
}

// markKey is what marks in the handle's mailbox are of.
func (h *Handle) markKey() markKey {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	return h.m.state.markKey()
}

func (s *state) markKey() markKey {
	key := markKey{validity: s.validity}
	hex.Decode(key.guid[:], []byte(s.guid))
	return key
}

func (h *Handle) attachMarks(ctx context.Context) error {
	k := h.loc.tree.marks()
	k.join()
	if err := k.refresh(ctx); err != nil {
		k.Close()
		return err
	}
	v, place := &markView{k: k, h: h}, placeOf(h)
	if others := v.join(place, nil); len(others) > 0 {
		v.join(place, k.sights(others, h.m.dir.Identity()))
	}
	return nil
}

// join finds or makes the marks of the handle's mailbox. It returns what must be looked at before that can be
// told, if that is so.
func (v *markView) join(place markPlace, seen []markSight) (others []markSight) {
	h, k := v.h, v.k
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	s := &h.m.state
	key := s.markKey()
	k.mu.Lock()
	defer k.mu.Unlock()
	box := k.at(key, place)
	if box == nil {
		if others = k.family(key); seen == nil && len(others) > 0 {
			return others
		}
		box = k.claim(key, place, seen, k.store.now())
	}
	if box.gone != 0 {
		box.gone, box.unsaid = 0, true
	}
	if box.place == place {
		box.place = place // of whose text there is one for all users
	}
	if box.shared == h.apart {
		box.lose(k.store.now())
		box.shared = !h.apart
	}
	box.settle(s)
	v.box, h.own = box, v
	box.views = append(box.views, v)
	return nil
}

// leave ends the session's use of the marks. What nobody uses and no file has is forgotten.
func (v *markView) leave() {
	k := v.k
	k.mu.Lock()
	b := v.box
	for i := range b.views {
		if b.views[i] == v {
			last := len(b.views) - 1
			b.views[i], b.views[last] = b.views[last], nil
			b.views = b.views[:last]
			break
		}
	}
	if len(b.views) == 0 {
		b.views = nil
		if b.number == 0 {
			k.drop(b)
		}
	}
	k.mu.Unlock()
	k.Close()
}

// listen has the session woken by its channel. The caller has not told anybody of the channel yet.
func (v *markView) listen(wake chan struct{}) {
	v.k.mu.Lock()
	v.wake = wake
	v.k.mu.Unlock()
}

// poke wakes the session if it waits. k.mu is held.
func (v *markView) poke() {
	select {
	case v.wake <- struct{}{}: // a nil channel is never ready
	default:
	}
}

// pull moves what other sessions of the user have changed into the view. Mailbox.mu is held.
func (v *markView) pull(s *state, w *view) {
	v.k.mu.Lock()
	defer v.k.mu.Unlock()
	v.box.settle(s)
	if v.box.shared == v.h.apart { // another session has found that it has changed whose \Seen is
		v.h.apart = !v.box.shared
		v.pending = uidRanges{{1, maxUID}}
	}
	for _, r := range v.pending {
		if r.lo <= w.maxUID {
			w.flagged.addRange(r.lo, min(r.hi, w.maxUID))
		}
	}
	v.pending = v.pending[:0]
	if cap(v.pending) > 64 {
		v.pending = nil
	}
}

// fill gives copies of messages the user's \Seen and MODSEQs.
func (v *markView) fill(msgs []Message) {
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	v.box.fill(msgs, v.h.apart)
}

// flags are a message's as the user sees them.
func (v *markView) flags(e *entry) SystemFlags {
	if !v.h.apart {
		return e.flags
	}
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	if seen, _ := v.box.runs.at(e.uid); seen {
		return e.flags | Seen
	}
	return e.flags &^ Seen
}

// modseq is the user's MODSEQ of a message.
func (v *markView) modseq(e *entry) uint64 {
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	return v.box.modseq(e)
}

// highest is the user's HIGHESTMODSEQ.
func (v *markView) highest(shared uint64) uint64 {
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	return v.box.steps.highest(shared)
}

// unseen is the number of messages that the user has not seen. Mailbox.mu is held.
func (v *markView) unseen(s *state) int {
	if !v.h.apart {
		return s.unseen
	}
	v.k.mu.Lock() // what was counted is kept
	defer v.k.mu.Unlock()
	return s.list.len() - v.box.seen(s)
}

// firstUnseen is the position of the first message that the user has not seen, or -1.
func (v *markView) firstUnseen(s *state) int {
	if !v.h.apart {
		return s.firstUnseen()
	}
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	return v.box.firstUnseen(s)
}
