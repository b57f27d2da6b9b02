package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	d := testDir(t, &FS{})
	os.WriteFile(filepath.Join(d.Path(), "in"), nil, 0o600)
	for _, name := range []string{"", ".", "..", "a/b", "/etc/passwd", "../x", "a\x00b"} {
		_, open := d.Open(name)
		_, create := d.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0)
		_, stat := d.StatName(name)
		_, sub := d.Sub(name)
		_, statIn := d.StatIn("in", name)
		_, lock := d.Lock(t.Context(), name, LockOptions{})
		errs := []error{open, create, stat, sub, statIn, lock, d.Mkdir(name, 0), d.Remove(name), d.RemoveDir(name), d.Rename(name, d, "x"), d.Rename("in", d, name),
			d.RenameNew(name, d, "x"), d.RenameNew("in", d, name), d.Link(name, d, "x"), d.Link("in", d, name), d.Chtimes(name, time.Now()), d.WriteFile(name, nil, 0, false)}
		for i, err := range errs {
			if !errors.Is(err, ErrName) {
				t.Errorf("%q, operation %d: %v, want ErrName", name, i, err)
			}
		}
	}
	if names, err := d.Names(); err != nil || !slices.Equal(names, []string{"in"}) {
		t.Errorf("left: %q, %v", names, err)
	}
}

func TestOpenOnlyRegularFiles(t *testing.T) {
	d := testDir(t, &FS{})
	p := func(name string) string { return filepath.Join(d.Path(), name) }
	syscall.Mkfifo(p("pipe"), 0o600)
	os.Mkdir(p("dir"), 0o700)
	os.WriteFile(p("file"), []byte("x"), 0o600)
	os.Symlink("file", p("link"))
	for name, want := range map[string]error{"pipe": ErrNotRegular, "dir": ErrNotRegular, "link": syscall.ELOOP, "none": fs.ErrNotExist} {
		if _, err := d.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if b, st, err := d.ReadFile("file", 1); err != nil || string(b) != "x" || st.Size != 1 {
		t.Errorf("%q %v %v", b, st, err)
	}
	if _, _, err := d.ReadFile("file", 0); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := d.WriteFile("link", []byte("y"), 0, false); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(p("file")); string(b) != "x" {
		t.Error("written through a link")
	}
}

func TestSubLinks(t *testing.T) {
	base := t.TempDir()
	for _, p := range []string{"root/inside/deep", "root/sub", "big/arch", "out/secret"} {
		os.MkdirAll(filepath.Join(base, p), 0o700)
	}
	os.Symlink(base+"/big/arch", base+"/root/arch")
	os.Symlink(base+"/out/secret", base+"/root/secret")
	os.Symlink("inside/deep", base+"/root/deep")
	os.Symlink("../../out", base+"/big/arch/up")
	os.Symlink("deep", base+"/root/twice")
	os.Symlink("/", base+"/root/slash")
	os.Symlink(base+"/bigger", base+"/root/prefix")
	os.Mkdir(base+"/bigger", 0o700)
	os.Symlink("self", base+"/root/self")
	os.WriteFile(base+"/root/file", nil, 0o600)
	f := &FS{}
	d, err := f.OpenDir(base + "/root")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Follow = []string{base + "/root", base + "/big", base + "/gone"}
	for name, path := range map[string]string{"sub": "/root/sub", "arch": "/big/arch", "deep": "/root/inside/deep", "twice": "/root/inside/deep"} {
		s, err := d.Sub(name)
		if err != nil || s.Path() != base+path {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, _ := os.Stat(base + path)
		if st, err := s.Stat(); err != nil || st.Ino != want.Sys().(*syscall.Stat_t).Ino {
			t.Errorf("%s: another directory, %v", name, err)
		}
		if name == "arch" {
			if _, err := s.Sub("up"); !isLinkError(err) {
				t.Errorf("a link behind a link: %v", err)
			}
		}
		s.Close()
	}
	for _, name := range []string{"secret", "slash", "prefix"} {
		_, err := d.Sub(name)
		if !isLinkError(err) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), base+"/root/"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Sub("self"); err == nil || isLinkError(err) {
		t.Errorf("a circle: %v", err)
	}
	if _, err := d.Sub("file"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

func isLinkError(err error) bool {
	var l *LinkError
	return errors.As(err, &l)
}

// TestWriteFileFaults: before and after, and nothing else, whatever fails.
func TestWriteFileFaults(t *testing.T) {
	for _, kind := range []string{"fail", "crash", "torn"} {
		for n := int64(0); ; n++ {
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "x"), []byte("old content"), 0o600)
			hook := CrashAt(n, kind == "torn")
			if kind == "fail" {
				hook = FailAt(n, syscall.ENOSPC)
			}
			f := &FS{}
			d, _ := f.OpenDir(dir)
			f.Fault = hook
			err := d.WriteFile("x", []byte("new content"), 0, true)
			b, rerr := os.ReadFile(filepath.Join(dir, "x"))
			if rerr != nil || string(b) != "old content" && string(b) != "new content" || err == nil && string(b) != "new content" {
				t.Fatalf("%s before %d: %q, %v after %v", kind, n, b, rerr, err)
			}
			if names, _ := os.ReadDir(dir); kind == "fail" && len(names) != 1 {
				t.Fatalf("%s before %d: left %v", kind, n, names)
			}
			f2 := &FS{}
			d2, _ := f2.OpenDir(dir)
			if err := d2.WriteFile("x", []byte("newer"), 0, true); err != nil {
				t.Fatalf("%s before %d: then %v", kind, n, err)
			}
			if names, _ := d2.Names(); len(names) != 1 {
				t.Fatalf("%s before %d: then left %q", kind, n, names)
			}
			d.Close()
			d2.Close()
			if err == nil {
				break
			}
		}
	}
}

func TestAppend(t *testing.T) {
	f := &FS{}
	d := testDir(t, f)
	for i, text := range []string{"one\n", "two\n"} {
		st, err := d.Append("x", []byte(text), true)
		if err != nil || st.Size != int64(4*(i+1)) {
			t.Fatal(st, err)
		}
	}
	// A full disk after half of the bytes: they are cut off again.
	f.Fault = func(op, path string) error {
		if op == "sync" {
			return syscall.ENOSPC
		}
		return nil
	}
	if _, err := d.Append("x", []byte("three\n"), true); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(d.Path(), "x")); string(b) != "one\ntwo\n" {
		t.Errorf("got %q", b)
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct{ dir, file, sub os.FileMode }{
		{0o700, 0o600, 0o700}, {0o770, 0o660, 0o770}, {0o755, 0o644, 0o755}, {0o2775, 0o664, 0o2775}, {0o750, 0o640, 0o750},
	} {
		dir := t.TempDir()
		if err := syscall.Chmod(dir, uint32(c.dir)); err != nil {
			t.Fatal(err)
		}
		f := &FS{}
		d, err := f.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		d.WriteFile("f", nil, 0, false)
		d.Append("a", nil, false)
		d.Mkdir("s", 0)
		d.WriteFile("own", nil, 0o444, false)
		l, err := d.Lock(t.Context(), "x", LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{"f": c.file, "a": c.file, "s": c.sub, "own": 0o444, "x.lock": c.file} {
			st, err := d.StatName(name)
			if err != nil || st.Mode&0o7777 != uint32(want) {
				t.Errorf("in %o: %s has %o, want %o (%v)", c.dir, name, st.Mode&0o7777, want, err)
			}
		}
		l.Unlock()
		d.Close()
	}
}

func TestGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files to any group")
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o770)
	os.Chown(dir, -1, 12345)
	d, err := (&FS{}).OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.WriteFile("f", nil, 0, false)
	d.Mkdir("s", 0)
	for _, name := range []string{"f", "s"} {
		if st, _ := d.StatName(name); st.Gid != 12345 {
			t.Errorf("%s belongs to group %d", name, st.Gid)
		}
	}
}

func TestEach(t *testing.T) {
	d := testDir(t, &FS{})
	var want []string
	for i := range 3000 { // more than one buffer of names
		name := fmt.Sprintf("%d.%s", i, strings.Repeat("x", i%200))
		want = append(want, name)
		os.WriteFile(filepath.Join(d.Path(), name), nil, 0o600)
	}
	os.Mkdir(filepath.Join(d.Path(), "dir"), 0o700)
	os.Symlink("x", filepath.Join(d.Path(), "link"))
	types := map[Type]int{}
	var got []string
	err := d.Each(func(name []byte, typ Type) bool {
		if types[typ]++; typ == IsFile {
			got = append(got, string(name))
		}
		return true
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) || types[IsDir] != 1 || types[IsLink] != 1 {
		t.Errorf("%d names, %v, %v", len(got), types, err)
	}
	n := 0
	d.Each(func([]byte, Type) bool { n++; return n < 10 })
	if n != 10 {
		t.Errorf("stopped after %d", n)
	}
}

func BenchmarkLock(b *testing.B) {
	f := &FS{}
	d, err := f.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		l, err := d.Lock(b.Context(), "x", LockOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
}
