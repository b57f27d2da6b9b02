package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// opHook is a fault hook that can be changed while the store is in use.
type opHook struct {
	f atomic.Pointer[func(op, path string) error]
}

func (h *opHook) call(op, path string) error {
	if f := h.f.Load(); f != nil {
		return (*f)(op, path)
	}
	return nil
}

func (h *opHook) set(f func(op, path string) error) { h.f.Store(&f) }

func (h *opHook) heal() { h.f.Store(nil) }

// TestRewriteKeepsForeignParts: a list of UIDs that cannot be read at the moment of
// its rewriting stays as it is, for what others have put into it is nowhere else.
func TestRewriteKeepsForeignParts(t *testing.T) {
	for _, damage := range []error{syscall.EIO, syscall.EMFILE, ErrCorrupt} {
		t.Run(damage.Error(), func(t *testing.T) {
			var hook opHook
			b := openSpot(t, unsynced(t), fsx.FS{Fault: hook.call})
			b.drop("cur", "Subject: a\n\na\n")
			b.drop("cur", "Subject: b\n\nb\n")
			b.open(Select).Close()
			path := filepath.Join(b.dir, uidlistFile)
			list, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// As Dovecot writes them: words in the header, keys of a message.
			foreign := strings.Replace(strings.Replace(string(list), "\n", " Xword\n", 1), "\n1 ", "\n1 Gabc Ppop3 ", 1)
			if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
				t.Fatal(err)
			}
			again := openSpot(t, b.dir, fsx.FS{Fault: hook.call})
			h := again.open(Select)
			x, err := h.m.begin(context.Background(), h, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := x.readList(true); err != nil {
				t.Fatal(err)
			}
			if damage == ErrCorrupt {
				os.WriteFile(path, []byte("3 rubbish\n"), 0o600)
			} else {
				hook.set(func(op, path string) error {
					if op == "open" && strings.HasSuffix(path, uidlistFile) {
						return damage
					}
					return nil
				})
			}
			err = x.rewriteList(nil)
			hook.heal()
			x.end(err)
			if !errors.Is(err, damage) {
				t.Fatalf("got %v, want %v", err, damage)
			}
			if damage == ErrCorrupt {
				refresh(t, h)
				if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != 1 {
					t.Errorf("aside: %q", aside)
				}
				again.check()
				return
			}
			if now, _ := os.ReadFile(path); string(now) != foreign {
				t.Errorf("is %q, was %q", now, foreign)
			}
			if x, err = h.m.begin(context.Background(), h, true); err != nil {
				t.Fatal(err)
			}
			err = x.rewriteList(nil)
			x.end(err)
			now, _ := os.ReadFile(path)
			if err != nil || !strings.Contains(string(now), " Xword\n") || !strings.Contains(string(now), "Gabc Ppop3 ") {
				t.Errorf("%v: healed, it is %q", err, now)
			}
		})
	}
}

// TestNamesAreSyncedBeforeUse: a number of UIDVALIDITY is on the disk before a
// mailbox has it, and a directory before mail lies in it.
func TestNamesAreSyncedBeforeUse(t *testing.T) {
	for _, layout := range bothLayouts {
		var ops []string
		root := filepath.Join(t.TempDir(), "Mail")
		tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true}, fsx.FS{Fault: func(op, path string) error {
			ops = append(ops, op+" "+strings.TrimPrefix(path, root))
			return nil
		}})
		if err := tree.Create(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		ops = nil
		if err := tree.Create(t.Context(), "a/b", nil); err != nil {
			t.Fatal(err)
		}
		if err := syncedBetween(ops, "rename /dovecot-uidvalidity.", "syncdir ", "uidlist"); err != nil {
			t.Errorf("%v: %v", layout, err)
		}
	}
	var ops []string
	dir := t.TempDir()
	s, err := NewStore(StoreOptions{FS: fsx.FS{Fault: func(op, path string) error {
		ops = append(ops, op+" "+strings.TrimPrefix(path, dir))
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := s.open(t.Context(), location{name: "INBOX", dir: dir, root: dir, rights: acl.RightsAll}, Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, sub := range []string{"/cur", "/new"} {
		if err := syncedBetween(ops, "mkdir "+sub, "syncdir ", "opendir "+sub); err != nil {
			t.Error(err)
		}
	}
}

// syncedBetween finds the three operations in this order; use is the one that must
// not come before sync.
func syncedBetween(ops []string, change, sync, use string) error {
	changed, synced := false, false
	for _, op := range ops {
		switch {
		case strings.HasPrefix(op, change):
			changed, synced = true, false
		case op == sync && changed:
			synced = true
		case changed && strings.Contains(op, use):
			if !synced {
				return fmt.Errorf("%q before the sync in %q", use, ops)
			}
			return nil
		}
	}
	return fmt.Errorf("%q, %q: not both in %q", change, use, ops)
}

// TestNewBootLooksAgain: what the index remembers of the directories' times is of
// no use after the machine has stopped: names may be gone that the times vouch for.
func TestNewBootLooksAgain(t *testing.T) {
	b := newSpot(t)
	kept, lost := b.drop("cur", "kept\n"), b.drop("cur", "lost\n")
	h := b.open(Select)
	wantLook(t, h, "1: 2:")
	h.Close()
	cur := filepath.Join(b.dir, "cur")
	old := time.Now().Add(-time.Hour)
	os.Chtimes(cur, old, old)
	h = b.open(Select)
	refresh(t, h)
	h.Close()
	if err := os.Remove(filepath.Join(cur, lost)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(cur, old, old); err != nil {
		t.Fatal(err)
	}
	same := openSpot(t, b.dir, fsx.FS{})
	wantLook(t, same.open(Select), "1: 2:") // as the times have it
	next := openSpot(t, b.dir, fsx.FS{})
	next.store.boot = "the next"
	h = next.open(Select)
	wantLook(t, h, "1:")
	if readAll(t, h, 1) != "kept\n" {
		t.Errorf("%s is another", kept)
	}
}

// TestTemporaryTrouble: what the machine cannot do just now is told apart from
// defects, and is over when it is over.
func TestTemporaryTrouble(t *testing.T) {
	var hook opHook
	b := openSpot(t, unsynced(t), fsx.FS{Fault: hook.call})
	h := b.open(Select)
	appendText(t, h, "a\n")
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ESTALE} {
		hook.set(func(op, _ string) error { return errno })
		_, err := h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		if !errors.Is(err, ErrTemporary) {
			t.Errorf("store with %v: %v", errno, err)
		}
		if _, err := h.OpenMessage(context.Background(), 1); !errors.Is(err, ErrTemporary) {
			t.Errorf("open with %v: %v", errno, err)
		}
		hook.heal()
		refresh(t, h)
		wantLook(t, h, "1:")
	}
}

// TestHighKeywordsAreKept: keywords without a letter are in no other file than the
// index, so commands that change them fail without it, and sync it.
func TestHighKeywordsAreKept(t *testing.T) {
	ctx := context.Background()
	var hook opHook
	b := openSpot(t, unsynced(t), fsx.FS{Fault: hook.call})
	h := b.open(Select)
	appendText(t, h, "a\n")
	refresh(t, h)
	for i := range maxLetters {
		if _, err := h.Store(ctx, all(), Add, []imap.Flag{imap.Flag(fmt.Sprintf("k%d", i))}, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	onIndex := func(op, path string) bool {
		return op != "stat" && strings.HasPrefix(filepath.Base(path), indexName)
	}
	store := func(op StoreOp, flag imap.Flag) error {
		_, err := h.Store(ctx, all(), op, []imap.Flag{flag}, 0, nil)
		return err
	}
	hook.set(func(op, path string) error {
		if onIndex(op, path) && op != "open" {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := store(Add, "high"); !errors.Is(err, ErrFull) {
		t.Errorf("without a place for it: %v", err)
	}
	if err := store(Remove, "k1"); err != nil {
		t.Errorf("a letter: %v", err)
	}
	hook.heal()
	if err := store(Add, "k1"); err != nil { // the index is written anew
		t.Fatal(err)
	}
	synced := func(run func() error) (n int) {
		hook.set(func(op, path string) error {
			if onIndex(op, path) && op == "sync" {
				n++
			}
			return nil
		})
		if err := run(); err != nil {
			t.Error(err)
		}
		hook.heal()
		return n
	}
	if n := synced(func() error { return store(Remove, "high") }); n != 0 {
		t.Errorf("fsync = yes: STORE synced %d times", n)
	}
	if n := synced(func() error { _, err := tryAppend(h, "b\n", "high"); return err }); n != 1 {
		t.Errorf("fsync = yes: APPEND synced %d times", n)
	}
	refresh(t, h)
	b.store.o.Fsync = FsyncAlways
	if n := synced(func() error { return store(Add, "high") }); n != 1 {
		t.Errorf("fsync = always: synced %d times", n)
	}
	if n := synced(func() error { return store(Add, "k2") }); n != 0 {
		t.Errorf("fsync = always: a letter synced %d times", n)
	}
	h.m.index.broken = true
	if n := synced(func() error { return store(Remove, "k3") }); n != 1 {
		t.Errorf("a file with such keywords was written anew with %d syncs", n)
	}
	if got, want := look(openSpot(t, b.dir, fsx.FS{}).open(Select)), look(h); got != want {
		t.Errorf("%q on disk, %q in memory", got, want)
	}
}
