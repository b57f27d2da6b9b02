package maildir

import (
	"cmp"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// In the fs layout mailboxes lie in each other, and there is no one directory whose time tells whether there are others
// by now. So every directory is remembered with its state: one that looks as it did when it was read has the same names
// in it, and a look at it is one system call and no reading. The messages' directories are not looked at. Where nothing
// has changed in any the listing is the one there was.

// dirNode is a directory of a tree as it was read. It is not changed once it is made.
type dirNode struct {
	name    string // in the one above
	decoded string // of the mailbox, whole; empty for the root
	id      dirID
	at      int64 // when it was looked at, before it was read
	cur     bool
	list    bool // it has a list of rights of its own
	certain bool // a directory, and not a link to one or something else that is tried each time
	use     []imap.MailboxAttr
	subs    []*dirNode
}

// dirID tells states of a directory apart.
type dirID struct {
	dev, ino     uint64
	mtime, ctime int64
}

func dirIDOf(st fsx.Stat) dirID { return dirID{st.Dev, st.Ino, st.Mtime, st.Ctime} }

func (a dirID) sameDir(b dirID) bool { return a.dev == b.dev && a.ino == b.ino }

// proves tells whether a directory that looks so has the names that were read.
func (n *dirNode) proves(id dirID) bool {
	return n != nil && n.id == id && dirLook{mtime: id.mtime, at: n.at}.proves(id.mtime) && dirLook{mtime: id.ctime, at: n.at}.proves(id.ctime)
}

// box is the mailbox in the directory at rel, if there is one.
func (n *dirNode) box(names names, rel string) (box, bool) {
	if !n.cur || rel == "" || names.isInbox(n.decoded) { // a directory INBOX holds INBOX's children only
		return box{}, false
	}
	return box{name: n.decoded, rel: rel, use: n.use, plain: !n.list}, true
}

// walk goes through an fs tree.
type walk struct {
	t       *Tree
	root    *fsx.Dir
	above   []dirID // the directories on the way, against links in a circle
	left    int     // how many more may be looked at
	short   bool    // there are more than that
	changed bool    // something is not as the nodes had it that were known
}

// walked is what a look found: nodes, and for the next look whether they are all as they were.
func (t *Tree) walked(root *fsx.Dir, known *dirNode) (top *dirNode, same bool, err error) {
	w := walk{t: t, root: root, left: maxListed}
	if top, err = w.dir(root, "", known); err != nil {
		return nil, false, err
	}
	if w.short {
		t.warn("too many directories, not all are listed", t.root, nil)
	}
	return top, !w.changed && known != nil, nil
}

// boxes adds the mailboxes in and below the directory at rel.
func (n *dirNode) boxes(names names, rel string, to []box) []box {
	if b, ok := n.box(names, rel); ok {
		to = append(to, b)
	}
	for _, sub := range n.subs {
		to = sub.boxes(names, deeper(rel, sub.name), to)
	}
	return to
}

// deeper is where a name lies that is in the directory at rel.
func deeper(rel, name string) string {
	if rel == "" {
		return name
	}
	return rel + "/" + name
}

// dir looks at a directory that has been opened. known, if any, is what was there before.
func (w *walk) dir(d *fsx.Dir, rel string, known *dirNode) (*dirNode, error) {
	n := &dirNode{at: time.Now().UnixNano(), certain: true}
	st, err := d.Stat()
	if err != nil {
		return nil, err
	}
	n.id = dirIDOf(st)
	if known != nil {
		n.name, n.decoded, n.certain = known.name, known.decoded, known.certain
	}
	if known.proves(n.id) {
		return w.kept(rel, known)
	}
	names, props, all, err := n.read(d, w.left)
	if err != nil {
		return nil, err
	}
	if !all {
		w.cut(n)
	}
	if props && (n.cur || rel == "" && !w.t.names.noInbox) {
		n.use = w.t.useIn(d)
	}
	y, err := w.inside(d, rel, n, w.again(known, names))
	if err == nil && !known.shows(y) {
		w.changed = true
	}
	return y, err
}

// kept looks at what is in a directory that is as it was. It may be in a circle all the same where it was in none
// before, for a link above it that leads elsewhere.
func (w *walk) kept(rel string, known *dirNode) (*dirNode, error) {
	y, err := w.inside(nil, rel, known, known.subs)
	if err == nil && y != known && !known.shows(y) {
		w.changed = true
	}
	return y, err
}

// again are the directories of these names: as they were known in n, or still to be looked at. Where a link has come in
// the place of a directory nothing that was known there counts, and what it leads to may be nothing.
func (w *walk) again(n *dirNode, names []nameIn) []*dirNode {
	var before map[string]*dirNode
	if n != nil && len(n.subs) > 0 {
		before = make(map[string]*dirNode, len(n.subs))
		for _, sub := range n.subs {
			before[sub.name] = sub
		}
	}
	subs := make([]*dirNode, 0, len(names))
	for _, x := range names {
		sub := before[x.name]
		if sub == nil || sub.certain != x.certain {
			w.changed = true
			sub = &dirNode{name: x.name, certain: x.certain}
		}
		subs = append(subs, sub)
	}
	return subs
}

// shows tells whether the directory itself makes the same of a listing as before. The ones in it tell for themselves.
func (n *dirNode) shows(now *dirNode) bool {
	return n != nil && n.cur == now.cur && n.list == now.list && slices.Equal(n.use, now.use) &&
		slices.EqualFunc(n.subs, now.subs, func(a, b *dirNode) bool { return a.name == b.name })
}

// nameIn is a name that may be a directory of mailboxes.
type nameIn struct {
	name    string
	certain bool
}

// cut notes that a node has not all of its directory, which must be read the next time.
func (w *walk) cut(n *dirNode) {
	w.short, w.changed, n.at = true, true, n.id.mtime
}

// read reads the names in a directory. all: there are no more than most.
func (n *dirNode) read(d *fsx.Dir, most int) (names []nameIn, props, all bool, err error) {
	all = true
	err = d.Each(func(b []byte, typ fsx.Type) bool {
		switch c := string(b); {
		case c == dovecotACL || c == courierACL:
			n.list = true
		case typ == fsx.IsFile:
			props = props || c == propsFile
		case c == "cur":
			n.cur = true
		case isMaildirName(c), c == trashDir, c == deletedDir, typ != fsx.IsDir && typ != fsx.IsLink && typ != fsx.Unknown:
		case len(names) >= most:
			all = false // what the directory itself is may still come
		default:
			names = append(names, nameIn{c, typ == fsx.IsDir})
		}
		return true
	})
	return names, props, all, err
}

// inside looks at the directories in n, which is known or new; d is open where it has been read. The answer is n
// itself if all is as it was.
func (w *walk) inside(d *fsx.Dir, rel string, n *dirNode, subs []*dirNode) (*dirNode, error) {
	if len(w.above) > maxDepth || slices.ContainsFunc(w.above, n.id.sameDir) {
		return &dirNode{name: n.name, decoded: n.decoded, id: n.id, at: n.id.mtime}, nil // and looked at again: elsewhere it is no circle
	}
	w.above = append(w.above, n.id)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	now := make([]*dirNode, 0, len(subs))
	short := false
	for _, sub := range subs {
		if short = w.left == 0; short {
			break
		}
		w.left--
		x, err := w.sub(d, rel, n.decoded, sub)
		if err != nil {
			return nil, err
		}
		if x != nil {
			now = append(now, x)
		}
	}
	if slices.Equal(now, n.subs) {
		return n, nil
	}
	y := *n
	y.subs = now
	if short {
		w.cut(&y)
	}
	return &y, nil
}

// sub looks at a directory in the one at rel, which is open if d is not nil, and has the name above. One that is not
// served, which has been said, is tried again the next time. Nil: it never is.
func (w *walk) sub(d *fsx.Dir, above, name string, known *dirNode) (*dirNode, error) {
	t := w.t
	rel := deeper(above, known.name)
	if known.certain && known.id != (dirID{}) {
		if st, err := w.root.StatBelow(rel); err == nil && known.proves(dirIDOf(st)) {
			return w.kept(rel, known)
		}
	}
	if known.decoded == "" {
		decoded, ok := t.names.decode(known.name)
		if !ok {
			t.warn("not served: no mailbox name", t.root+"/"+rel, nil)
			return nil, nil
		}
		if name != "" {
			decoded = name + string(t.names.sep) + decoded
		}
		if decoded = t.names.clean(decoded); !validComponents(decoded, t.names.sep) {
			return nil, nil
		}
		known = &dirNode{name: known.name, decoded: decoded, certain: known.certain}
	}
	n, err := w.served(d, above, rel, known)
	if err != nil {
		err = t.skipped(t.root+"/"+rel, err)
	}
	if err != nil || n != nil || known.id == (dirID{}) {
		return cmp.Or(n, known), err
	}
	w.changed = true
	return &dirNode{name: known.name, decoded: known.decoded, certain: known.certain}, nil
}

// served opens a directory and looks at it.
func (w *walk) served(d *fsx.Dir, above, rel string, known *dirNode) (*dirNode, error) {
	s, err := w.open(d, above, known.name)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	// Hidden directories are other programs' (.git, .snapshots) unless they are mailboxes themselves.
	if known.name[0] == '.' {
		if _, err := s.StatName("cur"); err != nil {
			return nil, err
		}
	}
	return w.dir(s, rel, known)
}

func (w *walk) open(d *fsx.Dir, above, name string) (*fsx.Dir, error) {
	if d != nil {
		return d.Sub(name)
	}
	return openBelow(w.root, deeper(above, name))
}
