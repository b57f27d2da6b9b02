package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// TestListsOfATree: whom the lists let in, what is read, and what is not known.
func TestListsOfATree(t *testing.T) {
	for layout, work := range map[Layout]string{MaildirPP: ".Work", FS: "Work"} {
		var opens atomic.Int64
		var fail atomic.Bool
		store, err := NewStore(StoreOptions{FS: fsx.FS{Fault: func(op, path string) error {
			switch {
			case fail.Load() && strings.Contains(path, work+"/"):
				return syscall.EIO
			case op == "open" && strings.HasSuffix(path, dovecotACL):
				opens.Add(1)
			}
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		o := &TreeOptions{Root: filepath.Join(t.TempDir(), "mail"), Layout: layout}
		look := func(known *Lists) *Lists {
			t.Helper()
			l, err := store.Lists(t.Context(), o, known)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		file := filepath.Join(o.Root, work, dovecotACL)
		put := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // longer than a tick of the file's clock
		}
		if _, err := store.Lists(t.Context(), o, nil); !errors.Is(err, ErrNotExist) {
			t.Error("no root:", err)
		}
		for _, dir := range []string{"", work} {
			if err := os.MkdirAll(filepath.Join(o.Root, dir, "cur"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		bob, eve := &acl.Who{User: "bob", Groups: []string{"staff"}}, &acl.Who{User: "eve"}
		if l := look(nil); l != nil || l.LetIn(bob) {
			t.Errorf("no lists: %+v", l)
		}
		put("group=staff lr\nuser=eve r\n")
		l := look(nil)
		if !l.LetIn(bob) || l.LetIn(eve) { // who may read, and not look it up, sees nothing in LIST
			t.Errorf("%+v", l)
		}
		put("group=staff lr\n-user=bob l\n")
		if l = look(l); l.LetIn(bob) {
			t.Error("what is taken away is there")
		}
		before, read := l.files[work], opens.Load()
		if again := look(l).files[work]; before.proves(before.name, before.id) && (again != before || opens.Load() != read || read == 0) {
			t.Error("a list that has not changed was read again")
		}
		put("nonsense\n")
		if l = look(l); !l.LetIn(bob) || !l.LetIn(eve) {
			t.Error("a list that nobody understands is for the tree to judge")
		}
		fail.Store(true)
		if _, err := store.Lists(t.Context(), o, nil); !errors.Is(err, ErrTemporary) {
			t.Error("a disk that fails says that there is nothing:", err)
		}
		fail.Store(false)
		if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
			t.Fatal(err)
		}
		if l = look(l); !l.LetIn(eve) {
			t.Error("what is no file is for the tree to judge")
		}
		os.Remove(file)
		if l = look(l); l != nil {
			t.Errorf("the list is gone: %+v", l)
		}
	}
}
