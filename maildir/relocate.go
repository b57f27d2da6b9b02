package maildir

import (
	"slices"

	"github.com/emersion/go-imap/v2"
)

// resolve turns a set into ranges: sorted, each message once, nothing above most.
func resolve(uids imap.UIDSet, most imap.UID) (r uidRanges) {
	for _, x := range uids {
		lo, hi := x.Start, x.Stop
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
		if hi = min(hi, most); lo <= hi && hi > 0 {
			r.addRange(lo, hi)
		}
	}
	return r
}

// forSome calls f for the messages of the ranges, most of them at most, and returns
// what is left of the ranges. mu is held.
func forSome(s *state, r uidRanges, most int, f func(*entry)) (left uidRanges) {
	for k, x := range r {
		for e := range s.list.between(x.lo, x.hi) {
			if most == 0 {
				left = slices.Clone(r[k:])
				left[0].lo = e.uid
				return left
			}
			most--
			f(e)
		}
	}
	return nil
}

// holds tells how many messages there are in the ranges.
func (m *Mailbox) holds(r uidRanges) int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.holds(r)
}

func (s *state) holds(r uidRanges) (n int) {
	for _, x := range r {
		if hi := x.hi; hi < maxUID {
			n += s.pos(hi+1) - s.pos(x.lo)
		} else {
			n += s.list.len() - s.pos(x.lo)
		}
	}
	return n
}

// relocate finds out what has become of a message whose file is not where it was:
// renamed by somebody who takes no lock, or gone. Whoever renamed this one has
// renamed others, so the first time both directories are compared with memory as a
// whole; only a file that is missed again is searched for by itself. Either way it
// is looked for twice before it is dropped from memory. Memory knows the answer
// afterwards; what has been done so far must have been published before.
func (t *txn) relocate(uid imap.UID, dir int, name string) error {
	m := t.m
	t.lookAgain()
	if t.elsewhere(uid, dir, name) {
		return nil // an earlier look has found it already
	}
	if !t.searched {
		t.searched = true
		return t.scan(lookNew | lookCur)
	}
	m.mu.RLock()
	base := string(m.state.base(m.state.find(uid)))
	m.mu.RUnlock()
	where, info, ok, err := m.findFile(base)
	if err != nil {
		return err
	}
	if !ok {
		t.publishGone([]imap.UID{uid})
		return nil
	}
	t.publish(func(s *state, log *changeLog) {
		if e := s.find(uid); e != nil && t.foreign(s, log, e, where, info) {
			t.recordFlags(s, []imap.UID{uid})
		}
	})
	return nil
}

// elsewhere tells that memory has another place for the message than this one, or
// none.
func (t *txn) elsewhere(uid imap.UID, dir int, name string) bool {
	t.m.mu.RLock()
	defer t.m.mu.RUnlock()
	e := t.m.state.find(uid)
	return e == nil || dirOf(e.bits) != dir || string(t.m.state.appendFileName(nil, e)) != name
}
