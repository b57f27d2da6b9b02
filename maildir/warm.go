package maildir

import (
	"unsafe"
)

// What is kept in memory for nobody in particular: mailboxes that no session has
// open any more, and listings. They make the next SELECT cheap and may go at any
// moment. Two bounds hold for them, a number (StoreOptions.Warm, within the
// descriptors that the process may have) and bytes, half of what the process should
// do with; the mailbox that has been idle longest goes first. When memory is short
// in spite of that, DropIdle lets go of all of it.

// SetMemory tells how many bytes the process should do with; 0: there is no bound.
func (s *Store) SetMemory(limit int64) {
	s.memory.Store(limit)
	s.mu.Lock()
	var idle []*Mailbox
	for e := s.idle.Front(); e != nil; e = e.Next() {
		idle = append(idle, e.Value.(*Mailbox))
	}
	s.mu.Unlock()
	for _, m := range idle { // looked at under its own locks, not under the registry's
		size := s.sizeOf(m)
		s.mu.Lock()
		m.warm = size
		s.mu.Unlock()
	}
	s.mu.Lock()
	victims := s.coolest(s.tooWarm())
	s.mu.Unlock()
	for _, m := range victims {
		m.close()
	}
}

// DropIdle lets go of every mailbox that no session has open, and of all listings.
// It says how many mailboxes there were.
func (s *Store) DropIdle() int {
	s.trees.forget()
	s.acls.forgetPlain()
	s.mu.Lock()
	victims := s.coolest(s.idle.Len())
	s.mu.Unlock()
	for _, m := range victims {
		m.close()
	}
	return len(victims)
}

// Footprint is about how many bytes the mailboxes take that sessions have open.
func (s *Store) Footprint() (bytes int64) {
	s.mu.Lock()
	open := make([]*Mailbox, 0, len(s.boxes))
	for _, m := range s.boxes {
		if m.idle == nil {
			open = append(open, m)
		}
	}
	s.mu.Unlock()
	for _, m := range open {
		bytes += m.footprint()
	}
	return bytes
}

// tooWarm is how many mailboxes have to go, the longest idle first, for the others
// to take no more than half of the bound. mu is held.
func (s *Store) tooWarm() (n int) {
	limit := s.memory.Load()
	if limit <= 0 {
		return 0
	}
	var sum int64
	for e := s.idle.Front(); e != nil; e = e.Next() {
		sum += e.Value.(*Mailbox).warm
	}
	for e := s.idle.Front(); e != nil && sum > limit/2; e = e.Next() {
		sum -= e.Value.(*Mailbox).warm
		n++
	}
	return n
}

// sizeOf is what a mailbox would count as when idle.
func (s *Store) sizeOf(m *Mailbox) int64 {
	if s.memory.Load() <= 0 {
		return 0
	}
	return m.footprint()
}

// footprint is about how many bytes of memory the mailbox takes, with what is
// attached to it.
func (m *Mailbox) footprint() int64 {
	m.mu.RLock()
	s := &m.state
	n := int64(unsafe.Sizeof(*m)) +
		s.list.footprint() +
		s.index.footprint() +
		int64(cap(s.history))*int64(unsafe.Sizeof(gone{})) +
		int64(cap(s.unseenIn))*2 +
		int64(cap(m.log.lines))*int64(unsafe.Sizeof(change{}))
	m.mu.RUnlock()
	m.cache.mu.Lock()
	n += int64(m.cache.bytes)
	m.cache.mu.Unlock()
	return n + m.attached.footprint()
}

// footprint asks those of the attached values that know.
func (a *attached) footprint() (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.values {
		if f, ok := v.(interface{ Footprint() int64 }); ok {
			n += f.Footprint()
		}
	}
	return n
}
