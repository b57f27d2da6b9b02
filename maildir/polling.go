package maildir

import (
	"errors"
	"time"
)

// WatchStatus is how the mailboxes that somebody waits for are seen.
type WatchStatus struct {
	Watched int // the kernel tells
	Polled  int // it refuses to: their directories are looked at every now and then
}

// WatchStatus tells how changes by others are noticed now.
func (s *Store) WatchStatus() (now WatchStatus) {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	return WatchStatus{Watched: len(w.boxes) - w.polled, Polled: w.refused}
}

// WatchNews receives when WatchStatus.Polled has changed; several changes may be one
// signal. One may listen.
func (s *Store) WatchNews() <-chan struct{} { return s.watch.news }

// poll begins to poll a mailbox; mu is held.
func (w *watcher) poll(x *watched, err error) {
	now := w.store.now()
	if !x.polled {
		x.polled = true
		w.polled++
	}
	x.every, x.due, x.retry = pollFirst, now.Add(pollFirst), now.Add(pollRetry)
	w.refuse(x, err)
	w.wakeUp()
}

// unpoll ends that; mu is held.
func (w *watcher) unpoll(x *watched) {
	if x.polled {
		x.polled = false
		w.polled--
	}
	w.refuse(x, nil)
}

// refuse notes why the kernel does not tell of x: it refuses to, which the
// administrator can change and must hear, or finds nothing there. mu is held.
func (w *watcher) refuse(x *watched, err error) {
	refused := err != nil && !isGone(err) && !errors.Is(err, errMoves)
	if refused == x.refused {
		return
	}
	if x.refused = refused; refused {
		w.refused++
	} else {
		w.refused--
	}
	switch {
	case refused && !w.said:
		w.said = true
		w.store.log.Warn("cannot watch directories; polling them", "err", err,
			"do", "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances")
	case w.refused == 0 && w.said:
		w.said = false
		w.store.log.Info("no directory is polled any more")
	}
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// start runs the goroutine; mu is held.
func (w *watcher) start() {
	if w.stop != nil {
		return
	}
	w.stop, w.done = make(chan struct{}), make(chan struct{})
	go w.run(w.stop, w.done)
}

// wakeUp has the goroutine find out anew when to do something.
func (w *watcher) wakeUp() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run is the goroutine. It lives while a mailbox or a user's marks are watched or polled, and then
// until it finds that none is.
func (w *watcher) run(stop, done chan struct{}) {
	defer close(done)
	t := time.NewTimer(ownCheck)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-w.kick:
		case <-t.C:
		}
		wait, more := w.turn()
		if !more {
			return
		}
		t.Reset(wait)
	}
}

// turn does what is due and tells when to come again; not more: nothing is left.
func (w *watcher) turn() (wait time.Duration, more bool) {
	now := w.store.now()
	var due dueWatches
	w.mu.Lock()
	wait = ownCheck
	for _, x := range w.boxes {
		if due.add(x, now) {
			wait = pollFirst / 2
		}
	}
	marks, soon := w.dueMarks(now)
	if soon {
		wait = pollFirst / 2
	}
	if more = len(w.boxes)+len(w.marks) > 0; !more && !w.closed {
		w.stop, w.done = nil, nil // the next one starts a new goroutine
	}
	w.mu.Unlock()
	for _, x := range due.over {
		w.expire(x)
	}
	for _, x := range due.ended {
		w.renew(x)
	}
	for _, x := range due.again {
		w.lookAgain(x)
	}
	for _, x := range due.retry {
		w.retry(x)
	}
	for _, x := range due.poll {
		w.look(x, now)
	}
	for _, x := range marks {
		w.lookMarks(x, now)
	}
	return wait, more
}

// dueWatches are mailboxes for which the goroutine has something to do now.
type dueWatches struct{ poll, retry, over, ended, again []*watched }

// add finds out what there is to do for x, and whether there will be more soon.
// watcher.mu is held.
func (d *dueWatches) add(x *watched, now time.Time) (soon bool) {
	if !x.again.IsZero() {
		soon = true
		if !now.Before(x.again) {
			x.again = time.Time{}
			d.again = append(d.again, x)
		}
	}
	switch {
	case x.polled:
		soon = true
		if !now.Before(x.due) {
			d.poll = append(d.poll, x)
		}
		if !now.Before(x.retry) {
			x.retry = now.Add(pollRetry)
			d.retry = append(d.retry, x)
		}
	case x.m.noted.mustAsk():
		if soon = true; !x.asking {
			d.ended = append(d.ended, x)
		}
	case x.users == 0 && !x.asking && !now.Before(x.own):
		d.over = append(d.over, x)
	}
	return soon
}

// look compares the times of directories that cannot be watched.
func (w *watcher) look(x *watched, now time.Time) {
	if !w.store.keep(x.m) { // it is no more, whoever still has it open
		w.forget(x.m)
		return
	}
	defer w.store.release(x.m)
	times, err := x.m.times()
	if err != nil {
		times = x.times
	}
	changed := times != x.times
	x.times = times
	w.mu.Lock()
	if changed {
		x.every = pollFirst
	} else {
		x.every = min(x.every*3/2, pollMost)
	}
	x.due = now.Add(x.every)
	refused := x.refused
	w.mu.Unlock()
	if changed {
		x.m.poke()
	}
	if !refused {
		w.follow(x)
	}
}

// retry asks the kernel again.
func (w *watcher) retry(x *watched) {
	if w.store.keep(x.m) {
		w.askAgain(x)
		w.store.release(x.m)
	}
}

// askAgain is retry for a mailbox that is kept.
func (w *watcher) askAgain(x *watched) {
	watches, err := w.watch(x.m)
	w.mu.Lock()
	switch {
	case err != nil:
		if x.polled {
			w.refuse(x, err)
		}
	case x.gone || !x.polled:
		w.unwanted(x.m, watches)
	default:
		x.watches = watches
		w.unpoll(x)
	}
	w.mu.Unlock()
	if err == nil {
		x.m.poke()
	}
}

// expire ends the watch of a mailbox that nobody waits for and we have not changed
// for some time.
func (w *watcher) expire(x *watched) {
	if w.store.keep(x.m) {
		x.m.settle()
		w.store.release(x.m)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !x.gone && x.users == 0 && !w.store.now().Before(x.own) {
		w.drop(x)
	}
}

// close ends all watches, and writes down before what they have proved.
func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	var boxes []*Mailbox
	for m := range w.boxes {
		boxes = append(boxes, m)
	}
	w.mu.Unlock()
	for _, m := range boxes {
		if w.store.keep(m) {
			m.settle()
			w.store.release(m)
		}
	}
	w.mu.Lock()
	for _, x := range w.boxes {
		w.drop(x)
	}
	for _, x := range w.marks {
		w.dropMarks(x)
	}
	stop, done := w.stop, w.done
	w.stop, w.done = nil, nil
	w.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
	}
}
