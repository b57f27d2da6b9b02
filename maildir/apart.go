package maildir

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// apart is where a tree keeps what does not lie beside its mail: below CONTROL= of
// Dovecot's mail_location the lists of UIDs and keywords, subscriptions, the last
// UIDVALIDITY and maildirsize; below INDEX= our index, cache and text, which without
// it lie beside the lists. Both have a directory for each mailbox under the name that
// the mailbox's has below the root; the root's own is ".INBOX" (Maildir++) or "INBOX".
//
// Nil: everything lies beside the mail, as it does without these settings.
//
// # Races
//
// The directories of one mailbox cannot be renamed in one step. The mail decides: what
// lies apart belongs to a mailbox that has its mail under that name. Who renames notes
// what will move before, durably (moving), moves the mail, then what lies apart, and
// removes the note; whoever takes the tree's lock and finds a note brings what is apart
// to where its mail is (recover). Nobody else may make a directory for lists that is
// missing, or lists would begin anew while theirs are on the way: it is made under the
// tree's lock, if the mail is still where it was (make).
//
// CREATE begins with the lists, so that the mailbox is never there without them; DELETE
// ends with them. What is cut short leaves lists without mail: CREATE and RENAME clear
// them away, and another program that makes a mailbox of that name goes on with its old
// UIDVALIDITY, above its old UIDs.
type apart struct {
	tree    *Tree
	control string // links resolved, as is own; "" is beside the mail
	own     string
	locked  string // INDEX=, where Dovecot has mailboxes.lock then; "" is beside the mail
}

// boxDirs are the directories of one mailbox: of its mail, of the lists that we share
// with Dovecot, and of our index, cache and text. Unless they are kept apart they are
// one and the same.
type boxDirs struct{ dir, control, own *fsx.Dir }

// together is for mailboxes that have everything in one place.
func together(d *fsx.Dir) boxDirs { return boxDirs{d, d, d} }

// distinct calls f for each directory once, but for those that are not there.
func (b *boxDirs) distinct(f func(*fsx.Dir)) {
	f(b.dir)
	if b.control != b.dir && b.control != nil {
		f(b.control)
	}
	if b.own != b.dir && b.own != b.control && b.own != nil {
		f(b.own)
	}
}

func (b *boxDirs) close() { b.distinct(func(d *fsx.Dir) { d.Close() }) }

// sameAs tells whether both are open on the same directories.
func (b *boxDirs) sameAs(o *boxDirs) bool {
	return b.dir.Identity().SameFile(o.dir.Identity()) && b.control.Identity().SameFile(o.control.Identity()) &&
		b.own.Identity().SameFile(o.own.Identity())
}

// of is where a file of a mailbox lies; nil where that directory is not there.
func (b *boxDirs) of(file string) *fsx.Dir {
	switch {
	case strings.HasPrefix(file, uidlistFile), strings.HasPrefix(file, keywordsFile):
		return b.control
	case strings.HasPrefix(file, indexName), strings.HasPrefix(file, cacheName), strings.HasPrefix(file, textName):
		return b.own
	}
	return b.dir
}

// newApart finds the directories, and makes them when the tree is to be made.
func newApart(t *Tree) (*apart, error) {
	if t.o.Control == "" && t.o.Index == "" {
		return nil, nil
	}
	a := &apart{tree: t}
	for _, x := range []struct {
		path string
		to   *string
	}{{t.o.Control, &a.control}, {t.o.Index, &a.own}} {
		if x.path == "" {
			continue
		}
		if !filepath.IsAbs(x.path) {
			return nil, badName("the paths of a tree's lists and indices must be absolute")
		}
		path, err := t.rootAt(x.path, func(*fsx.Dir) error { return nil })
		if isGone(err) && (t.o.Access != nil || t.o.ReadOnly) {
			path, err = filepath.Clean(x.path), nil // nobody has been here yet whose it is
		}
		if err != nil {
			return nil, err
		}
		if path != t.root {
			*x.to = path
		}
	}
	if a.locked = a.own; a.own == "" {
		a.own = a.control
	}
	if a.own == "" {
		return nil, nil
	}
	return a, nil
}

// roots are the directories that are not the mail's, each once.
func (a *apart) roots() []string {
	switch {
	case a == nil:
		return nil
	case a.control == "" || a.control == a.own:
		return []string{a.own}
	}
	return []string{a.control, a.own}
}

// rel is where a mailbox's directory lies below such a root.
func (a *apart) rel(rel string) string {
	switch {
	case rel != "":
		return rel
	case a.tree.names.layout == MaildirPP:
		return "." + inbox
	}
	return inbox
}

// openRoot opens one of the roots. Links lead where the tree's may, and within it.
func (a *apart) openRoot(root string) (*fsx.Dir, error) {
	d, err := a.tree.store.fs.OpenDir(root)
	if err == nil {
		d.Follow = append([]string{root}, a.tree.o.Follow...)
	}
	return d, err
}

// inRoot calls f with a root open.
func (a *apart) inRoot(root string, f func(*fsx.Dir) error) error {
	d, err := a.openRoot(root)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(d)
}

// openIn opens a mailbox's directory below one of the roots.
func (a *apart) openIn(root, rel string) (d *fsx.Dir, err error) {
	err = a.inRoot(root, func(r *fsx.Dir) error {
		d, err = openBelow(r, a.rel(rel))
		return err
	})
	return d, err
}

// open adds to b, which has the mail's directory, what lies apart of the mailbox at rel.
// An error leaves b with that one alone.
func (a *apart) open(b *boxDirs, rel string) error {
	b.control, b.own = b.dir, b.dir
	if a == nil {
		return nil
	}
	if rel != "" {
		if err := a.clash(rel); err != nil {
			return err
		}
	}
	if a.control != "" {
		d, err := a.openIn(a.control, rel)
		if err != nil {
			return err
		}
		b.control, b.own = d, d
	}
	if a.own != a.control {
		d, err := a.openIn(a.own, rel)
		if err != nil {
			if b.control != b.dir {
				b.control.Close()
			}
			*b = together(b.dir)
			return err
		}
		b.own = d
	}
	return nil
}

// openAll opens all directories of a mailbox.
func (l *location) openAll(fsys *fsx.FS) (boxDirs, error) {
	d, err := l.open(fsys)
	if err != nil {
		return boxDirs{}, err
	}
	b := together(d)
	if err := l.apart.open(&b, l.rel); err != nil {
		d.Close()
		return boxDirs{}, err
	}
	return b, nil
}

// make opens what lies apart of a mailbox, of which something was missing, after it has
// been made: nobody has served the mailbox yet, or a rename was cut short.
func (a *apart) make(ctx context.Context, l *location) (b boxDirs, err error) {
	t := a.tree
	root, lock, err := t.changing(ctx)
	if err != nil {
		return b, err
	}
	defer t.unlock(root, lock)
	d, err := l.open(t.store.fs)
	if err != nil {
		return b, err
	}
	b = together(d)
	for _, r := range a.roots() {
		err = errors.Join(err, a.inRoot(r, func(in *fsx.Dir) error {
			in.Like(d.Identity())
			made, err := makeDirs(in, a.rel(l.rel))
			if err == nil {
				made.Close()
			}
			return err
		}))
	}
	if err == nil {
		err = a.open(&b, l.rel)
	}
	if err != nil {
		d.Close()
		return boxDirs{}, err
	}
	return b, nil
}

// place opens a mailbox's directories, and makes those that are missing but for the mail's.
func (l *location) place(ctx context.Context, fsys *fsx.FS) (boxDirs, error) {
	d, err := l.open(fsys)
	if err != nil {
		return boxDirs{}, err
	}
	b := together(d)
	err = l.apart.open(&b, l.rel)
	if err == nil {
		return b, nil
	}
	d.Close()
	if !isGone(err) {
		return boxDirs{}, err
	}
	b, err = l.apart.make(ctx, l)
	if cannotWrite(err) || isGone(err) {
		l.apart.tree.warn("the place of a mailbox's lists is missing and cannot be made; the mailbox is served read-only",
			l.apart.roots()[0]+"/"+l.apart.rel(l.rel), err)
		return l.bare(fsys)
	}
	return b, err
}

// key tells mailboxes apart: by their mail, and where lists lie apart by those, which
// go by the name of a link where the mail goes by what it leads to.
func (l *location) key() string { return l.apart.key(l.dir, l.rel) }

func (a *apart) key(dir, rel string) string {
	if dir = filepath.Clean(dir); a == nil {
		return dir
	}
	return dir + "\x00" + rel
}

// lists is the directory in which the tree's own lists are.
func (t *Tree) lists() string { return t.apart.lists(t.root) }

func (a *apart) lists(root string) string {
	if a != nil && a.control != "" {
		return a.control
	}
	return root
}

// openLists opens it.
func (t *Tree) openLists() (*fsx.Dir, error) {
	if t.lists() == t.root {
		return t.open()
	}
	return t.apart.openRoot(t.lists())
}

// inLists calls f with it open, which may be root.
func (t *Tree) inLists(root *fsx.Dir, f func(*fsx.Dir) error) error {
	if t.lists() == t.root {
		return f(root)
	}
	return t.apart.inRoot(t.lists(), f)
}

// inMailbox calls f with the directories of the mailbox at rel. One that is gone is
// passed over; of one that nobody has served yet control and own may be nil.
func (t *Tree) inMailbox(root *fsx.Dir, rel string, f func(boxDirs) error) error {
	return inMailbox(root, rel, func(d *fsx.Dir) error {
		b := together(d)
		switch err := t.apart.open(&b, rel); {
		case isGone(err):
			return f(boxDirs{dir: d})
		case err != nil:
			return err
		}
		defer b.closeApart()
		return f(b)
	})
}

// closeApart closes all but the mail's.
func (b *boxDirs) closeApart() {
	b.distinct(func(d *fsx.Dir) {
		if d != b.dir {
			d.Close()
		}
	})
}

// treeLock is the lock under which a tree changes.
type treeLock struct {
	*fsx.Lock
	in *fsx.Dir // nil: the root
}

// lock takes the tree's lock where Dovecot has it.
func (t *Tree) lock(ctx context.Context, root *fsx.Dir) (*treeLock, error) {
	in, own := root, (*fsx.Dir)(nil)
	if t.apart != nil && t.apart.locked != "" {
		d, err := t.apart.openRoot(t.apart.locked)
		if err != nil {
			return nil, err
		}
		in, own = d, d
	}
	l, err := in.Lock(ctx, "mailboxes", fsx.LockOptions{Wait: t.store.o.LockWait, Stale: 2 * time.Minute, Record: true})
	if err != nil {
		if own != nil {
			own.Close()
		}
		return nil, err
	}
	return &treeLock{l, own}, nil
}

// inLocked calls f with the directory that has the lock.
func (t *Tree) inLocked(root *fsx.Dir, f func(*fsx.Dir) error) error {
	if t.apart == nil || t.apart.locked == "" {
		return f(root)
	}
	return t.apart.inRoot(t.apart.locked, f)
}

// unlock gives it back.
func (l *treeLock) unlock() error {
	err := l.Unlock()
	if l.in != nil {
		l.in.Close()
	}
	return err
}

// statBelow tells the state of what lies at rel below d, of a link itself.
func statBelow(d *fsx.Dir, rel string) (fsx.Stat, error) {
	parent, last := splitRel(rel)
	if parent == "" {
		return d.StatName(last)
	}
	p, err := openBelow(d, parent)
	if err != nil {
		return fsx.Stat{}, err
	}
	defer p.Close()
	return p.StatName(last)
}

// lies tells whether something lies at rel below d.
func lies(d *fsx.Dir, rel string) (bool, error) {
	_, err := statBelow(d, rel)
	if isGone(err) {
		return false, nil
	}
	return err == nil, err
}
