package maildir

import "slices"

// seenSet is which positions of state.list a pass has seen: a bit each. A look
// at new/ alone must not cost what the whole mailbox would.
type seenSet struct {
	all []uint64
	few map[int]bool
}

func (s *seenSet) has(i int) bool {
	if s.all != nil {
		return s.all[i>>6]&(1<<(i&63)) != 0
	}
	return s.few[i]
}

func (s *seenSet) add(i int) {
	if s.all != nil {
		s.all[i>>6] |= 1 << (i & 63)
		return
	}
	if s.few == nil {
		s.few = make(map[int]bool)
	}
	s.few[i] = true
}

// findings are the differences between the directories and memory, and the
// names of those files that differ.
type findings struct {
	nameArena
	seen    seenSet
	changed []sighting
	unknown []sighting
	all     []arrival // instead of unknown, when memory has nothing
	doubles []sighting
	odd     []sighting // names that the uidlist could not hold
	lost    bool       // something known was not seen
	came    bool       // something is known to lie in the other directory
}

// newFindings begins a pass that includes cur/ or does not.
func newFindings(s *state, cur bool) *findings {
	p := &findings{}
	if cur {
		p.seen.all = make([]uint64, (s.list.len()+63)/64)
	}
	return p
}

// compare takes in some names that a pass has read; they are forgotten but for
// those that memory does not have like this.
func (t *txn) compare(l *sweep, p *findings) {
	m := t.m
	for _, x := range l.odd {
		p.odd = append(p.odd, p.keep(&l.nameArena, x))
	}
	s := &m.state
	if s.list.len() == 0 {
		p.all = l.arrivals(p.all, l.list)
		return
	}
	m.buildNames()
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, x := range l.list {
		e := s.byName(l.base(x))
		if e == nil {
			p.unknown = append(p.unknown, p.keep(&l.nameArena, x))
			continue
		}
		i := s.pos(e.uid)
		same := s.matches(e, x.where, l.info(x))
		if p.seen.has(i) {
			x = p.keep(&l.nameArena, x)
			if same {
				x = p.swap(x) // the one that memory knows stays the message
			}
			p.doubles = append(p.doubles, x)
			continue
		}
		p.seen.add(i)
		if !same {
			p.came = p.came || (e.bits^x.where)&inNew != 0
			p.changed = append(p.changed, p.keep(&l.nameArena, x))
		}
	}
}

// buildNames makes the table of names unless it is there. Whoever holds writer
// may then use byName with mu held for reading.
func (m *Mailbox) buildNames() {
	if m.state.index.built() {
		return // only a holder of writer builds it
	}
	m.mu.Lock()
	m.state.index.build(&m.state)
	m.mu.Unlock()
}

// missed tells whether something that memory has in a directory that was read was not seen.
func (p *findings) missed(s *state, look looks) bool {
	// Those in new/ are among the last; without them there is nothing to lose there.
	left := s.fresh
	for i := s.list.len() - 1; i >= 0 && (left > 0 || look&lookCur != 0); i-- {
		looked := look&lookCur != 0
		if s.list.at(i).bits&inNew != 0 {
			looked = look&lookNew != 0
			left--
		}
		if looked && !p.seen.has(i) {
			return true
		}
	}
	return false
}

// swap returns the file of x's base name that was taken for a rename.
func (p *findings) swap(x sighting) sighting {
	for i, y := range p.changed {
		if string(p.base(y)) == string(p.base(x)) {
			p.changed = slices.Delete(p.changed, i, i+1)
			return y
		}
	}
	return x
}
