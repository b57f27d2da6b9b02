package maildir

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/acl"
)

// begin writes down that the user looks at the mailbox, so that its MODSEQs are the same the next time.
// That needs be done once, and a session that cannot goes on without.
func (v *markView) begin(ctx context.Context) error {
	if v.settled() {
		return nil
	}
	w, err := v.k.write(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		v.k.store.log.Info("read marks cannot be written now", "root", v.k.root, "err", err)
		return nil
	}
	defer w.done()
	if err := w.append(v.announce(nil), v.h); err != nil {
		v.k.store.log.Info("read marks cannot be written now", "root", v.k.root, "err", err)
	}
	return nil
}

// settled tells that the file has all that a reader must find there.
func (v *markView) settled() bool {
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	return v.box.number != 0 && !v.box.unsaid
}

// announce is the record without which the file does not know the mailbox, if it does not. The
// caller holds writer.
func (v *markView) announce(rec []byte) []byte {
	if v.settled() {
		return rec
	}
	v.h.m.mu.RLock()
	defer v.h.m.mu.RUnlock()
	v.k.mu.Lock()
	defer v.k.mu.Unlock()
	v.box.settle(&v.h.m.state)
	number := v.box.number
	if number != 0 {
		return appendMarkBegin(rec, number, v.box)
	}
	number = v.k.top + 1
	if rec = appendMarkBegin(rec, number, v.box); len(v.box.runs) > 0 {
		rec = appendMarkRuns(rec, number, v.box.runs)
	}
	return rec
}

// mark sets or clears the user's \Seen of messages: those of the ranges where it is another. With since, those
// that have been marked after that MODSEQ are left alone and returned.
func (v *markView) mark(ctx context.Context, ranges uidRanges, seen bool, since uint64) (modified uidRanges, err error) {
	if len(ranges) == 0 {
		return nil, nil
	}
	w, err := v.k.write(ctx)
	if err != nil {
		return nil, err
	}
	defer w.done()
	rec := v.announce(nil)
	step, parts, modified := v.plan(ranges, seen, since)
	if len(parts) == 0 {
		return modified, nil
	}
	if !v.k.room(parts) {
		return nil, errTooManyMarks
	}
	v.k.mu.RLock()
	number := v.box.number
	if number == 0 {
		number = v.k.top + 1
	}
	v.k.mu.RUnlock()
	return modified, w.append(appendMarkChange(rec, number, step, parts, seen), v.h)
}

// plan works out a change: which messages are not as they are to be, and the step.
func (v *markView) plan(ranges uidRanges, seen bool, since uint64) (step markStep, parts, modified uidRanges) {
	m := v.h.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	v.k.mu.RLock()
	defer v.k.mu.RUnlock()
	s, b := &m.state, v.box
	parts = b.runs.differing(ranges, seen)
	if since != 0 {
		var left uidRanges
		for _, x := range parts {
			for i := b.runs.find(x.lo); i < len(b.runs) && b.runs[i].lo <= x.hi; i++ {
				if r := b.runs[i]; r.modseq > since {
					modified.addRange(max(r.lo, x.lo), min(r.hi, x.hi))
				}
			}
		}
		for _, x := range parts {
			left = append(left, x.without(modified)...)
		}
		parts = left
	}
	parts = parts.live(s)
	written := s.written
	if m.frozen.Load() || written == 0 {
		written = s.modseq // nobody has an index here that tells others
	}
	return b.steps.next(s.modseq, written, v.k.store.now()), parts, modified.live(s)
}

// without is what is left of a range.
func (x uidRange) without(r uidRanges) (out uidRanges) {
	for i := r.find(x.lo); i < len(r) && r[i].lo <= x.hi; i++ {
		if r[i].lo > x.lo {
			out = append(out, uidRange{x.lo, r[i].lo - 1})
		}
		if r[i].hi >= x.hi {
			return out
		}
		x.lo = r[i].hi + 1
	}
	return append(out, x)
}

// markArrived marks messages that the session has just brought into the mailbox. They are there whatever
// becomes of their marks.
func (h *Handle) markArrived(ctx context.Context, uids uidRanges) {
	if len(uids) == 0 || !allowed(h.loc.rights, DeedSeen) {
		return
	}
	var err error
	if h.own == nil {
		err = h.attachMarks(ctx)
	}
	if err == nil {
		_, err = h.own.mark(ctx, uids, true, 0)
	}
	if err != nil {
		h.store.log.Warn("messages that were brought into a mailbox as seen are not", "mailbox", h.m.dir.Path(), "err", err)
	}
}

// refreshMarks takes in what the user's sessions in other processes have marked. It comes before the
// mailbox's own refresh: the steps of marks name MODSEQs that are in its index by then.
func (h *Handle) refreshMarks(ctx context.Context) error {
	if h.own == nil {
		return nil
	}
	return h.own.k.refresh(ctx)
}

// modseqOf is a message's MODSEQ as the user sees it. Mailbox.mu is held.
func (h *Handle) modseqOf(e *entry) uint64 {
	if h.own != nil {
		return h.own.modseq(e)
	}
	return e.modseq
}

// sharedRights are the user's rights to what the names of the files say. A \Seen of one's own is not there.
func (h *Handle) sharedRights() Rights {
	if h.apart {
		return h.loc.rights &^ acl.RightSeen
	}
	return h.loc.rights
}

// storeApart is Store where \Seen is the user's own: the other flags first, then that. Each of the two is
// done as a whole or not begun for a message that has changed since.
func (h *Handle) storeApart(ctx context.Context, uids imap.UIDSet, op StoreOp, set flagSet, unchangedSince uint64, each func(Message)) (modified imap.UIDSet, err error) {
	r, rest := h.loc.rights, set
	rest.system &^= Seen
	var touched uidRanges
	if rest.sharedBy(r, op) {
		var t *txn
		if t, err = h.m.begin(ctx, h, true); err != nil {
			return nil, err
		}
		modified, err = t.store(uids, op, rest.permitted(r), unchangedSince, &touched)
		t.end(err)
		if err == nil {
			err = t.lost
		}
	} else {
		touched, modified = h.addressed(uids, unchangedSince)
	}
	if err == nil && (op == Replace || set.system&Seen != 0) && allowed(r, DeedSeen) {
		on := op == Add || op == Replace && set.system&Seen != 0
		var late uidRanges
		late, err = h.own.mark(ctx, touched, on, unchangedSince)
		for _, x := range late {
			modified.AddRange(x.lo, x.hi)
		}
	}
	if each != nil {
		h.each(touched, each)
	}
	return modified, err
}

// sharedBy tells whether there may be something to change in the names of files.
func (f flagSet) sharedBy(r Rights, op StoreOp) bool {
	t, w := allowed(r, DeedTrash), allowed(r, DeedFlag)
	if op == Replace {
		return t || w
	}
	return t && f.system&Deleted != 0 || w && (f.system&^(Seen|Deleted) != 0 || len(f.keywords) > 0)
}

// addressed is the messages of a set that have not changed since, and those that have.
func (h *Handle) addressed(uids imap.UIDSet, unchangedSince uint64) (touched uidRanges, modified imap.UIDSet) {
	todo := resolve(uids, h.view.maxUID)
	if unchangedSince == 0 {
		return todo, nil
	}
	s := h.lockView()
	defer h.m.mu.RUnlock()
	forSome(s, todo, -1, func(e *entry) {
		if h.own.modseq(e) > unchangedSince {
			modified.AddNum(e.uid)
		} else {
			touched.add(e.uid)
		}
	})
	return touched, modified
}
