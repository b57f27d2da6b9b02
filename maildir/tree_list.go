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
const maxListed = 1 << 16

// treeListing is a tree as one look found it. It is never changed afterwards.
type treeListing struct {
	root    fsx.Stat
	at      time.Time
	boxes   []box // sorted
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

// listing returns the cached look if the root directory has not changed since,
// which one stat tells; in the fs layout, mailboxes lie deeper and every look
// is a walk. root may be nil.
func (t *Tree) listing(root *fsx.Dir) (*treeListing, error) {
	c, turn := t.kept()
	if c != nil {
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
	l, err := t.look(root)
	// A directory that changed a moment ago may change again within the same
	// tick of its time stamp.
	if err == nil && t.names.layout == MaildirPP && l.at.Sub(time.Unix(0, l.root.Mtime)) > time.Second {
		t.keep(l, turn)
	}
	return l, err
}

func (t *Tree) look(root *fsx.Dir) (*treeListing, error) {
	st, err := root.Stat()
	if err != nil {
		return nil, err
	}
	l := &treeListing{root: st, at: time.Now()}
	if !t.names.noInbox {
		l.boxes = append(l.boxes, box{name: inbox, use: t.readUse(root, "")})
	}
	if t.names.layout == MaildirPP {
		err = t.lookFolders(root, l)
	} else {
		w := walk{t: t, l: l}
		err = w.dir(root, "", "")
	}
	if err != nil {
		return nil, err
	}
	l.boxes = t.unique(l.boxes)
	l.entries = t.entries(l.boxes)
	for i := range l.entries {
		if e := &l.entries[i]; !e.NonExistent {
			e.Rights = t.key.fixed
		}
	}
	return l, nil
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

// walk looks through an fs tree.
type walk struct {
	t     *Tree
	l     *treeListing
	above []fsx.Stat // the directories on the way, against links in a circle
}

func (w *walk) dir(d *fsx.Dir, rel, name string) error {
	if len(w.above) > maxDepth || slices.ContainsFunc(w.above, d.Identity().SameFile) {
		return nil
	}
	var subs []string
	cur, hasProps, hasList := false, false, false
	err := d.Each(func(b []byte, typ fsx.Type) bool {
		switch c := string(b); {
		case c == dovecotACL || c == courierACL:
			hasList = true
		case typ == fsx.IsFile:
			hasProps = hasProps || c == propsFile
		case c == "cur":
			cur = true
		case isMaildirName(c), c == trashDir, c == deletedDir, typ != fsx.IsDir && typ != fsx.IsLink && typ != fsx.Unknown:
		default:
			subs = append(subs, c)
		}
		return len(subs) < maxListed
	})
	if err != nil {
		return err
	}
	if cur && rel != "" && !w.t.names.isInbox(name) { // a directory INBOX holds INBOX's children only
		b := box{name: name, rel: rel, plain: !hasList}
		if hasProps {
			b.use = w.t.useIn(d)
		}
		w.l.boxes = append(w.l.boxes, b)
	}
	w.above = append(w.above, d.Identity())
	for _, c := range subs {
		if len(w.l.boxes) >= maxListed {
			break
		}
		if err := w.sub(d, c, rel, name); err != nil {
			return err
		}
	}
	w.above = w.above[:len(w.above)-1]
	return nil
}

func (w *walk) sub(d *fsx.Dir, c, rel, name string) error {
	t := w.t
	decoded, ok := t.names.decode(c)
	if !ok {
		t.warn("not served: no mailbox name", d.Path()+"/"+c, nil)
		return nil
	}
	if name != "" {
		decoded = name + string(t.names.sep) + decoded
	}
	decoded = t.names.clean(decoded)
	if rel != "" {
		c = rel + "/" + c
	}
	_, last := splitRel(c)
	s, err := d.Sub(last)
	if err != nil {
		return t.skipped(d.Path()+"/"+last, err)
	}
	defer s.Close()
	// Hidden directories are other programs' (.git, .snapshots) unless they
	// are mailboxes themselves.
	if last[0] == '.' {
		if _, err := s.StatName("cur"); err != nil {
			return t.skipped(s.Path(), err)
		}
	}
	if !validComponents(decoded, t.names.sep) {
		return nil
	}
	if err := w.dir(s, c, decoded); err != nil {
		return t.skipped(s.Path(), err)
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

// entries adds the parents that are no mailboxes, and the attributes.
func (t *Tree) entries(boxes []box) []Entry {
	out := make([]Entry, 0, len(boxes))
	index := make(map[string]int, len(boxes))
	var add func(name string, exists bool) int
	add = func(name string, exists bool) int {
		if i, ok := index[name]; ok {
			return i
		}
		if p := t.names.parent(name); p != "" {
			out[add(p, false)].HasChildren = true
		}
		out = append(out, Entry{Name: name, NonExistent: !exists})
		index[name] = len(out) - 1
		return len(out) - 1
	}
	for _, b := range boxes {
		e := &out[add(b.name, true)]
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
