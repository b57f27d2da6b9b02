package maildir

import (
	"testing"
	"time"
)

// TestChangedWhileWoken: another session's change may wake a handle while it is still on its way to the
// watcher. The handle has a signal then, and must not wait for room to give itself one.
func TestChangedWhileWoken(t *testing.T) {
	b := newSpot(t)
	<-b.open(Select).Changed() // the mailbox is waited for
	h := b.open(Select)
	w := &b.store.watch
	w.mu.Lock() // holds h where it can be woken and has not joined
	back := make(chan (<-chan struct{}), 1)
	go func() { back <- h.Changed() }()
	for h.m.waiting.n.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	h.m.poke()
	w.mu.Unlock()
	select {
	case changed := <-back:
		select {
		case <-changed:
		default:
			t.Error("no signal for the time before the watch")
		}
	case <-time.After(5 * time.Second):
		t.Error("Changed does not return")
		<-h.changed // lets it end
		<-back
	}
}
