package maildir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"maildir-imapd/maildir/fsx"
)

// idler opens a mailbox as an IDLE does. asked counts what the kernel was asked.
func idler(t *testing.T, dir string) (b *spot, h *Handle, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	b = openSpot(t, dir, fsx.FS{})
	b.store.watch.events.Fault = func(op, _ string) error {
		if op == "watch" {
			asked.Add(1)
		}
		return nil
	}
	b.drop("new", mail)
	b.drop("cur", mail)
	h = b.open(Select)
	<-h.Changed()
	if _, err := h.Woken(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, h, asked
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// watches tells whether the kernel tells of the only mailbox that somebody waits for.
func (b *spot) watches() bool {
	w := &b.store.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for m, x := range w.boxes {
		return !x.polled && x.watches[0] != nil && m.noted.on.Load()
	}
	return false
}

func (b *spot) becomes(watched bool) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); b.watches() != watched; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not so: watched = %v", watched)
		}
	}
}

// TestRenamedAndBack: another program renames a mailbox, or new/ or cur/ in it, and back; an idle session hears of
// what is delivered then, and the kernel tells it.
func TestRenamedAndBack(t *testing.T) {
	for _, what := range []string{"", "/new", "/cur"} {
		t.Run("mailbox"+what, func(t *testing.T) {
			t.Parallel()
			b, h, _ := idler(t, filepath.Join(t.TempDir(), "m"))
			for i := range 3 {
				rename(t, b.dir+what, b.dir+what+".x")
				rename(t, b.dir+what+".x", b.dir+what)
				b.drop("cur", mail)
				await(t, h, 3+i, "after the move")
			}
			b.becomes(true)
			b.drop("new", mail)
			await(t, h, 6, "later")
		})
	}
}

// TestAwayForLong: while new/ has another name the mailbox is polled, in no hurry and without a word, and watched
// again when it is back.
func TestAwayForLong(t *testing.T) {
	t.Parallel()
	b, h, asked := idler(t, filepath.Join(t.TempDir(), "m"))
	rename(t, b.dir+"/new", b.dir+"/x")
	b.becomes(false)
	b.drop("x", mail)
	await(t, h, 3, "delivered where it is")
	asks := asked.Load()
	time.Sleep(1500 * time.Millisecond)
	if n := asked.Load() - asks; n > 2 {
		t.Errorf("asked %d times in a second and a half", n)
	}
	if s := b.store.WatchStatus(); s != (WatchStatus{}) {
		t.Errorf("%+v", s)
	}
	rename(t, b.dir+"/x", b.dir+"/new")
	b.drop("new", mail)
	await(t, h, 4, "back")
	b.becomes(true)
	if s := b.store.WatchStatus(); s != (WatchStatus{Watched: 1}) {
		t.Errorf("%+v", s)
	}
	b.drop("cur", mail)
	await(t, h, 5, "watched")
}

// TestNobodyPollsTheDead: once another directory lies where a polled mailbox was nobody looks at it any more, also while a
// session has it open still.
func TestNobodyPollsTheDead(t *testing.T) {
	t.Parallel()
	b, h, _ := idler(t, filepath.Join(t.TempDir(), "m"))
	rename(t, b.dir+"/new", b.dir+"/x")
	b.becomes(false)
	if err := os.Mkdir(b.dir+"/new", 0o700); err != nil {
		t.Fatal(err)
	}
	w := &b.store.watch
	polled := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.boxes)
	}
	for end := time.Now().Add(20 * time.Second); polled() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is polled for ever")
		}
	}
	if !h.m.dead.Load() {
		t.Error("the mailbox lives")
	}
}

// ends waits for a session to be told that its mailbox is gone.
func ends(t *testing.T, h *Handle) {
	t.Helper()
	for late := time.After(10 * time.Second); ; {
		select {
		case <-h.Changed():
			if _, err := h.Woken(context.Background()); errors.Is(err, ErrNotExist) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			var d Delta
			h.Sync(true, &d)
		case <-late:
			t.Fatal("nothing is said")
		}
	}
}

// TestReplacedWhileIdle: others put another directory in the place of a mailbox or of new/ or cur/; a session that waits
// is told that its mailbox is gone, and the next one sees what is there.
func TestReplacedWhileIdle(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, dir string){
		"rm -rf and cp -a": func(t *testing.T, dir string) {
			if err := errors.Join(os.CopyFS(dir+".new", os.DirFS(dir)), os.RemoveAll(dir)); err != nil {
				t.Fatal(err)
			}
			rename(t, dir+".new", dir)
		},
		"cur removed": func(t *testing.T, dir string) {
			if err := errors.Join(os.CopyFS(dir+"/cur.new", os.DirFS(dir+"/cur")), os.RemoveAll(dir+"/cur")); err != nil {
				t.Fatal(err)
			}
			rename(t, dir+"/cur.new", dir+"/cur")
		},
		"cur aside": func(t *testing.T, dir string) {
			if err := os.CopyFS(dir+"/cur.new", os.DirFS(dir+"/cur")); err != nil {
				t.Fatal(err)
			}
			rename(t, dir+"/cur", dir+"/cur.old")
			rename(t, dir+"/cur.new", dir+"/cur")
		},
		"new aside and another later": func(t *testing.T, dir string) {
			rename(t, dir+"/new", dir+"/new.old")
			time.Sleep(100 * time.Millisecond)
			if err := os.Mkdir(dir+"/new", 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, h, _ := idler(t, filepath.Join(t.TempDir(), "m"))
			replace(t, b.dir)
			b.drop("new", mail)
			ends(t, h)
			again := b.open(Select)
			<-again.Changed()
			n := int(again.Count())
			b.drop("new", mail)
			await(t, again, n+1, "the next session")
		})
	}
}

// TestEmptyReplaced: what was empty is removed without a word of the kernel; the next look finds another directory.
func TestEmptyReplaced(t *testing.T) {
	b := newSpot(t)
	h := b.open(Select)
	<-h.Changed()
	refresh(t, h)
	if err := errors.Join(os.Remove(b.dir+"/cur"), os.Mkdir(b.dir+"/cur", 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := h.Refresh(t.Context()); !errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
}

// TestWatchCostsNothing: a mailbox that is watched and in which nothing happens costs no look at the disk.
func TestWatchCostsNothing(t *testing.T) {
	count := &meter{ops: make(map[string]int)}
	b := openSpot(t, t.TempDir(), fsx.FS{Fault: count.hook})
	h := b.open(Select)
	<-h.Changed()
	refresh(t, h)
	count.take()
	for range 3 {
		b.store.watch.turn()
	}
	if ops := count.take(); len(ops) > 0 {
		t.Errorf("%v", ops)
	}
}
