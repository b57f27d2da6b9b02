package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sample is a message as tests write it: id, references, date, subject (a leading "re:" makes a reply).
type sample struct {
	id      string
	refs    string
	sent    uint64
	subject string
}

func threadsOf(msgs []sample) *Threads {
	var ids, subjects Values
	in := &Threads{}
	refs := make([][]uint32, len(msgs))
	for i, m := range msgs {
		id, subject := uint32(0), uint32(0)
		if m.id != "" {
			id = ids.Number([]byte(m.id))
		}
		base, reply := BaseSubject(nil, []byte(m.subject))
		if len(base) > 0 {
			subject = subjects.Number(base)
		}
		for ref := range strings.FieldsSeq(m.refs) {
			refs[i] = append(refs[i], ids.Number([]byte(ref)))
		}
		in.ID, in.Sent, in.Subject, in.Reply = append(in.ID, id), append(in.Sent, m.sent), append(in.Subject, subject), append(in.Reply, reply)
	}
	in.Refs = func(i int) []uint32 { return refs[i] }
	in.IDs, in.Subjects = ids.Len(), subjects.Len()
	return in
}

// text is a forest as THREAD writes it.
func text(f *Forest) string {
	var b strings.Builder
	var write func(node int32)
	write = func(node int32) {
		child := f.Child[node]
		if !f.Dummy(node) {
			fmt.Fprint(&b, node+1)
			if child >= 0 {
				b.WriteByte(' ')
			}
		}
		if child >= 0 && f.Next[child] < 0 {
			write(child)
			return
		}
		for ; child >= 0; child = f.Next[child] {
			b.WriteByte('(')
			write(child)
			b.WriteByte(')')
		}
	}
	for node := f.First; node >= 0; node = f.Next[node] {
		b.WriteByte('(')
		write(node)
		b.WriteByte(')')
	}
	return b.String()
}

func TestThread(t *testing.T) {
	for _, c := range []struct {
		name, algorithm string
		msgs            []sample
		want            string
	}{
		{"nothing", "REFERENCES", nil, ""},
		{"chain", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "a", 2, "re: x"}, {"c", "a b", 3, "re: x"}}, "(1 2 3)"},
		{"chain backwards", "REFERENCES", []sample{{"c", "a b", 3, "re: x"}, {"b", "a", 2, "re: x"}, {"a", "", 1, "x"}}, "(3 2 1)"},
		{"siblings by date", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "a", 3, "re: x"}, {"c", "a", 2, "re: x"}}, "(1 (3)(2))"},
		{"ties by number", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "a", 2, "re: x"}, {"c", "a", 2, "re: x"}}, "(1 (2)(3))"},
		{"a missing parent of two stays", "REFERENCES", []sample{{"b", "a", 1, "x"}, {"c", "a", 2, "y"}}, "((1)(2))"},
		{"of one it goes", "REFERENCES", []sample{{"b", "a", 1, "x"}}, "(1)"},
		{"missing in the middle", "REFERENCES", []sample{{"a", "", 1, "x"}, {"c", "a b", 2, "y"}, {"d", "a b", 3, "z"}}, "(1 (2)(3))"},
		{"only missing ones above", "REFERENCES", []sample{{"d", "a b c", 1, "x"}, {"e", "a b", 2, "y"}}, "((1)(2))"},
		{"a branch with nobody in it", "REFERENCES", []sample{{"d", "a b", 1, "x"}, {"", "", 2, "y"}}, "(1)(2)"},
		{"loop", "REFERENCES", []sample{{"a", "b", 1, "x"}, {"b", "a", 2, "y"}}, "(2 1)"},
		{"itself", "REFERENCES", []sample{{"a", "a", 1, "x"}, {"b", "b b a a", 2, "y"}}, "(2 1)"},
		{"the last reference wins", "REFERENCES", []sample{{"x", "a b c", 1, "x"}, {"c", "d", 2, "y"}, {"d", "", 3, "z"}, {"b", "", 4, "b"}}, "(3 2 1)(4)"},
		{"a duplicate id is the first's", "REFERENCES", []sample{{"a", "", 1, "x"}, {"a", "", 2, "y"}, {"b", "a", 3, "z"}}, "(1 3)(2)"},
		{"no id", "REFERENCES", []sample{{"", "", 2, "x"}, {"", "", 1, "y"}, {"", "a", 3, "z"}, {"a", "", 4, "a"}}, "(2)(1)(4 3)"},
		{"same subject: reply below", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "", 2, "re: x"}}, "(1 2)"},
		{"the original is younger", "REFERENCES", []sample{{"a", "", 1, "re: x"}, {"b", "", 2, "x"}}, "(2 1)"},
		{"two originals", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "", 2, "x"}, {"c", "", 3, "x"}}, "((1)(2)(3))"},
		{"two replies", "REFERENCES", []sample{{"a", "", 1, "re: x"}, {"b", "", 2, "fwd: x"}}, "((1)(2))"},
		{"original, reply, original", "REFERENCES", []sample{{"a", "", 1, "x"}, {"b", "", 2, "re: x"}, {"c", "", 3, "x"}}, "((1 2)(3))"},
		{"no subject", "REFERENCES", []sample{{"a", "", 1, ""}, {"b", "", 2, "re:"}, {"c", "", 3, " "}}, "(1)(2)(3)"},
		{"dummies with one subject", "REFERENCES", []sample{{"b", "a", 1, "x"}, {"c", "a", 2, "y"}, {"e", "d", 3, "x"}, {"f", "d", 4, "z"}}, "((1)(2)(3)(4))"},
		{"a message joins a dummy", "REFERENCES", []sample{{"x", "", 9, "x"}, {"b", "a", 1, "x"}, {"c", "a", 2, "y"}}, "((2)(3)(1))"},
		{"a dummy replaces a message", "REFERENCES", []sample{{"x", "", 1, "x"}, {"b", "a", 2, "x"}, {"c", "a", 3, "y"}}, "((1)(2)(3))"},
		{"ordered by subject", "ORDEREDSUBJECT", []sample{{"a", "", 4, "x"}, {"b", "", 2, "y"}, {"c", "", 3, "re: x"}, {"d", "", 5, "x"}}, "(2)(3 (1)(4))"},
		{"no subject is one", "ORDEREDSUBJECT", []sample{{"a", "", 1, ""}, {"b", "", 2, "y"}, {"c", "", 3, "re:"}}, "(1 3)(2)"},
		{"refs: the youngest decides", "REFS", []sample{{"a", "", 1, "x"}, {"b", "", 2, "y"}, {"c", "a", 3, "z"}, {"d", "", 4, "y"}}, "(2)(1 3)(4)"},
		{"refs: siblings by date", "REFS", []sample{{"a", "", 1, "x"}, {"b", "a", 2, "y"}, {"c", "a", 3, "z"}, {"d", "b", 4, "y"}}, "(1 (2 4)(3))"},
	} {
		if got := text(thread(new(Threader), c.algorithm, threadsOf(c.msgs))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func thread(t *Threader, algorithm string, in *Threads) *Forest {
	switch algorithm {
	case "ORDEREDSUBJECT":
		return t.OrderedSubject(in)
	case "REFS":
		return t.Refs(in)
	}
	return t.References(in)
}

// check finds what is wrong with a forest: a message more or less than once, or a dummy that is no parent.
func check(f *Forest) error {
	seen := make([]bool, len(f.Child))
	stack := []int32{f.First}
	messages := 0
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if node < 0 {
			continue
		}
		if seen[node] {
			return fmt.Errorf("node %d is there twice", node)
		}
		seen[node] = true
		if !f.Dummy(node) {
			messages++
		} else if f.Child[node] < 0 || f.Next[f.Child[node]] < 0 {
			return fmt.Errorf("dummy %d has fewer than two children", node)
		}
		stack = append(stack, f.Next[node], f.Child[node])
	}
	if messages != f.Messages {
		return fmt.Errorf("%d messages of %d", messages, f.Messages)
	}
	return nil
}

func drawThreads(t *rapid.T) []sample {
	ids := []string{"", "a", "b", "c", "d", "e", "f", "g"}
	subjects := []string{"", "x", "re: x", "y", "re: y", "z"}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
		return sample{
			rapid.SampledFrom(ids).Draw(t, "id"),
			strings.Join(rapid.SliceOfN(rapid.SampledFrom(ids[1:]), 0, 4).Draw(t, "refs"), " "),
			uint64(rapid.IntRange(1, 5).Draw(t, "sent")),
			rapid.SampledFrom(subjects).Draw(t, "subject"),
		}
	}), 0, 9).Draw(t, "messages")
}

// TestThreadAsWritten compares with RFC 5256's steps done one after the other.
func TestThreadAsWritten(t *testing.T) {
	var threader Threader
	rapid.Check(t, func(t *rapid.T) {
		msgs := drawThreads(t)
		got := threader.References(threadsOf(msgs))
		if err := check(got); err != nil {
			t.Fatal(err)
		}
		if g, w := text(got), slowReferences(msgs); g != w {
			t.Fatalf("%s, want %s", g, w)
		}
		for _, algorithm := range []string{"ORDEREDSUBJECT", "REFS"} {
			if err := check(thread(&threader, algorithm, threadsOf(msgs))); err != nil {
				t.Fatal(algorithm, err)
			}
		}
	})
}

// node is a message in slowReferences.
type node struct {
	m        *sample
	n        int
	parent   *node
	children []*node
}

func (n *node) above(x *node) bool {
	for ; x != nil; x = x.parent {
		if x == n {
			return true
		}
	}
	return false
}

func (n *node) remove(c *node) {
	if i := slices.Index(n.children, c); i >= 0 {
		n.children = slices.Delete(n.children, i, i+1)
	}
	c.parent = nil
}

func (n *node) add(c *node) {
	c.parent = n
	n.children = append(n.children, c)
}

func (n *node) head() *node {
	if n.m == nil {
		return n.children[0]
	}
	return n
}

func (n *node) subject() (string, bool) {
	base, reply := BaseSubject(nil, []byte(n.head().m.subject))
	return string(base), reply
}

func (n *node) sort() {
	slices.SortStableFunc(n.children, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.head().m.sent, b.head().m.sent), a.head().n-b.head().n)
	})
}

func (n *node) sortAll() {
	for _, c := range n.children {
		c.sortAll()
	}
	n.sort()
}

// prune is step 3 below a node, children before parents.
func (n *node) prune(root bool) {
	var kept []*node
	for _, c := range n.children {
		c.prune(false)
		switch {
		case c.m != nil, root && len(c.children) > 1:
			kept = append(kept, c)
		default:
			kept = append(kept, c.children...)
		}
	}
	n.children = kept
	for _, c := range kept {
		c.parent = n
	}
}

func (n *node) text() string {
	s := ""
	if n.m != nil {
		s = fmt.Sprint(n.n + 1)
		if len(n.children) > 0 {
			s += " "
		}
	}
	if len(n.children) == 1 {
		return s + n.children[0].text()
	}
	for _, c := range n.children {
		s += "(" + c.text() + ")"
	}
	return s
}

func slowReferences(msgs []sample) string {
	byID := map[string]*node{}
	var all []*node
	for i := range msgs {
		n := &node{m: &msgs[i], n: i}
		all = append(all, n)
		if id := msgs[i].id; id != "" && byID[id] == nil {
			byID[id] = n
		}
	}
	for _, n := range slices.Clone(all) { // (1)
		var last *node
		for ref := range strings.FieldsSeq(n.m.refs) {
			r := byID[ref]
			if r == nil {
				r = &node{n: len(all)}
				byID[ref], all = r, append(all, r)
			}
			if last != nil && r.parent == nil && !r.above(last) {
				last.add(r)
			}
			last = r
		}
		if n.parent != nil {
			n.parent.remove(n)
		}
		if last != nil && !n.above(last) {
			last.add(n)
		}
	}
	root := &node{}
	for _, n := range all { // (2)
		if n.parent == nil {
			root.children = append(root.children, n)
		}
	}
	root.prune(true)                  // (3)
	for _, c := range root.children { // (4)
		c.parent = root
		if c.m == nil {
			c.sort()
		}
	}
	root.sort()
	root.gather() // (5)
	root.sortAll()
	s := ""
	for _, c := range root.children {
		s += "(" + c.text() + ")"
	}
	return s
}

func (root *node) gather() {
	table := map[string]*node{}
	for _, c := range root.children {
		subject, reply := c.subject()
		old := table[subject]
		if subject == "" {
			continue
		}
		if old == nil {
			table[subject] = c
		} else if _, oldReply := old.subject(); old.m != nil && (c.m == nil || oldReply && !reply) {
			table[subject] = c
		}
	}
	for _, c := range slices.Clone(root.children) {
		if c.parent != root {
			continue
		}
		subject, reply := c.subject()
		into := table[subject]
		if subject == "" || into == c {
			continue
		}
		_, intoReply := into.subject()
		root.remove(c)
		switch {
		case c.m == nil && into.m == nil:
			for _, x := range c.children {
				into.add(x)
			}
		case into.m == nil, reply && !intoReply:
			into.add(c)
		default:
			dummy := &node{}
			root.remove(into)
			root.add(dummy)
			dummy.add(c)
			dummy.add(into)
			dummy.sort() // so that its first child is the one of (5.B.i)
			table[subject] = dummy
		}
	}
}

// FuzzThread makes messages of bytes: no panic, no loop, nothing lost.
func FuzzThread(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x02\x03\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var msgs []sample
		for len(b) >= 4 {
			n := int(b[1] % 8)
			m := sample{id: fmt.Sprint(b[0] % 64), sent: uint64(b[2]), subject: []string{"", "x", "re: x", "y"}[b[3]%4]}
			b = b[4:]
			for ; n > 0 && len(b) > 0; n-- {
				m.refs += fmt.Sprint(b[0]%64) + " "
				b = b[1:]
			}
			msgs = append(msgs, m)
		}
		var threader Threader
		for _, algorithm := range []string{"REFERENCES", "ORDEREDSUBJECT", "REFS"} {
			if err := check(thread(&threader, algorithm, threadsOf(msgs))); err != nil {
				t.Fatal(algorithm, err)
			}
		}
	})
}

// numbered makes threads of numbers alone: message i has id i+1 and one reference.
func numbered(n int, ref func(i int) int, sent func(i int) int) *Threads {
	refs := make([]uint32, n)
	in := &Threads{IDs: 2 * n, Subject: make([]uint32, n), Reply: make([]bool, n)}
	for i := range n {
		in.ID = append(in.ID, uint32(i+1))
		in.Sent = append(in.Sent, uint64(sent(i)))
		refs[i] = uint32(ref(i))
	}
	in.Refs = func(i int) []uint32 {
		if refs[i] == 0 {
			return nil
		}
		return refs[i : i+1]
	}
	return in
}

// TestDeepThreads: a million replies one below the other, in the order they came, backwards, shuffled, and so
// that every link asks how the deepest one hangs.
func TestDeepThreads(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	same := func(i int) int { return i }
	for name, ref := range map[string]func(i int) int{
		"forwards":  func(i int) int { return i },
		"backwards": func(i int) int { return (i + 2) % (n + 1) },
		"shuffled":  func(i int) int { return (i*7919+1)%n + 1 },
		// The first half is a chain; each of the second half is a parent already when it is put at the
		// chain's end, and has to be cut off a parent first.
		"hanging": func(i int) int {
			if i < n/2 {
				return i
			}
			if i%2 == 0 {
				return i + 2
			}
			return n / 2
		},
	} {
		start := time.Now()
		var threader Threader
		f := threader.References(numbered(n, ref, same))
		if err := check(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		took := time.Since(start)
		t.Logf("%s: %s, link-cut trees: %v", name, took, threader.loops.trees != nil)
		if took > 20*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

// TestImpatient lets link-cut trees do all of it.
func TestImpatient(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msgs := drawThreads(t)
		threader := Threader{impatient: true}
		if g, w := text(threader.References(threadsOf(msgs))), slowReferences(msgs); g != w {
			t.Fatalf("%s, want %s", g, w)
		}
	})
}

func BenchmarkReferences(b *testing.B) {
	const n = 100_000
	in := numbered(n, func(i int) int { return i - i%7 }, func(i int) int { return i * 7919 % n })
	in.Subjects = n / 5
	for i := range n {
		in.Subject[i] = uint32(i/5 + 1)
	}
	var threader Threader
	b.ReportAllocs()
	for b.Loop() {
		threader.References(in)
	}
}
