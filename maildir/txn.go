package maildir

import (
	"context"
	"errors"
	"syscall"
	"time"

	"maildir-imapd/maildir/fsx"
)

const (
	lockStale = 120 * time.Second // as Dovecot's
	// How long a reader waits for the lock. After that it shows what it knows:
	// another program's lock stops writers only.
	readerWait = 300 * time.Millisecond
)

// txn is one command's hold on the disk: writer and dotlock are taken, and
// memory agrees with the uidlist, the keywords and the index. Changes are made
// on disk, published, and written to the index by end.
type txn struct {
	m    *Mailbox
	ctx  context.Context
	by   *Handle
	lock *fsx.Lock // nil: the directory cannot be written

	before   [2]int64 // mtimes of new and cur at the beginning
	scanned  [2]dirLook
	touched  [2]bool // we have changed the directory
	looks    looks   // what turned out to need a look
	modseq   uint64  // of the changes that are not published yet, 0 before the first
	rec      []byte  // for the index
	dirty    bool    // memory of the disk has changed
	searched bool    // both directories, because a file was not in its place
	again    bool    // somebody changes the directories meanwhile
	high     bool    // keywords past the letters are changed, which only the index has
	lasting  bool    // and must be on the disk
	lost     error   // why they could not be written, told by end
	freed    *amount // mail that was removed, where a quota counts it
	keysBad  bool    // dovecot-keywords is damaged, and nothing can be done about it without the lock
	bulk     bool    // so many changes that one look at the end is cheaper than events
	asked    bool    // watchOurs has been called
}

// begin takes the locks and catches up. A reader (write false) makes do
// without the dotlock where it cannot be had for want of permission.
func (m *Mailbox) begin(ctx context.Context, by *Handle, write bool) (*txn, error) {
	if err := m.writer.take(ctx); err != nil {
		return nil, err
	}
	return m.beginLocked(ctx, by, write)
}

// beginLocked is begin for who holds writer. It gives it back if it fails.
func (m *Mailbox) beginLocked(ctx context.Context, by *Handle, write bool) (*txn, error) {
	t := &txn{m: m, ctx: ctx, by: by}
	err := t.start(write)
	if err != nil {
		if t.lock != nil {
			t.lock.Unlock()
		}
		m.writer.give()
		return nil, err
	}
	return t, nil
}

func (t *txn) start(write bool) error {
	m := t.m
	if err := m.alive(); err != nil {
		return err
	}
	t.before = [2]int64{-1, -1}
	wait := m.store.o.LockWait
	if !write && m.ready.Load() {
		wait = min(wait, readerWait)
	}
	var err error
	t.lock, err = m.control.Lock(t.ctx, uidlistFile, fsx.LockOptions{Wait: wait, Stale: lockStale})
	if err != nil {
		full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
		if write || !full && !cannotWrite(err) {
			return err
		}
		if !full {
			m.frozen.Store(true)
			m.once("frozen", "cannot lock the mailbox: new messages are not shown, nothing is changed", "err", err)
		}
	} else {
		m.frozen.Store(false)
	}
	for i := range t.before {
		st, err := m.sub(i).Stat()
		if err != nil {
			return err
		}
		t.before[i] = st.Mtime
	}
	return t.catchUp()
}

func cannotWrite(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EPERM)
}

// catchUp takes in what other processes have written into the small files.
func (t *txn) catchUp() error {
	m := t.m
	if err := t.readKeys(); err != nil {
		return err
	}
	if err := m.index.catchUp(); err != nil {
		return err
	}
	if err := t.readList(false); err != nil {
		return err
	}
	if err := t.courierUIDs(); err != nil {
		return err
	}
	m.goOn()
	if m.index.boot != m.store.boot && m.state.modseq != 0 || m.state.modseq == 0 {
		t.newBoot()
	}
	return nil
}

// newBoot goes on from the ceiling: what was written before the machine
// stopped may be gone from the index, MODSEQs that clients know included. Names
// and times of a directory may have become durable apart, so that the time which
// the index remembers proves nothing: both are looked at once.
func (t *txn) newBoot() {
	m := t.m
	m.mu.Lock()
	s := &m.state
	s.modseq = max(s.modseq, m.index.ceiling, uint64(m.store.now().UnixMilli())<<clockShift)
	m.seen.dirs = [2]dirLook{}
	m.mu.Unlock()
	m.index.broken = true // written anew, with this boot's name and a new ceiling
}

// next is the MODSEQ of the changes that are published together. What comes after
// has a greater one, in the same command too: whoever has seen some of them and its
// number asks for changes above that (RFC 7162 §3.1.4.1). mu is held.
func (t *txn) next(s *state) uint64 {
	if t.modseq == 0 {
		s.modseq++
		t.modseq = s.modseq
		if x := &t.m.index; t.modseq >= x.ceiling {
			x.ceiling = t.modseq + ceilingAhead
			t.rec = x.appendHead(t.rec, s)
		}
	}
	return t.modseq
}

// publish changes memory under the state lock and wakes those who wait.
func (t *txn) publish(f func(s *state, l *changeLog)) {
	m := t.m
	m.mu.Lock()
	f(&m.state, &m.log)
	m.log.seal()
	m.poke()
	t.modseq = 0 // a session may know all changes up to it from here on
	m.mu.Unlock()
	t.dirty = true
}

// touch tells that this command is about to change a directory.
func (t *txn) touch(dir int) {
	t.watchOurs()
	t.touched[dir] = true
	if t.lock != nil {
		t.lock.Touch() // does something every 10 s; an override shows at Unlock
	}
}

// end records what the disk looks like now, writes the index and gives the
// locks back. After an error the next look is a real one.
func (t *txn) end(err error) {
	m := t.m
	if err != nil || t.again {
		t.before, t.scanned = [2]int64{-1, -1}, [2]dirLook{}
	}
	now := m.store.now().UnixNano()
	for i := range t.before {
		look := m.seen.dirs[i]
		switch {
		case t.touched[i]:
			known := t.before[i] == look.mtime || t.scanned[i].at != 0
			if st, err := m.sub(i).Stat(); err == nil && known {
				look = dirLook{mtime: st.Mtime, at: now, own: true}
			} else {
				look = dirLook{} // others had changed it too: look again
			}
		case t.scanned[i].at != 0:
			look = t.scanned[i]
		}
		if look != m.seen.dirs[i] {
			m.mu.Lock()
			m.seen.dirs[i] = look
			m.mu.Unlock()
			t.dirty = true
		}
	}
	if t.lock != nil {
		if err := t.writeIndex(); t.high {
			t.lost = err
		}
		t.note()
		if err := t.lock.Unlock(); err != nil && !errors.Is(err, fsx.ErrCrash) {
			m.store.log.Warn("lock taken over by another program while we held it", "mailbox", m.dir.Path(), "err", err)
			m.mu.Lock()
			m.seen.dirs = [2]dirLook{}
			m.mu.Unlock()
		}
	}
	m.writer.give()
}

// anew tells that records need not be made: the index will be written as a whole, or not at all.
func (t *txn) anew() bool { return t.m.index.broken || t.lock == nil }

// writeIndex appends this command's records, or writes the file anew. Failing is no
// error of the command unless it has changed what no other file has: the index is a
// second copy, and is written anew at the next opportunity.
func (t *txn) writeIndex() error {
	m := t.m
	x := &m.index
	if x.broken {
		return x.failed(x.rewrite())
	}
	if x.bloated(&m.state) {
		m.wantChore(choreIndex)
	}
	news := m.list.told != m.seen.list && m.list.tellable(m.seen.list)
	if news {
		t.rec = m.list.appendList(t.rec, m.seen.list)
	}
	if len(t.rec) == 0 && !t.dirty {
		return nil
	}
	m.mu.RLock()
	t.rec = appendDisk(t.rec, &m.state, &m.seen)
	m.mu.RUnlock()
	err := x.write(t.rec)
	if err == nil && t.high && (t.lasting || m.store.o.Fsync == FsyncAlways) {
		err = x.sync()
	}
	if err == nil && news {
		m.list.listed(m.seen.list)
	}
	return x.failed(err)
}
