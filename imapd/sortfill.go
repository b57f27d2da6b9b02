package imapd

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/order"
	"maildir-imapd/maildir"
)

// sorting is what a SORT or THREAD on its way needs: the messages it found, and memory that is used again.
type sorting struct {
	uids   []imap.UID
	seqs   []uint32
	scores []uint8
	places []int32  // of the table's rows
	rows   []uint32 // 0 to n-1, sorted
	keys   [][]uint64
	sorter order.Sorter

	threader order.Threader
	threads  order.Threads
	ids      []uint32
	subjects []uint32
	reply    []bool
	refs     [][]uint32 // into the table's, which stays as it is
	stack    []int32    // of what is being written
}

var sortings = sync.Pool{New: func() any { return new(sorting) }}

// mostSorted is how many messages a sorting may have memory for and still be kept: a larger one takes megabytes,
// and the next command is likely about fewer.
const mostSorted = 128 << 10

// release gives a sorting back.
func (g *sorting) release() {
	if max(cap(g.uids), cap(g.refs)) > mostSorted {
		return
	}
	clear(g.refs[:cap(g.refs)]) // the mailbox they are of may go
	sortings.Put(g)
}

// find runs the search and has the table know the keys of what it found.
func (g *sorting) find(ctx context.Context, s *session, prog program, need keySet) (*sortTable, error) {
	g.uids, g.seqs, g.scores = g.uids[:0], g.seqs[:0], g.scores[:0]
	s.slow.goal = 2 * s.sel.Count() // each message is searched, and its keys are read
	err := s.findIn(ctx, s.sel, prog, func(m *maildir.Message, score uint8) {
		g.uids, g.seqs, g.scores = append(g.uids, m.UID), append(g.seqs, m.Seq), append(g.scores, score)
	})
	if err != nil {
		return nil, err
	}
	s.slow.past = s.sel.Count()
	t := tableOf(s.sel.Handle)
	if err := t.tidy(s); err != nil {
		return nil, err
	}
	return t, t.fill(ctx, s, g, need)
}

// number is what the client calls a message.
func (g *sorting) number(uid bool, i uint32) uint32 {
	if uid {
		return uint32(g.uids[i])
	}
	return g.seqs[i]
}

// key is memory for the i-th key.
func (g *sorting) key(i int) []uint64 {
	for len(g.keys) <= i {
		g.keys = append(g.keys, nil)
	}
	g.keys[i] = slices.Grow(g.keys[i][:0], len(g.uids))[:len(g.uids)]
	return g.keys[i]
}

// fill sees to it that the table knows these keys of these messages, as far as they can be read; uids ascend.
// A message that cannot be read sorts as if the field were not there, and is tried again the next time.
func (t *sortTable) fill(ctx context.Context, s *session, g *sorting, need keySet) error {
	missing, n := t.missing(g, need)
	if n == 0 {
		return nil
	}
	defer s.flushCache()
	f := sortFill{t: t, need: need}
	all := s.sel.Count()
	done := all - min(n, all) // what is known already
	err := s.walk(missing, func(batch []maildir.Message) error {
		if err := f.read(ctx, s.sel.Handle, batch); err != nil {
			return err
		}
		done = min(done+uint32(len(batch)), all)
		return s.progress(done, 0)
	})
	if f.failed != nil {
		s.log.Warn("messages that cannot be read are sorted as if they were empty", "mailbox", s.sel.name, "err", f.failed)
	}
	return err
}

// sortFill is the reading of messages for a table.
type sortFill struct {
	t      *sortTable
	need   keySet
	v      sortValues
	failed error // why the first message could not be read
}

// read reads a batch, unless somebody else has done so when its turn comes.
func (f *sortFill) read(ctx context.Context, h *maildir.Handle, batch []maildir.Message) error {
	t := f.t
	select {
	case t.building <- struct{}{}:
		defer func() { <-t.building }()
	case <-ctx.Done():
		return ctx.Err()
	}
	batch = t.lacking(batch, f.need)
	if f.need&envelopeKeys != 0 {
		if err := h.Learn(ctx, batch, maildir.KindEnvelope); err != nil {
			return err
		}
	}
	for i := range batch {
		if err := f.v.read(ctx, h, batch[i:i+1], f.need); err != nil {
			if f.failed == nil && !errors.Is(err, maildir.ErrExpunged) {
				f.failed = err
			}
			continue
		}
		t.mu.Lock()
		t.put(batch[i].UID, &f.v)
		t.mu.Unlock()
	}
	return ctx.Err()
}

// missing makes rows for what was found and returns the messages of which something is to be read, and how many
// they are.
func (t *sortTable) missing(g *sorting, need keySet) (set imap.UIDSet, n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g.places = t.rows(g.places, g.uids)
	last := uint32(0) // sequence number of the last one
	for i, row := range g.places {
		if int(row) < len(t.known) && t.known[row]&need == need {
			continue
		}
		n++
		if last != 0 && g.seqs[i] == last+1 { // neighbours in the view, though not in UIDs
			set[len(set)-1].Stop = g.uids[i]
		} else {
			set = append(set, imap.UIDRange{Start: g.uids[i], Stop: g.uids[i]})
		}
		last = g.seqs[i]
	}
	return set, n
}

// lacking keeps of a batch what nobody has read meanwhile.
func (t *sortTable) lacking(batch []maildir.Message, need keySet) []maildir.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := batch[:0]
	for _, m := range batch {
		row, ok := slices.BinarySearch(t.uids, m.UID)
		if ok && !m.Gone && (row >= len(t.known) || t.known[row]&need != need) {
			kept = append(kept, m)
		}
	}
	return kept
}

// tidy drops rows of messages that are no more, once they are most of the table.
func (t *sortTable) tidy(s *session) error {
	t.mu.Lock()
	n := len(t.uids)
	t.mu.Unlock()
	if n <= 2*int(s.sel.Count())+1024 {
		return nil
	}
	var live []imap.UID
	err := s.walk(imap.UIDSet{{Start: 1, Stop: s.sel.MaxUID()}}, func(batch []maildir.Message) error {
		for i := range batch {
			if !batch[i].Gone {
				live = append(live, batch[i].UID)
			}
		}
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purge(live)
	return err
}

// sort brings the messages found into the order of the criteria.
func (t *sortTable) sort(g *sorting, by []sortCriterion) {
	keys := make([]order.Key, len(by))
	t.mu.Lock()
	g.places = t.rows(g.places, g.uids)
	for i, c := range by {
		keys[i] = order.Key{Of: g.key(i), Reverse: c.reverse}
		if c.key == keyRelevancy {
			g.relevancy(keys[i].Of)
		} else {
			t.key(c.key, g.places, keys[i].Of)
		}
	}
	t.mu.Unlock()
	g.begin()
	g.sorter.Sort(g.rows, keys...)
}

// begin makes rows 0 to n-1.
func (g *sorting) begin() {
	g.rows = slices.Grow(g.rows[:0], len(g.uids))[:len(g.uids)]
	for i := range g.rows {
		g.rows[i] = uint32(i)
	}
}

// relevancy puts what matches best first (RFC 6203 §5).
func (g *sorting) relevancy(to []uint64) {
	for i, score := range g.scores {
		to[i] = uint64(^score)
	}
}
