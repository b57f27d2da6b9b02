package fsx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// heard collects events.
type heard struct {
	mu   sync.Mutex
	list []Change
}

func (h *heard) tell(e Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

func (h *heard) has(e Change) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.list {
		if x == e {
			return true
		}
	}
	return false
}

func watchIn(t *testing.T, w *Watcher, dir string) (*Watch, *heard) {
	t.Helper()
	h := &heard{}
	v, err := w.Watch(dir, h.tell)
	if err != nil {
		t.Fatal(err)
	}
	return v, h
}

// TestWatcherTells: all who watch a directory hear of it, by whatever path, until
// they stop, and Drain returns when they have.
func TestWatcherTells(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	var w Watcher
	one, first := watchIn(t, &w, dir)
	two, second := watchIn(t, &w, link)
	for i := range 300 {
		name := fmt.Sprint(i)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+"b")); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			if !w.Drain(5 * time.Second) {
				t.Fatal("not drained")
			}
			for _, h := range []*heard{first, second} {
				if !h.has(Change{name, Came}) || !h.has(Change{name, Left}) || !h.has(Change{name + "b", Came}) {
					t.Errorf("%d: not told", i)
				}
			}
		}
	}
	one.Close()
	if err := os.Remove(filepath.Join(dir, "7b")); err != nil {
		t.Fatal(err)
	}
	if !w.Drain(5*time.Second) || !second.has(Change{"7b", Left}) || first.has(Change{"7b", Left}) {
		t.Error("the one that stays is not told, or the other is")
	}
	two.Close()
	if w.notify != nil || w.Drain(time.Second) {
		t.Error("an instance is kept for nobody")
	}
	again, third := watchIn(t, &w, dir) // and begins anew
	defer again.Close()
	if err := os.Remove(filepath.Join(dir, "8b")); err != nil {
		t.Fatal(err)
	}
	if !w.Drain(5*time.Second) || !third.has(Change{"8b", Left}) {
		t.Error("not told after a new beginning")
	}
}

// TestWatcherLosesDirectory: a directory that goes ends its watch.
func TestWatcherLosesDirectory(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var w Watcher
	v, h := watchIn(t, &w, dir)
	defer v.Close()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); !h.has(Change{What: Ended}); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not told")
		}
	}
	// A new one of that name is followed by asking again.
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v2, h2 := watchIn(t, &w, dir)
	defer v2.Close()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !w.Drain(5*time.Second) || !h2.has(Change{"x", Came}) {
		t.Error("the new directory is not watched")
	}
}

// TestWatcherEnds: a directory that is renamed and comes back at once ends its watch, and one that is watched in
// its parent, too, is told of there as well; nothing comes of it until somebody asks again.
func TestWatcherEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var w Watcher
	up, above := watchIn(t, &w, parent)
	defer up.Close()
	v, h := watchIn(t, &w, dir)
	defer v.Close()
	for _, x := range [][2]string{{dir, dir + "2"}, {dir + "2", dir}} {
		if err := os.Rename(x[0], x[1]); err != nil {
			t.Fatal(err)
		}
	}
	if !w.Drain(5*time.Second) || !h.has(Change{What: Ended}) || h.has(Change{What: Lost}) {
		t.Errorf("told %v", h.list)
	}
	if !above.has(Change{"d", Left}) || !above.has(Change{"d", Came}) {
		t.Errorf("the parent was told %v", above.list)
	}
	again, h2 := watchIn(t, &w, dir)
	defer again.Close()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !w.Drain(5*time.Second) || !h2.has(Change{"x", Came}) || h.has(Change{"x", Came}) {
		t.Errorf("told %v, and the one before %v", h2.list, h.list)
	}
}

// TestWatcherRefused: what the kernel refuses is said, and leaves nothing behind.
func TestWatcherRefused(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, op := range []string{"inotify", "watch"} {
		w := Watcher{Fault: func(o, _ string) error {
			if o == op {
				return syscall.ENOSPC
			}
			return nil
		}}
		if _, err := w.Watch(t.TempDir(), func(Change) {}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", op, err)
		}
		if w.notify != nil {
			t.Errorf("%s: an instance is left", op)
		}
	}
	var w Watcher
	if _, err := w.Watch("/nonexistent", func(Change) {}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestWatcherPathReused: a path that leads to another directory by now is that one's, and who watched the old one is told.
func TestWatcherPathReused(t *testing.T) {
	var w Watcher
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	for _, d := range []string{a, b} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan Change, 64)
	var watches []*Watch
	watch := func(dir string, tell func(Change)) {
		v, err := w.Watch(dir, tell)
		if err != nil {
			t.Fatal(err)
		}
		watches = append(watches, v)
	}
	watch(a, func(c Change) { told <- c })
	if err := os.Rename(a, filepath.Join(root, "c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b, a); err != nil {
		t.Fatal(err)
	}
	came := make(chan Change, 64)
	watch(a, func(c Change) { came <- c })
	if err := os.WriteFile(filepath.Join(a, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ch   chan Change
		want What
	}{{told, Ended}, {came, Came}} {
		for got := (Change{What: 255}); got.What != c.want; {
			select {
			case got = <-c.ch:
			case <-time.After(5 * time.Second):
				t.Fatalf("not told of %v", c.want)
			}
		}
	}
	for _, v := range watches {
		v.Close()
	}
}
