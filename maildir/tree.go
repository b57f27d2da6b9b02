package maildir

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

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
	apart *apart
	acls  *aclCache // where there is Access
	*treeShared
	closed atomic.Bool

	fleeting sync.Once // makes marks that nobody keeps
	unkept   *Marks
}

// Tree opens a tree, and makes the Maildir with INBOX when o.Create says so
// and there is none.
func (s *Store) Tree(o TreeOptions) (*Tree, error) {
	t := &Tree{store: s, o: o, names: newNames(&o)}
	if !filepath.IsAbs(o.Root) {
		return nil, &Error{Op: "open tree", Err: badName("the path of a mail tree must be absolute")}
	}
	root, err := t.rootAt(o.Root, func(d *fsx.Dir) error {
		if o.NoInbox {
			return nil
		}
		return makeMaildir(d, 0o700)
	})
	if err != nil {
		return nil, opError("open tree", "", err)
	}
	t.root = root
	if t.apart, err = newApart(t); err != nil {
		return nil, opError("open tree", "", err)
	}
	t.treeShared = s.trees.join(t.names, root, &o)
	t.o.SpecialUse = nil // shared, now
	if o.Access != nil {
		t.acls = s.acls.join(root, s.log)
	}
	t.quota = newQuotaRoot(t)
	if o.Access != nil && o.Access.Marks != nil {
		o.Access.Marks.join()
	}
	return t, nil
}

// rootAt resolves links in the path of one of the tree's roots. If the tree is to be made
// and the root is not there it is made, and filled.
func (t *Tree) rootAt(path string, fill func(*fsx.Dir) error) (string, error) {
	path = filepath.Clean(path)
	root, err := t.store.fs.Resolve(path)
	if errors.Is(err, fs.ErrNotExist) && t.o.Create {
		if err = t.makeRoot(path, fill); err == nil {
			root, err = t.store.fs.Resolve(path)
		}
	}
	return root, err
}

// makeRoot makes a root and the directories above it, private to their owner, and
// what fill wants in it.
func (t *Tree) makeRoot(path string, fill func(*fsx.Dir) error) error {
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
	return fill(d)
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
		if t.o.Access != nil && t.o.Access.Marks != nil {
			t.o.Access.Marks.Close()
		}
		t.store.trees.leave(t.treeShared)
		if t.acls != nil {
			t.store.acls.leave(t.acls)
		}
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
func (t *Tree) change(ctx context.Context) (*fsx.Dir, *treeLock, error) {
	if t.o.ReadOnly {
		return nil, nil, ErrNoPermission
	}
	return t.changing(ctx)
}

// changing is change of what does not show: a tree that is only read has lists, too.
func (t *Tree) changing(ctx context.Context) (*fsx.Dir, *treeLock, error) {
	d, err := t.open()
	if err != nil {
		return nil, nil, err
	}
	l, err := t.lock(ctx, d)
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	if err := t.apart.recover(d); err != nil {
		t.unlock(d, l)
		return nil, nil, err
	}
	return d, l, nil
}

// unlock ends what change began. A lock that somebody overrode while the work
// was done is told to the log: the work itself is complete.
func (t *Tree) unlock(d *fsx.Dir, l *treeLock) {
	if err := l.unlock(); err != nil {
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

// marks are those of the tree's user.
func (t *Tree) marks() *Marks {
	if k := t.o.Access.Marks; k != nil {
		return k
	}
	t.fleeting.Do(func() { t.unkept = newMarks(t.store, "") })
	return t.unkept
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
	switch {
	case err == nil:
		loc.rights, err = t.rightsOf(&loc)
	case t.key.fixed == 0 && classify(err) == ErrNoPermission:
		err = t.unseen(err)
	}
	return loc, err
}

// unseen is the answer where the way to a mailbox is barred: it has a list perhaps, which nobody can read. So nobody has
// rights, not even to be told that there is something, and LIST says nothing of it either. The administrator is told.
func (t *Tree) unseen(barred error) error {
	path := t.root
	var at *fs.PathError
	if errors.As(barred, &at) {
		path = at.Path
	}
	t.warn("not served", path, barred)
	return ErrNotExist
}

// location is what is known of a mailbox's place before it is looked for: that of the root.
func (t *Tree) location(name string) location {
	loc := location{name: name, dir: t.root, root: t.root, apart: t.apart, follow: t.o.Follow, quota: t.quota}
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
