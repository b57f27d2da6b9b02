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
	uid        imap.UID
}

// sortKey is one arrival's place in the order, as far as numbers tell it: a first
// look sorts all messages, and arrivals are large.
type sortKey struct {
	time uint64
	i    uint32
}

const (
	usecBits = 20
	lastTime = 1<<64 - 1
)

// sortTime puts a name's time into one number, which never orders two names
// wrongly; it is the same for times beyond any clock's.
func sortTime(base string) uint64 {
	sec, usec := nameTime(base)
	if sec >= 1<<(64-usecBits)-1 {
		return lastTime
	}
	return sec<<usecBits | min(usec, 1<<usecBits-1)
}

// order is Dovecot's order of new files (FORMATS §5.3).
func order(a, b *arrival) int {
	asec, ausec := nameTime(a.base)
	bsec, busec := nameTime(b.base)
	return cmp.Or(cmp.Compare(asec, bsec), cmp.Compare(ausec, busec), cmp.Compare(a.base, b.base))
}

// inOrder sorts arrivals: first those that another program has given UIDs
// already, then by order.
func inOrder(list []arrival) []arrival {
	keys := make([]sortKey, 0, len(list))
	sorted := make([]arrival, 0, len(list))
	for i := range list {
		if list[i].uid != 0 {
			sorted = append(sorted, list[i])
			continue
		}
		keys = append(keys, sortKey{sortTime(list[i].base), uint32(i)})
	}
	slices.SortFunc(sorted, func(a, b arrival) int { return cmp.Compare(a.uid, b.uid) })
	slices.SortFunc(keys, func(a, b sortKey) int {
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return order(&list[a.i], &list[b.i])
	})
	for _, k := range keys {
		sorted = append(sorted, list[k.i])
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
		if len(m.list.loose) == 0 {
			break
		}
		a := &list[i]
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

// arrive publishes new messages, which are in order of their UIDs, some at a time.
func (t *txn) arrive(list []arrival) {
	m := t.m
	saved := uint32(m.store.now().Unix())
	names := 0
	for i := range list {
		names += len(list[i].base)
	}
	for left := list; len(left) > 0; {
		some := left[:min(len(left), storeSlice)]
		t.publish(func(s *state, _ *changeLog) {
			if len(left) == len(list) {
				s.list.expect(len(list), names)
			}
			first := s.list.len()
			for i := range some {
				a := &some[i]
				e := entry{uid: a.uid, bits: a.where, saved: saved, modseq: t.next(s), size: -1, date: noDate}
				if _, w, _ := sizesInName(a.base); w >= 0 {
					e.size = w
				}
				s.setInfo(appendEntry(s, e, a.base), a.where, a.info)
				if len(m.list.loose) > 0 {
					delete(m.list.loose, a.base)
				}
			}
			t.recordNew(s, first)
		})
		left = left[len(some):]
	}
}

// recordNew adds the last messages, from position first on, to the index. mu is held.
func (t *txn) recordNew(s *state, first int) {
	if t.anew() {
		return // the index is about to be written as a whole
	}
	t.rec = appendBatch(t.rec, recMessage, s.list.len()-first, func(b []byte, i int) []byte {
		return appendMessage(b, s, s.list.at(first+i))
	})
}
