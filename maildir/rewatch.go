package maildir

import "maildir-imapd/maildir/fsx"

// A watch belongs to the inode that a path led to, and the kernel ends it when that
// directory itself is renamed or removed (fsx.Ended), be it for a moment: a restore
// from a backup, a file system check, a mail administrator who tries something out.
// The event only notes it and calls for the watcher's goroutine, which asks again:
//
//   - The directories lie at their names again: they are watched anew, and looked at.
//   - Something is missing there: the mailbox is polled, through its descriptors, and
//     its names are looked at as often, 15 seconds apart at most. Nobody has refused
//     anything, and nothing is said.
//   - Others lie there: the mailbox is dead for its sessions, as a deleted one is. The
//     next SELECT opens what is there.
//
// Two things the kernel does not tell of. A mailbox that is renamed as a whole keeps
// new/ and cur/, and their watches go on. Directories that are removed while we have
// them open end without an event: their messages' removal is told, a look that leaves
// the mailbox empty is followed by another a second later (settle), and what was empty before
// is found by the next command, or before the next word to an idle client.

// whereabouts says where the directories lie that a mailbox has open.
type whereabouts int

const (
	inPlace whereabouts = iota // at their names, as far as can be told
	away                       // there is nothing at one of them
	another                    // there is another directory at one of them
)

// whereabouts looks at the names.
func (m *Mailbox) whereabouts() whereabouts {
	path, now := m.path(), inPlace
	for _, x := range [...]struct {
		name string
		dir  *fsx.Dir
	}{{"", m.dir}, {"/new", m.newDir}, {"/cur", m.curDir}} {
		st, err := m.store.fs.Stat(path + x.name)
		switch {
		case isGone(err):
			now = away
		case err == nil && !st.SameFile(x.dir.Identity()):
			return another
		}
	}
	return now
}

// renew asks again for a watch that the kernel has ended.
func (w *watcher) renew(x *watched) {
	if !w.store.keep(x.m) {
		w.forget(x.m)
		return
	}
	defer w.store.release(x.m)
	if x.m.whereabouts() == another {
		w.forget(x.m)
		x.m.kill()
		return
	}
	w.mu.Lock()
	if x.gone || x.asking || x.polled || !x.m.noted.mustAsk() {
		w.mu.Unlock()
		return
	}
	w.askAnew(x)
}

// follow looks whether a mailbox that was away is back.
func (w *watcher) follow(x *watched) {
	switch x.m.whereabouts() {
	case inPlace:
		w.askAgain(x)
	case another:
		x.m.kill()
	}
}

// lookAgain wakes those who wait; first of all it looks whether the mailbox is there.
func (w *watcher) lookAgain(x *watched) {
	if w.store.keep(x.m) {
		_, _ = x.m.times()
		w.store.release(x.m)
	}
	x.m.poke()
}
