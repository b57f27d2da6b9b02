package maildir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// nfs answers as an old NFS server does: no unnamed files, no rename that spares its
// target, no links for us, and each handle stale at its first use.
type nfs struct {
	mu     sync.Mutex
	first  map[string]bool
	denied map[string]int
}

func (n *nfs) answer(op, path string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	refuse := map[string]syscall.Errno{"tmpfile": syscall.EOPNOTSUPP, "renamenew": syscall.EINVAL, "link": syscall.EPERM, "linklock": syscall.EPERM}
	if errno := refuse[op]; errno != 0 {
		n.denied[op]++
		return errno
	}
	if n.first == nil {
		n.first = make(map[string]bool)
	}
	if key := op + " " + path; !n.first[key] {
		n.first[key] = true
		return syscall.ESTALE
	}
	return nil
}

// TestNetworkFileSystem: everything works without what such file systems lack.
func TestNetworkFileSystem(t *testing.T) {
	ctx := context.Background()
	n := &nfs{denied: make(map[string]int)}
	root := filepath.Join(t.TempDir(), "Mail")
	tree := testTree(t, TreeOptions{Root: root, Create: true}, fsx.FS{System: n.answer})
	for _, name := range []string{"a", "a/b"} {
		if err := tree.Create(ctx, name, []imap.MailboxAttr{imap.MailboxAttrArchive}); err != nil {
			t.Fatal(err)
		}
	}
	src, err := tree.Open(ctx, "INBOX", Select)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := tree.Open(ctx, "a", Select)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one\n", "two\n", "three\n"} {
		appendText(t, src, text, "key")
	}
	deliver(t, root, "new", "four\n")
	refresh(t, src)
	if _, err := src.Store(ctx, uidSet(1, 4), Add, []imap.Flag{imap.FlagDeleted, "other"}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Copy(ctx, uidSet(1, 2), dst); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Move(ctx, uidSet(3), dst); err != nil {
		t.Fatal(err)
	}
	if gone, err := src.Expunge(ctx, nil); err != nil || gone != 2 {
		t.Fatal(gone, err)
	}
	refresh(t, src)
	refresh(t, dst)
	wantLook(t, src, "2:,key")
	wantLook(t, dst, "1:T,key,other 2:,key 3:,key")
	if got := readAll(t, dst, 3); got != "three\n" {
		t.Errorf("read %q", got)
	}
	src.Close()
	dst.Close()
	for _, err := range []error{tree.Rename(ctx, "a", "z"), tree.Subscribe(ctx, "z"), tree.Delete(ctx, "z/b")} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, op := range []string{"tmpfile", "renamenew", "link"} {
		if n.denied[op] == 0 {
			t.Errorf("%s was never tried", op)
		}
	}
	for _, err := range Check(root) {
		t.Error(err)
	}
	again := testTree(t, TreeOptions{Root: root}, fsx.FS{})
	h, err := again.Open(ctx, "z", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	wantLook(t, h, "1:T,key,other 2:,key 3:,key")
}

// TestStaleMailbox: directories whose handles stay stale belong to a mailbox that
// another host has removed or replaced; it has to be opened again.
func TestStaleMailbox(t *testing.T) {
	var stale opHook
	b := openSpot(t, t.TempDir(), fsx.FS{System: stale.call})
	b.drop("cur", "old\n")
	h := b.open(Select)
	cur := filepath.Join(b.dir, "cur")
	stale.set(func(op, path string) error {
		if op == "fstat" && path == cur {
			return syscall.ESTALE
		}
		return nil
	})
	if err := h.Refresh(context.Background()); !errors.Is(err, ErrTemporary) {
		t.Errorf("while it is still the same directory: %v", err)
	}
	if err := os.Rename(cur, cur+".was"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(cur, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.Refresh(context.Background()); !errors.Is(err, ErrNotExist) {
		t.Errorf("after another has taken its place: %v", err)
	}
	stale.heal()
	h.Close()
	again := b.open(Select)
	wantLook(t, again, "")
	appendText(t, again, "new\n")
}
