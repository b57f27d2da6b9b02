package maildir

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher is the process's one watcher: a goroutine that lives while some
// mailbox is watched. It takes neither of a mailbox's locks and looks nothing
// up: it notes names and wakes those who wait.
//
// A mailbox is watched from the first Handle.Changed (IDLE) until its last
// waiting handle is closed. Selection alone sets no watch: a thousand sessions
// that only ask now and then would cost a kernel watch each and an event for
// every rename of ours, where two stats at the next command tell as much. Our
// own bulk changes take the watch away and end with one look.
//
// When the kernel refuses further watches (or the whole thing), the mailbox is
// polled: its directories' times, at an interval that grows while nothing
// happens.
type watcher struct {
	store *Store

	mu     sync.Mutex
	notify *fsnotify.Watcher
	byDir  map[string]*watched // path of new or cur
	boxes  map[*Mailbox]*watched
	stop   chan struct{}
	done   chan struct{}
	closed bool
}

// watched is a mailbox somebody waits for.
type watched struct {
	m      *Mailbox
	users  int
	paths  [2]string
	polled bool
	every  time.Duration
	due    time.Time
	times  [2]int64
}

const (
	pollFirst = time.Second
	pollMost  = 15 * time.Second
	notesMax  = 512
	bulkFrom  = 256 // changes in one command that make the watch not worth its events
)

func (w *watcher) init(s *Store) {
	w.store = s
	w.byDir, w.boxes = make(map[string]*watched), make(map[*Mailbox]*watched)
}

// join counts one more handle that waits for m.
func (w *watcher) join(m *Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	x := w.boxes[m]
	if x == nil {
		x = &watched{m: m}
		w.boxes[m] = x
		w.start()
		w.add(x)
	}
	x.users++
	m.waiting.Add(1)
}

// leave takes back a join.
func (w *watcher) leave(m *Mailbox) {
	w.mu.Lock()
	m.waiting.Add(-1)
	x := w.boxes[m]
	var idle chan struct{}
	if x != nil {
		if x.users--; x.users == 0 {
			w.remove(x)
			delete(w.boxes, m)
		}
		if len(w.boxes) == 0 {
			idle = w.end()
		}
	}
	w.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// forget drops the watch of a mailbox that is gone or has moved; those who
// wait are counted on.
func (w *watcher) forget(m *Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.boxes[m]; x != nil {
		w.remove(x)
		x.poll(w.store.now())
	}
}

// start runs the goroutine; mu is held.
func (w *watcher) start() {
	if w.stop != nil {
		return
	}
	var err error
	if w.notify, err = fsnotify.NewBufferedWatcher(256); err != nil {
		w.notify = nil
		w.store.log.Warn("cannot watch directories; polling them", "err", err)
	}
	w.stop, w.done = make(chan struct{}), make(chan struct{})
	go w.run(w.notify, w.stop, w.done)
}

// end stops the goroutine and returns what to wait for; mu is held.
func (w *watcher) end() chan struct{} {
	if w.stop == nil {
		return nil
	}
	close(w.stop)
	done := w.done
	if w.notify != nil {
		w.notify.Close()
	}
	w.stop, w.done, w.notify = nil, nil, nil
	return done
}

func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	done := w.end()
	clear(w.boxes)
	clear(w.byDir)
	w.mu.Unlock()
	if done != nil {
		<-done
	}
}

// add sets the watch on new/ and cur/, or begins to poll; mu is held.
func (w *watcher) add(x *watched) {
	if w.notify == nil {
		x.poll(w.store.now())
		return
	}
	x.paths = [2]string{x.m.newDir.Path(), x.m.curDir.Path()}
	for i, p := range x.paths {
		if err := w.notify.Add(p); err != nil {
			for _, p := range x.paths[:i] {
				w.notify.Remove(p)
				delete(w.byDir, p)
			}
			x.m.once("watch", "cannot watch a directory; polling it", "err", err)
			x.poll(w.store.now())
			return
		}
		w.byDir[p] = x
	}
	x.polled = false
	x.m.noted.reset(true)
}

func (w *watcher) remove(x *watched) {
	x.m.noted.reset(false)
	for _, p := range x.paths {
		if w.byDir[p] == x {
			delete(w.byDir, p)
			if w.notify != nil {
				w.notify.Remove(p)
			}
		}
	}
}

func (x *watched) poll(now time.Time) { x.polled, x.every, x.due = true, pollFirst, now.Add(pollFirst) }

// covers tells whether events would tell of every change.
func (w *watcher) covers(m *Mailbox) bool { return m.noted.on.Load() }

// pause takes the watch away for a command that makes many changes.
func (w *watcher) pause(m *Mailbox) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.boxes[m]
	if x == nil || x.polled {
		return false
	}
	w.remove(x)
	return true
}

// resume sets it again. Everything must be looked at once.
func (w *watcher) resume(m *Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.boxes[m]; x != nil && !w.closed {
		w.add(x)
		m.noted.overflow()
	}
}

// run is the goroutine.
func (w *watcher) run(n *fsnotify.Watcher, stop, done chan struct{}) {
	defer close(done)
	tick := time.NewTicker(pollFirst / 2)
	defer tick.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if n != nil {
		events, errs = n.Events, n.Errors
	}
	for {
		select {
		case <-stop:
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.event(e)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			w.failed(err)
		case <-tick.C:
			w.pollDue()
		}
	}
}

func (w *watcher) event(e fsnotify.Event) {
	if e.Op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) == 0 {
		return
	}
	dir, name := filepath.Split(e.Name)
	w.mu.Lock()
	self := w.byDir[e.Name]
	x := w.byDir[filepath.Clean(dir)]
	w.mu.Unlock()
	if self != nil { // new/ or cur/ itself has gone: the next refresh tells whether the mailbox has
		self.m.poke()
		return
	}
	if x == nil || name == "" || name[0] == '.' {
		return
	}
	which := dirCur
	if filepath.Clean(dir) == x.paths[dirNew] {
		which = dirNew
	}
	x.m.noted.add(note{name, uint8(which), e.Op&fsnotify.Create != 0})
	x.m.poke()
}

// failed: events were lost, so everything must be looked at.
func (w *watcher) failed(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.store.log.Warn("watching directories", "err", err)
	}
	w.mu.Lock()
	all := make([]*Mailbox, 0, len(w.boxes))
	for m := range w.boxes {
		all = append(all, m)
	}
	w.mu.Unlock()
	for _, m := range all {
		m.noted.overflow()
		m.poke()
	}
}

// pollDue looks at the times of directories that cannot be watched.
func (w *watcher) pollDue() {
	now := w.store.now()
	var due []*watched
	w.mu.Lock()
	for _, x := range w.boxes {
		if x.polled && !now.Before(x.due) {
			due = append(due, x)
		}
	}
	w.mu.Unlock()
	for _, x := range due {
		times := x.times
		for i := range times {
			if st, err := x.m.sub(i).Stat(); err == nil {
				times[i] = st.Mtime
			}
		}
		x.every = min(x.every*3/2, pollMost)
		if times != x.times {
			x.times, x.every = times, pollFirst
			x.m.poke()
		}
		x.due = now.Add(x.every)
	}
}

// Changed returns a channel that receives when the mailbox may have changed:
// by the disk's doing or another session's. Several changes may be one signal.
// It starts the watch, which lasts until Close.
func (h *Handle) Changed() <-chan struct{} {
	if h.changed == nil {
		ch := make(chan struct{}, 1)
		h.m.mu.Lock()
		h.changed = ch
		h.m.mu.Unlock()
		h.store.watch.join(h.m)
		select { // the first look also covers the time before the watch
		case ch <- struct{}{}:
		default: // another session's change has been quicker
		}
	}
	return h.changed
}

// expectBulk takes the watch away while this command makes many changes; what
// it returns sets it again.
func (t *txn) expectBulk(n int) (resume func()) {
	if n < bulkFrom || t.m.waiting.Load() == 0 || !t.m.store.watch.pause(t.m) {
		return func() {}
	}
	return func() { t.m.store.watch.resume(t.m) }
}
