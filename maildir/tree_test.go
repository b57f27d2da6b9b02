package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

func testTree(t *testing.T, o TreeOptions, f fsx.FS) *Tree {
	t.Helper()
	s, err := NewStore(StoreOptions{FS: alone(f), LockWait: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	tree, err := s.Tree(o)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// show writes a listing as one line: "-" for what does not exist, "+" for what
// has children, then special uses.
func show(t *testing.T, tree *Tree) string {
	t.Helper()
	entries, err := tree.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range entries {
		w := e.Name
		if e.NonExistent {
			w = "-" + w
		}
		if e.HasChildren {
			w += "+"
		}
		for _, u := range e.SpecialUse {
			w += string(u)
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func want(t *testing.T, tree *Tree, list string) {
	t.Helper()
	if got := show(t, tree); got != list {
		t.Errorf("LIST: got  %s\nwant %s", got, list)
	}
}

func deliver(t *testing.T, dir, where, text string) {
	t.Helper()
	name := newBaseName(time.Now())
	if err := os.WriteFile(filepath.Join(dir, where, name), []byte("Subject: "+text+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// texts collects the subjects of all messages below a directory, by mailbox directory.
func texts(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if dir := filepath.Base(filepath.Dir(path)); err == nil && e.Type().IsRegular() && (dir == "cur" || dir == "new") {
			b, _ := os.ReadFile(path)
			rel, _ := filepath.Rel(root, filepath.Dir(filepath.Dir(path)))
			out[rel] = append(out[rel], strings.TrimSpace(strings.TrimPrefix(string(b), "Subject: ")))
		}
		return nil
	})
	for _, v := range out {
		slices.Sort(v)
	}
	return out
}

var bothLayouts = []Layout{MaildirPP, FS}

func TestTreeLife(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			ctx := t.Context()
			root := filepath.Join(t.TempDir(), "deep", "Mail")
			tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true,
				SpecialUse: map[string]imap.MailboxAttr{"Sent": imap.MailboxAttrSent}}, fsx.FS{})
			want(t, tree, "INBOX")
			for _, name := range []string{"a/b/c", "a", "Sent/", "mail.ru", "Grüße/~x", "inbox/kid"} {
				if err := tree.Create(ctx, name, nil); err != nil {
					t.Fatalf("%q: %v", name, err)
				}
			}
			if err := tree.Create(ctx, "Bin", []imap.MailboxAttr{imap.MailboxAttrTrash, imap.MailboxAttrJunk}); err != nil {
				t.Fatal(err)
			}
			all := `INBOX+ INBOX/kid Bin\Trash\Junk -Grüße+ Grüße/~x Sent\Sent a+ -a/b+ a/b/c mail.ru`
			want(t, tree, all)
			for name, exists := range map[string]bool{"INBOX": true, "inbox": true, "a/b/c": true, "a/b": false, "none": false, "Grüße/~x": true, "a//b": false, "../x": false, "cur": false, "": false} {
				if got, err := tree.Exists(name); got != exists || err != nil {
					t.Errorf("Exists(%q) = %v, %v", name, got, err)
				}
			}
			for name, sentinel := range map[string]error{"a": ErrExist, "INBOX": ErrExist, "Inbox/KID/": nil, "cur": ErrBadName, "x//y": ErrBadName, "x\ny": ErrBadName} {
				if err := tree.Create(ctx, name, nil); !errors.Is(err, sentinel) {
					t.Errorf("Create(%q): %v, want %v", name, err, sentinel)
				}
			}
			if err := tree.Delete(ctx, "INBOX/KID"); err != nil {
				t.Error(err)
			}
			for name, sentinel := range map[string]error{"a/b": ErrNotExist, "none": ErrNotExist, "INBOX": ErrBadName} {
				if err := tree.Delete(ctx, name); !errors.Is(err, sentinel) {
					t.Errorf("Delete(%q): %v, want %v", name, err, sentinel)
				}
			}
			if err := tree.Delete(ctx, "a"); err != nil {
				t.Fatal(err)
			}
			want(t, tree, strings.Replace(all, " a+", " -a+", 1))
			if err := tree.Rename(ctx, "a", "z/y"); err != nil { // a parent that does not exist, with what is below
				t.Fatal(err)
			}
			want(t, tree, `INBOX+ INBOX/kid Bin\Trash\Junk -Grüße+ Grüße/~x Sent\Sent mail.ru -z+ -z/y+ -z/y/b+ z/y/b/c`)
			if err := tree.Rename(ctx, "Bin", "z/Müll"); err != nil {
				t.Fatal(err)
			}
			want(t, tree, `INBOX+ INBOX/kid -Grüße+ Grüße/~x Sent\Sent mail.ru -z+ z/Müll\Trash\Junk -z/y+ -z/y/b+ z/y/b/c`)
			for _, c := range [][2]string{{"Sent", "mail.ru"}, {"Sent", "INBOX"}, {"Sent", "Sent"}} {
				if err := tree.Rename(ctx, c[0], c[1]); !errors.Is(err, ErrExist) {
					t.Errorf("Rename %q: %v", c, err)
				}
			}
			for _, c := range [][2]string{{"Sent", "Sent/x"}, {"Sent", "tmp"}, {"Sent", ""}} {
				if err := tree.Rename(ctx, c[0], c[1]); !errors.Is(err, ErrBadName) {
					t.Errorf("Rename %q: %v", c, err)
				}
			}
			if err := tree.Rename(ctx, "none", "x"); !errors.Is(err, ErrNotExist) {
				t.Error(err)
			}
			left, _ := filepath.Glob(filepath.Join(root, "*.lock"))
			trash, _ := filepath.Glob(filepath.Join(root, "..*"))
			build, _ := filepath.Glob(filepath.Join(root, "tmp", "*"))
			if len(left)+len(trash)+len(build) > 0 {
				t.Errorf("left behind: %q %q %q", left, trash, build)
			}
		})
	}
}

func TestCreatedMailbox(t *testing.T) {
	root := filepath.Join(t.TempDir(), "Mail")
	tree := testTree(t, TreeOptions{Root: root, Create: true}, fsx.FS{})
	os.WriteFile(filepath.Join(root, "dovecot-shared"), nil, 0o600)
	os.Chmod(root, 0o750)
	seen := map[uint32]bool{}
	for range 3 {
		if err := tree.Create(t.Context(), "a.b/c", nil); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(root, `.a\2eb.c`)
		var got []string
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			info, _ := f.Info()
			got = append(got, fmt.Sprintf("%s %o", f.Name(), info.Mode().Perm()))
		}
		wantFiles := []string{"cur 750", "dovecot-shared 640", "dovecot-uidlist 640", "maildirfolder 640", "new 750", "tmp 750"}
		if !slices.Equal(got, wantFiles) {
			t.Errorf("got %q\nwant %q", got, wantFiles)
		}
		b, err := os.ReadFile(filepath.Join(dir, "dovecot-uidlist"))
		if err != nil {
			t.Fatal(err)
		}
		u, err := parseUIDList(b)
		if err != nil || u.next != 1 || u.rewrite || seen[u.validity] {
			t.Errorf("%q: %v", b, err)
		}
		seen[u.validity] = true
		if err := tree.Delete(t.Context(), "a.b/c"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListForeignNames(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			base := t.TempDir()
			root, big, outside := filepath.Join(base, "Mail"), filepath.Join(base, "big"), filepath.Join(base, "outside")
			tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true, Follow: []string{big}}, fsx.FS{})
			dot := "."
			if layout == FS {
				dot = ""
			}
			for _, d := range []string{root + "/" + dot + "Grüße", root + "/" + dot + "Gr&APwA3w-e", root + "/" + dot + `back\slash`, root + "/" + dot + "caf\xe9",
				root + "/" + dot + "real", big + "/arch", outside + "/secret", root + "/..DOVECOT-TRASHED", root + "/" + dot + "Grüße2"} {
				if err := makeDirsOS(d); err != nil {
					t.Fatal(err)
				}
			}
			os.Symlink(big+"/arch", root+"/"+dot+"Archive")
			os.Symlink(outside+"/secret", root+"/"+dot+"secret")
			os.Symlink(root+"/"+dot+"real", root+"/"+dot+"alias")
			os.Symlink(root, root+"/"+dot+"loop")
			os.Symlink("nowhere", root+"/"+dot+"dangling")
			os.WriteFile(root+"/"+dot+"file", nil, 0o600)
			loop := ""
			if layout == MaildirPP {
				loop = " loop" // the root is a Maildir: a folder like any other
			}
			want(t, tree, `INBOX Archive Grüße Grüße2 alias back\slash`+loop+" real")
			for name, exists := range map[string]bool{"Archive": true, "Grüße": true, "Grüße2": true, `back\slash`: true, "alias": true, "dangling": false, "file": false} {
				if got, err := tree.Exists(name); got != exists || err != nil {
					t.Errorf("Exists(%q) = %v, %v", name, got, err)
				}
			}
			var link *fsx.LinkError
			if _, err := tree.Open(t.Context(), "secret", Select); !errors.Is(err, ErrNoPermission) || !errors.As(err, &link) || !strings.Contains(link.Link, "secret") {
				t.Errorf("a refused link: %v", err)
			}
			// The one that decodes to the same name as ours gives way.
			loc, err := tree.locate("Grüße")
			if err != nil || loc.rel != dot+"Gr&APwA3w-e" {
				t.Errorf("%+v, %v", loc, err)
			}
			loc, err = tree.locate("Archive")
			if err != nil || loc.dir != filepath.Join(big, "arch") {
				t.Errorf("%+v, %v", loc, err)
			}
			// Deleting a link leaves what it leads to.
			deliver(t, big+"/arch", "cur", "kept")
			if err := tree.Delete(t.Context(), "Archive"); err != nil {
				t.Fatal(err)
			}
			if got := texts(t, big); len(got["arch"]) != 1 {
				t.Errorf("messages behind a link: %v", got)
			}
			if err := tree.Rename(t.Context(), `back\slash`, "new"+`\`); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(root + "/" + dot + `new\5c/cur`); err != nil {
				t.Error(err)
			}
		})
	}
}

func makeDirsOS(dir string) error {
	for _, d := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func TestListCost(t *testing.T) {
	root := filepath.Join(t.TempDir(), "Mail")
	var ops int64
	tree := testTree(t, TreeOptions{Root: root, Create: true}, fsx.FS{Fault: fsx.Count(&ops)})
	for i := range 20 {
		if err := tree.Create(t.Context(), fmt.Sprint("box", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	os.Chtimes(root, old, old)
	show(t, tree)
	ops = 0
	show(t, tree)
	if ops != 1 {
		t.Errorf("LIST of an unchanged tree took %d operations, want 1", ops)
	}
	// Somebody else makes a folder.
	makeDirsOS(filepath.Join(root, ".other"))
	if !strings.Contains(show(t, tree), "other") {
		t.Error("a new folder is not seen")
	}
	os.RemoveAll(filepath.Join(root, ".other"))
	if strings.Contains(show(t, tree), "other") {
		t.Error("a removed folder is still seen")
	}
}

func TestReadOnlyTree(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, "news", "go"))
	makeDirsOS(filepath.Join(root, "INBOX"))
	tree := testTree(t, TreeOptions{Root: root, Layout: FS, ReadOnly: true, NoInbox: true}, fsx.FS{})
	want(t, tree, "INBOX -news+ news/go")
	ctx := t.Context()
	for _, err := range []error{tree.Create(ctx, "x", nil), tree.Delete(ctx, "news/go"), tree.Rename(ctx, "news/go", "y"), tree.Subscribe(ctx, "news/go")} {
		if !errors.Is(err, ErrNoPermission) {
			t.Errorf("got %v, want ErrNoPermission", err)
		}
	}
	loc, err := tree.locate("news/go")
	if err != nil || loc.rights.String() != "lr" || loc.tree != nil {
		t.Errorf("%+v %v", loc, err)
	}
}

func TestTreeErrors(t *testing.T) {
	s, _ := NewStore(StoreOptions{})
	defer s.Close()
	if _, err := s.Tree(TreeOptions{Root: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := s.Tree(TreeOptions{Root: "relative"}); err == nil {
		t.Error("a relative root")
	}
}

func TestDeleteTakesMessages(t *testing.T) {
	for _, layout := range bothLayouts {
		root := filepath.Join(t.TempDir(), "Mail")
		tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true}, fsx.FS{})
		for _, name := range []string{"a", "a/b", "c/d"} {
			if err := tree.Create(t.Context(), name, nil); err != nil {
				t.Fatal(err)
			}
			loc, _ := tree.locate(name)
			deliver(t, loc.dir, "new", name)
			deliver(t, loc.dir, "cur", name)
		}
		if err := tree.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := tree.Delete(t.Context(), "c/d"); err != nil {
			t.Fatal(err)
		}
		want(t, tree, "INBOX -a+ a/b")
		if got := fmt.Sprint(texts(t, root)); got != fmt.Sprint(map[string][]string{tree.names.path("a/b"): {"a/b", "a/b"}}) {
			t.Errorf("%v: left %v", layout, got)
		}
		if err := tree.Create(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		want(t, tree, "INBOX a+ a/b")
	}
}

func validityOf(t *testing.T, dir string) uint32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "dovecot-uidlist"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := parseUIDList(b)
	if err != nil {
		t.Fatal(err)
	}
	return u.validity
}

func TestSubscriptionsInTree(t *testing.T) {
	root := filepath.Join(t.TempDir(), "Mail")
	tree := testTree(t, TreeOptions{Root: root, Create: true, Foreign: []string{"Public/"}}, fsx.FS{})
	ctx := t.Context()
	for _, name := range []string{"a/b", "gone", "Public/news.x", "inbox", "a/b"} {
		if err := tree.Subscribe(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	tree.Unsubscribe(ctx, "gone")
	tree.Unsubscribe(ctx, "never")
	b, _ := os.ReadFile(filepath.Join(root, "subscriptions"))
	if got, want := string(b), "V\t2\n\na\tb\nPublic/news\\2ex\nINBOX\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err := tree.Subscriptions(ctx)
	if err != nil || !slices.Equal(got, []string{"a/b", "Public/news.x", "INBOX"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if err := tree.Subscribe(ctx, "a//b"); !errors.Is(err, ErrBadName) {
		t.Errorf("got %v", err)
	}
	// A damaged file is kept aside.
	os.WriteFile(filepath.Join(root, "subscriptions"), []byte("V\t9\nx\n"), 0o600)
	if _, err := tree.Subscriptions(ctx); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
	if err := tree.Subscribe(ctx, "n"); err != nil {
		t.Fatal(err)
	}
	if aside, _ := filepath.Glob(filepath.Join(root, "subscriptions.damaged-*")); len(aside) != 1 {
		t.Errorf("set aside: %q", aside)
	}
}
