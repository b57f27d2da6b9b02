package main

import (
	"runtime"
	"time"

	"maildir-imapd/imapd/config"
)

// A limit that the administrator has chosen is kept as far as that goes without taking anything from those who are
// logged in: when more than the limit is in use after all that can go has gone, new connections are refused, with the
// key and its value, until a fifth of the limit is free. The two marks lie so far apart that one client that comes or
// goes does not change the answer for the next.

// easeEvery is how often what is in use is found out by a collection while nobody comes in, who might cause one.
const easeEvery = 30 * time.Second

// refusing tells whether new connections are to be refused, and for which limit.
func (m *memory) refusing() (limit string, full bool) {
	if l := m.full.Load(); l != nil {
		return *l, true
	}
	return "", false
}

// fill begins to refuse.
func (m *memory) fill(inUse int64) {
	open := m.store.Footprint()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full.Load() != nil || !m.chosen {
		return
	}
	limit := config.Size(m.limit)
	m.setFull(&limit)
	m.log.Warn("memory is used up: new connections are refused until a fifth is free", "key", "[limits] memory", "value", limit, "in use", mib(inUse),
		"selected mailboxes", mib(open))
}

// ease lets clients in again when there is room.
func (m *memory) ease(inUse int64) {
	if m.full.Load() == nil {
		return
	}
	limit, _, _ := m.inForce()
	if inUse > fourFifths(limit) && time.Since(m.eased) >= easeEvery {
		m.eased = time.Now()
		runtime.GC()
		inUse, _ = m.read()
	}
	if inUse > fourFifths(limit) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setFull(nil)
}

// setFull notes the limit for which clients are refused, nil for none, and tells who listens. mu is held.
func (m *memory) setFull(limit *string) {
	was := m.full.Swap(limit)
	if (was == nil) == (limit == nil) {
		return
	}
	if limit == nil {
		m.log.Info("new connections are taken again", "key", "[limits] memory", "value", config.Size(m.limit))
	}
	select {
	case m.news <- struct{}{}:
	default:
	}
}
