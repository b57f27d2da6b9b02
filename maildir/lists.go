package maildir

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// A user's mailbox without a list is that user's alone. So whether others see anything of a tree is told by the lists
// in it, and for a tree without any by one reading of its root and two questions a folder, of names that are not there.
// Nothing is opened but the root and what has a list, in the way that a tree opens it. What is looked at may be more
// than what is served (two directories of one name, a link that leads out): then a tree is asked in vain.

const (
	listsKept = 256      // of one tree; who has more is asked each time
	listsSize = 64 << 10 // bytes, likewise
)

// Lists are all access lists in a user's own tree as one look found them. They tell who may see something of it, so
// that the tree need not be opened for all others; what it is they do not tell. They are not changed once they are
// made. A nil Lists is those of a tree that has none.
type Lists struct {
	files  map[string]*aclFile // by place
	size   int64
	unsure bool // more than are kept, or one that cannot be read: the tree must be asked
}

// UnknownLists are those that nobody could look at.
func UnknownLists() *Lists { return &Lists{unsure: true} }

// LetIn tells whether there may be a mailbox that somebody other than the owner can look up.
func (l *Lists) LetIn(who *acl.Who) bool {
	if l == nil || l.unsure {
		return l != nil
	}
	for _, f := range l.files {
		if r, _ := f.list.Rights(who); allowed(r, DeedLook) {
			return true
		}
	}
	return false
}

// Lists looks for the lists in a user's own tree, which is not opened. known, if any, is what an earlier look found:
// a file that looks the same is not read again.
func (s *Store) Lists(ctx context.Context, o *TreeOptions, known *Lists) (*Lists, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := s.fs.OpenDir(o.Root)
	if err != nil {
		return nil, opError("look for lists", "", err)
	}
	defer root.Close()
	x := listsLook{s: s, o: o, root: root}
	if known != nil {
		x.known = known.files
	}
	if err = x.box(""); err == nil {
		if o.Layout == FS {
			err = x.nested()
		} else {
			err = x.flat()
		}
	}
	if err != nil {
		return nil, opError("look for lists", "", err)
	}
	return x.found, nil
}

// listsLook is one look at a tree.
type listsLook struct {
	s     *Store
	o     *TreeOptions
	root  *fsx.Dir
	known map[string]*aclFile
	found *Lists
}

// flat looks at the folders of Maildir++, all names that may be one.
func (x *listsLook) flat() (err error) {
	left := maxListed
	each := x.root.Each(func(b []byte, typ fsx.Type) bool {
		if len(b) < 2 || b[0] != '.' || b[1] == '.' || typ != fsx.IsDir && typ != fsx.IsLink && typ != fsx.Unknown {
			return true
		}
		err = x.box(string(b))
		left--
		return err == nil && left > 0
	})
	if err == nil {
		err = each
	}
	return err
}

// nested walks through the fs layout. What is wrong there is told when the tree itself is listed.
func (x *listsLook) nested() error {
	t := &Tree{store: x.s, o: *x.o, names: newNames(x.o), root: x.o.Root}
	x.follow()
	top, _, err := t.walked(x.root, nil)
	if err != nil {
		return err
	}
	for _, b := range top.boxes(t.names, "", nil) {
		if b.plain {
			continue
		}
		if err := x.box(b.rel); err != nil {
			return err
		}
	}
	return nil
}

func (x *listsLook) follow() {
	if x.root.Follow == nil {
		x.root.Follow = append([]string{x.o.Root}, x.o.Follow...)
	}
}

// box looks at a mailbox. An error is one that passes.
func (x *listsLook) box(rel string) error {
	if x.found != nil && x.found.unsure {
		return nil
	}
	for {
		p := aclPlace{rel: rel, root: x.root}
		name, st, err := p.find()
		switch {
		case err != nil && classify(err) == ErrTemporary:
			return err
		case err != nil:
			x.unsure()
			return nil
		case name == "":
			return nil
		}
		f := x.known[rel]
		if f == nil || !f.proves(name, aclIDOf(st)) {
			x.follow()
			f, err = readACL(&p, name, st, time.Now().UnixNano())
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed this moment: look again
			}
			if err != nil {
				return err
			}
		}
		x.take(rel, f)
		return nil
	}
}

func (x *listsLook) take(rel string, f *aclFile) {
	if x.found == nil {
		x.found = &Lists{files: make(map[string]*aclFile)}
	}
	x.found.files[rel] = f
	x.found.size += f.id.size
	if f.list == nil || len(x.found.files) > listsKept || x.found.size > listsSize {
		x.unsure()
	}
}

func (x *listsLook) unsure() { x.found = UnknownLists() }
