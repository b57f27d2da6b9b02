package maildir

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// filesBelow are the files in a directory by their paths, without messages and locks.
func filesBelow(t *testing.T, top string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || isMaildirName(filepath.Base(filepath.Dir(path))) {
			return err
		}
		name := d.Name()
		if strings.HasPrefix(name, validityFile+".") {
			name = validityFile + ".x"
		}
		files = append(files, filepath.Join(strings.TrimPrefix(filepath.Dir(path), top+"/"), name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// TestApartPlaces: every file lies where Dovecot has it, or would have ours.
func TestApartPlaces(t *testing.T) {
	limits := func() Quota { return Quota{Storage: 1 << 20, Set: true} }
	for _, tc := range []struct {
		layout Layout
		apart  string
		want   string
	}{
		{MaildirPP, "control", `Control/.INBOX/dovecot-uidlist Control/.INBOX/maildir-imapd.index Control/.a.b/dovecot-keywords Control/.a.b/dovecot-uidlist
			Control/.a.b/maildir-imapd.cache Control/.a.b/maildir-imapd.index Control/dovecot-uidvalidity Control/dovecot-uidvalidity.x
			Control/maildirsize Control/subscriptions Mail/.a.b/maildir-imapd.props Mail/.a.b/maildirfolder`},
		{MaildirPP, "index", `Index/.INBOX/maildir-imapd.index Index/.a.b/maildir-imapd.cache Index/.a.b/maildir-imapd.index Mail/.a.b/dovecot-keywords
			Mail/.a.b/dovecot-uidlist Mail/.a.b/maildir-imapd.props Mail/.a.b/maildirfolder Mail/dovecot-uidlist
			Mail/dovecot-uidvalidity Mail/dovecot-uidvalidity.x Mail/maildirsize Mail/subscriptions`},
		{FS, "control index", `Control/INBOX/dovecot-uidlist Control/a/b/dovecot-keywords Control/a/b/dovecot-uidlist Control/dovecot-uidvalidity
			Control/dovecot-uidvalidity.x Control/maildirsize Control/subscriptions Index/INBOX/maildir-imapd.index
			Index/a/b/maildir-imapd.cache Index/a/b/maildir-imapd.index Mail/a/b/maildir-imapd.props`},
	} {
		t.Run(tc.layout.String()+" "+tc.apart, func(t *testing.T) {
			top := t.TempDir()
			o := apartOptions(top, tc.layout, tc.apart)
			o.Quota = limits
			tree := testTree(t, o, fsx.FS{})
			ctx := t.Context()
			if err := errors.Join(tree.Create(ctx, "a/b", []imap.MailboxAttr{imap.MailboxAttrSent}), tree.Subscribe(ctx, "a/b")); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{inbox, "a/b"} {
				h, err := tree.Open(ctx, name, Select)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tryAppend(h, "Subject: x\n\nx\n", imap.FlagSeen); err != nil {
					t.Fatal(err)
				}
				if name == "a/b" {
					if _, err := h.Store(ctx, all(), Add, []imap.Flag{"Label"}, 0, nil); err != nil {
						t.Fatal(err)
					}
					if _, err := h.Structure(ctx, &Message{UID: 1}, nil); err != nil {
						t.Fatal(err)
					}
					h.m.flushCache(true)
				}
				h.Close()
			}
			if d := cmp.Diff(strings.Fields(tc.want), filesBelow(t, top)); d != "" {
				t.Errorf("files (-want +got):\n%s", d)
			}
			found, err := tree.Check(ctx, CheckOptions{})
			if err != nil || len(found) > 0 {
				t.Errorf("check: %v, %v", found, err)
			}
			if err := tree.Delete(ctx, "a/b"); err != nil {
				t.Fatal(err)
			}
			for _, f := range filesBelow(t, top) {
				if strings.Contains(f, "a.b") || strings.Contains(f, "a/b") {
					t.Errorf("left of a deleted mailbox: %s", f)
				}
			}
		})
	}
}

// TestApartCutShort: a rename that stopped between mail and lists is found by Check, and
// ended by Repair and by whoever opens the mailbox.
func TestApartCutShort(t *testing.T) {
	for _, layout := range bothLayouts {
		for _, by := range []string{"repair", "open", "create"} {
			t.Run(layout.String()+" "+by, func(t *testing.T) {
				top, ctx := t.TempDir(), t.Context()
				o := apartOptions(top, layout, "control index")
				tree := testTree(t, o, fsx.FS{})
				if err := errors.Join(tree.Create(ctx, "old", nil), tree.Create(ctx, "old/kid", nil)); err != nil {
					t.Fatal(err)
				}
				want := map[string]uint32{"late": validityOf(t, listOf(t, tree, "old")), "late/kid": validityOf(t, listOf(t, tree, "old/kid"))}
				root := rootDir(t, &fsx.FS{}, o.Root)
				moves := []move{{from: "old", to: "late"}}
				if layout == MaildirPP {
					moves = []move{{from: ".old", to: ".late"}, {from: ".old.kid", to: ".late.kid"}}
				}
				if _, err := tree.apart.moving(root, moves); err != nil {
					t.Fatal(err)
				}
				for _, m := range moves {
					if err := os.Rename(filepath.Join(o.Root, m.from), filepath.Join(o.Root, m.to)); err != nil {
						t.Fatal(err)
					}
				}
				found, err := tree.Check(ctx, CheckOptions{})
				if err != nil || !slices.ContainsFunc(found, func(f Finding) bool {
					return f.Invariant == invLeft && f.Path() == filepath.Join(o.Control, movingFile)
				}) {
					t.Errorf("check: %v, %v", found, err)
				}
				switch by {
				case "repair":
					err = tree.Repair(ctx, found)
				case "create":
					err = tree.Create(ctx, "third", nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				for name, v := range want {
					h, err := tree.Open(ctx, name, Examine)
					if err != nil {
						t.Fatal(err)
					}
					if h.UIDValidity() != v {
						t.Errorf("%s: UIDVALIDITY %d, was %d", name, h.UIDValidity(), v)
					}
					h.Close()
				}
				if found, err := tree.Check(ctx, CheckOptions{}); err != nil || len(found) > 0 {
					t.Errorf("check afterwards: %v, %v", found, err)
				}
				if list, _ := filepath.Glob(filepath.Join(top, "*", "*old*")); len(list) > 0 {
					t.Errorf("left: %q", list)
				}
			})
		}
	}
}

// TestApartOpenWhileRenamed: who meets a mailbox between the two steps of a rename waits
// for the second, and does not begin its list anew.
func TestApartOpenWhileRenamed(t *testing.T) {
	top, ctx := t.TempDir(), t.Context()
	o := apartOptions(top, MaildirPP, "control")
	tree := testTree(t, o, fsx.FS{})
	if err := tree.Create(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	want := validityOf(t, listOf(t, tree, "old"))
	root, lock, err := tree.change(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end, err := tree.apart.moving(root, []move{{from: ".old", to: ".new"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(o.Root, ".old"), filepath.Join(o.Root, ".new")); err != nil {
		t.Fatal(err)
	}
	opened := make(chan uint32)
	go func() {
		defer close(opened)
		h, err := testTreeOf(t, o).Open(ctx, "new", Examine)
		if err != nil {
			t.Error(err)
			return
		}
		defer h.Close()
		opened <- h.UIDValidity()
	}()
	select {
	case v := <-opened:
		t.Errorf("opened meanwhile, with UIDVALIDITY %d", v)
	case <-time.After(200 * time.Millisecond):
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	tree.unlock(root, lock)
	if v := <-opened; v != want {
		t.Errorf("UIDVALIDITY %d, was %d", v, want)
	}
	<-opened // closed with the handle
}

// testTreeOf is another process's tree.
func testTreeOf(t *testing.T, o TreeOptions) *Tree {
	s, err := NewStore(StoreOptions{})
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { s.Close() })
	tree, err := s.Tree(o)
	if err != nil {
		t.Error(err)
	}
	return tree
}

// TestApartLinks: two names of one directory have lists of their own, as Dovecot has it.
func TestApartLinks(t *testing.T) {
	top, ctx := t.TempDir(), t.Context()
	o := apartOptions(top, MaildirPP, "control")
	tree := testTree(t, o, fsx.FS{})
	if err := tree.Create(ctx, "real", nil); err != nil {
		t.Fatal(err)
	}
	deliver(t, filepath.Join(o.Root, ".real"), "cur", "x")
	if err := os.Symlink(".real", filepath.Join(o.Root, ".alias")); err != nil {
		t.Fatal(err)
	}
	real, err := tree.Open(ctx, "real", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	alias, err := tree.Open(ctx, "alias", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer alias.Close()
	if real.m == alias.m || real.UIDValidity() == alias.UIDValidity() || real.Count() != 1 || alias.Count() != 1 {
		t.Errorf("%d messages under %d, and %d under %d", real.Count(), real.UIDValidity(), alias.Count(), alias.UIDValidity())
	}
	// Nor does the one end with the other.
	if err := tree.Delete(ctx, "alias"); err != nil {
		t.Fatal(err)
	}
	if err := real.Refresh(ctx); err != nil {
		t.Error(err)
	}
	if err := alias.Refresh(ctx); !errors.Is(err, ErrNotExist) {
		t.Errorf("the deleted one: %v", err)
	}
}

// TestMovingFile: what a damaged note says is not done.
func TestMovingFile(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []move
	}{
		{movingMagic + `".a" ".b"` + "\n" + `"x y/\"z" ".\u00fc"` + "\n", []move{{from: ".a", to: ".b"}, {from: `x y/"z`, to: ".ü"}}},
		{"", nil},
		{movingMagic, nil},
		{movingMagic + `".a" ".b`, nil},
		{movingMagic + `".a"".b"`, nil},
		{movingMagic + `"" ".b"`, nil},
		{movingMagic + `"a/../../b" ".b"` + "\n", nil},
		{movingMagic + `".a" "/b"` + "\n", nil},
		{movingMagic + `".a" "b\x00"` + "\n", nil},
		{movingMagic + `".a" "` + strings.Repeat("b", 300) + `"` + "\n", nil},
		{"maildir-imapd moving 2\n" + `".a" ".b"` + "\n", nil},
	} {
		moves, err := parseMoving([]byte(tc.text))
		if !slices.Equal(moves, tc.want) || (tc.want == nil) != errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v, %v", tc.text, moves, err)
		}
	}
	written := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for what, put := range map[string]func(path string) error{
		"noise": written("noise"), "up": written(movingMagic + `".a" "../b"` + "\n"),
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"unreadable": func(path string) error {
			return os.WriteFile(path, []byte(movingMagic+`".a" ".b"`+"\n"), 0)
		},
	} {
		top, ctx := t.TempDir(), t.Context()
		o := apartOptions(top, MaildirPP, "control")
		tree := testTree(t, o, fsx.FS{Fault: func(op, path string) error {
			if filepath.Base(path) != movingFile || op != "open" {
				return nil
			}
			if st, err := os.Lstat(path); err == nil && st.Mode() == 0 {
				return syscall.EACCES // root reads everything
			}
			return nil
		}})
		var log syncBuffer
		tree.store.log = slog.New(slog.NewTextHandler(&log, nil))
		if err := put(filepath.Join(o.Control, movingFile)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			if err := tree.Create(ctx, name, nil); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if aside, _ := filepath.Glob(filepath.Join(o.Control, movingFile+".damaged-*")); len(aside) != 1 {
			t.Errorf("%s: aside: %q", what, aside)
		}
		if n := strings.Count(log.take(), "put aside"); n != 1 {
			t.Errorf("%s: told %d times", what, n)
		}
	}
}

// TestApartLeft: what a compaction that was cut short has left is found where the index lies, and removed.
func TestApartLeft(t *testing.T) {
	top, ctx := t.TempDir(), t.Context()
	o := apartOptions(top, MaildirPP, "control index")
	tree := testTree(t, o, fsx.FS{})
	if err := tree.Create(ctx, "a", nil); err != nil {
		t.Fatal(err)
	}
	h, err := tree.Open(ctx, "a", Select)
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	tree.store.now = func() time.Time { return time.Now().Add(time.Hour) }
	want := []string{}
	for _, name := range []string{cacheName + besideSuffix, indexName + besideSuffix, textName + ".tmp"} {
		want = append(want, filepath.Join(o.Index, ".a", name))
		if err := os.WriteFile(want[len(want)-1], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := tree.Check(ctx, CheckOptions{})
	var got []string
	for _, f := range found {
		got = append(got, f.Path())
	}
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v", got, err)
	}
	if err := tree.Repair(ctx, found); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(o.Index, ".a", "*.[nt][em][wp]")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestApartInTheWay: where the lists' root has other things below it, even the mail
// itself, a mailbox of such a name removes nothing but lists.
func TestApartInTheWay(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			top, ctx := t.TempDir(), t.Context()
			dot := ""
			if layout == MaildirPP {
				dot = "."
			}
			o := TreeOptions{Root: filepath.Join(top, dot+"mail"), Control: top, Layout: layout, Create: true}
			tree := testTree(t, o, fsx.FS{})
			if err := tree.Create(ctx, "x", nil); err != nil {
				t.Fatal(err)
			}
			deliver(t, o.Root, "cur", "1")
			for _, dir := range []string{"ssh", "left/kid"} {
				if err := os.MkdirAll(filepath.Join(top, dot+dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			key, list := filepath.Join(top, dot+"ssh", "id"), filepath.Join(top, dot+"left", "kid", uidlistFile)
			if err := errors.Join(os.WriteFile(key, nil, 0o600), os.WriteFile(list, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]error{"mail": ErrBadName, "ssh": ErrExist} {
				if err := tree.Rename(ctx, "x", name); !errors.Is(err, want) {
					t.Errorf("rename to %s: %v", name, err)
				}
			}
			if err := tree.Create(ctx, "mail", nil); !errors.Is(err, ErrBadName) {
				t.Errorf("create mail: %v", err)
			}
			if _, err := os.Stat(key); err != nil {
				t.Error(err)
			}
			if files, _ := os.ReadDir(filepath.Join(o.Root, "cur")); len(files) != 1 {
				t.Errorf("%d messages", len(files))
			}
			if err := tree.Rename(ctx, "x", "left"); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(list); !os.IsNotExist(err) {
				t.Errorf("a list of another life: %v", err)
			}
		})
	}
}

// TestApartWithin: where the lists lie below the mail, as some of Dovecot's do, no
// mailbox takes them along.
func TestApartWithin(t *testing.T) {
	for layout, name := range map[Layout]string{FS: "lists", MaildirPP: ".lists"} {
		top, ctx := t.TempDir(), t.Context()
		o := TreeOptions{Root: filepath.Join(top, "mail"), Layout: layout, Create: true}
		o.Control = filepath.Join(o.Root, name)
		tree := testTree(t, o, fsx.FS{})
		if err := tree.Create(ctx, "x", nil); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(o.Control, "kid", "cur"), 0o700); err != nil { // a mailbox, for those who look
			t.Fatal(err)
		}
		if err := tree.Rename(ctx, "lists", "other"); !errors.Is(err, ErrBadName) {
			t.Errorf("%v: rename: %v", layout, err)
		}
		if layout == FS {
			if err := errors.Join(tree.Create(ctx, "lists/y", nil), tree.Rename(ctx, "x", "lists/y")); !errors.Is(err, ErrBadName) {
				t.Errorf("create and rename: %v", err)
			}
		}
		if _, err := os.Stat(filepath.Join(listOf(t, tree, "x"), uidlistFile)); err != nil {
			t.Errorf("%v: %v", layout, err)
		}
	}
}

// TestApartOrder: what is apart follows mail whose rename is durable, whoever made that,
// and comes to a place that is durably empty.
func TestApartOrder(t *testing.T) {
	top, ctx := t.TempDir(), t.Context()
	o := apartOptions(top, FS, "control index")
	tree := testTree(t, o, fsx.FS{})
	if err := errors.Join(tree.Create(ctx, "a/x", nil), tree.Create(ctx, "b/y", nil)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{o.Control, o.Index} { // of a mailbox that is no more
		if err := os.Mkdir(filepath.Join(dir, "b", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var done []string
	s, err := NewStore(StoreOptions{FS: fsx.FS{Done: func(e fsx.Event) {
		for _, dir := range []string{"Mail/a", "Mail/b", "Control/b", "Index/b"} {
			if e.Dir == inodeOf(t, filepath.Join(top, dir)) {
				done = append(done, strings.TrimSpace(e.Op+" "+dir+" "+e.Name))
			}
		}
		if e.New == movingFile || e.Name == movingFile {
			done = append(done, e.Op+" note")
		}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if tree, err = s.Tree(o); err != nil {
		t.Fatal(err)
	}
	root, lock, err := tree.change(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.apart.moving(root, []move{{from: "a/x", to: "b/x"}}); err != nil {
		t.Fatal(err)
	}
	tree.unlock(root, lock)
	noted := slices.Index(done, "rename note")
	for _, dir := range []string{"Control/b", "Index/b"} {
		if i := slices.Index(done, "remove "+dir+" x"); i < 0 || noted < 0 || !slices.Contains(done[i:noted], "syncdir "+dir) {
			t.Errorf("%s is not durably empty: %q", dir, done)
		}
	}
	done = nil
	if err := os.Rename(filepath.Join(o.Root, "a", "x"), filepath.Join(o.Root, "b", "x")); err != nil {
		t.Fatal(err)
	}
	if root, lock, err = tree.change(ctx); err != nil { // by who finds the note
		t.Fatal(err)
	}
	tree.unlock(root, lock)
	gone := slices.Index(done, "remove note")
	for _, dir := range []string{"Mail/a", "Mail/b"} {
		if i := slices.Index(done, "syncdir "+dir); i < 0 || i > gone {
			t.Errorf("%s is not synced before the note goes: %q", dir, done)
		}
	}
}

// TestApartRenameRace: while one process renames a mailbox back and forth others open it, under
// any of its names, and deliver. It is never seen under another UIDVALIDITY, and
// nothing is lost.
func TestApartRenameRace(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			top, ctx := t.TempDir(), t.Context()
			o := apartOptions(top, layout, "control index")
			tree := testTree(t, o, fsx.FS{})
			if err := tree.Create(ctx, "a/x", nil); err != nil {
				t.Fatal(err)
			}
			want := validityOf(t, listOf(t, tree, "a/x"))
			end := time.Now().Add(2 * time.Second)
			if testing.Short() {
				end = time.Now().Add(300 * time.Millisecond)
			}
			var others sync.WaitGroup
			var added atomic.Int64
			for i := range 3 {
				others.Go(func() {
					other := testTreeOf(t, o)
					for time.Now().Before(end) {
						h, err := other.Open(ctx, []string{"a/x", "b/x"}[i%2], Select)
						if errors.Is(err, ErrNotExist) {
							continue
						}
						if err != nil {
							t.Error(err)
							return
						}
						if v := h.UIDValidity(); v != want {
							t.Errorf("UIDVALIDITY %d, not %d", v, want)
						}
						if _, err := tryAppend(h, "Subject: x\n\nx\n"); err == nil {
							added.Add(1)
						}
						h.Close()
					}
				})
			}
			renamed, names := 0, []string{"a", "b"}
			for ; time.Now().Before(end) && !t.Failed(); renamed++ {
				if err := tree.Rename(ctx, names[renamed%2], names[1-renamed%2]); err != nil {
					t.Error(err)
				}
			}
			others.Wait()
			h, err := testTreeOf(t, o).Open(ctx, names[renamed%2]+"/x", Select)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if h.UIDValidity() != want || int64(h.Count()) < added.Load() || added.Load() == 0 {
				t.Errorf("UIDVALIDITY %d, was %d; %d messages, %d added", h.UIDValidity(), want, h.Count(), added.Load())
			}
			t.Logf("%d renames, %d messages", renamed, added.Load())
			checkApart(t, tree, "afterwards")
		})
	}
}

// TestThirdCopyFollowsTheMail: where the lists that lie apart could not follow a renamed mailbox yet, the third copy knows
// all the same where its mail is.
func TestThirdCopyFollowsTheMail(t *testing.T) {
	for _, layout := range bothLayouts {
		var fail atomic.Bool
		o := apartOptions(t.TempDir(), layout, "control")
		s, err := NewStore(StoreOptions{State: t.TempDir(), FS: fsx.FS{Fault: func(op, path string) error {
			if fail.Load() && strings.HasPrefix(op, "rename") && strings.HasPrefix(path, o.Control) && !strings.Contains(path, movingFile) {
				return syscall.EIO
			}
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		tree, err := s.Tree(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Create(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		h, err := tree.Open(t.Context(), "a", Select)
		if err != nil {
			t.Fatal(err)
		}
		appendText(t, h, "Subject: x\n\n")
		validity := h.UIDValidity()
		h.Close()
		fail.Store(true)
		if err := tree.Rename(t.Context(), "a", "b"); err == nil {
			t.Fatal("no error")
		}
		fail.Store(false)
		s.third.look(tree.root, func(c *treeCopy) {
			if id := c.boxes[tree.names.path("b")]; id == nil || id.validity != validity {
				t.Errorf("%v: the third copy has %v for b, want UIDVALIDITY %d", layout, id, validity)
			}
		})
	}
}
