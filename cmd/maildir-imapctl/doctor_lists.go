package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// folderList is the list of one folder as doctor reads it.
type folderList struct {
	path string // of the file; empty: there is none
	list *acl.List
	bad  bool // nobody has rights by it
}

// readLists reads the file of a folder, or of the root as what holds for all, and tells of one that is bad.
func (t *rootWalk) readLists(dir string, top bool) (l folderList) {
	if !t.lists || top && !t.NoInbox {
		return l
	}
	names := []string{"dovecot-acl", "courierimapacl"}
	if top {
		names = names[:1]
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		b, err := readRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		l.path = path
		if err == nil {
			l.list, err = parseList(name, b)
		} else if errors.Is(err, fs.ErrPermission) {
			t.outOfSight(path, err)
			t.want(path, 4, "is the list of rights")
			l.bad = true
			return l
		}
		if l.bad = err != nil; l.bad {
			where := path
			if n := lineOf(err); n > 0 {
				where = fmt.Sprintf("%s:%d", path, n)
			}
			t.problem(where, fmt.Sprintf("the list is not to be used, and nobody has rights by it: %v", err))
		} else {
			t.want(path, 4, "is the list of rights")
		}
		return l
	}
	return l
}

func parseList(name string, b []byte) (*acl.List, error) {
	if name == "courierimapacl" {
		return acl.ParseCourier(b)
	}
	return acl.Parse(b)
}

// readRegular reads a file that users may have put there: no device, no link, which the daemon does not follow either,
// and not without end.
func readRegular(path string) ([]byte, error) {
	const most = 1 << 20
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() > most:
		return nil, errors.New("is no file of a list's size")
	}
	b := make([]byte, st.Size())
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

// rightsTo are the user's rights to a folder, or those that somebody has, and how to say why they are wanted.
func (t *rootWalk) rightsTo(dir string) (maildir.Rights, func(maildir.Rights) string) {
	why := func(by string) func(maildir.Rights) string {
		return func(r maildir.Rights) string {
			whose := t.user + " has"
			if t.user == "" {
				whose = "there are"
			}
			return fmt.Sprintf("%s the rights %s by %s", whose, r, by)
		}
	}
	if !t.lists {
		return acl.RightsAll, why("owning it")
	}
	own := folderList{}
	if dir != t.root || !t.NoInbox {
		own = t.readLists(dir, false)
	}
	for _, l := range []folderList{own, t.top} {
		if l.bad {
			return 0, nil
		}
		if l.path == "" {
			continue
		}
		if t.who == nil {
			return anybodys(l.list), why(l.path)
		}
		if r, decided := l.list.Rights(t.who); decided {
			return r, why(l.path)
		}
	}
	var def *acl.List
	by := "owning it"
	if t.space != nil && t.space.Path != "" {
		by = fmt.Sprintf("[namespace %q] acl", t.space.Name)
		if own.path == "" && t.top.path == "" {
			def = t.space.List()
		}
	}
	if t.who == nil {
		return anybodys(def), why(by)
	}
	r, _ := def.Rights(t.who)
	return r, why(by)
}

// anybodys are all rights that a list gives to somebody.
func anybodys(l *acl.List) (r maildir.Rights) {
	for _, e := range l.Merged() {
		if !e.Negative {
			r |= e.Rights
		}
	}
	return r
}
