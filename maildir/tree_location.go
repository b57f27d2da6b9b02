package maildir

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// location is a mailbox's place on disk: what a tree tells the store.
type location struct {
	name    string // as clients see it, UTF-8
	dir     string // absolute path of the mailbox directory, links resolved: the key for "the same mailbox"
	root    string // the tree's root
	apart   *apart // nil: everything lies beside the mail
	rel     string // path from root to dir as it was found, "" for the root itself
	follow  []string
	rights  Rights // as of when they were asked for
	tree    *Tree  // whom to ask again; nil where rights do not change
	special []imap.MailboxAttr
	quota   *quotaRoot // nil: mail here counts for nobody
}

// open opens the mailbox directory, following links only where the tree allows
// it. dir must never be opened by its path: a link could have come in between.
func (l *location) open(f *fsx.FS) (*fsx.Dir, error) {
	d, err := f.OpenDir(l.root)
	if err != nil {
		return nil, err
	}
	d.Follow = append([]string{l.root}, l.follow...)
	if l.rel == "" {
		return d, nil
	}
	defer d.Close()
	return openBelow(d, l.rel)
}

// found tells whether the directory lies here that is known already. A link in the place
// of one below the root is not followed, two steps are not looked at in one, and nothing
// is said of what lies apart: false says nothing.
func (l *location) found(f *fsx.FS, known fsx.Stat) bool {
	var st fsx.Stat
	var err error
	switch {
	case l.apart != nil:
		return false
	case l.rel == "":
		st, err = f.Stat(l.root)
	case strings.IndexByte(l.rel, '/') < 0:
		st, err = f.StatLink(l.root + "/" + l.rel)
	default:
		return false
	}
	return err == nil && st.IsDir() && st.SameFile(known)
}

// openBelow walks down from d, which stays open.
func openBelow(d *fsx.Dir, rel string) (*fsx.Dir, error) {
	at := d
	for name := range strings.SplitSeq(rel, "/") {
		next, err := at.Sub(name)
		if at != d {
			at.Close()
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// splitPath cuts an absolute path into its components.
func splitPath(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// splitRel cuts the last component off a path below the root.
func splitRel(rel string) (parent, last string) {
	i := strings.LastIndexByte(rel, '/')
	return rel[:max(i, 0)], rel[i+1:]
}

// isGone tells whether an error means that a name is not there.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// place is where a mailbox was found.
type place struct {
	rel string
	dir string // links resolved
}

// find looks a mailbox up: where its name says, else, because other programs
// write names in other ways, under whatever name the listing has it.
// ErrNotExist: no such mailbox.
func (t *Tree) find(root *fsx.Dir, name string) (place, error) {
	if !validComponents(name, t.names.sep) {
		return place{}, ErrNotExist
	}
	p, err := t.at(root, t.names.path(name))
	if !errors.Is(err, ErrNotExist) {
		return p, err
	}
	l, err := t.listing(root)
	if err != nil {
		return place{}, err
	}
	b, ok := l.find(t.names, name)
	if !ok || b.rel == t.names.path(name) {
		return place{}, ErrNotExist
	}
	return t.at(root, b.rel)
}

func validComponents(name string, sep byte) bool {
	if name == "" || name[0] == sep || name[len(name)-1] == sep {
		return false
	}
	for i := 1; i < len(name); i++ {
		if name[i] == sep && name[i-1] == sep {
			return false
		}
	}
	return true
}

// at tells whether a mailbox lies at rel.
func (t *Tree) at(root *fsx.Dir, rel string) (place, error) {
	p := place{rel: rel, dir: t.root + "/" + rel}
	if t.names.layout == MaildirPP {
		st, err := root.StatName(rel)
		switch {
		case isGone(err) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, fsx.ErrName):
			return p, ErrNotExist
		case err != nil:
			return p, err
		case st.IsDir():
			return p, nil
		case !st.IsLink():
			return p, ErrNotExist
		}
	}
	if t.names.layout == FS {
		for c := range strings.SplitSeq(rel, "/") {
			if isMaildirName(c) {
				return p, ErrNotExist
			}
		}
	}
	d, err := openBelow(root, rel)
	if isGone(err) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, fsx.ErrName) {
		return p, ErrNotExist
	}
	if err != nil {
		return p, err
	}
	defer d.Close()
	if t.names.layout == FS {
		if _, err := d.StatName("cur"); err != nil {
			if isGone(err) {
				err = ErrNotExist
			}
			return p, err
		}
	}
	p.dir = d.Path()
	return p, nil
}
