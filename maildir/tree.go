package maildir

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Tree is one tree of mailboxes: a user's mail, or a public root. It is cheap,
// holds no descriptor, and may be used by several goroutines. What changes the
// tree does so under Dovecot's mailboxes.lock in the root.
type Tree struct {
	store *Store
	o     TreeOptions
	names names
	root  string // links resolved
	quota *quotaRoot
	*treeShared
	closed atomic.Bool
}

// Tree opens a tree, and makes the Maildir with INBOX when o.Create says so
// and there is none.
func (s *Store) Tree(o TreeOptions) (*Tree, error) {
	t := &Tree{store: s, o: o, names: newNames(&o)}
	if !filepath.IsAbs(o.Root) {
		return nil, &Error{Op: "open tree", Err: badName("the path of a mail tree must be absolute")}
	}
	root, err := s.fs.Resolve(filepath.Clean(o.Root))
	if errors.Is(err, fs.ErrNotExist) && o.Create {
		if err = t.makeRoot(filepath.Clean(o.Root)); err == nil {
			root, err = s.fs.Resolve(filepath.Clean(o.Root))
		}
	}
	if err != nil {
		return nil, opError("open tree", "", err)
	}
	t.root = root
	t.treeShared = s.trees.join(t.names, root, &o)
	t.o.SpecialUse = nil // shared, now
	t.quota = newQuotaRoot(t)
	return t, nil
}

// makeRoot makes the root, the directories above it and, unless there is no
// INBOX, cur, new and tmp; private to their owner.
func (t *Tree) makeRoot(path string) error {
	d, err := t.store.fs.OpenDir("/")
	if err != nil {
		return err
	}
	defer func() { d.Close() }()
	d.Follow = []string{"/"} // the path is the administrator's, not a client's
	for _, name := range splitPath(path) {
		sub, err := d.Sub(name)
		if isGone(err) {
			if err = d.Mkdir(name, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
				if err = d.Sync(); err == nil {
					sub, err = d.Sub(name)
				}
			}
		}
		if err != nil {
			return err
		}
		d.Close()
		d = sub
	}
	if t.o.NoInbox {
		return nil
	}
	return makeMaildir(d, 0o700)
}

// makeMaildir makes the three directories, cur last: with it, the mailbox is there.
func makeMaildir(d *fsx.Dir, perm fs.FileMode) error {
	for _, name := range []string{"tmp", "new", "cur"} {
		if err := d.Mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return d.Sync()
}

// Close ends the use of the tree. Handles opened through it live on.
func (t *Tree) Close() error {
	if !t.closed.Swap(true) {
		t.store.trees.leave(t.treeShared)
	}
	return nil
}

// open opens the root.
func (t *Tree) open() (*fsx.Dir, error) {
	d, err := t.store.fs.OpenDir(t.root)
	if err == nil {
		d.Follow = append([]string{t.root}, t.o.Follow...)
	}
	return d, err
}

// change opens the root and takes the lock under which the tree changes. Dovecot
// takes it by fcntl.
func (t *Tree) change(ctx context.Context) (*fsx.Dir, *fsx.Lock, error) {
	if t.o.ReadOnly {
		return nil, nil, ErrNoPermission
	}
	d, err := t.open()
	if err != nil {
		return nil, nil, err
	}
	l, err := d.Lock(ctx, "mailboxes", fsx.LockOptions{Wait: t.store.o.LockWait, Stale: 2 * time.Minute, Record: true})
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return d, l, nil
}

// unlock ends what change began. A lock that somebody overrode while the work
// was done is told to the log: the work itself is complete.
func (t *Tree) unlock(d *fsx.Dir, l *fsx.Lock) {
	if err := l.Unlock(); err != nil {
		t.store.log.Warn("mailbox tree lock", "err", err)
	}
	d.Close()
	t.forget()
}

// warn tells something about a path once in the tree's life.
func (t *Tree) warn(msg, path string, err error) {
	if t.first(path) {
		t.store.log.Warn(msg, "path", path, "err", err)
	}
}

// Exists tells whether there is such a mailbox; a mere parent is none.
func (t *Tree) Exists(name string) (bool, error) {
	name = t.names.clean(name)
	if t.key.fixed == 0 {
		_, err := t.permit(name, DeedLook)
		if errors.Is(err, ErrNotExist) {
			return false, nil
		}
		return err == nil, opError("look for", name, err)
	}
	if t.names.isInbox(name) {
		return true, nil
	}
	d, err := t.open()
	if err != nil {
		return false, opError("look for", name, err)
	}
	defer d.Close()
	_, err = t.find(d, name)
	if errors.Is(err, ErrNotExist) {
		return false, nil
	}
	return err == nil, opError("look for", name, err)
}

// deedOf is what opening a mailbox is, by what it is opened for.
var deedOf = [...]Deed{Select: DeedOpen, Examine: DeedOpen, Peek: DeedCount, Target: DeedInsert}

// Open opens a mailbox for one selection, a status, or a transfer.
func (t *Tree) Open(ctx context.Context, name string, mode Mode) (*Handle, error) {
	name = t.names.clean(name)
	loc, err := t.permit(name, deedOf[mode])
	if err != nil {
		return nil, opError("open", name, err)
	}
	return t.store.open(ctx, loc, mode)
}

func (t *Tree) locate(name string) (location, error) {
	loc, err := t.lookUp(name)
	if err == nil {
		loc.rights, err = t.rightsOf(&loc)
	}
	return loc, err
}

// location is what is known of a mailbox's place before it is looked for: that of the root.
func (t *Tree) location(name string) location {
	loc := location{name: name, dir: t.root, root: t.root, follow: t.o.Follow, quota: t.quota}
	if t.key.fixed == 0 {
		loc.tree = t
	}
	return loc
}

func (t *Tree) lookUp(name string) (location, error) {
	loc := t.location(name)
	loc.special = slices.Clone(t.special[name])
	if t.names.isInbox(name) {
		return loc, nil
	}
	d, err := t.open()
	if err != nil {
		return loc, err
	}
	defer d.Close()
	p, err := t.find(d, name)
	if err != nil {
		return loc, err
	}
	loc.rel, loc.dir = p.rel, p.dir
	return loc, nil
}
