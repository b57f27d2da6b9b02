package order

import "slices"

// Threads is the messages to be threaded, in the order of their sequence numbers.
type Threads struct {
	ID      []uint32 // number of the message id, 0 for none that is valid
	Refs    func(i int) []uint32
	IDs     int      // ids are 1 to IDs
	Sent    []uint64 // sent date; REFS: whatever threads are ordered by
	Subject []uint32 // number of the base subject, 0 for the empty one; equal ones compare equal
	Reply   []bool   // the subject says reply or forward
	// Subjects is how many there are.
	Subjects int
}

// Forest is threads. Nodes below the number of messages are messages, those from there on dummies: they have
// children, and no number of their own. -1 is none.
type Forest struct {
	First       int32 // of the threads
	Child, Next []int32
	Messages    int
}

// Dummy tells whether a node stands for a message that is not there.
func (f *Forest) Dummy(node int32) bool { return int(node) >= f.Messages }

// Threader has the memory that threading takes; it is reused, and a Forest is valid until its next call. One
// goroutine at a time.
type Threader struct {
	Forest
	sorter Sorter
	order  []uint32 // messages by sent date
	parent []int32  // -1: none. While ids are linked, of all nodes; then of what remains
	count  []int32  // children, of dummies alone after pruning
	node   []int32  // of an id, -1: none yet
	tail   []int32  // last child so far
	table  []int32  // of a subject: the node that stands for it
	first  []int32  // of a dummy: the first child by date
	loops  loopFinder
	// impatient is for tests of loopFinder.
	impatient bool
}

const none = -1

// prepare makes room for n messages and sorts them by date.
func (t *Threader) prepare(in *Threads) {
	n := len(in.ID)
	t.Messages = n
	t.parent = fill(t.parent, n, none)
	t.order = slices.Grow(t.order[:0], n)[:n]
	for i := range t.order {
		t.order[i] = uint32(i)
	}
	t.sorter.Sort(t.order, Key{Of: in.Sent})
}

// fill makes a slice of n values, in the memory of s where it is enough.
func fill(s []int32, n int, v int32) []int32 {
	s = slices.Grow(s[:0], n)[:n]
	for i := range s {
		s[i] = v
	}
	return s
}

// OrderedSubject is THREAD=ORDEREDSUBJECT (RFC 5256 §3): of messages with the same base subject, the first
// by date is the parent of all others.
func (t *Threader) OrderedSubject(in *Threads) *Forest {
	t.prepare(in)
	t.table = fill(t.table, in.Subjects+1, none)
	for _, i := range t.order {
		if head := &t.table[in.Subject[i]]; *head == none {
			*head = int32(i)
		} else {
			t.parent[i] = *head
		}
	}
	t.grow(t.order)
	return &t.Forest
}

// grow makes the forest of parents: siblings in the order given, a dummy where its first child is.
func (t *Threader) grow(order []uint32) {
	nodes := len(t.parent)
	t.Child, t.Next, t.tail = fill(t.Child, nodes, none), fill(t.Next, nodes, none), fill(t.tail, nodes, none)
	t.First = none
	last := int32(none)
	root := func(i int32) {
		if last == none {
			t.First = i
		} else {
			t.Next[last] = i
		}
		last = i
	}
	for _, i := range order {
		p := t.parent[i]
		switch {
		case p == none:
			root(int32(i))
			continue
		case t.tail[p] == none:
			t.Child[p] = int32(i)
			if t.Dummy(p) {
				root(p)
			}
		default:
			t.Next[t.tail[p]] = int32(i)
		}
		t.tail[p] = int32(i)
	}
}
