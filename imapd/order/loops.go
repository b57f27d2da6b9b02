package order

// loopFinder tells whether a link would close a loop: whether one node is above another. It walks up. When
// that has taken too many steps in all, it keeps the same forest once more as a link-cut tree (Sleator and
// Tarjan 1983), in which the way up is a splay tree, and every question costs log n. Mail that people write
// never comes there.
type loopFinder struct {
	steps int
	trees *linkCut
}

const patience = 1 << 22 // steps, some milliseconds

func (l *loopFinder) reset(impatient bool) {
	*l = loopFinder{}
	if impatient {
		l.steps = patience
	}
}

// reaches tells whether child, which has no parent, is above node or is it.
func (l *loopFinder) reaches(parent []int32, node, child int32) bool {
	if l.trees != nil {
		l.trees.extend(len(parent))
		return l.trees.root(node) == child
	}
	for ; node != none; node = parent[node] {
		if node == child {
			return true
		}
		if l.steps++; l.steps > patience {
			l.trees = newLinkCut(parent)
			return l.trees.root(node) == child
		}
	}
	return false
}

func (l *loopFinder) linked(parent, child int32) {
	if l.trees != nil {
		l.trees.extend(int(max(parent, child)) + 1)
		l.trees.link(parent, child)
	}
}

func (l *loopFinder) cut(child int32) {
	if l.trees != nil {
		l.trees.cut(child)
	}
}

// linkCut is a forest of splay trees. up is the parent in a node's own splay tree or, from its top, the
// parent of the path that it holds.
type linkCut struct {
	up   []int32
	down [][2]int32
}

func newLinkCut(parent []int32) *linkCut {
	t := &linkCut{}
	t.up = append(t.up, parent...) // every node a path of its own
	t.down = make([][2]int32, len(parent))
	for i := range t.down {
		t.down[i] = [2]int32{none, none}
	}
	return t
}

func (t *linkCut) extend(n int) {
	for len(t.up) < n {
		t.up = append(t.up, none)
		t.down = append(t.down, [2]int32{none, none})
	}
}

// top tells whether x is the top of its splay tree.
func (t *linkCut) top(x int32) bool {
	p := t.up[x]
	return p == none || t.down[p][0] != x && t.down[p][1] != x
}

func (t *linkCut) rotate(x int32) {
	p := t.up[x]
	g := t.up[p]
	side := 0
	if t.down[p][1] == x {
		side = 1
	}
	if !t.top(p) {
		if t.down[g][0] == p {
			t.down[g][0] = x
		} else {
			t.down[g][1] = x
		}
	}
	t.up[x] = g
	inner := t.down[x][1-side]
	t.down[p][side] = inner
	if inner != none {
		t.up[inner] = p
	}
	t.down[x][1-side] = p
	t.up[p] = x
}

func (t *linkCut) splay(x int32) {
	for !t.top(x) {
		p := t.up[x]
		if !t.top(p) {
			g := t.up[p]
			if (t.down[g][0] == p) == (t.down[p][0] == x) {
				t.rotate(p)
			} else {
				t.rotate(x)
			}
		}
		t.rotate(x)
	}
}

// expose makes the way from x to its root one path with x on top.
func (t *linkCut) expose(x int32) {
	below := int32(none)
	for at := x; at != none; at = t.up[at] {
		t.splay(at)
		t.down[at][1] = below
		below = at
	}
	t.splay(x)
}

func (t *linkCut) root(x int32) int32 {
	t.expose(x)
	for t.down[x][0] != none {
		x = t.down[x][0]
	}
	t.splay(x)
	return x
}

// link puts child, a root, below parent.
func (t *linkCut) link(parent, child int32) {
	t.expose(child)
	t.up[child] = parent
}

// cut takes child off its parent.
func (t *linkCut) cut(child int32) {
	t.expose(child)
	if above := t.down[child][0]; above != none {
		t.up[above] = none
		t.down[child][0] = none
	}
}
