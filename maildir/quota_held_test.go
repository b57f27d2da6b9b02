package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// quotaChanges are all that add mail or take it away.
var quotaChanges = map[string]func(t *testing.T, h, work *Handle) error{
	"append":  func(_ *testing.T, h, _ *Handle) error { _, err := tryAppend(h, "12345678"); return err },
	"copy":    func(t *testing.T, h, work *Handle) error { _, err := h.Copy(t.Context(), uidSet(1), work); return err },
	"move":    func(t *testing.T, h, work *Handle) error { _, err := h.Move(t.Context(), uidSet(1), work); return err },
	"expunge": func(t *testing.T, h, _ *Handle) error { _, err := h.Expunge(t.Context(), nil); return err },
}

// quotaSpot is a tree with a message marked \Deleted in its INBOX, and Work.
func quotaSpot(t *testing.T, dir string, q *Quota, f fsx.FS) (tree *Tree, h, work *Handle) {
	t.Helper()
	tree = quotaTree(t, filepath.Join(dir, "mail"), q, f)
	if err := tree.Create(t.Context(), "Work", nil); err != nil {
		t.Fatal(err)
	}
	h, work = openIn(t, tree, "INBOX", Select), openIn(t, tree, "Work", Target)
	appendText(t, h, "one\n")
	refresh(t, h)
	if _, err := h.Store(t.Context(), uidSet(1), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	return tree, h, work
}

// TestQuotaInodeAgain: another process counts twice in the middle of a change, when the message's file is in its place and
// its line not written: a file system that gives free inodes out again at once has the second maildirsize under the number
// of the one that there was before the change.
func TestQuotaInodeAgain(t *testing.T) {
	for name, change := range quotaChanges {
		q := Quota{Set: true, Storage: 1 << 20}
		armed, counted := false, 0
		var root string
		var before, last syscall.Stat_t
		path := func() string { return filepath.Join(root, quotaName) }
		done := func(e fsx.Event) {
			if !armed || e.Op != "rename" && e.Op != "remove" && e.Op != "link" || !strings.Contains(e.Name+e.New, ".M") || e.New == quotaName {
				return
			}
			if name == "copy" && e.Op == "link" && strings.HasPrefix(e.New, "tmp") {
				return
			}
			armed = false
			other := quotaTree(t, root, &q, fsx.FS{})
			d, err := other.open()
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			for range 2 {
				l, err := other.quota.count(t.Context(), d, q)
				if err != nil {
					t.Error(err)
					return
				}
				l.close()
				counted++
			}
			syscall.Stat(path(), &last)
		}
		tree, h, work := quotaSpot(t, t.TempDir(), &q, fsx.FS{Done: done})
		root = tree.root
		usage(t, tree)
		syscall.Stat(path(), &before)
		armed = true
		if err := change(t, h, work); err != nil {
			t.Fatal(name, err)
		}
		if last.Ino == before.Ino {
			t.Errorf("%s: inode %d was given out again while somebody compares it", name, last.Ino)
		}
		if got, want := usage(t, quotaTree(t, root, &q, fsx.FS{})), onDisk(t, root); got != want || counted != 2 {
			t.Errorf("%s: %v, really %v; counted %d times in the middle", name, got, want, counted)
		}
	}
}

// openQuotas is how many descriptors of a tree's maildirsize this process has, whatever became of the file.
func openQuotas(t *testing.T, root string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if to = strings.TrimSuffix(to, " (deleted)"); to == filepath.Join(root, quotaName) || strings.HasPrefix(to, filepath.Join(root, "tmp")+"/") {
			n++
		}
	}
	return n
}

// TestQuotaKeepsNoDescriptor: whatever a command comes to, and wherever it fails, maildirsize is not left open.
func TestQuotaKeepsNoDescriptor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ask := func(tree *Tree) {
		tree.Quota(ctx)
		tree.quota.changed(ctx)
		if d, err := tree.open(); err == nil {
			tree.repairQuota(ctx, d, []Finding{{Invariant: invQuota}})
			d.Close()
		}
	}
	for name, change := range quotaChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := int64(0)
			for inRound(t, n, func(t *testing.T) bool { return quotaLeakOnce(t, n, change, ask) }) && !t.Failed() {
				n++
			}
			if n < 10 {
				t.Errorf("only %d operations", n)
			}
		})
	}
}

// quotaLeakOnce fails the n-th operation of a change and of questions after it; false: there are not so many.
func quotaLeakOnce(t *testing.T, n int64, change func(*testing.T, *Handle, *Handle) error, ask func(*Tree)) (failed bool) {
	var hook opHook
	q := Quota{Set: n%4 < 2, Storage: 1 << 20}
	tree, h, work := quotaSpot(t, unsynced(t), &q, fsx.FS{Fault: hook.call})
	defer func() {
		hook.heal()
		h.Close()
		work.Close()
		tree.store.Close()
	}()
	ask(tree)
	if n%2 == 1 { // the next to ask must count
		os.WriteFile(filepath.Join(tree.root, quotaName), []byte("1048576S\nbad\n"), 0o600)
	}
	if n%3 == 2 { // everything is beyond the limit
		q.Storage = 5
	}
	left := n
	hook.set(func(op, _ string) error {
		if left--; left < 0 && !failed {
			failed = true
			return fmt.Errorf("%s: %w", op, syscall.EIO)
		}
		return nil
	})
	change(t, h, work)
	ask(tree)
	if k := openQuotas(t, tree.root); k != 0 {
		t.Errorf("operation %d fails: %d descriptors are left", n, k)
	}
	return failed
}
