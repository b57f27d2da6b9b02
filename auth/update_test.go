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

func TestUpdateFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"etc", "conf"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "etc", "users")
	for _, l := range [][2]string{{"../conf/users", link}, {"loop", filepath.Join(dir, "loop")}} {
		if err := os.Symlink(l[0], l[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"x", "xx"} { // the first makes what the link names
		if err := UpdateFile(t.Context(), link, appendX); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "conf", "users")); err != nil || string(b) != want {
			t.Errorf("%q, %v", b, err)
		}
	}
	if to, err := os.Readlink(link); err != nil || to != "../conf/users" {
		t.Errorf("%q, %v", to, err)
	}
	if err := UpdateFile(t.Context(), filepath.Join(dir, "loop"), appendX); !errors.Is(err, syscall.ELOOP) {
		t.Error(err)
	}
}

func TestUpdateKeepsACL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	const name = "system.posix_acl_access"
	// Version 2; user rw-, user 12345 r--, group r--, mask r--, other ---.
	acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0x39, 0x30, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
		0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255}
	if err := syscall.Setxattr(path, name, acl, 0); err != nil {
		t.Skipf("no ACLs here: %v", err)
	}
	if err := UpdateFile(t.Context(), path, appendX); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1024)
	n, err := syscall.Getxattr(path, name, got)
	if err != nil || string(got[:n]) != string(acl) {
		t.Errorf("%v, %v", got[:max(n, 0)], err)
	}
}

// The directory may have a default ACL that the file has never got, or has no more.
func TestUpdateKeepsWithoutACL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	// Version 2; user rwx, user 12345 r-x, group r-x, mask rwx, other ---.
	acl := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0x39, 0x30, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
		0x10, 0, 7, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255}
	if err := syscall.Setxattr(filepath.Dir(path), "system.posix_acl_default", acl, 0); err != nil {
		t.Skipf("no ACLs here: %v", err)
	}
	if err := UpdateFile(t.Context(), path, appendX); err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Getxattr(path, "system.posix_acl_access", make([]byte, 1024)); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("the file has got an ACL: %d bytes, %v", n, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
		t.Error(st, err)
	}
}
