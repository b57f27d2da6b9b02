package fsx

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStaleHandles: a handle that the server has forgotten is renewed under its
// number, and only to the same directory or file.
func TestStaleHandles(t *testing.T) {
	stale := map[string]int{}
	f := &FS{System: func(op, _ string) error {
		if stale[op] > 0 {
			stale[op]--
			return unix.ESTALE
		}
		return nil
	}}
	d := testDir(t, f)
	if err := d.WriteFile("x", []byte("text"), 0, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		op  string
		run func() error
	}{
		{"fstat", func() error { _, err := d.Stat(); return err }},
		{"stat", func() error { _, err := d.StatName("x"); return err }},
		{"stat", func() error { _, err := f.Stat(d.Path()); return err }},
		{"open", func() error { _, _, err := d.ReadFile("x", 10); return err }},
		{"opendir", func() error {
			n, err := f.OpenDir(d.Path())
			if err == nil {
				n.Close()
			}
			return err
		}},
		{"readdir", func() error { _, err := d.Names(); return err }},
		{"rename", func() error { return d.Rename("x", d, "y") }},
		{"link", func() error { return d.Link("y", d, "x") }},
		{"remove", func() error { return d.Remove("y") }},
		{"mkdir", func() error { return d.Mkdir("sub", 0) }},
		{"opendir", func() error {
			n, err := d.Sub("sub")
			if err == nil {
				n.Close()
			}
			return err
		}},
		{"syncdir", d.Sync},
		{"tmpfile", func() error {
			l, err := d.Lock(t.Context(), "l", LockOptions{})
			if err == nil {
				err = l.Unlock()
			}
			return err
		}},
		{"pread", func() error {
			r, err := d.OpenRead("x")
			if err != nil {
				return err
			}
			defer r.Close()
			b, err := io.ReadAll(&r)
			if err == nil && string(b) != "text" {
				t.Errorf("read %q", b)
			}
			return err
		}},
	} {
		stale[c.op] = 1
		if err := c.run(); err != nil || stale[c.op] != 0 {
			t.Errorf("%s, stale once (left %d): %v", c.op, stale[c.op], err)
		}
		stale[c.op] = 2
		if err := c.run(); !errors.Is(err, unix.ESTALE) || stale[c.op] != 0 {
			t.Errorf("%s, stale for good: %v", c.op, err)
		}
	}
	// Another directory at the same path is not this one.
	moved := d.Path() + ".moved"
	if err := os.Rename(d.Path(), moved); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(moved)
	os.Mkdir(d.Path(), 0o700)
	d.reopen()
	if st, err := d.Stat(); err != nil || !st.SameFile(d.Identity()) {
		t.Errorf("is another directory: %v", err)
	}
	// And a descriptor that is of no use any more comes back.
	os.Remove(d.Path())
	if err := os.Rename(moved, d.Path()); err != nil {
		t.Fatal(err)
	}
	null, _ := os.Open("/")
	unix.Dup3(int(null.Fd()), d.fd, unix.O_CLOEXEC)
	null.Close()
	d.reopen()
	if st, err := d.Stat(); err != nil || !st.SameFile(d.Identity()) {
		t.Errorf("did not come back: %v", err)
	}
}

// TestFailFrom: from a certain operation on all fail, until the hook is taken away.
func TestFailFrom(t *testing.T) {
	f := &FS{}
	d := testDir(t, f)
	f.Fault = FailFrom(1, unix.ENOSPC, "create", "write")
	if err := d.WriteFile("x", []byte("1"), 0, false); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("the write: %v", err)
	}
	if _, err := os.Stat(filepath.Join(d.Path(), "x.tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
	for range 2 {
		if err := d.WriteFile("x", []byte("2"), 0, false); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("the create: %v", err)
		}
	}
	f.Fault = FailFrom(0, unix.EIO)
	if _, err := d.Stat(); !errors.Is(err, unix.EIO) {
		t.Errorf("without names: %v", err)
	}
	f.Fault = nil
	if err := d.WriteFile("x", []byte("3"), 0, false); err != nil {
		t.Error(err)
	}
}
