package maildir

import (
	"context"
	"errors"
	"io/fs"
	"math/bits"

	"github.com/emersion/go-imap/v2"
)

// StoreOp is what STORE does with its flags.
type StoreOp int

// FLAGS, +FLAGS and -FLAGS (RFC 9051 §6.4.6).
const (
	Replace StoreOp = iota
	Add
	Remove
)

// apply is the flags after the operation.
func (op StoreOp) apply(old, arg Flags) Flags {
	switch op {
	case Add:
		return Flags{old.System | arg.System, old.Keywords | arg.Keywords}
	case Remove:
		return Flags{old.System &^ arg.System, old.Keywords &^ arg.Keywords}
	}
	return arg
}

// restrict leaves alone the flags that the user has no right to (RFC 4314 §4):
// those of old stay.
func (r Rights) restrict(old, now Flags) Flags {
	keep := SystemFlags(0)
	if !r.Has(RightSeen) {
		keep |= Seen
	}
	if !r.Has(RightDeleteMessages) {
		keep |= Deleted
	}
	if !r.Has(RightWrite) {
		keep |= systemAll &^ (Seen | Deleted)
		now.Keywords = old.Keywords
	}
	now.System = now.System&^keep | old.System&keep
	return now
}

// step is one message's rename.
type step struct {
	uid       imap.UID
	from      int
	old, name string
	infoAt    int // where the info begins in name
	flags     Flags
}

// Store changes the flags of messages: one rename each, under one lock, none
// for those that stay as they are. Messages with a MODSEQ above a non-zero
// unchangedSince are left alone and returned. each is called for every message
// of the view that was addressed and exists, under no lock, after the change
// has been published.
func (h *Handle) Store(ctx context.Context, uids imap.UIDSet, op StoreOp, flags []imap.Flag, unchangedSince uint64, each func(Message)) (modified imap.UIDSet, err error) {
	if err := h.writable(RightSeen, RightDeleteMessages, RightWrite); err != nil {
		return nil, opError("store", h.loc.name, err)
	}
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return nil, opError("store", h.loc.name, err)
	}
	var touched uidRanges
	modified, err = t.store(uids, op, parseFlags(flags), unchangedSince, &touched)
	t.end(err)
	if err == nil {
		err = t.lost
	}
	if each != nil {
		h.each(touched, each)
	}
	return modified, opError("store", h.loc.name, err)
}

// writable checks that something may be changed here, with one of the rights.
func (h *Handle) writable(rights ...Rights) error {
	if err := h.m.alive(); err != nil {
		return err
	}
	if h.mode == Examine || h.mode == Peek || h.loc.readOnly {
		return ErrReadOnly
	}
	for _, r := range rights {
		if h.loc.rights.Has(r) {
			return nil
		}
	}
	return ErrNoPermission
}

// each calls f for the messages of these ranges, some at a time.
func (h *Handle) each(ranges uidRanges, f func(Message)) {
	var buf [128]Message
	for _, r := range ranges {
		for after := r.lo - 1; after < r.hi; {
			msgs := h.Messages(buf[:0], after, r.hi, len(buf))
			if len(msgs) == 0 {
				break
			}
			for i := range msgs {
				if !msgs[i].Gone {
					f(msgs[i])
				}
			}
			after = msgs[len(msgs)-1].UID
		}
	}
}

func (t *txn) store(uids imap.UIDSet, op StoreOp, set flagSet, unchangedSince uint64, touched *uidRanges) (modified imap.UIDSet, err error) {
	m := t.m
	arg := Flags{System: set.system}
	if arg.Keywords, err = t.keywordBits(set.keywords, op != Remove); err != nil {
		return nil, err
	}
	var steps []step
	m.mu.RLock()
	s := &m.state
	view := &t.by.view
	var names []byte
	var last imap.UID
	forRange(s, uids, view.maxUID, func(e *entry) {
		if unchangedSince != 0 && e.modseq > unchangedSince {
			modified.AddNum(e.uid)
			return
		}
		// Ranges may span what does not exist: neighbours in the list are joined.
		if n := len(*touched); n > 0 && last != 0 && s.pos(last)+1 == s.pos(e.uid) {
			(*touched)[n-1].hi = e.uid
		} else {
			touched.add(e.uid)
		}
		last = e.uid
		old := Flags{e.flags, e.keywords}
		now := t.after(old, op, arg)
		if now == old {
			return // new mail stays in new/ until someone selects it
		}
		st := step{uid: e.uid, from: len(names), flags: now}
		names = s.appendFileName(names, e)
		st.infoAt = len(names)
		names = s.appendNext(names, e, now)
		steps = append(steps, st)
	})
	m.mu.RUnlock()
	all := string(names)
	for i := range steps {
		st := &steps[i]
		end := len(all)
		if i+1 < len(steps) {
			end = steps[i+1].from
		}
		st.old, st.name = all[st.from:st.infoAt], all[st.infoAt:end]
	}
	done, gone, err := t.renameAll(steps, op, arg)
	t.publishFlags(done)
	t.publishGone(gone)
	return modified, err
}

// after is a message's flags after the operation. Letters that mean nothing to
// us stay.
func (t *txn) after(old Flags, op StoreOp, arg Flags) Flags {
	now := t.by.loc.rights.restrict(old, op.apply(old, arg))
	for left := old.Keywords &^ now.Keywords; left != 0; left &= left - 1 {
		if bit := bits.TrailingZeros64(left); t.m.state.keys[bit] == "" {
			now.Keywords |= 1 << bit
		}
	}
	return now
}

// appendNext appends the file name that a message has with other flags.
func (s *state) appendNext(b []byte, e *entry, now Flags) []byte {
	b = append(b, s.base(e)...)
	rest := ""
	if e.bits&oddInfo != 0 {
		_, _, rest = parseInfo(s.odd[e.uid])
	}
	return appendInfo(b, now.System, letterMask(now.Keywords), rest)
}

// forRange calls f for the live messages of a set up to most. mu is held.
func forRange(s *state, uids imap.UIDSet, most imap.UID, f func(*entry)) {
	for _, r := range uids {
		lo, hi := r.Start, r.Stop
		if lo == 0 { // '*' alone, or n:* written backwards
			lo = most
		}
		if hi == 0 {
			if hi = most; lo > hi {
				lo = hi
			}
		}
		if lo > hi {
			lo, hi = hi, lo
		}
		hi = min(hi, most)
		for i := s.pos(lo); i < len(s.list) && s.list[i].uid <= hi; i++ {
			f(&s.list[i])
		}
	}
}

// renameAll renames, following what others rename meanwhile. done are those
// that have their new name, gone those whose files are gone for good.
func (t *txn) renameAll(steps []step, op StoreOp, arg Flags) (done []step, gone []imap.UID, err error) {
	m := t.m
	resume := t.expectBulk(len(steps))
	defer resume()
	done = steps[:0]
	for _, st := range steps {
		from := dirCur
		m.mu.RLock()
		if e := m.state.find(st.uid); e != nil {
			from = dirOf(e.bits)
		}
		m.mu.RUnlock()
		for tries := 0; ; tries++ {
			if st.old == st.name && from == dirCur {
				done = append(done, st)
				break
			}
			t.touch(dirCur)
			t.touch(from)
			err = m.sub(from).RenameNew(st.old, m.curDir, st.name)
			if err == nil {
				done = append(done, st)
				break
			}
			there := true
			switch {
			case tries == 5:
				return done, gone, err
			case errors.Is(err, fs.ErrExist): // another message of the same base name
				err = t.scan(lookNew | lookCur)
			case errors.Is(err, fs.ErrNotExist):
				there, err = t.relocate(st.uid)
			}
			if err != nil {
				return done, gone, err
			}
			if !there {
				gone = append(gone, st.uid)
				break
			}
			m.mu.RLock()
			if e := m.state.find(st.uid); e != nil {
				from = dirOf(e.bits)
				old := Flags{e.flags, e.keywords}
				st.flags = t.after(old, op, arg)
				st.old = string(m.state.appendFileName(nil, e))
				st.name = string(m.state.appendNext(nil, e, st.flags))
			}
			m.mu.RUnlock()
		}
	}
	return done, gone, t.syncAlways(dirCur)
}

// syncAlways makes flags and expunges durable where that is asked for.
func (t *txn) syncAlways(dirs ...int) error {
	if t.m.store.o.Fsync != FsyncAlways {
		return nil
	}
	for _, d := range dirs {
		if t.touched[d] {
			if err := t.m.sub(d).Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

// relocate finds out what has become of a message whose file is not where it
// was: renamed by somebody who takes no lock, or gone. It looks twice.
func (t *txn) relocate(uid imap.UID) (there bool, err error) {
	m := t.m
	t.lookAgain()
	m.mu.RLock()
	var base string
	if e := m.state.find(uid); e != nil {
		base = string(m.state.base(e))
	}
	m.mu.RUnlock()
	if base == "" {
		return false, nil
	}
	where, info, ok, err := m.findFile(base)
	if err != nil || !ok {
		return false, err
	}
	t.publish(func(s *state, log *changeLog) {
		if e := s.find(uid); e != nil && t.foreign(s, log, e, where, info) {
			t.recordFlags(s, []imap.UID{uid})
		}
	})
	return true, nil
}

// publishFlags shows flag changes to all sessions.
func (t *txn) publishFlags(done []step) {
	if len(done) == 0 {
		return
	}
	t.publish(func(s *state, log *changeLog) {
		modseq := t.next(s)
		last := -2
		for i := range done {
			st := &done[i]
			at := s.pos(st.uid)
			if at == len(s.list) || s.list[at].uid != st.uid {
				continue
			}
			e := &s.list[at]
			t.high = t.high || (e.keywords^st.flags.Keywords)>>maxLetters != 0
			s.change(e, func(e *entry) {
				e.flags, e.keywords, e.modseq = st.flags.System, st.flags.Keywords, modseq
				if st.name != "" {
					e.bits &^= inNew
				}
			})
			s.noteInfo(e, st.name[e.nameLen:])
			log.flags(e.uid, t.by, at == last+1)
			last = at
		}
		t.rec = appendBatch(t.rec, recFlags, len(done), func(b []byte, i int) []byte {
			if e := s.find(done[i].uid); e != nil {
				return appendFlags(b, s, e)
			}
			return b
		})
	})
}
