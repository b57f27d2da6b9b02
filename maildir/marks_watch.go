package maildir

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// marksWatched is a user's file of marks while sessions of the user wait for changes. Those in this process tell each
// other; of what the user does in another process tells the kernel, which watches the directory in which the file lies,
// or, where it refuses to, a look at the file every now and then. An event wakes all who wait, also one of our own
// writing: a stat then says that nothing is new. watcher.mu guards it, but for what has its own guard.
type marksWatched struct {
	k      *Marks
	watch  *fsx.Watch
	asking bool // somebody asks the kernel just now
	gone   bool // nobody waits any more

	every time.Duration // between looks, where there is no watch
	due   time.Time
	retry time.Time
	id    fileID // the goroutine's

	over atomic.Bool // the kernel has ended the watch

	mu      sync.Mutex // of waiting; held for moments
	waiting []*Handle
}

// joinMarks has a handle woken by what another process does with its user's marks.
func (w *watcher) joinMarks(h *Handle) {
	k := h.own.k
	if k.root == "" {
		return
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	x := w.marks[k]
	if x == nil {
		x = &marksWatched{k: k}
		if w.marks == nil {
			w.marks = make(map[*Marks]*marksWatched)
		}
		w.marks[k] = x
		w.start()
	}
	x.mu.Lock()
	x.waiting = append(x.waiting, h)
	x.mu.Unlock()
	ask := x.watch == nil && !x.asking && x.due.IsZero()
	x.asking = x.asking || ask
	w.mu.Unlock()
	if ask {
		w.askMarks(x)
	}
}

// leaveMarks takes back a joinMarks, if there was one.
func (w *watcher) leaveMarks(h *Handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.marks[h.own.k]
	if x == nil {
		return
	}
	x.mu.Lock()
	if i := slices.Index(x.waiting, h); i >= 0 {
		x.waiting = slices.Delete(x.waiting, i, i+1)
	}
	left := len(x.waiting)
	x.mu.Unlock()
	if left == 0 {
		w.dropMarks(x)
	}
}

// dropMarks ends a watch; mu is held.
func (w *watcher) dropMarks(x *marksWatched) {
	x.gone = true
	delete(w.marks, x.k)
	if x.watch != nil {
		x.watch.Close()
		x.watch = nil
	}
}

// askMarks asks the kernel to tell of x, under no lock. Whoever does has set asking.
func (w *watcher) askMarks(x *marksWatched) {
	x.over.Store(false)
	watch, err := w.events.Watch(x.k.root, x.event)
	now := w.store.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	x.asking = false
	switch {
	case err == nil && x.gone:
		watch.Close()
	case err == nil:
		x.watch, x.due = watch, time.Time{}
	default:
		if x.due.IsZero() {
			x.every, x.due = pollFirst, now.Add(pollFirst)
			w.wakeUp()
		}
		x.retry = now.Add(pollRetry)
		if isGone(err) { // nobody has refused anything
			x.retry = x.due
		}
	}
}

// event is what the kernel tells of the directory.
func (x *marksWatched) event(e fsx.Change) {
	switch {
	case e.What == fsx.Ended:
		x.over.Store(true)
		x.k.store.watch.wakeUp()
	case e.What != fsx.Lost && e.Name != marksName:
		return
	}
	x.poke()
}

// poke wakes those who wait.
func (x *marksWatched) poke() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, h := range x.waiting {
		select {
		case h.changed <- struct{}{}:
		default:
		}
	}
}

// dueMarks is for which marks the goroutine has something to do now; soon: there will be more. mu is held.
func (w *watcher) dueMarks(now time.Time) (due []*marksWatched, soon bool) {
	for _, x := range w.marks {
		if x.asking || x.watch != nil && !x.over.Load() {
			continue
		}
		soon = true
		if x.watch != nil || !now.Before(x.due) {
			due = append(due, x)
		}
	}
	return due, soon
}

// lookMarks looks at a file of which no kernel tells, and asks for a watch again.
func (w *watcher) lookMarks(x *marksWatched, now time.Time) {
	id, err := x.k.idNow()
	changed := err == nil && id != x.id
	if changed {
		x.id = id
	}
	w.mu.Lock()
	if x.gone || x.asking {
		w.mu.Unlock()
		return
	}
	ask := x.watch != nil || !now.Before(x.retry)
	if x.watch != nil { // which has ended
		x.watch.Close()
		x.watch = nil
	}
	if x.every = min(x.every*3/2, pollMost); changed || x.every == 0 {
		x.every = pollFirst
	}
	x.due, x.asking = now.Add(x.every), ask
	w.mu.Unlock()
	if ask {
		w.askMarks(x)
	}
	if changed || ask {
		x.poke()
	}
}
