package maildir

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// location is a mailbox's place on disk: what a tree tells the store.
type location struct {
	name     string // as clients see it, UTF-8
	dir      string // absolute path of the mailbox directory, links resolved: the key for "the same mailbox"
	root     string // the tree's root: control files of the tree
	rel      string // path from root to dir as it was found, "" for the root itself
	follow   []string
	rights   Rights
	readOnly bool
	special  []imap.MailboxAttr
}

// open opens the mailbox directory, following links only where the tree allows
// it. dir must never be opened by its path: a link could have come in between.
func (l *location) open(f *fsx.FS) (*fsx.Dir, error) {
	d, err := f.OpenDir(l.root)
	if err != nil {
		return nil, err
	}
	d.Follow = append([]string{l.root}, l.follow...)
	return openBelow(d, l.rel)
}

// openBelow walks down from d, which it closes.
func openBelow(d *fsx.Dir, rel string) (*fsx.Dir, error) {
	if rel == "" {
		return d, nil
	}
	for name := range strings.SplitSeq(rel, "/") {
		next, err := d.Sub(name)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = next
	}
	return d, nil
}

// isGone tells whether an error means that the mailbox is not there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
