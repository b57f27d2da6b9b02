package maildir

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// Entry is one line of LIST.
type Entry struct {
	Name        string
	NonExistent bool // only a parent of mailboxes
	NoInferiors bool
	HasChildren bool
	SpecialUse  []imap.MailboxAttr
	Hidden      bool   // no mail is in it: left out unless it is asked for
	Rights      Rights // the user's; none for a mere parent
}

// maxListed bounds what a hostile arrangement of links could make of a tree.
const maxListed = 1 << 18

// treeListing is a tree as one look found it. It is never changed afterwards.
type treeListing struct {
	root    fsx.Stat
	at      time.Time
	dirs    *dirNode // of the fs layout
	boxes   []box    // sorted
	entries []Entry
}

type box struct {
	name, rel string
	use       []imap.MailboxAttr
	plain     bool // has no list of its own, as this look found it
}

// List returns every mailbox, and the parents that are none, sorted by levels,
// INBOX first. Callers must not change what they get: it is kept until the
// tree changes.
func (t *Tree) List(ctx context.Context) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := t.listing(nil)
	if err != nil {
		return nil, opError("list", "", err)
	}
	if t.key.fixed == 0 {
		out, err := t.visible(l)
		return out, opError("list", "", err)
	}
	return l.entries, nil
}

// listing returns the look that is kept if nothing has changed since: in Maildir++ one call tells that of the root
// directory, in the fs layout one for each directory does (tree_walk.go). root may be nil.
func (t *Tree) listing(root *fsx.Dir) (*treeListing, error) {
	c, dirs, turn := t.kept()
	if c != nil && t.names.layout == MaildirPP {
		st, err := t.store.fs.Stat(t.root)
		if err != nil {
			return nil, err
		}
		if st.SameFile(c.root) && st.Mtime == c.root.Mtime && st.Ctime == c.root.Ctime {
			return c, nil
		}
	}
	if root == nil {
		d, err := t.open()
		if err != nil {
			return nil, err
		}
		defer d.Close()
		root = d
	}
	if t.names.layout == FS {
		return t.lookNested(root, c, dirs, turn)
	}
	l, err := t.lookFlat(root)
	// A directory that changed a moment ago may change again within the same
	// tick of its time stamp.
	if err == nil && l.at.Sub(time.Unix(0, l.root.Mtime)) > time.Second {
		t.keep(l, turn)
	}
	return l, err
}

// lookFlat looks at a Maildir++ tree.
func (t *Tree) lookFlat(root *fsx.Dir) (*treeListing, error) {
	st, err := root.Stat()
	if err != nil {
		return nil, err
	}
	l := &treeListing{root: st, at: time.Now()}
	if !t.names.noInbox {
		l.boxes = append(l.boxes, box{name: inbox, use: t.readUse(root, "")})
	}
	if err := t.lookFolders(root, l); err != nil {
		return nil, err
	}
	t.complete(l)
	return l, nil
}

// lookNested looks at an fs tree, of which c is known, if anything is, and these directories.
func (t *Tree) lookNested(root *fsx.Dir, c *treeListing, dirs *dirNode, turn int) (*treeListing, error) {
	top, same, err := t.walked(root, dirs)
	if err != nil {
		return nil, err
	}
	l := &treeListing{dirs: top}
	if same && c != nil {
		if top == c.dirs {
			return c, nil
		}
		l.boxes, l.entries = c.boxes, c.entries
	} else {
		if !t.names.noInbox {
			l.boxes = append(l.boxes, box{name: inbox, use: top.use})
		}
		l.boxes = top.boxes(t.names, "", l.boxes)
		t.complete(l)
	}
	t.keep(l, turn)
	return l, nil
}

// complete makes of what was found what is listed.
func (t *Tree) complete(l *treeListing) {
	l.boxes = t.unique(l.boxes)
	l.entries = t.entries(l.boxes)
	for i := range l.entries {
		if e := &l.entries[i]; !e.NonExistent {
			e.Rights = t.key.fixed
		}
	}
}

// unique sorts, and keeps one of two directories that decode to one name: the
// one that we would have made.
func (t *Tree) unique(boxes []box) []box {
	n := t.names
	slices.SortStableFunc(boxes, func(a, b box) int {
		if c := n.compare(a.name, b.name); c != 0 {
			return c
		}
		switch ours := n.path(a.name); {
		case a.rel == ours:
			return -1
		case b.rel == ours:
			return 1
		}
		return strings.Compare(a.rel, b.rel)
	})
	return slices.CompactFunc(boxes, func(a, b box) bool {
		if a.name != b.name {
			return false
		}
		t.warn("two directories have the same mailbox name, this one is not served", t.root+"/"+b.rel, nil)
		return true
	})
}

// lookFolders reads the root of a Maildir++ tree.
func (t *Tree) lookFolders(root *fsx.Dir, l *treeListing) error {
	var maybe []string // links, and what the file system does not tell the type of
	err := root.Each(func(b []byte, typ fsx.Type) bool {
		if b[0] != '.' || typ == fsx.IsFile {
			return true
		}
		rel := string(b)
		name, ok := t.names.folderName(rel)
		switch {
		case !ok || !validComponents(name, t.names.sep):
		case typ == fsx.IsDir:
			l.boxes = append(l.boxes, box{name: name, rel: rel})
		case typ == fsx.IsLink || typ == fsx.Unknown:
			maybe = append(maybe, rel)
		}
		return len(l.boxes) < maxListed
	})
	if err != nil {
		return err
	}
	for _, rel := range maybe {
		d, err := root.Sub(rel)
		if err != nil {
			if err := t.skipped(t.root+"/"+rel, err); err != nil {
				return err
			}
			continue
		}
		d.Close()
		name, _ := t.names.folderName(rel)
		l.boxes = append(l.boxes, box{name: name, rel: rel})
	}
	for i := range l.boxes {
		if b := &l.boxes[i]; b.rel != "" {
			if _, err := root.StatIn(b.rel, propsFile); err == nil {
				b.use = t.readUse(root, b.rel)
			}
		}
	}
	return nil
}

// skipped tells why a directory is not listed, unless it just is none. What cannot
// be looked at for now is an error: clients take mailboxes that are not listed for
// deleted, and drop what they have of them.
func (t *Tree) skipped(path string, err error) error {
	if classify(err) == ErrTemporary {
		return err
	}
	if !isGone(err) {
		t.warn("not served", path, err)
	}
	return nil
}

// readUse reads the special use that CREATE gave a mailbox.
func (t *Tree) readUse(root *fsx.Dir, rel string) []imap.MailboxAttr {
	if rel == "" {
		return t.useIn(root)
	}
	d, err := openBelow(root, rel)
	if err != nil {
		return nil
	}
	defer d.Close()
	return t.useIn(d)
}

func (t *Tree) useIn(d *fsx.Dir) []imap.MailboxAttr {
	p, err := readProps(d)
	if err != nil {
		t.warn("cannot read", d.Path()+"/"+propsFile, err)
		return nil
	}
	return p.specialUse()
}

const maxProps = 1 << 20

func readProps(d *fsx.Dir) (*props, error) {
	b, _, err := d.ReadFile(propsFile, maxProps)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return parseProps(b), nil
}

// entries adds the parents that are no mailboxes, and the attributes. The boxes are sorted, so that all below a name
// follow it.
func (t *Tree) entries(boxes []box) []Entry {
	out := make([]Entry, 0, len(boxes))
	var above []int // the entries on the way to the last one
	add := func(name string, exists bool) *Entry {
		if len(above) > 0 {
			out[above[len(above)-1]].HasChildren = true
		}
		above = append(above, len(out))
		out = append(out, Entry{Name: name, NonExistent: !exists})
		return &out[len(out)-1]
	}
	for _, b := range boxes {
		for len(above) > 0 && !t.names.below(b.name, out[above[len(above)-1]].Name) {
			above = above[:len(above)-1]
		}
		at := 0
		if len(above) > 0 {
			at = len(out[above[len(above)-1]].Name) + 1
		}
		for {
			next := strings.IndexByte(b.name[at:], t.names.sep)
			if next < 0 {
				break
			}
			if at += next; at > 0 {
				add(b.name[:at], false)
			}
			at++
		}
		e := add(b.name, true)
		e.SpecialUse = append(e.SpecialUse, t.special[b.name]...)
		for _, u := range b.use {
			if !slices.ContainsFunc(e.SpecialUse, func(o imap.MailboxAttr) bool { return strings.EqualFold(string(o), string(u)) }) {
				e.SpecialUse = append(e.SpecialUse, u)
			}
		}
	}
	return out
}

// find looks a name up.
func (l *treeListing) find(n names, name string) (box, bool) {
	i, ok := slices.BinarySearchFunc(l.boxes, name, func(b box, name string) int { return n.compare(b.name, name) })
	if !ok {
		return box{}, false
	}
	return l.boxes[i], true
}

// below returns the mailboxes below a name.
func (l *treeListing) below(n names, name string) []box {
	var out []box
	for _, b := range l.boxes {
		if n.below(b.name, name) {
			out = append(out, b)
		}
	}
	return out
}
