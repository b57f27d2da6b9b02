package imapd

import (
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/order"
	"maildir-imapd/maildir"
)

// sortTable keeps with a mailbox what its messages are sorted and threaded by, so that the second SORT or
// THREAD reads nothing and a new arrival costs its own. All sessions share it; it goes with the mailbox.
//
// A row is a message that somebody has sorted or threaded, rows ascend by UID. A column is there once
// somebody has sorted by it, and a row's place in it is filled when that message first takes part. What a
// message costs, in bytes: 6 for the row; 8 for ARRIVAL, SIZE and DATE; 4 for each key that is text, and for
// each text that differs its own length and 20 to 24; for THREAD that of SUBJECT and DATE, 8, 4 for each
// reference, and for each message id that differs its length and 12 to 16. With the message ids of mailing
// lists (50 bytes, five references) that is some 150 bytes a message, of 100,000 messages 15 MB.
//
// Locks: mu guards everything and is held for memory only. building is taken (sortTable.fill) by the session
// that reads messages for the table, a batch at a time; others that lack some wait for it, or for their
// client's going away, and find done what the first has done.
type sortTable struct {
	building chan struct{}

	mu sync.Mutex
	sortRows
}

// sortRows is the table itself.
type sortRows struct {
	uids    []imap.UID
	known   []keySet
	numbers [numberKeys][]int64 // by key
	texts   [textKeys]textColumn
	thread  threadColumn
}

// textColumn is the texts of one key, folded: 0 is the empty one.
type textColumn struct {
	of     []uint32
	values order.Values
}

// threadColumn is message ids: a row's own, 0 for none, and where its references are in refs: how many, then
// which. 0 is none.
type threadColumn struct {
	own, at []uint32
	refs    []uint32
	ids     order.Values
}

// sortTableKey is the table's place among what is attached to a mailbox.
type sortTableKey struct{}

func tableOf(h *maildir.Handle) *sortTable {
	return h.Attach(sortTableKey{}, func() any { return &sortTable{building: make(chan struct{}, 1)} }).(*sortTable)
}

// Footprint is about how many bytes the table takes: what is warm is kept within [limits] memory.
func (t *sortTable) Footprint() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 4*int64(cap(t.uids)) + 2*int64(cap(t.known))
	for _, c := range t.numbers {
		n += 8 * int64(cap(c))
	}
	for i := range t.texts {
		n += 4*int64(cap(t.texts[i].of)) + t.texts[i].values.Footprint()
	}
	return n + 4*int64(cap(t.thread.own)+cap(t.thread.at)+cap(t.thread.refs)) + t.thread.ids.Footprint()
}

// rows makes rows for messages that have none and returns the place of each; uids ascend. The caller holds
// mu, as for all that follows.
func (t *sortRows) rows(places []int32, uids []imap.UID) []int32 {
	places = places[:0]
	for range 2 {
		i, missing := 0, 0
		if len(uids) > 0 && len(t.uids) > 0 { // begin where the first is
			i, _ = slices.BinarySearch(t.uids, uids[0])
		}
		for _, uid := range uids {
			for i < len(t.uids) && t.uids[i] < uid {
				i++
			}
			if i == len(t.uids) || t.uids[i] != uid {
				missing++
			}
			places = append(places, int32(i))
		}
		if missing == 0 {
			break
		}
		t.insert(uids, len(t.uids)+missing)
		places = places[:0]
	}
	return places
}

// insert makes rows for those of uids that have none; n is how many rows there will be. Arrivals go to the
// end, and columns follow when something is put there.
func (t *sortRows) insert(uids []imap.UID, n int) {
	if last := len(uids) - (n - len(t.uids)); last >= 0 && (len(t.uids) == 0 || t.uids[len(t.uids)-1] < uids[last]) {
		t.uids = append(t.uids, uids[last:]...)
		return
	}
	all := make([]imap.UID, 0, n)
	to := make([]int32, 0, len(t.uids))
	i := 0
	keep := func(below imap.UID) {
		for ; i < len(t.uids) && t.uids[i] < below; i++ {
			to = append(to, int32(len(all)))
			all = append(all, t.uids[i])
		}
	}
	for _, uid := range uids {
		if keep(uid); i == len(t.uids) || t.uids[i] != uid {
			all = append(all, uid)
		}
	}
	keep(^imap.UID(0))
	t.uids = all
	t.known = spread(t.known, to, n)
	for k := range t.numbers {
		t.numbers[k] = spread(t.numbers[k], to, n)
	}
	for k := range t.texts {
		t.texts[k].of = spread(t.texts[k].of, to, n)
	}
	t.thread.own, t.thread.at = spread(t.thread.own, to, n), spread(t.thread.at, to, n)
}

// spread moves a column's values to their new rows. A column that is not there stays so.
func spread[T any](col []T, to []int32, n int) []T {
	if col == nil {
		return nil
	}
	out := make([]T, n)
	for i, j := range to[:min(len(to), len(col))] {
		out[j] = col[i]
	}
	return out
}

// cell is the place of a row in a column, which is made if need be, with room for arrivals.
func cell[T any](t *sortRows, col *[]T, row int32) *T {
	if n := len(t.uids); len(*col) < n {
		if cap(*col) < n {
			*col = append(make([]T, 0, n+n/8), *col...)
		}
		*col = (*col)[:n]
	}
	return &(*col)[row]
}

// number is a row's value of a key that is a number.
func (t *sortRows) number(k sortKey, row int32) int64 {
	if col := t.numbers[k]; int(row) < len(col) {
		return col[row]
	}
	return 0
}

// put keeps what was read of a message.
func (t *sortRows) put(uid imap.UID, v *sortValues) {
	row, ok := slices.BinarySearch(t.uids, uid)
	if !ok {
		return // purged meanwhile: it is gone
	}
	have := cell(t, &t.known, int32(row))
	for k := range sortKeys {
		if !v.has.has(k) || have.has(k) {
			continue
		}
		switch {
		case k < numberKeys:
			*cell(t, &t.numbers[k], int32(row)) = v.numbers[k]
		case k == keyThread:
			t.thread.put(t, int32(row), v)
		default:
			col := &t.texts[k-numberKeys]
			if text := v.text(k); len(text) > 0 {
				*cell(t, &col.of, int32(row)) = col.values.Number(text)
			}
		}
	}
	*have |= v.has
	if v.reply {
		*have |= isReply
	}
}

func (c *threadColumn) put(t *sortRows, row int32, v *sortValues) {
	if id := v.id(0); len(id) > 0 {
		*cell(t, &c.own, row) = c.ids.Number(id)
	}
	n := len(v.ids) - 1
	if n <= 0 {
		return
	}
	if len(c.refs) == 0 {
		c.refs = append(c.refs, 0)
	}
	*cell(t, &c.at, row) = uint32(len(c.refs))
	c.refs = append(c.refs, uint32(n))
	for i := 1; i <= n; i++ {
		c.refs = append(c.refs, c.ids.Number(v.id(i)))
	}
}

// purge drops the rows of messages that are no more. live are the UIDs of a view; what is above the last of
// them may be newer than the view.
func (t *sortRows) purge(live []imap.UID) {
	if len(live) == 0 {
		return
	}
	old := *t
	*t = sortRows{}
	last := live[len(live)-1]
	var kept []int32
	for row, uid := range old.uids {
		for len(live) > 0 && live[0] < uid {
			live = live[1:]
		}
		if uid > last || len(live) > 0 && live[0] == uid {
			kept, t.uids = append(kept, int32(row)), append(t.uids, uid)
		}
	}
	var v sortValues
	for i, row := range kept {
		old.values(row, &v)
		t.put(t.uids[i], &v)
	}
}

// values is what is known of a row.
func (t *sortRows) values(row int32, v *sortValues) {
	v.reset()
	if int(row) >= len(t.known) {
		return
	}
	v.has, v.reply = t.known[row]&^isReply, t.known[row]&isReply != 0
	for k := range sortKeys {
		switch {
		case k < numberKeys:
			v.numbers[k] = t.number(k, row)
		case k == keyThread:
			t.thread.values(row, v)
		default:
			if n := t.textNumber(k, row); n != 0 {
				v.setText(k, t.texts[k-numberKeys].values.Text(n))
			}
		}
	}
}

func (c *threadColumn) values(row int32, v *sortValues) {
	var own []byte
	if int(row) < len(c.own) && c.own[row] != 0 {
		own = c.ids.Text(c.own[row])
	}
	v.addID(own)
	for _, id := range c.references(row) {
		v.addID(c.ids.Text(id))
	}
}

// references are the ids that a row's message refers to. They stay as they are.
func (c *threadColumn) references(row int32) []uint32 {
	if int(row) >= len(c.at) || c.at[row] == 0 {
		return nil
	}
	at := c.at[row]
	return c.refs[at+1 : at+1+c.refs[at]]
}

// key writes a key of some rows in numbers that have its order.
func (t *sortRows) key(k sortKey, rows []int32, to []uint64) {
	if k < numberKeys {
		for i, row := range rows {
			to[i] = order.Unsigned(t.number(k, row))
		}
		return
	}
	ranks := t.texts[k-numberKeys].values.Ranks()
	for i, row := range rows {
		to[i] = uint64(ranks[t.textNumber(k, row)])
	}
}

// textNumber is the number of a row's text, 0 for the empty one.
func (t *sortRows) textNumber(k sortKey, row int32) uint32 {
	if col := t.texts[k-numberKeys].of; int(row) < len(col) {
		return col[row]
	}
	return 0
}
