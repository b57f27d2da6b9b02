package fsx

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestReadLeavesAccessTime: mail that is read is not written to; where the system refuses that, it is read all the same.
func TestReadLeavesAccessTime(t *testing.T) {
	d := testDir(t, &FS{})
	path := filepath.Join(d.Path(), "m")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1e9, 0)
	if err := os.Chtimes(path, old, old.Add(time.Hour)); err != nil { // older than the mtime: relatime would note a read
		t.Fatal(err)
	}
	read := func() {
		f, err := d.OpenRead("m")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if b, err := io.ReadAll(&f); string(b) != "text" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
	}
	read()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if at := time.Unix(st.Sys().(*syscall.Stat_t).Atim.Unix()); !at.Equal(old) {
		t.Errorf("access time is %v, was %v", at, old)
	}
	d.others.Store(true)
	read()
}
