package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"maildir-imapd/maildir/fsx"
)

// watcher decides which mailboxes the kernel is asked to tell of, and looks at
// those that it cannot tell of.
//
// A mailbox is watched from the first Handle.Changed (IDLE) until its last
// waiting handle is closed, and, if it is large, from our first change in it until
// some time after our last: a look at its directories would cost more than the
// watch, and nothing else tells our own changes from those that others make at the
// same moment. Selection alone sets no watch: a thousand sessions that only ask now
// and then would cost a kernel watch each and an event for every rename of ours,
// where two stats at the next command tell as much. Our own bulk changes take the
// watch away and end with one look.
//
// When the kernel refuses further watches (or the whole thing), mailboxes that
// somebody waits for are polled: their directories' times, at an interval that
// grows while nothing happens. Watches are asked for again every minute. So are
// mailboxes whose directories have been moved away, until they are back (rewatch.go).
//
// Events come on the goroutine of fsx.Watcher, which takes neither of a mailbox's
// locks nor mu and looks nothing up: it notes names and wakes those who wait. Polling,
// asking again and ending watches is done by another goroutine, which a disk that
// does not answer may hold up without stopping events.
type watcher struct {
	store  *Store
	events *fsx.Watcher
	large  int // messages that make a mailbox large

	kick chan struct{} // has the goroutine take a turn
	news chan struct{} // Store.WatchNews

	mu      sync.Mutex
	boxes   map[*Mailbox]*watched
	marks   map[*Marks]*marksWatched
	polled  int  // how many of them
	refused int  // of how many of these the kernel refuses to tell
	said    bool // that it does, and not taken back yet
	stop    chan struct{}
	done    chan struct{}
	closed  bool
}

// watched is a mailbox that is watched or polled. watcher.mu guards it, but times.
type watched struct {
	m       *Mailbox
	users   int       // handles that wait
	own     time.Time // until when it is watched for our own changes
	asking  bool      // somebody asks the kernel just now
	gone    bool      // no longer in boxes
	watches [2]*fsx.Watch

	polled  bool
	refused bool // by the kernel; else there is nothing where the mailbox was
	every   time.Duration
	due     time.Time
	retry   time.Time
	again   time.Time // wake those who wait then: a look has failed
	times   [2]int64  // the goroutine's
}

const (
	pollFirst = time.Second
	pollMost  = 15 * time.Second
	pollRetry = time.Minute

	ownFrom  = 512             // watcher.large but in tests
	ownFor   = 2 * time.Minute // after our last change
	ownCheck = 15 * time.Second

	bulkFrom = 256  // changes in one command that may make the watch not worth its events
	bulkMost = 3000 // and that do in any case
)

func (w *watcher) init(s *Store) {
	w.store = s
	w.events, w.large = s.o.Watcher, ownFrom
	if w.events == nil {
		w.events = new(fsx.Watcher)
	}
	w.boxes = make(map[*Mailbox]*watched)
	w.kick, w.news = make(chan struct{}, 1), make(chan struct{}, 1)
}

// join counts one more handle that waits for m.
func (w *watcher) join(m *Mailbox) {
	w.mu.Lock()
	x := w.get(m)
	if x == nil {
		w.mu.Unlock()
		return
	}
	x.users++
	w.ask(x)
}

// leave takes back a join.
func (w *watcher) leave(m *Mailbox) {
	linger := m.large()
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.boxes[m]
	if x == nil || x.users == 0 {
		return
	}
	if x.users--; x.users > 0 {
		return
	}
	if !x.polled && linger {
		x.own = w.store.now().Add(ownFor)
		return
	}
	if !x.polled && w.store.now().Before(x.own) {
		return
	}
	w.drop(x)
}

// ours tells of a change of ours that is about to be made in a large mailbox.
func (w *watcher) ours(m *Mailbox) {
	w.mu.Lock()
	x := w.get(m)
	if x == nil {
		w.mu.Unlock()
		return
	}
	x.own = w.store.now().Add(ownFor)
	w.ask(x)
}

// get finds or makes what is known of m; nil when the store is closed. mu is held.
func (w *watcher) get(m *Mailbox) *watched {
	if w.closed {
		return nil
	}
	x := w.boxes[m]
	if x == nil {
		x = &watched{m: m}
		w.boxes[m] = x
		w.start()
	}
	return x
}

// ask asks the kernel to tell of x, under no lock, if nobody has. It gives mu back.
func (w *watcher) ask(x *watched) {
	if x.asking || x.polled || x.gone || x.watches[0] != nil {
		w.mu.Unlock()
		return
	}
	x.asking = true
	w.mu.Unlock()
	watches, err := w.watch(x.m)
	w.mu.Lock()
	defer w.mu.Unlock()
	x.asking = false
	switch {
	case err == nil && x.gone:
		w.unwanted(x.m, watches)
	case err == nil:
		x.watches = watches
		w.unpoll(x)
	case x.gone:
	case x.users == 0: // nobody waits: the next command looks
		w.drop(x)
	default:
		w.poll(x, err)
	}
}

// watch sets the watches of a mailbox. Events come from now on, but what has
// happened before nobody tells. The kernel goes by the path, so it may have been
// asked to tell of other directories than those that are open, which end no watch:
// where they lie is looked at once the watches are there.
func (w *watcher) watch(m *Mailbox) (watches [2]*fsx.Watch, err error) {
	for range watchTries {
		watches, err = w.watchAt(m, m.path())
		switch {
		case err != nil:
			return watches, err
		case !m.noted.watched(): // it was moved meanwhile, or is not wanted any more
			closeAll(watches)
		case m.whereabouts() != inPlace:
			closeAll(watches)
			m.noted.end()
			return [2]*fsx.Watch{}, errAway
		default:
			return watches, nil
		}
	}
	return [2]*fsx.Watch{}, errMoves
}

const watchTries = 3

var (
	errMoves = errors.New("the mailbox is moved again and again")
	errAway  = fmt.Errorf("its directories do not lie at their names: %w", fs.ErrNotExist)
)

func (w *watcher) watchAt(m *Mailbox, path string) (watches [2]*fsx.Watch, err error) {
	m.noted.begin()
	for i, name := range [...]string{dirNew: "new", dirCur: "cur"} {
		if watches[i], err = w.events.Watch(path+"/"+name, func(e fsx.Change) { m.event(uint8(i), e) }); err != nil {
			closeAll(watches)
			m.noted.end()
			return watches, err
		}
	}
	return watches, nil
}

// unwanted closes watches that nobody wants any more when they have come; mu is held.
func (w *watcher) unwanted(m *Mailbox, watches [2]*fsx.Watch) {
	closeAll(watches)
	if y := w.boxes[m]; y == nil || y.watches[0] == nil && !y.asking {
		m.noted.end()
	}
}

func closeAll(watches [2]*fsx.Watch) {
	for _, v := range watches {
		if v != nil {
			v.Close()
		}
	}
}

// unwatch takes the watches away; mu is held.
func (x *watched) unwatch() {
	x.m.noted.end()
	closeAll(x.watches)
	x.watches = [2]*fsx.Watch{}
}

// drop forgets a mailbox; mu is held.
func (w *watcher) drop(x *watched) {
	w.unpoll(x)
	x.unwatch()
	x.gone = true
	delete(w.boxes, x.m)
}

// forget drops a mailbox that is closed or removed; those who wait for it are
// woken by other means.
func (w *watcher) forget(m *Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.boxes[m]; x != nil {
		w.drop(x)
	}
}

// moved follows a mailbox to its new place.
func (w *watcher) moved(m *Mailbox) {
	w.mu.Lock()
	x := w.boxes[m]
	if x == nil || x.polled { // polling goes by descriptors and needs no path
		w.mu.Unlock()
		return
	}
	w.askAnew(x)
}

// askAnew has the kernel tell of the place where x lies now, if anybody waits for it.
// It gives mu back.
func (w *watcher) askAnew(x *watched) {
	x.unwatch()
	if x.users == 0 {
		w.drop(x)
		w.mu.Unlock()
		return
	}
	w.ask(x)
	x.m.poke()
}

// covers tells whether events would tell of every change.
func (w *watcher) covers(m *Mailbox) bool { return m.noted.on.Load() }

// pause takes the watch away for a command that makes many changes.
func (w *watcher) pause(m *Mailbox) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.boxes[m]
	if x == nil || x.watches[0] == nil {
		return false
	}
	x.unwatch()
	if x.users == 0 {
		w.drop(x)
		return false
	}
	return true
}

// resume sets it again. Everything must be looked at once.
func (w *watcher) resume(m *Mailbox) {
	w.mu.Lock()
	x := w.boxes[m]
	if x == nil || w.closed {
		w.mu.Unlock()
		return
	}
	w.ask(x)
	m.noted.overflow()
}

// again has those who wait for m look once more a little later.
func (w *watcher) again(m *Mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.boxes[m]; x != nil && x.users > 0 && x.again.IsZero() {
		x.again = w.store.now().Add(pollFirst)
		w.wakeUp()
	}
}

// expectBulk takes the watch away while this command makes many changes; what
// it returns sets it again.
func (t *txn) expectBulk(n int) (resume func()) {
	if n < bulkFrom || n < bulkMost && n < t.m.state.list.len()/32 {
		return func() {}
	}
	t.bulk = true
	if !t.m.store.watch.pause(t.m) {
		return func() {}
	}
	return func() { t.m.store.watch.resume(t.m) }
}
