package pubroot

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// Options say where a public root is and how it is laid out.
type Options struct {
	Root      string // absolute path
	Layout    maildir.Layout
	Separator byte
	Follow    []string // further directories that symbolic links may lead into
	DiskUTF8  bool
	Access    *maildir.Access      // whose rights hold; nil: everybody may look and read, nobody change
	Quota     func() maildir.Quota // what the folders may hold together; nil: whatever fits
}

// Tree is the public root as one user sees it.
type Tree struct {
	folders *maildir.Tree
	fixed   bool // nobody may change anything
}

// Folders is the tree below the root as its files lie, for those who maintain them: nobody's rights are looked at.
func (o Options) Folders() maildir.TreeOptions {
	return maildir.TreeOptions{
		Root: o.Root, Layout: o.Layout, Separator: o.Separator, Follow: o.Follow, DiskUTF8: o.DiskUTF8, NoInbox: true,
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
	folders.ReadOnly, folders.Access, folders.Quota = o.Access == nil, o.Access, o.Quota
	t, err := store.Tree(folders)
	if err != nil {
		return nil, err
	}
	return &Tree{t, o.Access == nil}, nil
}

// Close lets go of the tree.
func (t *Tree) Close() error { return t.folders.Close() }

// List is every folder, sorted.
func (t *Tree) List(ctx context.Context) ([]maildir.Entry, error) { return t.folders.List(ctx) }

// Exists tells whether there is such a folder.
func (t *Tree) Exists(name string) (bool, error) { return t.folders.Exists(name) }

// Open opens a folder.
func (t *Tree) Open(ctx context.Context, name string, mode maildir.Mode) (*maildir.Handle, error) {
	return t.folders.Open(ctx, name, mode)
}

// Create makes a folder.
func (t *Tree) Create(ctx context.Context, name string, use []imap.MailboxAttr) error {
	if t.fixed {
		return denied("create", name)
	}
	return t.folders.Create(ctx, name, use)
}

// Delete removes a folder.
func (t *Tree) Delete(ctx context.Context, name string) error {
	if t.fixed {
		return denied("delete", name)
	}
	return t.folders.Delete(ctx, name)
}

// Rename renames a folder and those below it.
func (t *Tree) Rename(ctx context.Context, from, to string) error {
	if t.fixed {
		return denied("rename", from)
	}
	return t.folders.Rename(ctx, from, to)
}

// Rights are the user's to a folder.
func (t *Tree) Rights(ctx context.Context, name string) (maildir.Rights, error) {
	return t.folders.Rights(ctx, name)
}

// ACL is the list that holds for a folder.
func (t *Tree) ACL(ctx context.Context, name string) (*acl.List, maildir.ACLSource, error) {
	return t.folders.ACL(ctx, name)
}

// SetACL changes a folder's list.
func (t *Tree) SetACL(ctx context.Context, name string, c acl.Change) error {
	if t.fixed {
		return denied("change the list of", name)
	}
	return t.folders.SetACL(ctx, name, c)
}

// Subscribe is not for this tree: subscriptions lie in the user's own.
func (t *Tree) Subscribe(_ context.Context, name string) error { return denied("subscribe", name) }

// Unsubscribe is not for this tree.
func (t *Tree) Unsubscribe(_ context.Context, name string) error { return denied("unsubscribe", name) }

// Subscriptions is empty.
func (t *Tree) Subscriptions(context.Context) ([]string, error) { return nil, nil }

func denied(op, name string) error {
	return &maildir.Error{Op: op, Name: name, Err: maildir.ErrNoPermission}
}
