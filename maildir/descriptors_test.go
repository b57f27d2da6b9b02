package maildir

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"maildir-imapd/maildir/fsx"
)

// TestIdleMailboxesMakeRoom: what nobody looks at gives its descriptors to what somebody asks for. Here every
// opening fails until one of the idle mailboxes is gone.
func TestIdleMailboxesMakeRoom(t *testing.T) {
	var hook opHook
	tree := testTree(t, TreeOptions{Root: unsynced(t)}, fsx.FS{Fault: hook.call})
	store := tree.store
	for _, name := range []string{"A", "B", "C"} {
		if err := tree.Create(context.Background(), name, nil); err != nil {
			t.Fatal(err)
		}
		h, err := tree.Open(context.Background(), name, Select)
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
	warm := func() int {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.idle.Len()
	}
	before := warm()
	if before < 3 {
		t.Fatalf("%d mailboxes are warm", before)
	}
	hook.set(func(op, _ string) error {
		if (op == "open" || op == "opendir") && warm() == before {
			return syscall.EMFILE
		}
		return nil
	})
	h, err := tree.Open(context.Background(), "INBOX", Select)
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	hook.set(func(op, _ string) error {
		if op == "open" || op == "opendir" {
			return syscall.EMFILE
		}
		return nil
	})
	for range 10 { // it ends where there is no more to give
		if h, err := tree.Open(context.Background(), "INBOX", Select); err == nil {
			h.Close()
		}
	}
	hook.heal()
	for _, name := range []string{"INBOX", "A", "B", "C"} {
		h, err := tree.Open(context.Background(), name, Select)
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
}

// TestFailedOpenKillsNobody: a mailbox that cannot be opened once more for want of a descriptor, or of rights, has
// not gone: those who have it open go on.
func TestFailedOpenKillsNobody(t *testing.T) {
	ctx := context.Background()
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.EIO, syscall.EACCES} {
		var hook opHook
		tree := testTree(t, TreeOptions{Root: unsynced(t)}, fsx.FS{Fault: hook.call})
		h, err := tree.Open(ctx, "INBOX", Select)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		appendText(t, h, "a\n")
		hook.set(func(op, _ string) error {
			if op == "opendir" || op == "stat" {
				return errno
			}
			return nil
		})
		if again, err := tree.Open(ctx, "INBOX", Select); err == nil {
			again.Close()
			t.Errorf("%v: opened all the same", errno)
		} else if errors.Is(err, ErrNotExist) {
			t.Errorf("%v: %v", errno, err)
		}
		hook.heal()
		refresh(t, h)
		wantLook(t, h, "1:")
	}
}

func TestWarmWithin(t *testing.T) {
	if n := warmWithin(1); n != 1 {
		t.Error(n)
	}
	if n := warmWithin(-1); n != 0 {
		t.Error(n)
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if n := warmWithin(1 << 40); uint64(n) != l.Cur/warmShare {
		t.Errorf("%d of %d descriptors", n, l.Cur)
	}
}
