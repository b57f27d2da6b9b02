package maildir

import "time"

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
	return WatchStatus{Watched: len(w.boxes) - w.polled, Polled: w.polled}
}

// poll begins to poll a mailbox; mu is held.
func (w *watcher) poll(x *watched, err error) {
	if !w.refused {
		w.refused = true
		w.store.log.Warn("cannot watch directories; polling them", "err", err,
			"do", "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances")
	}
	now := w.store.now()
	if !x.polled {
		x.polled = true
		w.polled++
	}
	x.every, x.due, x.retry = pollFirst, now.Add(pollFirst), now.Add(pollRetry)
	w.wakeUp()
}

// unpoll ends that; mu is held.
func (w *watcher) unpoll(x *watched) {
	if !x.polled {
		return
	}
	x.polled = false
	if w.polled--; w.polled == 0 && w.refused {
		w.refused = false
		w.store.log.Info("no directory is polled any more")
	}
}

// start runs the goroutine; mu is held.
func (w *watcher) start() {
	if w.stop != nil {
		return
	}
	w.kick, w.stop, w.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go w.run(w.kick, w.stop, w.done)
}

// wakeUp has the goroutine find out anew when to do something.
func (w *watcher) wakeUp() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run is the goroutine. It lives while a mailbox is watched or polled, and then
// until it finds that none is.
func (w *watcher) run(kick, stop, done chan struct{}) {
	defer close(done)
	t := time.NewTimer(ownCheck)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-kick:
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
	var poll, retry, over []*watched
	w.mu.Lock()
	wait = ownCheck
	for _, x := range w.boxes {
		if !x.again.IsZero() {
			wait = pollFirst / 2
			if !now.Before(x.again) {
				x.again = time.Time{}
				x.m.poke()
			}
		}
		switch {
		case x.polled:
			wait = pollFirst / 2
			if !now.Before(x.due) {
				poll = append(poll, x)
			}
			if !now.Before(x.retry) {
				x.retry = now.Add(pollRetry)
				retry = append(retry, x)
			}
		case x.users == 0 && !x.asking && !now.Before(x.own):
			over = append(over, x)
		}
	}
	if more = len(w.boxes) > 0; !more && !w.closed {
		w.stop, w.done = nil, nil // the next one starts a new goroutine
	}
	w.mu.Unlock()
	for _, x := range over {
		w.expire(x)
	}
	for _, x := range retry {
		w.retry(x)
	}
	for _, x := range poll {
		w.look(x, now)
	}
	return wait, more
}

// look compares the times of directories that cannot be watched.
func (w *watcher) look(x *watched, now time.Time) {
	if !w.store.keep(x.m) {
		return
	}
	defer w.store.release(x.m)
	times := x.times
	for i := range times {
		if st, err := x.m.sub(i).Stat(); err == nil {
			times[i] = st.Mtime
		}
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
	w.mu.Unlock()
	if changed {
		x.m.poke()
	}
}

// retry asks the kernel again.
func (w *watcher) retry(x *watched) {
	if !w.store.keep(x.m) {
		return
	}
	defer w.store.release(x.m)
	watches, err := w.watch(x.m)
	if err != nil {
		return
	}
	w.mu.Lock()
	if x.gone || !x.polled {
		w.unwanted(x.m, watches)
	} else {
		x.watches = watches
		w.unpoll(x)
	}
	w.mu.Unlock()
	x.m.poke()
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
	stop, done := w.stop, w.done
	w.stop, w.done = nil, nil
	w.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
	}
}
