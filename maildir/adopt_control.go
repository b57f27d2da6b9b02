package maildir

import (
	"context"
	"path/filepath"
	"strings"

	"maildir-imapd/maildir/fsx"
)

// Dovecot can keep its lists apart from the mail, below CONTROL= of its
// mail_location, in directories of the same names as the folders', with ".INBOX"
// or "INBOX" for the root itself. We keep them beside the mail: Adopt copies them
// there, where there are none yet. The copy of
// dovecot-uidlist comes last in each folder, so that one cut short is seen to be.
//
// Going back needs the opposite copy, or a Dovecot without CONTROL=.

// controlBox opens a folder's directory below the control root; nil where there
// is none.
func controlBox(fsys *fsx.FS, control string, layout Layout, rel string) (*fsx.Dir, error) {
	if rel == "" {
		if rel = inbox; layout == MaildirPP {
			rel = "." + inbox
		}
	}
	return controlDir(fsys, control, rel)
}

// controlDir opens a directory below the control root; nil where there is none.
func controlDir(fsys *fsx.FS, control, rel string) (*fsx.Dir, error) {
	if control == "" {
		return nil, nil
	}
	path, err := filepath.Abs(control)
	if err == nil {
		path, err = fsys.Resolve(path)
	}
	if err != nil {
		return nil, err
	}
	root, err := fsys.OpenDir(path)
	if err != nil || rel == "" {
		return root, err
	}
	defer root.Close()
	root.Follow = []string{path}
	d, err := openBelow(root, rel)
	if isGone(err) {
		return nil, nil
	}
	return d, err
}

// reading is the directory that a file is read from: the mailbox's where it is
// there, else Dovecot's control directory.
func reading(box, control *fsx.Dir, name string) (*fsx.Dir, error) {
	id, err := idNow(box, name)
	if err != nil || id != (fileID{}) || control == nil {
		return box, err
	}
	return control, nil
}

// bringControl copies a folder's lists from below the control root.
func (t *Tree) bringControl(ctx context.Context, loc location, control string) error {
	s := t.store
	from, err := controlBox(s.fs, control, t.names.layout, loc.rel)
	if from == nil || err != nil {
		return err
	}
	defer from.Close()
	to, err := loc.open(s.fs)
	if err != nil {
		return err
	}
	defer to.Close()
	lock, err := to.Lock(ctx, uidlistFile, fsx.LockOptions{Wait: s.o.LockWait, Stale: lockStale})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	for _, name := range []string{keywordsFile, uidlistFile} {
		if err := bring(from, to, name); err != nil {
			return err
		}
	}
	return nil
}

// bringRoot copies what belongs to the tree: subscriptions, and the next
// UIDVALIDITY, before a folder without one asks for it.
func (t *Tree) bringRoot(control string) error {
	from, err := controlDir(t.store.fs, control, "")
	if from == nil || err != nil {
		return err
	}
	defer from.Close()
	to, err := t.open()
	if err != nil {
		return err
	}
	defer to.Close()
	names, err := from.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == subscriptionsFile || name == validityFile || strings.HasPrefix(name, validityFile+".") {
			if err := bring(from, to, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring copies one file, unless there is one.
func bring(from, to *fsx.Dir, name string) error {
	if id, err := idNow(to, name); err != nil || id != (fileID{}) {
		return err
	}
	b, _, err := from.ReadFile(name, listLimit)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return to.WriteFile(name, b, 0, true)
}

// surveySubscriptions reads them from where they are.
func (t *Tree) surveySubscriptions(ctx context.Context, control string) ([]string, error) {
	d, err := t.open()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ctl, err := controlDir(t.store.fs, control, "")
	if err != nil {
		return nil, err
	}
	if ctl != nil {
		defer ctl.Close()
	}
	from, err := reading(d, ctl, subscriptionsFile)
	if err != nil {
		return nil, err
	}
	s, err := t.readSubscriptions(from)
	if err != nil {
		return nil, err
	}
	return s.list(t.names), ctx.Err()
}
