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
	set := parseFlags(flags)
	if err := h.storable(op, set); err != nil {
		return nil, opError("store", h.loc.name, err)
	}
	if h.apart {
		modified, err = h.storeApart(ctx, uids, op, set, unchangedSince, each)
		return modified, opError("store", h.loc.name, err)
	}
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return nil, opError("store", h.loc.name, err)
	}
	var touched uidRanges
	modified, err = t.store(uids, op, set.permitted(h.loc.rights), unchangedSince, &touched)
	t.end(err)
	if err == nil {
		err = t.lost
	}
	if each != nil {
		h.each(touched, each)
	}
	return modified, opError("store", h.loc.name, err)
}

// storable checks that some of the flags that are named may be changed here.
func (h *Handle) storable(op StoreOp, set flagSet) error {
	if err := h.m.alive(); err != nil {
		return err
	}
	if err := h.may(DeedStore); err != nil {
		return err
	}
	if !set.storable(h.loc.rights, op) {
		return ErrNoPermission
	}
	return nil
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

// storeSlice is how many messages are changed on disk before they are published:
// what is held of a change of all messages does not grow with the mailbox, and the
// state lock is held for moments.
const storeSlice = 4096

// storing is the work of one STORE.
type storing struct {
	t              *txn
	op             StoreOp
	arg            Flags
	unchangedSince uint64
	touched        *uidRanges
	modified       imap.UIDSet
	last           imap.UID // the last one touched
	steps          []step
	names          []byte
}

func (t *txn) store(uids imap.UIDSet, op StoreOp, set flagSet, unchangedSince uint64, touched *uidRanges) (modified imap.UIDSet, err error) {
	w := storing{t: t, op: op, arg: Flags{System: set.system}, unchangedSince: unchangedSince, touched: touched}
	if w.arg.Keywords, err = t.keywordBits(set.keywords, op != Remove); err != nil {
		return nil, err
	}
	todo := resolve(uids, t.by.view.maxUID)
	if todo.count() >= bulkFrom {
		defer t.expectBulk(t.m.holds(todo))()
	}
	for len(todo) > 0 && err == nil {
		todo = w.gather(todo)
		err = w.renameAll()
	}
	if err == nil {
		err = t.syncAlways(dirCur)
	}
	return w.modified, err
}

// gather plans the renames of some messages and returns those that are left.
func (w *storing) gather(todo uidRanges) uidRanges {
	w.steps, w.names = w.steps[:0], w.names[:0]
	m := w.t.m
	m.mu.RLock()
	s := &m.state
	todo = forSome(s, todo, storeSlice, func(e *entry) {
		if w.unchangedSince != 0 && w.t.by.modseqOf(e) > w.unchangedSince {
			w.modified.AddNum(e.uid)
			return
		}
		// Ranges may span what does not exist: neighbours in the list are joined.
		if n := len(*w.touched); n > 0 && w.last != 0 && s.pos(w.last)+1 == s.pos(e.uid) {
			(*w.touched)[n-1].hi = e.uid
		} else {
			w.touched.add(e.uid)
		}
		w.last = e.uid
		old := Flags{e.flags, e.keywords}
		now := w.t.after(old, w.op, w.arg)
		if now == old {
			return // new mail stays in new/ until someone selects it
		}
		st := step{uid: e.uid, from: len(w.names), flags: now}
		w.names = s.appendFileName(w.names, e)
		st.infoAt = len(w.names)
		w.names = s.appendNext(w.names, e, now)
		w.steps = append(w.steps, st)
	})
	m.mu.RUnlock()
	all := string(w.names)
	for i := range w.steps {
		st := &w.steps[i]
		end := len(all)
		if i+1 < len(w.steps) {
			end = w.steps[i+1].from
		}
		st.old, st.name = all[st.from:st.infoAt], all[st.infoAt:end]
	}
	return todo
}

// after is a message's flags after the operation. Letters that mean nothing to
// us stay.
func (t *txn) after(old Flags, op StoreOp, arg Flags) Flags {
	now := restrict(t.by.sharedRights(), old, op.apply(old, arg))
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
		_, _, rest = parseInfo(s.info(e))
	}
	return appendInfo(b, now.System, letterMask(now.Keywords), rest)
}

// renameAll renames and publishes, following what others rename meanwhile.
func (w *storing) renameAll() (err error) {
	t, done := w.t, w.steps[:0]
	// What has been done is published whatever happens then, and before the
	// directories are looked at.
	publish := func() {
		t.publishFlags(done)
		done = done[:0]
	}
	defer func() { publish() }()
	for _, st := range w.steps {
		from, there := w.renew(&st, t.searched)
		for tries := 0; there; tries++ {
			if st.old == st.name && from == dirCur {
				done = append(done, st)
				break
			}
			t.touch(dirCur)
			t.touch(from)
			err = t.m.sub(from).RenameNew(st.old, t.m.curDir, st.name)
			if err == nil {
				done = append(done, st)
				break
			}
			if tries == 5 {
				return err
			}
			switch {
			case errors.Is(err, fs.ErrExist): // another message of the same base name
				publish()
				err = t.scan(lookNew | lookCur)
			case errors.Is(err, fs.ErrNotExist):
				publish()
				err = t.relocate(st.uid, from, st.old)
			}
			if err != nil {
				return err
			}
			from, there = w.renew(&st, true)
		}
	}
	return nil
}

// renew tells where a step's message lies, and with names what its file is called
// now and is to be called, which the plan may have wrong by now.
func (w *storing) renew(st *step, names bool) (from int, there bool) {
	m := w.t.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.state.find(st.uid)
	if e == nil {
		return 0, false
	}
	if names {
		st.flags = w.t.after(Flags{e.flags, e.keywords}, w.op, w.arg)
		st.old = string(m.state.appendFileName(nil, e))
		st.name = string(m.state.appendNext(nil, e, st.flags))
	}
	return dirOf(e.bits), true
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
			e := s.find(st.uid)
			if e == nil {
				continue
			}
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
