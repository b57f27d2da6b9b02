package maildir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// buildDir is where a Maildir++ folder is put together, in the root's tmp/; a
// crash leaves one at most, which the next CREATE removes.
const buildDir = "maildir-imapd.create"

// Create makes a mailbox, with the special use that the client gave it. A name
// that ends with the separator means the same without (RFC 9051 §6.3.4).
func (t *Tree) Create(ctx context.Context, name string, use []imap.MailboxAttr) error {
	return opError("create", name, t.create(ctx, name, use))
}

func (t *Tree) create(ctx context.Context, name string, use []imap.MailboxAttr) error {
	name = t.names.clean(strings.TrimSuffix(name, string(t.names.sep)))
	if err := t.permitBelow(name); err != nil { // before all else, as for a rename
		return err
	}
	if t.names.isInbox(name) {
		return ErrExist
	}
	if err := t.names.verify(name); err != nil {
		return err
	}
	root, lock, err := t.change(ctx)
	if err != nil {
		return err
	}
	defer t.unlock(root, lock)
	return t.createLocked(root, name, use)
}

func (t *Tree) createLocked(root *fsx.Dir, name string, use []imap.MailboxAttr) error {
	if _, err := t.find(root, name); err == nil {
		return ErrExist
	} else if !errors.Is(err, ErrNotExist) {
		return err
	}
	var validity uint32
	err := t.inLists(root, func(d *fsx.Dir) (err error) {
		validity, err = takeUIDValidity(d, t.store.now())
		return err
	})
	if err != nil {
		return err
	}
	list := uidlist{validity: validity, next: 1, guid: newGUID()}
	if t.names.layout == FS {
		return t.createNested(root, name, &list, use)
	}
	return t.createFolder(root, name, &list, use)
}

// createFolder makes a Maildir++ folder: complete in tmp/, then renamed into
// place, so that no program ever sees half of one.
func (t *Tree) createFolder(root *fsx.Dir, name string, list *uidlist, use []imap.MailboxAttr) error {
	tmp, err := subOrMake(root, "tmp")
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := removeTree(tmp, buildDir, nil); err != nil {
		return err
	}
	model, rel := t.model(root, name), t.names.path(name)
	if err := t.apart.create(root, model, rel, list); err != nil {
		return err
	}
	tmp.Like(model)
	if err := tmp.Mkdir(buildDir, 0); err != nil {
		return err
	}
	err = t.fill(root, tmp, name, list, use)
	if err == nil {
		err = tmp.RenameNew(buildDir, root, rel)
	}
	if err != nil {
		removeTree(tmp, buildDir, nil)
		return err
	}
	return root.Sync()
}

func (t *Tree) fill(root, tmp *fsx.Dir, name string, list *uidlist, use []imap.MailboxAttr) error {
	d, err := tmp.Sub(buildDir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := touch(d, "maildirfolder"); err != nil {
		return err
	}
	if err := t.writeControl(root, d, name, list, use); err != nil {
		return err
	}
	return makeMaildir(d, 0)
}

// model is what a new folder gets mode and group from: the next folder above
// it that there is, else the root.
func (t *Tree) model(root *fsx.Dir, name string) fsx.Stat {
	for p := t.names.parent(name); p != "" && !t.names.isInbox(p); p = t.names.parent(p) {
		if st, err := root.StatName(t.names.path(p)); err == nil && st.IsDir() {
			return st
		}
	}
	return root.Identity()
}

// createNested makes a mailbox of the fs layout in place. Its cur/ comes last:
// before that, it is a mere directory to everybody.
func (t *Tree) createNested(root *fsx.Dir, name string, list *uidlist, use []imap.MailboxAttr) error {
	d, err := makeDirs(root, t.names.path(name))
	if err != nil {
		return err
	}
	if d != root {
		defer d.Close()
	}
	// What a deletion that was cut short left here has no claim any more, and that goes for its list as well. In a
	// mere directory a list is an administrator's.
	_, err = d.StatName(deletedDir)
	if err := removeControl(d, isGone(err)); err != nil {
		return err
	}
	if err := removeTree(d, deletedDir, nil); err != nil {
		return err
	}
	if err := t.apart.create(root, d.Identity(), t.names.path(name), list); err != nil {
		return err
	}
	if err := t.writeControl(root, d, name, list, use); err != nil {
		return err
	}
	return makeMaildir(d, 0)
}

// makeDirs opens the directory at rel and makes what is missing on the way.
func makeDirs(root *fsx.Dir, rel string) (*fsx.Dir, error) {
	at := root
	for _, c := range splitPath(rel) {
		next, err := subOrMake(at, c)
		if at != root {
			at.Close()
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return nil, badName("%q is in use by a file", c)
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

func subOrMake(d *fsx.Dir, name string) (*fsx.Dir, error) {
	s, err := d.Sub(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := d.Mkdir(name, 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := d.Sync(); err != nil {
		return nil, err
	}
	return d.Sub(name)
}

func touch(d *fsx.Dir, name string) error {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// writeControl writes the files that a new mailbox begins with beside its mail.
func (t *Tree) writeControl(root, d *fsx.Dir, name string, list *uidlist, use []imap.MailboxAttr) error {
	if err := t.inherit(root, d, name); err != nil {
		return err
	}
	// dovecot-shared in the root makes \Seen private in all mailboxes made from then on.
	if _, err := root.StatName("dovecot-shared"); err == nil {
		if err := touch(d, "dovecot-shared"); err != nil {
			return err
		}
	}
	if len(use) > 0 {
		var p props
		p.setSpecialUse(use)
		if err := d.WriteFile(propsFile, p.encode(nil), 0, true); err != nil {
			return err
		}
	}
	if t.lists() != t.root {
		return nil // it is there already
	}
	return d.WriteFile(uidlistFile, list.encode(nil), 0, true)
}

// removeControl removes the control files of a mailbox that is no more, but for its list if that is to stay.
func removeControl(d *fsx.Dir, lists bool) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if !isControlName(name) || isMaildirName(name) || lists && (name == dovecotACL || name == courierACL) {
			continue
		}
		if st, err := d.StatName(name); err != nil || st.IsDir() {
			continue
		}
		if err := d.Remove(name); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}
