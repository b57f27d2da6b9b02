package pubroot

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// Options say where a public root is, how it is laid out, and who may do what in it.
type Options struct {
	Root      string // absolute path
	Layout    maildir.Layout
	Separator byte
	Follow    []string // further directories that symbolic links may lead into
	DiskUTF8  bool

	Access    *maildir.Access      // whose rights hold; nil: everybody may look and read, nobody change
	Hide      func() []string      // folders in which no mail is, with all below them; nil: none
	Quota     func() maildir.Quota // what the folders may hold together; nil: whatever fits
	QuotaName string               // of the quota root that they are told by
}

// Tree is the public root as one user sees it.
type Tree struct {
	folders *maildir.Tree
	o       Options
}

// Folders is the tree below the root as its files lie, for those who maintain them: nobody's rights are looked at.
func (o Options) Folders() maildir.TreeOptions {
	return maildir.TreeOptions{
		Root: o.Root, Layout: o.Layout, Separator: o.Separator, Follow: o.Follow, DiskUTF8: o.DiskUTF8, NoInbox: true, Quota: o.Quota,
	}
}

// Open opens the public root. A missing directory is an error: it would look like a root from which all
// folders were taken away.
func Open(store *maildir.Store, o Options) (*Tree, error) {
	var disk fsx.FS
	dir, err := disk.OpenDir(o.Root)
	if err != nil {
		return nil, err
	}
	if err := dir.Close(); err != nil {
		return nil, err
	}
	folders := o.Folders()
	folders.ReadOnly, folders.Access = o.Access == nil, o.Access
	t, err := store.Tree(folders)
	if err != nil {
		return nil, err
	}
	return &Tree{t, o}, nil
}

// Close lets go of the tree.
func (t *Tree) Close() error { return t.folders.Close() }

// List is every folder that the user may look up, sorted, and the parents of such.
func (t *Tree) List(ctx context.Context) ([]maildir.Entry, error) {
	entries, err := t.folders.List(ctx)
	if err != nil || t.o.Hide == nil {
		return entries, err
	}
	return hidden(entries, t.o.Hide(), t.o.Separator), nil
}

// hidden marks the folders of these names, and those below.
func hidden(entries []maildir.Entry, names []string, sep byte) []maildir.Entry {
	if len(names) == 0 {
		return entries
	}
	entries = slices.Clone(entries) // others may have them as well
	for i := range entries {
		e := &entries[i]
		e.Hidden = slices.ContainsFunc(names, func(name string) bool {
			rest, ok := strings.CutPrefix(e.Name, name)
			return ok && (rest == "" || rest[0] == sep)
		})
	}
	return entries
}

// Exists tells whether there is such a folder, and the user may know of it.
func (t *Tree) Exists(name string) (bool, error) { return t.folders.Exists(name) }

// Open opens a folder.
func (t *Tree) Open(ctx context.Context, name string, mode maildir.Mode) (*maildir.Handle, error) {
	return t.folders.Open(ctx, name, mode)
}

// Create makes a folder, where the user has the right k to what it is made in.
func (t *Tree) Create(ctx context.Context, name string, use []imap.MailboxAttr) error {
	return t.folders.Create(ctx, name, use)
}

// Delete removes a folder to which the user has the right x.
func (t *Tree) Delete(ctx context.Context, name string) error { return t.folders.Delete(ctx, name) }

// Rename renames a folder to which the user has the right x, to where there is the right k.
func (t *Tree) Rename(ctx context.Context, from, to string) error {
	return t.folders.Rename(ctx, from, to)
}

// Rights are the user's to a folder.
func (t *Tree) Rights(ctx context.Context, name string) (maildir.Rights, error) {
	return t.folders.Rights(ctx, name)
}

// ACL is a folder's list, for those who may administer it.
func (t *Tree) ACL(ctx context.Context, name string) (*acl.List, maildir.ACLSource, error) {
	return t.folders.ACL(ctx, name)
}

// SetACL changes it.
func (t *Tree) SetACL(ctx context.Context, name string, c acl.Change) error {
	return t.folders.SetACL(ctx, name, c)
}

// Quota is what the root holds, and what it may hold.
func (t *Tree) Quota(ctx context.Context) (u maildir.QuotaUsage, limited bool, err error) {
	return t.folders.Quota(ctx)
}

// QuotaName is the name of the quota root.
func (t *Tree) QuotaName() string { return t.o.QuotaName }

// Subscribe is not for this tree: subscriptions lie in the user's own.
func (t *Tree) Subscribe(_ context.Context, name string) error { return denied("subscribe", name) }

// Unsubscribe is not for this tree.
func (t *Tree) Unsubscribe(_ context.Context, name string) error { return denied("unsubscribe", name) }

// Subscriptions is empty.
func (t *Tree) Subscriptions(context.Context) ([]string, error) { return nil, nil }

func denied(op, name string) error {
	return &maildir.Error{Op: op, Name: name, Err: maildir.ErrNoPermission}
}
