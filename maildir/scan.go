package maildir

import (
	"errors"
	"slices"
	"syscall"

	"github.com/emersion/go-imap/v2"
)

// scan reads the directories that must be looked at and takes in what is
// there: new messages, files renamed and files gone.
func (t *txn) scan(look looks) error {
	m := t.m
	if look&(lookNew|lookCur) == 0 {
		return t.flushNew(nil)
	}
	for {
		m.noted.clear(look) // before the pass: what happens during it is kept
		p, err := t.listDirs(look)
		if err != nil {
			m.noted.overflow()
			return err
		}
		if (p.lost || p.came) && look != lookNew|lookCur {
			look = lookNew | lookCur // it may have moved, or be there twice
			continue
		}
		return t.settle(p)
	}
}

// listDirs is one pass over the directories: what differs from memory.
func (t *txn) listDirs(look looks) (*findings, error) {
	m := t.m
	p := newFindings(&m.state, look&lookCur != 0)
	l := &sweep{}
	for i := range t.scanned {
		if look&(1<<i) == 0 {
			continue
		}
		st, err := m.sub(i).Stat()
		if err != nil {
			return nil, err
		}
		now := m.store.now().UnixNano()
		if err := l.read(m.sub(i), i, func() bool { t.compare(l, p); return true }); err != nil {
			return nil, err
		}
		t.scanned[i] = dirLook{mtime: st.Mtime, at: now}
	}
	for _, name := range l.other {
		m.once("other "+name, "not a regular file, not served", "name", name)
	}
	m.mu.RLock()
	p.lost = p.missed(&m.state, look)
	m.mu.RUnlock()
	return p, nil
}

// settle takes the findings in.
func (t *txn) settle(p *findings) error {
	var expunged []imap.UID
	if p.lost {
		again, err := t.secondLook(p)
		if err != nil {
			return err
		}
		expunged = again
	}
	if len(p.changed) > 0 || len(p.doubles) > 0 {
		t.renamed(p)
	}
	t.publishGone(expunged)
	if len(expunged) > 0 && t.m.state.list.len() == 0 { // the directory itself may go next, and nobody would tell
		t.m.store.watch.again(t.m)
	}
	fresh, err := t.doubled(p)
	if err != nil {
		return err
	}
	for _, x := range p.odd {
		if f, ok := t.rename(p, x); ok {
			fresh = append(fresh, f)
		}
	}
	return t.flushNew(append(p.arrivals(p.all, p.unknown), fresh...))
}

// secondLook reads both directories again before anything is said to be gone:
// a file that is renamed while readdir is at it may be missed altogether
// (FORMATS §5.9, 5). While somebody is at work in there the look is repeated:
// only a pass during which nothing moved proves anything. It returns those that
// were missed each time.
func (t *txn) secondLook(p *findings) (gone []imap.UID, err error) {
	for range looksMost {
		before, err := t.m.times()
		if err != nil {
			return nil, err
		}
		if gone, err = t.lookFor(p); err != nil || len(gone) == 0 {
			return nil, err
		}
		after, err := t.m.times()
		if err != nil {
			return nil, err
		}
		if before == after {
			break
		}
		t.lookAgain()
	}
	return gone, nil
}

const looksMost = 10

// times are the modification times of the directories, or ErrNotExist when
// another program has removed them.
func (m *Mailbox) times() (mtimes [2]int64, err error) {
	for i := range mtimes {
		st, err := m.sub(i).Stat()
		stale := errors.Is(err, syscall.ESTALE) // even after a second look: gone, or another one is there
		if err != nil && !stale {
			return mtimes, err
		}
		if (stale || st.Nlink == 0) && (m.removed() || m.replaced(i)) {
			m.kill()
			return mtimes, ErrNotExist
		}
		if stale {
			return mtimes, err
		}
		mtimes[i] = st.Mtime
	}
	return mtimes, nil
}

// lookFor is one pass in search of what has not been seen; it returns what
// still has not.
func (t *txn) lookFor(p *findings) (gone []imap.UID, err error) {
	m := t.m
	m.buildNames()
	l, found := &sweep{}, &findings{}
	s := &m.state
	for i := range t.scanned {
		err := l.read(m.sub(i), i, func() bool {
			m.mu.RLock()
			defer m.mu.RUnlock()
			for _, x := range l.list {
				e := s.byName(l.base(x))
				if e == nil {
					continue
				}
				if i := s.pos(e.uid); !p.seen.has(i) {
					p.seen.add(i)
					if !s.matches(e, x.where, l.info(x)) {
						found.changed = append(found.changed, found.keep(&l.nameArena, x))
					}
				}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	i := 0
	for e := range s.list.all() {
		if !p.seen.has(i) {
			gone = append(gone, e.uid)
		}
		i++
	}
	t.renamed(found)
	return gone, nil
}

// renamed takes in names that others have given to known messages.
func (t *txn) renamed(p *findings) {
	if len(p.changed) == 0 {
		return
	}
	t.publish(func(s *state, log *changeLog) {
		var touched []imap.UID
		for _, x := range p.changed {
			if e := s.byName(p.base(x)); e != nil {
				if t.foreign(s, log, e, x.where, string(p.info(x))) {
					touched = append(touched, e.uid)
				}
			}
		}
		t.recordFlags(s, touched)
	})
}

// foreign gives a message the place and info that another program gave it. A
// new MODSEQ is due only when flags have changed. mu is held.
func (t *txn) foreign(s *state, log *changeLog, e *entry, where entryBits, info string) bool {
	old := Flags{e.flags, e.keywords}
	s.setInfo(e, where, info)
	if old != (Flags{e.flags, e.keywords}) {
		e.modseq = t.next(s)
		log.flags(e.uid, nil, false)
	}
	return true
}

// recordFlags adds the flags of these messages to the index.
func (t *txn) recordFlags(s *state, uids []imap.UID) {
	slices.Sort(uids)
	t.rec = appendBatch(t.rec, recFlags, len(uids), func(b []byte, i int) []byte {
		if e := s.find(uids[i]); e != nil {
			return appendFlags(b, s, e)
		}
		return b
	})
}

// publishGone drops messages whose files are gone.
func (t *txn) publishGone(uids []imap.UID) {
	if len(uids) == 0 {
		return
	}
	t.publish(func(s *state, log *changeLog) { t.dropAll(s, log, uids) })
}

// dropAll takes messages out of memory and into the expunge history; uids are
// sorted. mu is held.
func (t *txn) dropAll(s *state, log *changeLog, uids []imap.UID) {
	modseq := t.next(s)
	t.m.forgetNames(uids)
	for _, uid := range uids {
		log.expunged(uid)
	}
	n := len(s.history)
	s.drop(uids)
	s.remember(uids, modseq)
	if n > len(s.history) || n > 0 && s.history[n-1].modseq == modseq {
		n = 0
		for n < len(s.history) && s.history[n].modseq != modseq {
			n++
		}
	}
	t.rec = appendExpunge(t.rec, modseq, s.history[n:])
}
