package maildir

import (
	"sync"
	"sync/atomic"

	"maildir-imapd/maildir/fsx"
)

// waiters are the handles that wait for a mailbox to change. They have a lock of
// their own, held for moments, so that waking them takes none of the mailbox's.
type waiters struct {
	n    atomic.Int32
	mu   sync.Mutex
	list []*Handle
}

func (w *waiters) add(h *Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.waitsAt = len(w.list)
	w.list = append(w.list, h)
	w.n.Add(1)
}

func (w *waiters) remove(h *Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.list) - 1
	w.list[h.waitsAt] = w.list[last]
	w.list[h.waitsAt].waitsAt = h.waitsAt
	w.list[last] = nil
	w.list = w.list[:last]
	w.n.Add(-1)
}

// poke wakes all sessions that wait for a change.
func (m *Mailbox) poke() {
	w := &m.waiting
	if w.n.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.list {
		select {
		case h.changed <- struct{}{}:
		default:
		}
	}
}

// event notes what the kernel tells of new/ or cur/.
func (m *Mailbox) event(dir uint8, e fsx.Change) {
	switch {
	case e.What == fsx.Lost:
		m.noted.overflow()
	case e.What == fsx.Ended:
		m.noted.ended()
		m.store.watch.wakeUp()
	case e.What == fsx.Touched, e.Name == "", e.Name[0] == '.':
		return
	default:
		m.noted.add(note{e.Name, dir, e.What == fsx.Came})
	}
	m.poke()
}

// Changed returns a channel that receives when the mailbox may have changed:
// by the disk's doing or another session's. Several changes may be one signal;
// Woken tells what it was worth. It starts the watch, which lasts until Close.
func (h *Handle) Changed() <-chan struct{} {
	if h.changed == nil {
		h.changed = make(chan struct{}, 1)
		h.m.waiting.add(h)
		if h.own != nil {
			h.own.listen(h.changed)
			h.store.watch.joinMarks(h)
		}
		h.store.watch.join(h.m)
		h.m.trust()
		select { // the first look also covers the time before the watch
		case h.changed <- struct{}{}:
		default: // another session's change has been quicker
		}
	}
	return h.changed
}

// trust takes the last look for one at what lay there when the watch began, if the
// directories' times prove that nothing has changed in between.
func (m *Mailbox) trust() {
	if !m.noted.young() {
		return
	}
	times, err := m.times()
	m.mu.RLock()
	ok := err == nil && m.ready.Load() && m.seen.proves(times)
	m.mu.RUnlock()
	m.noted.trust(ok)
}

// large tells whether a look at the mailbox costs more than a watch.
func (m *Mailbox) large() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.list.len() >= m.store.watch.large
}

// path is where the mailbox lies now.
func (m *Mailbox) path() string {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	return m.dirPath
}
