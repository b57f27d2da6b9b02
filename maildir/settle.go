package maildir

import (
	"context"
	"time"
)

// Our own change moves a directory's time, and the time after it proves nothing of
// what others did while we were at it. Small mailboxes are looked at again a second
// later. Large ones are watched from before the change: then names tell what others
// did, and when the watch ends, all events having been read and explained, the
// directories are known as if they had been looked at.

// watchOurs has a large mailbox watched from before a change of ours.
func (t *txn) watchOurs() {
	if t.asked || t.bulk {
		return
	}
	t.asked = true
	m := t.m
	if m.state.list.len() < m.store.watch.large {
		return
	}
	m.store.watch.ours(m)
	if !m.noted.young() {
		return
	}
	// The watch has just begun. What we know is what lies there if nothing has
	// changed since the look that we know it from.
	times, err := m.times()
	ok := err == nil && m.ready.Load() && times == t.before && t.touched == [2]bool{}
	for i, l := range t.scanned {
		if l.at == 0 {
			l = m.seen.dirs[i]
		}
		ok = ok && l.proves(times[i])
	}
	m.noted.trust(ok)
}

// drainWait is how long to wait for the kernel's events, which come at once.
const drainWait = 200 * time.Millisecond

// settle writes down what a watch has proved, before it ends: that the directories
// are as memory says. Then no later session and no later process needs a look after
// a change of ours. If it cannot be done at once one of them will look.
func (m *Mailbox) settle() {
	if !m.noted.on.Load() || !m.ready.Load() || m.dead.Load() || m.frozen.Load() {
		return
	}
	m.mu.RLock()
	known := m.seen
	m.mu.RUnlock()
	if known.proves([2]int64{known.dirs[dirNew].mtime, known.dirs[dirCur].mtime}) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readerWait)
	defer cancel()
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return
	}
	t.prove()
	t.end(nil)
}

// prove makes looks of our own changes. Whatever somebody does from here on moves a
// directory's time beyond the one that we have seen, or is in the notes.
func (t *txn) prove() {
	m := t.m
	if t.lock == nil {
		return
	}
	wait := int64(0)
	now := m.store.now().UnixNano()
	for i, mtime := range t.before {
		if mtime != m.seen.dirs[i].mtime {
			return
		}
		wait = max(wait, mtime+granularity(mtime)-now)
	}
	if wait > tick {
		return // a coarse clock, or one that was set back
	}
	if wait > 0 {
		time.Sleep(time.Duration(wait))
		now = m.store.now().UnixNano()
	}
	if !m.store.watch.events.Drain(drainWait) || !m.noted.on.Load() || m.noted.pending(m) != 0 {
		return
	}
	for i, mtime := range t.before {
		if look := (dirLook{mtime: mtime, at: now}); look.proves(mtime) {
			t.scanned[i] = look
		}
	}
}
