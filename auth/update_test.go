package auth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func appendX(old []byte) ([]byte, error) { return append(old, 'x'), nil }

func TestUpdateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users")
	check := func(want string, mode fs.FileMode) {
		t.Helper()
		b, err := os.ReadFile(path)
		st, serr := os.Stat(path)
		if err != nil || serr != nil || string(b) != want || st.Mode().Perm() != mode {
			t.Errorf("%q %v %v, %v", b, st.Mode(), err, serr)
		}
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != 1 {
			t.Errorf("left behind: %v, %v", names, err)
		}
	}
	if err := UpdateFile(t.Context(), path, appendX); err != nil {
		t.Fatal(err)
	}
	check("x", 0o640)
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := UpdateFile(t.Context(), path, appendX); err != nil {
		t.Fatal(err)
	}
	check("xx", 0o604)
	refusal := errors.New("refusal")
	if err := UpdateFile(t.Context(), path, func([]byte) ([]byte, error) { return nil, refusal }); err != refusal {
		t.Error(err)
	}
	check("xx", 0o604)
}

func TestUpdateKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, nil, 0o440); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 54321); err != nil {
		t.Skipf("chown: %v", err)
	}
	if err := UpdateFile(t.Context(), path, appendX); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := st.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 54321 || st.Mode().Perm() != 0o440 {
		t.Errorf("%d:%d %v", s.Uid, s.Gid, st.Mode())
	}
}

func TestUpdatesWaitForOneAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := UpdateFile(t.Context(), path, appendX); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if b, err := os.ReadFile(path); err != nil || string(b) != strings.Repeat("x", 8) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUpdateGivesUpWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	err := UpdateFile(t.Context(), path, func(old []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := UpdateFile(ctx, path, appendX); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second update: %v", err)
		}
		return appendX(old)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUpdateRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := UpdateFile(t.Context(), filepath.Join(dir, "none", "users"), appendX); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := UpdateFile(t.Context(), dir, appendX); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

// TestUpdateGivesANewFileTheGroupOfItsDirectory: the daemon's, where the administrator has set that up.
func TestUpdateGivesANewFileTheGroupOfItsDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 0, 54321); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "users")
	if err := UpdateFile(t.Context(), path, func([]byte) ([]byte, error) { return []byte("x"), nil }); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Sys().(*syscall.Stat_t).Gid != 54321 || st.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", st, err)
	}
}
