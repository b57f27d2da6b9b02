package maildir

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestTreesShareTheirListing: two sessions of a user hold one listing; it follows what either of them and other
// programs change, and goes when both have gone. Another configuration's tree has its own.
func TestTreesShareTheirListing(t *testing.T) {
	s, err := NewStore(StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := filepath.Join(t.TempDir(), "mail")
	open := func(sent string) *Tree {
		tree, err := s.Tree(TreeOptions{Root: root, Create: true, SpecialUse: map[string]imap.MailboxAttr{sent: imap.MailboxAttrSent}})
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	a, b, other := open("Sent"), open("Sent"), open("Gone")
	list := func(tree *Tree) []Entry {
		l, err := tree.List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if err := a.Create(context.Background(), "Sent", nil); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(root, old, old); err != nil {
		t.Fatal(err)
	}
	x, y, z := list(a), list(b), list(other)
	if len(x) != 2 || &x[0] != &y[0] {
		t.Errorf("two sessions have two listings: %v, %v", x, y)
	}
	if len(x[1].SpecialUse) != 1 || len(z) != 2 || z[1].SpecialUse != nil {
		t.Errorf("special uses are mixed up: %v, %v", x, z)
	}
	if err := os.MkdirAll(filepath.Join(root, ".Foreign", "cur"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l := list(b); len(l) != 3 {
		t.Errorf("another program's folder is not listed: %v", l)
	}
	if err := b.Delete(context.Background(), "Sent"); err != nil {
		t.Fatal(err)
	}
	if l := list(a); len(l) != 2 {
		t.Errorf("a deleted folder is listed: %v", l)
	}
	for _, tree := range []*Tree{a, b, other, a} {
		_ = tree.Close()
	}
	if n := len(s.trees.trees); n != 0 {
		t.Errorf("%d trees are held for nobody", n)
	}
}
