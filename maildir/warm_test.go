package maildir

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

// weight is an attached value that says what it takes.
type weight int64

func (w weight) Footprint() int64 { return int64(w) }

// TestWarmWithinMemory: mailboxes that nobody has open stay warm while they take no more than half of the memory;
// the longest idle goes first, one that is open is never dropped, and DropIdle drops all others.
func TestWarmWithinMemory(t *testing.T) {
	s, err := NewStore(StoreOptions{Memory: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tree, err := s.Tree(TreeOptions{Root: filepath.Join(t.TempDir(), "mail"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	ctx := context.Background()
	open := func(name string) *Handle {
		h, err := tree.Open(ctx, name, Select)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	warm := func() (names string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for e := s.idle.Front(); e != nil; e = e.Next() {
			names += filepath.Base(e.Value.(*Mailbox).dirPath)
		}
		return names
	}
	for i := range 4 {
		name := fmt.Sprintf("f%d", i)
		if err := tree.Create(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
		h := open(name)
		h.Attach("weight", func() any { return weight(900 << 10) })
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := warm(); got != ".f2.f3" {
		t.Errorf("warm are %s", got)
	}
	if err := open("f2").Close(); err != nil { // now the one that was used last
		t.Fatal(err)
	}
	s.SetMemory(2 << 20)
	if got := warm(); got != ".f2" {
		t.Errorf("within half of the memory, warm are %s", got)
	}
	h := open("f2")
	defer h.Close()
	if n := s.Footprint(); n < 900<<10 || n > 2<<20 {
		t.Errorf("the open mailbox takes %d bytes", n)
	}
	if err := open("f0").Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.DropIdle(); n != 1 || warm() != "" {
		t.Errorf("%d mailboxes were dropped, warm are %s", n, warm())
	}
	if err := h.Refresh(ctx); err != nil {
		t.Errorf("the open mailbox is of no use any more: %v", err)
	}
}
