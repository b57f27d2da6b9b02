package maildir

import (
	"cmp"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// arrival is a message file that memory does not have.
type arrival struct {
	base, info string
	where      entryBits
	sec, usec  uint64
	uid        imap.UID
}

// order is Dovecot's order of new files (FORMATS §5.3), after those that
// another program has given UIDs already.
func order(a, b *arrival) int {
	if a.uid != b.uid {
		if a.uid == 0 || b.uid == 0 {
			return cmp.Compare(b.uid, a.uid)
		}
		return cmp.Compare(a.uid, b.uid)
	}
	return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.usec, b.usec), cmp.Compare(a.base, b.base))
}

// inOrder sorts by moving pointers: arrivals are large, and a first look has one for every message.
func inOrder(list []arrival) []arrival {
	refs := make([]*arrival, len(list))
	for i := range list {
		refs[i] = &list[i]
	}
	slices.SortFunc(refs, order)
	sorted := make([]arrival, len(list))
	for i, a := range refs {
		sorted[i] = *a
	}
	return sorted
}

// flushNew gives new messages their UIDs, writes those down and publishes.
func (t *txn) flushNew(list []arrival) error {
	m := t.m
	if len(list) == 0 {
		return t.trimList()
	}
	if err := t.readList(true); err != nil {
		return err
	}
	m.mu.RLock()
	top, next := m.state.top, m.state.next
	for i := range list {
		a := &list[i]
		a.sec, a.usec = nameTime(a.base)
		if uid := m.list.loose[a.base]; uid > top {
			a.uid = uid
		}
	}
	m.mu.RUnlock()
	list = inOrder(list)
	list, err := t.uniq(list)
	if err != nil {
		return err
	}
	records := make([]uidRecord, 0, len(list))
	for i := range list {
		if list[i].uid == 0 {
			list[i].uid = next
			records = append(records, uidRecord{uid: next, base: list[i].base})
			next++
		}
	}
	if t.lock == nil {
		list = slices.DeleteFunc(list, func(a arrival) bool { return a.uid >= m.state.next })
		if len(records) > 0 {
			m.once("unnumbered", "new messages cannot be shown: the mailbox cannot be written", "messages", len(records))
		}
	} else if len(records) > 0 {
		if err := t.assign(records); err != nil {
			return err
		}
	}
	t.arrive(list)
	return t.trimList()
}

// uniq finds files of one base name among the new ones: each after the first
// becomes a message of its own name.
func (t *txn) uniq(list []arrival) ([]arrival, error) {
	out := list[:0]
	var more []arrival
	for i, a := range list {
		if i == 0 || a.base != list[i-1].base {
			out = append(out, a)
			continue
		}
		if f, ok := t.separate(out[len(out)-1], a); ok {
			more = append(more, f)
		}
	}
	return append(out, more...), nil
}

// arrive publishes new messages, which are in order of their UIDs.
func (t *txn) arrive(list []arrival) {
	if len(list) == 0 {
		return
	}
	m := t.m
	saved := uint32(m.store.now().Unix())
	t.publish(func(s *state, log *changeLog) {
		first := len(s.list)
		s.list = slices.Grow(s.list, len(list))
		names := 0
		for i := range list {
			names += len(list[i].base)
		}
		s.names = slices.Grow(s.names, names)
		t.rec = slices.Grow(t.rec, names+len(list)*(fixedMessage+1))
		for i := range list {
			a := &list[i]
			e := entry{uid: a.uid, bits: a.where, saved: saved, modseq: t.next(s), size: -1, date: noDate}
			if _, w, _ := sizesInName(a.base); w >= 0 {
				e.size = w
			}
			s.setInfo(appendEntry(s, e, a.base), a.where, a.info)
			if len(m.list.loose) > 0 {
				delete(m.list.loose, a.base)
			}
		}
		t.rec = appendBatch(t.rec, recMessage, len(s.list)-first, func(b []byte, i int) []byte {
			return appendMessage(b, s, &s.list[first+i])
		})
	})
}
