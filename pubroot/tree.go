package pubroot

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/fsx"
)

// Options say where a public root is and how it is laid out.
type Options struct {
	Root      string // absolute path
	Layout    maildir.Layout
	Separator byte
	Follow    []string // further directories that symbolic links may lead into
	DiskUTF8  bool
}

// Tree is the public root as one user sees it.
type Tree struct {
	folders *maildir.Tree
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
	folders.ReadOnly = true
	t, err := store.Tree(folders)
	if err != nil {
		return nil, err
	}
	return &Tree{t}, nil
}

// Close lets go of the tree.
func (t *Tree) Close() error { return t.folders.Close() }

// List is every folder, sorted.
func (t *Tree) List(ctx context.Context) ([]maildir.Entry, error) { return t.folders.List(ctx) }

// Exists tells whether there is such a folder.
func (t *Tree) Exists(name string) (bool, error) { return t.folders.Exists(name) }

// Open opens a folder. Selecting one is examining it: nothing can be changed.
func (t *Tree) Open(ctx context.Context, name string, mode maildir.Mode) (*maildir.Handle, error) {
	if mode == maildir.Target {
		return nil, denied("append", name)
	}
	return t.folders.Open(ctx, name, mode)
}

// Create is denied to everybody.
func (t *Tree) Create(_ context.Context, name string, _ []imap.MailboxAttr) error {
	return denied("create", name)
}

// Delete is denied to everybody.
func (t *Tree) Delete(_ context.Context, name string) error { return denied("delete", name) }

// Rename is denied to everybody.
func (t *Tree) Rename(_ context.Context, from, _ string) error { return denied("rename", from) }

// Subscribe is not for this tree: subscriptions lie in the user's own.
func (t *Tree) Subscribe(_ context.Context, name string) error { return denied("subscribe", name) }

// Unsubscribe is not for this tree.
func (t *Tree) Unsubscribe(_ context.Context, name string) error { return denied("unsubscribe", name) }

// Subscriptions is empty.
func (t *Tree) Subscriptions(context.Context) ([]string, error) { return nil, nil }

func denied(op, name string) error {
	return &maildir.Error{Op: op, Name: name, Err: maildir.ErrNoPermission}
}
