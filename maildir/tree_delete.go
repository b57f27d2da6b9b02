package maildir

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"maildir-imapd/maildir/fsx"
)

// deletedDir is the cur/ of a mailbox that is being deleted where its
// directory must stay, because other mailboxes lie below it.
const deletedDir = "maildir-imapd.deleted"

// Delete removes a mailbox and its messages. Mailboxes below it live on; its
// name then is a parent that does not exist. One rename decides: before it the
// mailbox is whole, after it nobody sees it any more.
func (t *Tree) Delete(ctx context.Context, name string) error {
	err := t.delete(ctx, t.names.clean(name))
	if !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrBadName) {
		t.quota.changed(ctx)
	}
	return opError("delete", name, err)
}

func (t *Tree) delete(ctx context.Context, name string) error {
	if t.key.fixed == 0 {
		if _, err := t.permit(name, DeedDelete); err != nil {
			return err
		}
	}
	if t.names.isInbox(name) {
		return badName("INBOX cannot be deleted")
	}
	root, lock, err := t.change(ctx)
	if err != nil {
		return err
	}
	defer t.unlock(root, lock)
	p, err := t.find(root, name)
	if err != nil {
		return err
	}
	if err := t.deleteAt(root, p, lock); err != nil {
		return err
	}
	t.acls.forget(t.names.layout, p.rel)
	t.apart.removed(p.rel)
	t.store.third.deleted(ctx, t.root, p.rel)
	return nil
}

// deleteAt removes the mailbox at p.
func (t *Tree) deleteAt(root *fsx.Dir, p place, lock *treeLock) error {
	if err := removeTree(root, trashDir, lock.Touch); err != nil { // left by a crash
		return err
	}
	parentRel, last := splitRel(p.rel)
	parent := root
	if parentRel != "" {
		var err error
		if parent, err = openBelow(root, parentRel); err != nil {
			return err
		}
		defer parent.Close()
	}
	if st, err := parent.StatName(last); err == nil && st.IsLink() {
		return t.deleteLink(parent, last, p)
	}
	if t.names.layout == FS {
		stays, err := hasSubdirs(parent, last)
		if err != nil {
			return err
		}
		if stays {
			return t.deleteInside(parent, last, p, lock)
		}
	}
	err := parent.RenameNew(last, root, trashDir)
	if errors.Is(err, syscall.EXDEV) { // below a followed link
		return t.deleteInside(parent, last, p, lock)
	}
	if err != nil {
		return err
	}
	t.store.removed(t.apart.key(p.dir, p.rel))
	if err := parent.Sync(); err != nil {
		return err
	}
	if err := root.Sync(); err != nil {
		return err
	}
	// It is gone for everybody: what cannot be removed now is swept up by the
	// next deletion.
	if err := removeTree(root, trashDir, lock.Touch); err != nil {
		t.store.log.Warn("cannot remove all of a deleted mailbox", "path", t.root+"/"+trashDir, "err", err)
	}
	t.prune(root, parentRel)
	return nil
}

// deleteLink removes a link to a mailbox. What it leads to is the
// administrator's, who put it there.
func (t *Tree) deleteLink(parent *fsx.Dir, last string, p place) error {
	if err := parent.Remove(last); err != nil {
		return err
	}
	t.store.removed(t.apart.key(p.dir, p.rel))
	t.store.log.Info("deleted a mailbox that was a link; the messages stay", "path", p.dir)
	return parent.Sync()
}

// deleteInside takes the mailbox out of a directory that stays.
func (t *Tree) deleteInside(parent *fsx.Dir, last string, p place, lock *treeLock) error {
	d, err := parent.Sub(last)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := removeTree(d, deletedDir, lock.Touch); err != nil {
		return err
	}
	if err := d.RenameNew("cur", d, deletedDir); err != nil {
		return err
	}
	t.store.removed(t.apart.key(p.dir, p.rel))
	if err := d.Sync(); err != nil {
		return err
	}
	for _, name := range []string{"new", "tmp"} {
		if err := removeTree(d, name, lock.Touch); err != nil {
			t.store.log.Warn("cannot remove all of a deleted mailbox", "path", d.Path()+"/"+name, "err", err)
		}
	}
	// What is left with this directory is known for what it is (createNested), so it goes last.
	if err := removeControl(d, false); err != nil {
		return err
	}
	if err := removeTree(d, deletedDir, lock.Touch); err != nil {
		t.store.log.Warn("cannot remove all of a deleted mailbox", "path", d.Path()+"/"+deletedDir, "err", err)
	}
	return nil
}

// prune removes directories that only led to the mailbox, upwards.
func (t *Tree) prune(root *fsx.Dir, rel string) {
	for rel != "" {
		parentRel, last := splitRel(rel)
		parent := root
		if parentRel != "" {
			var err error
			if parent, err = openBelow(root, parentRel); err != nil {
				return
			}
		}
		err := parent.RemoveDir(last)
		if parent != root {
			parent.Close()
		}
		if err != nil {
			return
		}
		rel = parentRel
	}
}

// hasSubdirs tells whether directories lie beside cur, new and tmp.
func hasSubdirs(parent *fsx.Dir, last string) (bool, error) {
	d, err := parent.Sub(last)
	if err != nil {
		return false, err
	}
	defer d.Close()
	found := false
	var maybe []string
	err = d.Each(func(name []byte, typ fsx.Type) bool {
		switch s := string(name); {
		case isMaildirName(s) || s == deletedDir:
		case typ == fsx.IsDir || typ == fsx.IsLink:
			found = true
		case typ == fsx.Unknown:
			maybe = append(maybe, s)
		}
		return !found
	})
	for _, name := range maybe {
		if st, serr := d.StatName(name); serr == nil && (st.IsDir() || st.IsLink()) {
			found = true
		}
	}
	return found, err
}

// removeTree removes a file or a directory with everything in it; links are
// removed, not followed. alive, when given, is called between the names.
func removeTree(d *fsx.Dir, name string, alive func() error) error {
	err := d.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// Linux says EISDIR, POSIX EPERM.
	if !errors.Is(err, syscall.EISDIR) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	s, serr := d.Sub(name)
	if errors.Is(serr, syscall.ENOTDIR) {
		return err
	}
	if serr != nil {
		return serr
	}
	defer s.Close()
	s.Follow = nil
	names, err := s.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if alive != nil {
			if err := alive(); err != nil {
				return err
			}
		}
		if err := removeTree(s, n, alive); err != nil {
			return err
		}
	}
	return d.RemoveDir(name)
}
