package fsx

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dovecotLock takes a lock as Dovecot does: a file of its own, locked, then linked.
// The lock is the file's, not the process's: that one would end with any descriptor
// that this process, which is both sides here, closes.
func dovecotLock(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path+".mine", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := recordLock(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".mine", path); err != nil {
		t.Fatal(err)
	}
	return f
}

// posixLock is the record lock of a process, which Dovecot takes.
func posixLock(f *os.File) error {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &l)
}

func TestRecordLock(t *testing.T) {
	d := testDir(t, &FS{})
	path := filepath.Join(d.Path(), "mailboxes.lock")
	o := LockOptions{Wait: 300 * time.Millisecond, Record: true}

	// Who comes by fcntl finds ours locked, until it is gone.
	l, err := d.Lock(t.Context(), "mailboxes", o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := posixLock(f); !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
		t.Errorf("somebody else has the lock that is held: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := posixLock(f); err != nil {
		t.Errorf("after Unlock: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}

	// Theirs keeps us out, however old it is, and with it what it leaves behind does not.
	theirs := dovecotLock(t, path)
	old := time.Now().Add(-time.Hour)
	os.Chtimes(path, old, old)
	if _, err := d.Lock(t.Context(), "mailboxes", LockOptions{Wait: o.Wait, Stale: time.Millisecond, Record: true}); !errors.Is(err, ErrLocked) {
		t.Fatalf("got a lock that Dovecot holds: %v", err)
	}
	theirs.Close() // its process has died
	if l, err = d.Lock(t.Context(), "mailboxes", o); err != nil {
		t.Fatalf("a leftover without a record lock: %v", err)
	}
	l.Unlock()

	// Its orderly way: removed while it is locked, then unlocked.
	theirs = dovecotLock(t, path)
	done := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() {
		defer close(done)
		os.Remove(path)
		theirs.Close()
	})
	if l, err = d.Lock(t.Context(), "mailboxes", LockOptions{Wait: 5 * time.Second, Record: true}); err != nil {
		t.Fatal(err)
	}
	<-done
	l.Unlock()

	// A living process of ours that knows no record locks.
	os.WriteFile(path, []byte("1:"+hostname), 0o600)
	if _, err := d.Lock(t.Context(), "mailboxes", o); !errors.Is(err, ErrLocked) {
		t.Errorf("got the dotlock of a living process: %v", err)
	}
}
