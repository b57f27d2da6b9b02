package maildir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// Survey is what is known of a tree before it is taken over: who served it, what
// its folders bring, and which settings keep their names. Making one changes
// nothing on disk.
type Survey struct {
	Root      string
	Control   string // where the lists lie, "" beside the mail
	Server    Server // who has served it last
	Layout    Layout
	Separator byte     // that its clients know, as far as the disk tells
	Prefix    string   // likewise
	DiskUTF8  bool     // names on disk are UTF-8
	Follow    []string // directories outside that links of the tree lead to
	Folders   []Surveyed
	Notes     []string // what concerns the tree, or names that are no folders
}

// Server is a program that leaves its files in Maildirs.
type Server int

// The servers whose traces a survey knows.
const (
	NoServer Server = iota
	Dovecot
	Courier
	Ourselves
)

func (s Server) String() string {
	return [...]string{"no IMAP server", "Dovecot", "Courier", "maildir-imapd"}[s]
}

// Surveyed is one folder of a survey.
type Surveyed struct {
	Name       string // as clients see it, with prefix
	Path       string // below the root, "" for INBOX
	Validity   uint32 // 0: it has none yet
	Next       imap.UID
	Messages   int // files in new/ and cur/
	Kept       int // of which so many have their UIDs already
	Keywords   int // that have letters, or will have
	High       int // that are kept in our index alone: more than there are letters
	Subscribed bool
	Unlisted   bool // Dovecot has served it, but its list of UIDs is not here
	Outside    bool // a link on the way to it, or in it, leads out of the tree
	Notes      []string
}

// ErrUnlisted is told by Adopt of a tree whose lists of UIDs seem to lie elsewhere.
var ErrUnlisted = errors.New("folders that Dovecot has served lack dovecot-uidlist")

// AdoptOptions narrow what is found out by looking.
type AdoptOptions struct {
	Layout  *Layout // nil: as it looks
	Control string  // CONTROL= of Dovecot's mail_location, for this user; "" where its lists lie beside the mail. They stay there
	NewUIDs bool    // take over folders whose lists of UIDs seem to lie elsewhere
}

// Survey looks at the tree at root.
func (s *Store) Survey(ctx context.Context, root string, o AdoptOptions) (*Survey, error) {
	v, err := s.survey(ctx, root, o)
	return v, opError("survey", "", err)
}

// survey looks through a tree that follows every link: to look is no harm. Nothing is
// ever written through that one: a link may lead into the mail of others.
func (s *Store) survey(ctx context.Context, root string, o AdoptOptions) (*Survey, error) {
	root, err := filepath.Abs(root)
	if err == nil {
		root, err = s.fs.Resolve(root)
	}
	if err != nil {
		return nil, err
	}
	v := &Survey{Root: root, Control: o.Control}
	if err := v.guess(s, o); err != nil {
		return nil, err
	}
	t, err := s.Tree(TreeOptions{Root: root, Control: o.Control, Layout: v.Layout, Separator: v.Separator, DiskUTF8: v.DiskUTF8, Follow: []string{"/"}})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	l, err := t.listing(nil)
	if err != nil {
		return nil, err
	}
	subs, err := t.Subscriptions(ctx)
	if err != nil {
		v.Notes = append(v.Notes, fmt.Sprintf("subscriptions cannot be read, none are kept: %v", err))
	}
	var newest traces
	for _, b := range l.boxes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f := Surveyed{Name: v.clientName(b.name), Path: b.rel, Subscribed: slices.Contains(subs, b.name)}
		if err := f.look(t, v, &newest); err != nil {
			f.Notes = append(f.Notes, fmt.Sprintf("cannot be read: %v", err))
		}
		v.Folders = append(v.Folders, f)
	}
	v.Server = newest.last()
	if v.unlisted() && v.Server == NoServer {
		v.Server = Dovecot
	}
	v.missing(subs, l)
	return v, nil
}

// unlisted tells that a folder's list of UIDs seems to lie elsewhere.
func (v *Survey) unlisted() bool {
	return slices.ContainsFunc(v.Folders, func(f Surveyed) bool { return f.Unlisted })
}

// clientName is a folder's name with the prefix.
func (v *Survey) clientName(name string) string {
	if name == inbox {
		return name
	}
	return v.Prefix + name
}

// missing notes subscriptions to what is not there; they are kept.
func (v *Survey) missing(subs []string, l *treeListing) {
	for _, name := range subs {
		if !slices.ContainsFunc(l.boxes, func(b box) bool { return b.name == name }) {
			v.Notes = append(v.Notes, fmt.Sprintf("subscribed, but not there: %s", v.clientName(name)))
		}
	}
	if v.unlisted() && v.Control != "" {
		v.Notes = append(v.Notes, fmt.Sprintf("Dovecot has served folders whose dovecot-uidlist is not below %s either: all UIDs will be new", v.Control))
	} else if v.unlisted() {
		v.Notes = append(v.Notes, "Dovecot has served folders whose dovecot-uidlist is not here; if its mail_location names CONTROL=, name that directory with -control, or all UIDs will be new")
	}
}

// Adopt takes a tree over: every folder gets its list of UIDs and its keywords
// in our files, beside those of the server before, and the subscriptions are
// written. It can be run again at any time. Folders to which links lead out of the
// tree are left alone: the daemon takes them over when its settings let it follow.
func (s *Store) Adopt(ctx context.Context, root string, o AdoptOptions) (*Survey, error) {
	before, err := s.survey(ctx, root, o)
	if err != nil {
		return nil, opError("adopt", "", err)
	}
	if before.unlisted() && !o.NewUIDs {
		return before, opError("adopt", "", ErrUnlisted)
	}
	w, err := s.Tree(TreeOptions{Root: before.Root, Layout: before.Layout, Separator: before.Separator, DiskUTF8: before.DiskUTF8, Control: o.Control})
	if err != nil {
		return nil, opError("adopt", "", err)
	}
	defer w.Close()
	failed := s.adoptBoxes(ctx, w, before)
	if err := w.adoptSubscriptions(ctx); err != nil {
		failed = append(failed, opError("take over subscriptions", "", err))
	}
	after, err := s.Survey(ctx, before.Root, AdoptOptions{Layout: &before.Layout, Control: o.Control})
	if err != nil {
		return nil, errors.Join(append(failed, err)...)
	}
	return before.after(after), errors.Join(failed...)
}

// adoptBoxes takes the folders over, but those outside.
func (s *Store) adoptBoxes(ctx context.Context, w *Tree, v *Survey) (failed []error) {
	l, err := w.listing(nil)
	if err != nil {
		return []error{opError("adopt", "", err)}
	}
	outside := make(map[string]bool)
	for i := range v.Folders {
		if f := &v.Folders[i]; f.Outside {
			outside[f.Path] = true
			f.Notes = append(f.Notes, "not taken over, for it lies outside: the daemon does it when it is opened with follow")
		}
	}
	for _, b := range l.boxes {
		if outside[b.rel] {
			continue
		}
		if err := adoptBox(ctx, w, b.name); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// after is the survey from before the take-over, of what was there to be kept,
// with the numbers that the folders have now.
func (v *Survey) after(now *Survey) *Survey {
	for i := range v.Folders {
		f := &v.Folders[i]
		at := slices.IndexFunc(now.Folders, func(n Surveyed) bool { return n.Path == f.Path })
		if at >= 0 {
			f.Validity, f.Next, f.Messages = now.Folders[at].Validity, now.Folders[at].Next, now.Folders[at].Messages
		}
	}
	return v
}

func adoptBox(ctx context.Context, t *Tree, name string) error {
	h, err := t.Open(ctx, name, Peek)
	if err != nil {
		return err
	}
	defer h.Close()
	switch {
	case h.m.frozen.Load():
		err = ErrNoPermission
	case h.m.courier.Load():
		err = errors.New("the keywords of Courier could not be taken over")
	}
	return opError("adopt", name, err)
}

// adoptSubscriptions writes ours where there are only Courier's.
func (t *Tree) adoptSubscriptions(ctx context.Context) error {
	d, err := t.openLists()
	if err != nil {
		return err
	}
	defer d.Close()
	if id, err := idNow(d, subscriptionsFile); err != nil || id != (fileID{}) {
		return err
	}
	lock, err := t.lockFile(ctx, d, subscriptionsFile)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if id, err := idNow(d, subscriptionsFile); err != nil || id != (fileID{}) {
		return err
	}
	subs, err := t.readSubscriptions(d)
	if err != nil || len(subs.lines) == 0 {
		return err
	}
	return d.WriteFile(subscriptionsFile, subs.encode(nil), 0, true)
}
