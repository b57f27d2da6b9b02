package imapd

import (
	"slices"

	"maildir-imapd/imapd/order"
)

// threads is the messages found as THREAD looks at them. What it returns is g's memory and, for references,
// the table's, which stays as it is.
func (t *sortTable) threads(g *sorting, need keySet) *order.Threads {
	n := len(g.uids)
	g.ids, g.subjects = slices.Grow(g.ids[:0], n)[:n], slices.Grow(g.subjects[:0], n)[:n]
	g.reply = slices.Grow(g.reply[:0], n)[:n]
	in := &g.threads
	*in = order.Threads{ID: g.ids, Sent: g.key(0), Subject: g.subjects, Reply: g.reply}
	t.mu.Lock()
	defer t.mu.Unlock()
	g.places = t.rows(g.places, g.uids)
	t.key(keySent, g.places, in.Sent)
	if need.has(keySubject) {
		in.Subjects = t.texts[keySubject-numberKeys].values.Len()
		for i, row := range g.places {
			g.subjects[i] = t.textNumber(keySubject, row)
			g.reply[i] = int(row) < len(t.known) && t.known[row]&isReply != 0
		}
	}
	if need.has(keyThread) {
		in.IDs = t.thread.ids.Len()
		in.Refs = func(i int) []uint32 { return g.refs[i] }
		g.refs = slices.Grow(g.refs[:0], n)[:n]
		for i, row := range g.places {
			g.ids[i], g.refs[i] = 0, t.thread.references(row)
			if int(row) < len(t.thread.own) {
				g.ids[i] = t.thread.own[row]
			}
		}
	}
	return in
}
