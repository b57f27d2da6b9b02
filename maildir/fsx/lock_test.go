package fsx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

func testDir(t *testing.T, f *FS) *Dir {
	t.Helper()
	d, err := f.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestLockFile(t *testing.T) {
	d := testDir(t, &FS{})
	l, err := d.Lock(t.Context(), "dovecot-uidlist", LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(d.Path(), "dovecot-uidlist.lock"))
	host, _ := os.Hostname()
	if want := strconv.Itoa(os.Getpid()) + ":" + host; err != nil || string(b) != want {
		t.Fatalf("lock file holds %q, %v; want %q", b, err, want)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatalf("second Unlock: %v", err)
	}
	if names, _ := d.Names(); len(names) != 0 {
		t.Fatalf("left behind: %q", names)
	}
	if len(held.slots) != 0 {
		t.Fatalf("slots left: %v", held.slots)
	}
}

func TestLockExcludesGoroutines(t *testing.T) {
	d := testDir(t, &FS{})
	var wg sync.WaitGroup
	inside, most, total := 0, 0, 0
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l, err := d.Lock(context.Background(), "x", LockOptions{Wait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				inside++
				total++
				most = max(most, inside)
				inside--
				if err := l.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most != 1 || total != 400 {
		t.Fatalf("%d at once, %d in all", most, total)
	}
}

func TestLockWait(t *testing.T) {
	d := testDir(t, &FS{})
	path := filepath.Join(d.Path(), "x.lock")
	// A living process of this host: our parent.
	host, _ := os.Hostname()
	os.WriteFile(path, []byte(strconv.Itoa(os.Getppid())+":"+host), 0o600)
	start := time.Now()
	_, err := d.Lock(t.Context(), "x", LockOptions{Wait: 100 * time.Millisecond})
	if !errors.Is(err, ErrLocked) || time.Since(start) > 5*time.Second {
		t.Fatalf("got %v after %v, want ErrLocked", err, time.Since(start))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Lock(ctx, "x", LockOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the context's error", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { os.Remove(path) })
	l, err := d.Lock(t.Context(), "x", LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Unlock()
}

func TestLockStale(t *testing.T) {
	host, _ := os.Hostname()
	for _, c := range []struct {
		name, text string
		age        time.Duration
		stale      time.Duration
		broken     bool
	}{
		{"dead process", "4194400:" + host, 0, 0, true},
		{"our own number", strconv.Itoa(os.Getpid()) + ":" + host, 0, 0, true},
		{"our number, other host", strconv.Itoa(os.Getpid()) + ":elsewhere.example", 0, 0, false},
		{"other host, untouched for long", "1:elsewhere.example", 0, 50 * time.Millisecond, true},
		{"empty", "", 0, 0, false},
		{"nonsense", "pid:host", 0, 0, false},
		{"from the future", "1:elsewhere.example", -time.Hour, 50 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := testDir(t, &FS{})
			path := filepath.Join(d.Path(), "x.lock")
			os.WriteFile(path, []byte(c.text), 0o600)
			at := time.Now().Add(-c.age)
			os.Chtimes(path, at, at)
			l, err := d.Lock(t.Context(), "x", LockOptions{Wait: time.Second, Stale: c.stale})
			if got := err == nil; got != c.broken {
				t.Fatalf("got %v; want broken %v", err, c.broken)
			}
			if err == nil {
				if err := l.Unlock(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestLockOverridden(t *testing.T) {
	d := testDir(t, &FS{})
	l, err := d.Lock(t.Context(), "x", LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path(), "x.lock")
	os.Remove(path)
	os.WriteFile(path, []byte("1:elsewhere"), 0o600)
	l.since = time.Now().Add(-time.Minute)
	if err := l.Touch(); !errors.Is(err, ErrOverridden) {
		t.Fatalf("Touch: got %v, want ErrOverridden", err)
	}
	if err := l.Unlock(); !errors.Is(err, ErrOverridden) {
		t.Fatalf("Unlock: got %v, want ErrOverridden", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("the other's lock was removed")
	}
}

func TestLockTouch(t *testing.T) {
	d := testDir(t, &FS{})
	l, err := d.Lock(t.Context(), "x", LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Touch(); err != nil {
		t.Fatal(err)
	}
	before := l.mine
	time.Sleep(20 * time.Millisecond)
	l.since = time.Now().Add(-time.Minute)
	if err := l.Touch(); err != nil {
		t.Fatal(err)
	}
	if l.mine.Mtime <= before.Mtime {
		t.Fatal("the lock's time did not move")
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockAfterCrash(t *testing.T) {
	// Crash before every operation of lock, write, unlock: the next life gets in.
	for n := int64(0); n < 10; n++ {
		dir := t.TempDir()
		f := &FS{Fault: CrashAt(n, true)}
		done := func() bool {
			d, err := f.OpenDir(dir)
			if err != nil {
				return false
			}
			defer d.Close()
			l, err := d.Lock(t.Context(), "x", LockOptions{Wait: time.Second})
			if err != nil {
				return false
			}
			defer l.Unlock()
			return d.WriteFile("x", []byte("new"), 0, true) == nil && l.Unlock() == nil
		}()
		real := &FS{}
		d, err := real.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.Lock(t.Context(), "x", LockOptions{Wait: time.Second})
		if err != nil {
			t.Fatalf("after a crash before operation %d: %v", n, err)
		}
		if err := d.WriteFile("x", []byte("newer"), 0, true); err != nil {
			t.Fatalf("after a crash before operation %d: %v", n, err)
		}
		l.Unlock()
		if names, _ := d.Names(); len(names) != 1 {
			t.Fatalf("after a crash before operation %d: %q", n, names)
		}
		d.Close()
		if done {
			return
		}
	}
	t.Fatal("never came to its end")
}
