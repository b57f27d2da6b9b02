package order

import "slices"

// References is THREAD=REFERENCES (RFC 5256 §3).
func (t *Threader) References(in *Threads) *Forest {
	t.prepare(in)
	t.link(in)
	t.prune()
	t.gather(in)
	t.grow(t.order)
	return &t.Forest
}

// Refs is THREAD=REFS (draft-ietf-morg-inthread): linked like References, but what bears the same subject and
// no reference stays apart, and threads are ordered by their youngest message.
func (t *Threader) Refs(in *Threads) *Forest {
	t.prepare(in)
	t.link(in)
	t.prune()
	t.grow(t.order)
	t.byYoungest()
	return &t.Forest
}

// link is step 1: parents and children by message id.
func (t *Threader) link(in *Threads) {
	t.node = fill(t.node, in.IDs+1, none)
	for i, id := range in.ID {
		if id != 0 && t.node[id] == none { // of several messages with one id the first has it
			t.node[id] = int32(i)
		}
	}
	t.count = fill(t.count, len(in.ID), 0)
	t.loops.reset(t.impatient)
	for i := range in.ID {
		last := int32(none)
		for _, id := range in.Refs(i) {
			ref := t.node[id]
			if ref == none { // a message that is not there
				ref = int32(len(t.parent))
				t.node[id] = ref
				t.parent, t.count = append(t.parent, none), append(t.count, 0)
			}
			if last != none && t.parent[ref] == none { // (A) what is linked stays so
				t.adopt(last, ref)
			}
			last = ref
		}
		// (B) the last reference is the parent, whatever others say.
		if child := int32(i); t.parent[child] != last {
			t.orphan(child)
			if last != none {
				t.adopt(last, child)
			}
		}
	}
}

// adopt makes a node without a parent the child of another, unless that makes a loop.
func (t *Threader) adopt(parent, child int32) {
	if parent == child || t.count[child] > 0 && t.loops.reaches(t.parent, parent, child) {
		return
	}
	t.parent[child] = parent
	t.count[parent]++
	t.loops.linked(parent, child)
}

func (t *Threader) orphan(child int32) {
	if p := t.parent[child]; p != none {
		t.parent[child] = none
		t.count[p]--
		t.loops.cut(child)
	}
}

// prune is steps 2 and 3: a message's parent becomes the nearest ancestor that is a message, else the topmost
// dummy, which remains if it has two children or more.
func (t *Threader) prune() {
	n := int32(t.Messages)
	for d := n; int(d) < len(t.parent); d++ { // dummies first: each way up is walked once
		top := d
		for t.parent[top] >= n {
			top = t.parent[top]
		}
		above := t.parent[top]
		for at := d; at != top; {
			next := t.parent[at]
			if t.parent[at] = above; above == none {
				t.parent[at] = top
			}
			at = next
		}
	}
	t.count = fill(t.count, len(t.parent), 0)
	for i := range n {
		if p := t.parent[i]; p >= n {
			if t.parent[p] != none { // of a dummy, now: a message, or the topmost dummy
				p = t.parent[p]
			}
			t.parent[i] = p
			t.count[p]++
		}
	}
	for i := range n {
		if p := t.parent[i]; p >= n && t.count[p] == 1 {
			t.parent[i] = none
		}
	}
}

// gather is steps 4 and 5: threads with the same base subject become one.
func (t *Threader) gather(in *Threads) {
	t.table = fill(t.table, in.Subjects+1, none)
	t.first = fill(t.first, len(t.parent), none)
	heads := t.heads()
	subject := func(head int32) uint32 {
		if t.Dummy(head) {
			head = t.first[head]
		}
		return in.Subject[head]
	}
	for _, head := range heads { // (B)
		s := subject(head)
		if s == 0 {
			continue
		}
		old := t.table[s]
		if old == none || !t.Dummy(old) && (t.Dummy(head) || in.Reply[old] && !in.Reply[head]) {
			t.table[s] = head
		}
	}
	merged := t.node[:0] // where the children of a dummy went: itself, or another
	for range len(t.parent) - t.Messages {
		merged = append(merged, none)
	}
	for _, head := range heads { // (C)
		s := subject(head)
		if s == 0 || t.table[s] == head {
			continue
		}
		into := t.table[s]
		switch {
		case !t.Dummy(head) && t.parent[head] != none: // it went below a new dummy with the one before
		case t.Dummy(head):
			merged[int(head)-t.Messages] = into // both are dummies: those replace others in (B)
		case t.Dummy(into), in.Reply[head] && !in.Reply[into]:
			t.parent[head] = into
		default:
			dummy := int32(len(t.parent))
			t.parent = append(t.parent, none)
			merged = append(merged, none)
			t.parent[head], t.parent[into], t.table[s] = dummy, dummy, dummy
		}
	}
	t.node = merged
	for i := range int32(t.Messages) {
		if p := t.parent[i]; p != none && t.Dummy(p) && merged[int(p)-t.Messages] != none {
			t.parent[i] = merged[int(p)-t.Messages]
		}
	}
}

// heads are the threads' first nodes by date, a dummy where its first child is, which is noted.
func (t *Threader) heads() []int32 {
	heads := t.tail[:0]
	for _, i := range t.order {
		p := t.parent[i]
		switch {
		case p == none:
			heads = append(heads, int32(i))
		case t.Dummy(p) && t.first[p] == none:
			t.first[p] = int32(i)
			heads = append(heads, p)
		}
	}
	t.tail = heads
	return heads
}

// byYoungest brings threads into the order of the youngest message in each.
func (t *Threader) byYoungest() {
	newest := fill(t.first, len(t.parent), none) // of a thread: the place in t.order of its youngest
	t.first = newest
	for k := len(t.order) - 1; k >= 0; k-- { // climb until somebody younger has been there
		i := int32(t.order[k])
		for newest[i] == none {
			newest[i] = int32(k)
			if p := t.parent[i]; p != none {
				i = p
			}
		}
	}
	heads := t.tail[:0]
	for i := t.First; i != none; i = t.Next[i] {
		heads = append(heads, i)
	}
	slices.SortFunc(heads, func(a, b int32) int { return int(newest[a] - newest[b]) })
	t.First = none
	for k := len(heads) - 1; k >= 0; k-- {
		t.Next[heads[k]] = t.First
		t.First = heads[k]
	}
	t.tail = heads
}
