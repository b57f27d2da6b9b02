package pubroot

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder makes a Maildir with one message.
func folder(t testing.TB, dir string) {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "new", "1700000000.M1P1.host"), []byte("Subject: x\n\nbody\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, o Options) *Tree {
	t.Helper()
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	tree, err := Open(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func TestFoldersAreReadableByAll(t *testing.T) {
	for layout, paths := range map[maildir.Layout][]string{
		maildir.FS:        {"News", "News/2026"},
		maildir.MaildirPP: {".News", ".News.2026"},
	} {
		t.Run(layout.String(), func(t *testing.T) {
			root := t.TempDir()
			for _, p := range paths {
				folder(t, filepath.Join(root, p))
			}
			tree := open(t, Options{Root: root, Layout: layout, Separator: '/'})
			entries, err := tree.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name)
			}
			if len(names) != 2 || names[0] != "News" || names[1] != "News/2026" {
				t.Errorf("folders %q: there must be no INBOX and nothing else", names)
			}
			h, err := tree.Open(t.Context(), "News/2026", maildir.Select)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if h.Rights() != acl.RightsReadOnly || !h.ReadOnly() || h.Count() != 1 {
				t.Errorf("rights %v, read-only %v, %d messages", h.Rights(), h.ReadOnly(), h.Count())
			}
			if left, _ := os.ReadDir(filepath.Join(root, paths[1], "new")); len(left) != 1 {
				t.Error("a reader has moved a message out of new/")
			}
		})
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	root := t.TempDir()
	folder(t, filepath.Join(root, "News"))
	tree := open(t, Options{Root: root, Layout: maildir.FS, Separator: '/'})
	ctx := t.Context()
	_, target := tree.Open(ctx, "News", maildir.Target)
	for what, err := range map[string]error{
		"create":      tree.Create(ctx, "Mine", nil),
		"delete":      tree.Delete(ctx, "News"),
		"rename":      tree.Rename(ctx, "News", "Olds"),
		"subscribe":   tree.Subscribe(ctx, "News"),
		"unsubscribe": tree.Unsubscribe(ctx, "News"),
		"append":      target,
	} {
		if !errors.Is(err, maildir.ErrNoPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if ok, err := tree.Exists("News"); !ok || err != nil {
		t.Errorf("News: %v %v", ok, err)
	}
	if ok, err := tree.Exists("Olds"); ok || err != nil {
		t.Errorf("Olds: %v %v", ok, err)
	}
	if _, err := tree.Open(ctx, "Olds", maildir.Examine); !errors.Is(err, maildir.ErrNotExist) {
		t.Errorf("opening what is not there: %v", err)
	}
}

// TestRights: with Access the list decides, at each use.
func TestRights(t *testing.T) {
	root := t.TempDir()
	folder(t, filepath.Join(root, "News"))
	list := &acl.List{Entries: []acl.Entry{{ID: acl.ID{Kind: acl.User, Name: "ann"}, Rights: acl.RightsAll}}}
	who := acl.Who{User: "ann"}
	limit := maildir.Quota{Set: true, Messages: 1, MessagesKey: "messages"}
	tree := open(t, Options{
		Root: root, Layout: maildir.FS, Separator: '/',
		Access: &maildir.Access{Who: func() acl.Who { return who }, Default: func() *acl.List { return list }},
		Quota:  func() maildir.Quota { return limit },
	})
	ctx := t.Context()
	if r, err := tree.Rights(ctx, "News"); r != acl.RightsAll || err != nil {
		t.Errorf("ann: %v %v", r, err)
	}
	if l, _, err := tree.ACL(ctx, "News"); l != list || err != nil {
		t.Errorf("ann's list: %v %v", l, err)
	}
	if err := errors.Join(tree.Create(ctx, "Mine", nil), tree.Rename(ctx, "Mine", "Ours"), tree.Delete(ctx, "Ours")); err != nil {
		t.Error(err)
	}
	h, err := tree.Open(ctx, "News", maildir.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var over *maildir.QuotaError
	if d, err := h.Deliver(ctx, 10); !errors.As(err, &over) {
		t.Errorf("beyond the quota: %v %v", d, err)
	}
	who.User = "bob"
	if ok, err := tree.Exists("News"); ok || err != nil {
		t.Errorf("bob sees News: %v", err)
	}
	for what, err := range map[string]error{"delete": tree.Delete(ctx, "News"), "rename": tree.Rename(ctx, "News", "Olds")} {
		if !errors.Is(err, maildir.ErrNotExist) {
			t.Errorf("bob, %s: %v", what, err)
		}
	}
	if err := tree.Create(ctx, "His", nil); !errors.Is(err, maildir.ErrNoPermission) {
		t.Errorf("bob, create: %v", err)
	}
}

func TestMissingRoot(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	missing := filepath.Join(t.TempDir(), "gone")
	if _, err := Open(store, Options{Root: missing, Separator: '/'}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
	if err := os.WriteFile(missing, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(store, Options{Root: missing, Separator: '/'}); err == nil {
		t.Error("a file was taken for a root")
	}
}

// TestHiddenFolders: folders of hide and what is below them are marked, others that begin alike are not; what a cached
// listing holds is not changed by it.
func TestHiddenFolders(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"Calendar", "Calendar/2026", "Calendars", "Team/Calendar"} {
		folder(t, filepath.Join(root, name))
	}
	hide := []string{"Calendar"}
	tree := open(t, Options{Root: root, Layout: maildir.FS, Separator: '/', Hide: func() []string { return hide }})
	want := func(names ...string) {
		t.Helper()
		list, err := tree.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, e := range list {
			if e.Hidden {
				got = append(got, e.Name)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("hidden are %q, want %q", got, names)
		}
	}
	want("Calendar", "Calendar/2026")
	hide = []string{"Team/Calendar"}
	want("Team/Calendar")
	hide = nil
	want()
}

// TestRightsDecide: what may be done in a public root is what the folders' lists say, not one thing for all.
func TestRightsDecide(t *testing.T) {
	root := t.TempDir()
	folder(t, filepath.Join(root, "News"))
	folder(t, filepath.Join(root, "Staff"))
	if err := os.WriteFile(filepath.Join(root, "Staff", "dovecot-acl"), []byte("user=bob lrswipkxtea\n-anyone p\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	everybody, _ := acl.Parse([]byte("anyone lr\n"))
	who := "carol"
	tree := open(t, Options{Root: root, Layout: maildir.FS, Separator: '/', Access: &maildir.Access{
		Who: func() acl.Who { return acl.Who{User: who} }, Default: func() *acl.List { return everybody },
	}, Quota: func() maildir.Quota { return maildir.Quota{Messages: 10} }, QuotaName: "Public"})
	ctx := t.Context()
	if list, err := tree.List(ctx); err != nil || len(list) != 1 || list[0].Name != "News" {
		t.Errorf("%+v %v", list, err)
	}
	if err := tree.Create(ctx, "Staff/Plans", nil); !errors.Is(err, maildir.ErrNoPermission) {
		t.Errorf("carol creates: %v", err)
	}
	who = "bob"
	if r, err := tree.Rights(ctx, "Staff"); err != nil || r.String() != "lrswikxtea" {
		t.Errorf("%v %v", r, err)
	}
	if err := errors.Join(tree.Create(ctx, "Staff/Plans", nil), tree.Rename(ctx, "Staff/Plans", "Staff/Done"),
		tree.SetACL(ctx, "Staff/Done", acl.Change{ID: acl.ID{Kind: acl.User, Name: "carol"}, Rights: acl.RightsReadOnly})); err != nil {
		t.Error(err)
	}
	who = "carol"
	list, err := tree.List(ctx)
	if err != nil || len(list) != 3 || list[1].Name != "Staff" || !list[1].NonExistent || list[2].Name != "Staff/Done" || list[2].NonExistent {
		t.Errorf("%+v %v", list, err)
	}
	if l, _, err := tree.ACL(ctx, "Staff/Done"); !errors.Is(err, maildir.ErrNoPermission) {
		t.Errorf("%+v %v", l, err)
	}
	who = "bob"
	if l, from, err := tree.ACL(ctx, "Staff/Done"); err != nil || len(l.Entries) != 3 || from.Path != filepath.Join(root, "Staff", "Done", "dovecot-acl") {
		t.Errorf("%+v %+v %v", l, from, err)
	}
	if err := tree.Delete(ctx, "Staff/Done"); err != nil {
		t.Error(err)
	}
	if u, limited, err := tree.Quota(ctx); err != nil || !limited || u.Messages != 10 || tree.QuotaName() != "Public" {
		t.Errorf("%+v %v %v", u, limited, err)
	}
}
