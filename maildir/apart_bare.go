package maildir

import (
	"syscall"

	"maildir-imapd/maildir/fsx"
)

// Lists that lie apart may be missing where they cannot be made: nobody has served the mailbox yet, and the place is
// another program's or on a disk that is mounted read-only. Such a mailbox is bare: it has a view of its mail that
// cannot be written in the place of what is missing. It can be selected and shows what its list says, if there is one;
// nothing is put beside the mail, where the lists would be others than those that its owner has. It is not kept when
// nobody has it open, so that lists that come are found.

// barred is the file system without changes, and if reads is no nil error, without files.
func barred(f *fsx.FS, reads error) *fsx.FS {
	return &fsx.FS{System: f.System, Done: f.Done, Warn: f.Warn, Fault: func(op, path string) error {
		if f.Fault != nil {
			if err := f.Fault(op, path); err != nil {
				return err
			}
		}
		switch op {
		case "opendir", "readdir", "resolve":
			return nil
		case "open", "read", "stat":
			return reads
		}
		return syscall.EROFS
	}}
}

// bare opens a mailbox's directories where what lies apart is missing and cannot be made.
func (l *location) bare(f *fsx.FS) (boxDirs, error) {
	dir, err := l.open(f)
	if err != nil {
		return boxDirs{}, err
	}
	b := boxDirs{dir: dir}
	none, a := barred(f, syscall.ENOENT), l.apart
	if b.control, err = a.openBarred(barred(f, nil), l); err == nil || isGone(err) || cannotWrite(err) {
		if err != nil {
			b.control, err = l.open(none)
		}
		if err == nil {
			b.own, err = l.open(none)
		}
	}
	if err != nil {
		b.distinct(func(d *fsx.Dir) {
			if d != nil {
				d.Close()
			}
		})
		return boxDirs{}, err
	}
	return b, nil
}

// openBarred opens the directory of a mailbox's list.
func (a *apart) openBarred(f *fsx.FS, l *location) (*fsx.Dir, error) {
	if a.control == "" {
		return l.open(f)
	}
	root, err := f.OpenDir(a.control)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	root.Follow = append([]string{a.control}, a.tree.o.Follow...)
	return openBelow(root, a.rel(l.rel))
}

// isBare tells whether a mailbox does without its lists.
func (m *Mailbox) isBare() bool { return m.own.FS() != m.store.fs }

// stillBare is current for such a one.
func (m *Mailbox) stillBare(loc *location) (bool, error) {
	d, err := loc.open(m.store.fs)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer d.Close()
	return d.Identity().SameFile(m.dir.Identity()), nil
}
