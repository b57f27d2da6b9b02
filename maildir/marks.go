package maildir

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Marks are one user's read marks in all mailboxes where each user has a \Seen of their own, kept in one
// file. The sessions of the user share them; what they cost grows with the user's own marks, not with
// the mailboxes.
type Marks struct {
	store *Store
	root  string // directory of the file; empty: they are kept in memory only

	users int // marksRegistry.mu

	// writer is held by whoever works on the file; what follows is of its holder.
	writer turn
	name   string // what distinguishes the file that was read: its first bytes
	end    int64  // up to here it has been read or written
	need   int64  // as long as it has to be, as of when all of it was read or written
	anew   bool   // the file must be written anew
	aside  bool   // and the one that is there put aside
	told   bool   // that it cannot be written

	census atomic.Int32 // whether the mailboxes that nobody has open should be looked for: censusNone...

	mu sync.RWMutex // memory; not held over a system call
	id fileID
	markImage
}

// marksRegistry has the marks that are in use.
type marksRegistry struct {
	mu    sync.Mutex
	users map[string]*Marks // by root
}

// Marks finds or makes the marks of the user whose own mail lies in root. They are read when they
// are first asked for.
func (s *Store) Marks(root string) (*Marks, error) {
	if !filepath.IsAbs(root) {
		return nil, &Error{Op: "open read marks", Err: badName("the path of read marks must be absolute")}
	}
	root = filepath.Clean(root)
	r := &s.marks
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.users[root]
	if k == nil {
		k = newMarks(s, root)
		if r.users == nil {
			r.users = make(map[string]*Marks)
		}
		r.users[root] = k
	}
	k.users++
	return k, nil
}

func newMarks(s *Store, root string) *Marks {
	k := &Marks{store: s, root: root, writer: newTurn(), markImage: newMarkImage()}
	k.boot = s.boot
	return k
}

// Close ends one use of the marks. Handles that use them live on.
func (k *Marks) Close() error {
	r := &k.store.marks
	r.mu.Lock()
	defer r.mu.Unlock()
	if k.users--; k.users == 0 && r.users[k.root] == k {
		delete(r.users, k.root)
	}
	return nil
}

// join is one more use.
func (k *Marks) join() {
	k.store.marks.mu.Lock()
	k.users++
	k.store.marks.mu.Unlock()
}

// refresh takes in what other processes have written: one stat when they have not.
func (k *Marks) refresh(ctx context.Context) error {
	if k.root == "" {
		return nil
	}
	id, err := k.idNow()
	if err != nil {
		return err
	}
	k.mu.RLock()
	same := id == k.id
	k.mu.RUnlock()
	if same {
		return nil
	}
	if err := k.writer.take(ctx); err != nil {
		return err
	}
	defer k.writer.give()
	d, err := k.store.fs.OpenDir(k.root)
	if isGone(err) || cannotWrite(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	err = k.catchUp(d, false)
	unsure := errors.Is(err, errUnsure)
	if !unsure && (err != nil || !k.anew) {
		return err
	}
	// Others must find what was lost, and what was not. If that cannot be now, whoever
	// writes next does it.
	w := k.begin(ctx, readerWait)
	defer w.end()
	switch {
	case w.err != nil && unsure:
		return w.err
	case w.err != nil:
		return nil
	case w.lock == nil && unsure: // nobody else may write it either
		return k.catchUp(d, true)
	}
	w.err = w.append(nil, nil)
	return nil
}

// idNow asks for the file without opening its directory.
func (k *Marks) idNow() (fileID, error) {
	st, err := k.store.fs.Stat(k.root + "/" + marksName)
	if isGone(err) || cannotWrite(err) {
		return fileID{}, nil
	}
	return idOf(st), err
}

// marking is one change of the file. While it lasts the writer's lock and the file's are held, and
// memory agrees with the file; without a lock of the file the change is in memory only.
type marking struct {
	k    *Marks
	dir  *fsx.Dir
	lock *fsx.Lock
	err  error
}

// write begins a change of the file, for who does not hold writer. done ends it.
func (k *Marks) write(ctx context.Context) (*marking, error) {
	k.countGone()
	if err := k.writer.take(ctx); err != nil {
		return nil, err
	}
	w := k.begin(ctx, k.store.o.LockWait)
	if w.err != nil {
		w.end()
		k.writer.give()
		return nil, w.err
	}
	return w, nil
}

// begin is write for who holds writer.
func (k *Marks) begin(ctx context.Context, wait time.Duration) *marking {
	w := &marking{k: k}
	if k.root == "" {
		return w
	}
	if w.dir, w.err = k.store.fs.OpenDir(k.root); w.err == nil {
		w.lock, w.err = w.dir.Lock(ctx, marksName, fsx.LockOptions{Wait: wait, Stale: lockStale})
	}
	if w.err == nil {
		w.err = k.catchUp(w.dir, true)
	}
	if isGone(w.err) || cannotWrite(w.err) {
		if !k.told {
			k.store.log.Warn("read marks of a user cannot be kept; they last as long as the sessions", "root", k.root, "err", w.err)
		}
		k.told, w.err = true, nil
		w.end()
	}
	return w
}

// end gives the file's lock back.
func (w *marking) end() {
	if w.lock != nil {
		if err := w.lock.Unlock(); err != nil && w.err == nil {
			w.k.store.log.Debug("lock of read marks", "root", w.k.root, "err", err)
		}
	}
	if w.dir != nil {
		w.dir.Close()
	}
	w.lock, w.dir = nil, nil
}

// done ends what Marks.write began.
func (w *marking) done() {
	w.end()
	w.k.writer.give()
}
