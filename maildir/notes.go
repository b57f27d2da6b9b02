package maildir

import (
	"sync"
	"sync/atomic"
)

// notes are the names that events have told of since the last look: of each, what
// the last event said. What came and went in between, as two changes of one
// message's flags leave it, is nothing that must be looked at.
type notes struct {
	on atomic.Bool // the mailbox is watched

	mu      sync.Mutex
	names   map[noteName]noted
	n       uint64 // events, ever
	keep    bool   // events are wanted
	lost    bool   // more than fit, or the kernel has dropped some, or the watch has just begun
	untried bool   // lost, but only for the last reason
	over    bool   // the kernel has ended the watch
}

type noteName struct {
	name string
	dir  uint8
}

type noted struct {
	here bool // the name is there now; else it went away
	n    uint64
}

// note is what one event says.
type note struct {
	name string
	dir  uint8
	here bool
}

// notesMost bounds the names; many more of them are not worth remembering.
const notesMost = 8192

// begin is called before the kernel is asked: what it tells from then on is kept,
// and on when it has agreed.
func (n *notes) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names, n.keep, n.lost, n.untried = nil, true, true, true // changes before the watch are not told
	n.over = false
}

// watched tells whether that is still wanted, and still so.
func (n *notes) watched() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keep && !n.over {
		n.on.Store(true)
	}
	return n.keep && !n.over
}

// ended: the kernel has ended the watch of one directory, and does not tell all any more.
func (n *notes) ended() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keep {
		n.on.Store(false)
		n.names, n.lost, n.untried, n.over = nil, true, false, true
	}
}

// mustAsk tells that somebody has to ask the kernel again.
func (n *notes) mustAsk() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.over
}

// end is called when the kernel does not tell any more.
func (n *notes) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on.Store(false)
	n.names, n.keep, n.lost, n.untried, n.over = nil, false, false, false, false
}

// young tells that nobody has looked yet whether something has changed before the
// watch, and trust says so: then what has happened since is in the notes.
func (n *notes) young() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.untried && n.on.Load()
}

func (n *notes) trust(ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.untried {
		return
	}
	n.untried = false
	if n.lost = !ok; n.lost {
		n.names = nil
	}
}

// overflow: what has happened is not known, and everything must be looked at.
func (n *notes) overflow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names, n.lost, n.untried = nil, true, false
}

func (n *notes) add(x note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.keep || n.lost && !n.untried {
		return
	}
	if len(n.names) == notesMost {
		n.names, n.lost, n.untried = nil, true, false
		return
	}
	if n.names == nil {
		n.names = make(map[noteName]noted)
	}
	n.n++
	n.names[noteName{x.name, x.dir}] = noted{x.here, n.n}
}

// clear forgets what a look that is about to be made will find.
func (n *notes) clear(look looks) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if look&(lookNew|lookCur) == lookNew|lookCur {
		n.names, n.lost, n.untried = nil, false, false
		return
	}
	for x := range n.names {
		if look&(1<<x.dir) != 0 {
			delete(n.names, x)
		}
	}
}

// pending tells which directories have names that memory does not explain. Our
// own changes are explained: their names are what memory says. What is explained
// is forgotten.
func (n *notes) pending(m *Mailbox) (l looks) {
	if !n.on.Load() {
		return 0
	}
	n.mu.Lock()
	if n.lost || len(n.names) == 0 {
		defer n.mu.Unlock()
		if n.lost {
			return lookNew | lookCur
		}
		return 0
	}
	list, at := make([]note, 0, len(n.names)), make([]uint64, 0, len(n.names))
	for x, s := range n.names {
		list, at = append(list, note{x.name, x.dir, s.here}), append(at, s.n)
	}
	n.mu.Unlock()
	l = m.explain(list)
	if l == 0 {
		n.mu.Lock()
		for i, x := range list {
			name := noteName{x.name, x.dir}
			if n.names[name].n == at[i] {
				delete(n.names, name)
			}
		}
		n.mu.Unlock()
	}
	return l
}

// explain tells which directories have names that memory does not agree with.
func (m *Mailbox) explain(list []note) (l looks) {
	m.mu.Lock() // byName may build its table
	defer m.mu.Unlock()
	for _, x := range list {
		if !m.state.explains(x) {
			l |= 1 << x.dir
		}
	}
	return l
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
