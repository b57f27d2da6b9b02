package maildir

import (
	"sync"
	"sync/atomic"
)

// notes are the names that events have told of since the last look.
type notes struct {
	on atomic.Bool // the mailbox is watched

	mu   sync.Mutex
	list []note
	cut  int  // how many have left the front of list, ever
	lost bool // more than fit, or the kernel has dropped some
}

type note struct {
	name string
	dir  uint8
	here bool // the name is there now; else it went away
}

func (n *notes) reset(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list, n.lost = nil, on // changes before the watch are not told
	n.on.Store(on)
}

func (n *notes) overflow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list, n.lost = nil, true
}

func (n *notes) add(x note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost {
		return
	}
	if len(n.list) == notesMax {
		n.list, n.lost = nil, true
		return
	}
	n.list = append(n.list, x)
}

// clear forgets what a look that is about to be made will find.
func (n *notes) clear(look looks) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if look&(lookNew|lookCur) == lookNew|lookCur {
		n.list, n.lost = nil, false
		return
	}
	var keep []note
	for _, x := range n.list {
		if look&(1<<x.dir) == 0 {
			keep = append(keep, x)
		}
	}
	n.list = keep
	n.cut += notesMax + 1 // whoever is looking at the old list cuts nothing
}

// pending tells which directories have names that memory does not explain. Our
// own changes are explained: their names are what memory says.
func (n *notes) pending(m *Mailbox) (l looks) {
	if !n.on.Load() {
		return 0
	}
	n.mu.Lock()
	list, lost, end := n.list, n.lost, n.cut+len(n.list)
	n.mu.Unlock()
	if lost {
		return lookNew | lookCur
	}
	if len(list) == 0 {
		return 0
	}
	m.mu.Lock()
	for i, x := range list {
		if !m.state.explains(x) && !takenBack(x, list[i+1:]) {
			l |= 1 << x.dir
		}
	}
	m.mu.Unlock()
	if l == 0 {
		n.mu.Lock()
		if k := end - n.cut; k > 0 && k <= len(n.list) {
			n.list, n.cut = n.list[k:], end
		}
		n.mu.Unlock()
	}
	return l
}

// takenBack tells whether a later event undoes this one: a name that came and
// went, as two changes of one message's flags leave it.
func takenBack(x note, later []note) bool {
	for _, y := range later {
		if y.dir == x.dir && y.here != x.here && y.name == x.name {
			return true
		}
	}
	return false
}

// explains tells whether memory agrees with what an event says.
func (s *state) explains(x note) bool {
	base, info := splitName(x.name)
	e := s.byName([]byte(base))
	where := entryBits(0)
	if x.dir == dirNew {
		where = inNew
	}
	same := e != nil && s.matches(e, where, []byte(info))
	return same == x.here
}
