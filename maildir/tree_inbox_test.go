package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"maildir-imapd/maildir/fsx"
)

func TestRenameInbox(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			ctx := t.Context()
			root := filepath.Join(t.TempDir(), "Mail")
			tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true}, fsx.FS{})
			for _, text := range []string{"one", "two"} {
				deliver(t, root, "new", text)
			}
			deliver(t, root, "cur", "three")
			if err := tree.Create(ctx, "INBOX/kid", nil); err != nil {
				t.Fatal(err)
			}
			loc, _ := tree.locate("INBOX/kid")
			deliver(t, loc.dir, "cur", "child")
			h, err := tree.Open(ctx, "INBOX", Select)
			if err != nil {
				t.Fatal(err)
			}
			validity := h.UIDValidity()
			h.Close()
			if err := tree.Rename(ctx, "inbox", "old/mail"); err != nil {
				t.Fatal(err)
			}
			want(t, tree, "INBOX+ INBOX/kid -old+ old/mail")
			got := texts(t, root)
			if !slices.Equal(got[tree.names.path("old/mail")], []string{"one", "three", "two"}) || len(got["."]) != 0 || len(got[tree.names.path("INBOX/kid")]) != 1 {
				t.Errorf("messages: %v", got)
			}
			h, err = tree.Open(ctx, "INBOX", Select)
			if err != nil {
				t.Fatal(err)
			}
			if h.Count() != 0 || h.UIDValidity() != validity {
				t.Errorf("INBOX has %d messages, UIDVALIDITY %d, was %d", h.Count(), h.UIDValidity(), validity)
			}
			h.Close()
			if err := tree.Rename(ctx, "INBOX", "old/mail"); !errors.Is(err, ErrExist) {
				t.Errorf("onto what exists: %v", err)
			}
		})
	}
}

// TestSelectedWhileTreeChanges has a mailbox selected while it is renamed and
// then deleted.
func TestSelectedWhileTreeChanges(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			ctx := t.Context()
			root := filepath.Join(t.TempDir(), "Mail")
			tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true}, fsx.FS{})
			for _, name := range []string{"a", "a/b"} {
				if err := tree.Create(ctx, name, nil); err != nil {
					t.Fatal(err)
				}
			}
			loc, _ := tree.locate("a/b")
			deliver(t, loc.dir, "new", "one")
			h, err := tree.Open(ctx, "a/b", Select)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if err := tree.Rename(ctx, "a", "c"); err != nil {
				t.Fatal(err)
			}
			loc, err = tree.locate("c/b")
			if err != nil {
				t.Fatal(err)
			}
			deliver(t, loc.dir, "new", "two")
			if err := h.Refresh(ctx); err != nil {
				t.Fatalf("after the renaming: %v", err)
			}
			var d Delta
			h.Sync(true, &d)
			if h.Count() != 2 {
				t.Errorf("%d messages after the renaming, want 2", h.Count())
			}
			if err := tree.Delete(ctx, "c/b"); err != nil {
				t.Fatal(err)
			}
			if err := h.Refresh(ctx); !errors.Is(err, ErrNotExist) {
				t.Errorf("after the deletion: %v, want ErrNotExist", err)
			}
			if _, err := os.Stat(loc.dir); err == nil {
				t.Error("the directory is still there")
			}
		})
	}
}
