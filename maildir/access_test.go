package maildir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// visitor is a tree that somebody uses with rights that the test changes.
type visitor struct {
	*Tree
	rights Rights
}

func visit(t *testing.T, root string, layout Layout) *visitor {
	v := &visitor{}
	v.Tree = testTree(t, TreeOptions{Root: root, Layout: layout, NoInbox: true, Access: &Access{
		Who: func() acl.Who { return acl.Who{User: "bob"} },
		Default: func() *acl.List {
			return &acl.List{Entries: []acl.Entry{{ID: acl.ID{Kind: acl.User, Name: "bob"}, Rights: v.rights}}}
		},
	}}, fsx.FS{})
	return v
}

func rightsOf(letters string) (r Rights) {
	for _, c := range letters {
		r |= 1 << strings.IndexRune("lrswipkxtea", c)
	}
	return r
}

func TestRefusalsByName(t *testing.T) {
	for _, layout := range bothLayouts {
		root := t.TempDir()
		news, deep := filepath.Join(root, "news"), filepath.Join(root, "news", "go")
		if layout == MaildirPP {
			news, deep = filepath.Join(root, ".news"), filepath.Join(root, ".news.go")
		}
		makeDirsOS(news)
		makeDirsOS(deep)
		v := visit(t, root, layout)
		ctx := t.Context()
		open := func(mode Mode) func(string) error {
			return func(name string) error {
				h, err := v.Open(ctx, name, mode)
				if err == nil {
					h.Close()
				}
				return err
			}
		}
		for what, c := range map[string]struct {
			do   func(name string) error
			need string
			bare error // without l and the right
		}{
			"select":  {open(Select), "r", ErrNotExist},
			"examine": {open(Examine), "r", ErrNotExist},
			"status":  {open(Peek), "r", ErrNotExist},
			"append":  {open(Target), "i", ErrNotExist},
			"create":  {func(name string) error { return v.Create(ctx, name+"/sub", nil) }, "k", ErrNoPermission},
			"delete":  {func(name string) error { return v.Delete(ctx, name+"/sub") }, "x", ErrNotExist},
			"list of": {func(name string) error { _, _, err := v.ACL(ctx, name); return err }, "a", ErrNotExist},
			"rename":  {func(name string) error { return v.Rename(ctx, name, "olds") }, "x", ErrNotExist},
		} {
			if what == "delete" {
				v.rights = acl.RightsAll
				if err := v.Create(ctx, "news/sub", nil); err != nil && !errors.Is(err, ErrExist) {
					t.Fatal(err)
				}
			}
			v.rights = acl.RightsAll &^ rightsOf(c.need)
			if err := c.do("news"); !errors.Is(err, ErrNoPermission) {
				t.Errorf("%v: %s with %q: %v", layout, what, v.rights, err)
			}
			v.rights &^= acl.RightLookup
			hidden, missing := c.do("news"), open(Peek)("absent")
			if !errors.Is(hidden, c.bare) {
				t.Errorf("%v: %s with %q: %v", layout, what, v.rights, hidden)
			}
			if c.bare == ErrNotExist && !errors.Is(missing, ErrNotExist) {
				t.Error(missing)
			}
			if what == "rename" || what == "create" || what == "delete" {
				continue // these succeed below
			}
			v.rights = rightsOf("l" + c.need)
			if err := c.do("news"); err != nil {
				t.Errorf("%v: %s with %q: %v", layout, what, v.rights, err)
			}
		}
		v.rights = rightsOf("k")
		if err := v.Create(ctx, "news/mine", nil); err != nil {
			t.Errorf("create with k: %v", err)
		}
		v.rights = rightsOf("x")
		if err := v.Delete(ctx, "news/mine"); err != nil {
			t.Errorf("delete with x: %v", err)
		}
		if err := v.Rename(ctx, "news", "olds"); !errors.Is(err, ErrNoPermission) {
			t.Errorf("rename to the top with x: %v", err)
		}
		v.rights = rightsOf("xk")
		if err := v.Rename(ctx, "news", "olds"); err != nil {
			t.Errorf("rename with x and k: %v", err)
		}
		v.rights = rightsOf("l")
		if ok, err := v.Exists("olds/go"); !ok || err != nil {
			t.Errorf("exists: %v %v", ok, err)
		}
		if r, err := v.Rights(ctx, "olds/go"); r != v.rights || err != nil {
			t.Errorf("rights %q: %v", r, err)
		}
		v.rights = rightsOf("p")
		if ok, err := v.Exists("olds/go"); ok || err != nil {
			t.Errorf("exists, hidden: %v %v", ok, err)
		}
		if _, err := v.Rights(ctx, "olds/go"); !errors.Is(err, ErrNotExist) {
			t.Errorf("rights with p alone: %v", err)
		}
	}
}

func TestListShowsWhatMayBeSeen(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, "news", "go"))
	v := visit(t, root, FS)
	v.rights = rightsOf("lr")
	list, err := v.List(t.Context())
	if err != nil || len(list) != 2 || list[1].Name != "news/go" || list[1].Rights != v.rights || list[0].Rights != 0 {
		t.Errorf("%+v %v", list, err)
	}
	v.rights = rightsOf("r")
	if list, err := v.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("%+v %v", list, err)
	}
	own := testTree(t, TreeOptions{Root: root, Layout: FS, NoInbox: true}, fsx.FS{})
	if list, err := own.List(t.Context()); err != nil || len(list) != 2 || list[1].Rights != acl.RightsAll {
		t.Errorf("%+v %v", list, err)
	}
}

func TestRecheck(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, "news"))
	v := visit(t, root, FS)
	v.rights = rightsOf("lrs")
	ctx := t.Context()
	h, err := v.Open(ctx, "news", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	recheck := func(want bool) {
		t.Helper()
		if changed, err := h.Recheck(ctx); changed != want || err != nil {
			t.Errorf("changed %v, %v", changed, err)
		}
	}
	recheck(false)
	v.rights = rightsOf("lr")
	if h.May(DeedSeen) != nil {
		t.Error("rights changed before they were asked for")
	}
	recheck(true)
	if err := h.May(DeedSeen); !errors.Is(err, ErrNoPermission) || !h.ReadOnly() {
		t.Errorf("%v, read-only %v", err, h.ReadOnly())
	}
	recheck(false)
}

// TestRecheckOfOwnMail: without Access nobody is asked anything.
func TestRecheckOfOwnMail(t *testing.T) {
	count := &meter{ops: make(map[string]int)}
	h := openSpot(t, t.TempDir(), fsx.FS{Fault: count.hook}).open(Select)
	count.take()
	if n := testing.AllocsPerRun(100, func() {
		if changed, err := h.Recheck(t.Context()); changed || err != nil {
			t.Error(changed, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if ops := count.take(); len(ops) != 0 {
		t.Errorf("%v", ops)
	}
}

func TestStorePerFlag(t *testing.T) {
	b := newSpot(t)
	b.drop("cur", mail)
	b.open(Select).Close()
	flags := func() Flags {
		h := b.open(Peek)
		defer h.Close()
		return h.Messages(nil, 0, 1, 1)[0].Flags
	}
	seen, trash, flagged, word := imap.FlagSeen, imap.FlagDeleted, imap.FlagFlagged, imap.Flag("word")
	for _, c := range []struct {
		rights string
		op     StoreOp
		flags  []imap.Flag
		err    error
		want   SystemFlags
	}{
		{"lr", Add, []imap.Flag{seen}, ErrNoPermission, 0},
		{"lrs", Add, []imap.Flag{trash, flagged, word}, ErrNoPermission, 0},
		{"lrw", Add, []imap.Flag{seen, trash}, ErrNoPermission, 0},
		{"lrt", Add, []imap.Flag{seen, flagged}, ErrNoPermission, 0},
		{"lrs", Add, []imap.Flag{seen, trash, word}, nil, Seen},
		{"lrt", Add, []imap.Flag{seen, trash}, nil, Seen | Deleted},
		{"lrw", Replace, []imap.Flag{flagged}, nil, Seen | Deleted | Flagged},
		{"lrs", Replace, []imap.Flag{}, nil, Deleted | Flagged},
		{"lrte", Remove, []imap.Flag{trash, flagged}, nil, Flagged},
		{"lre", Add, nil, ErrNoPermission, Flagged},
	} {
		b.loc.rights = rightsOf(c.rights)
		h := b.open(Select)
		_, err := h.Store(t.Context(), all(), c.op, c.flags, 0, nil)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%v with %s: %v", c.flags, c.rights, err)
		}
		if got := flags(); got.System != c.want || got.Keywords != 0 {
			t.Errorf("%v with %s: flags are %v %x, want %v", c.flags, c.rights, got.System, got.Keywords, c.want)
		}
		h.Close()
	}
	if _, err := os.Stat(filepath.Join(b.dir, keywordsFile)); err == nil {
		t.Error("who may set no keyword has added one to the mailbox")
	}
}

func TestMoveNeedsBothRights(t *testing.T) {
	b, to := newSpot(t), newSpot(t)
	b.drop("cur", mail)
	for rights, want := range map[string]error{"lrt": ErrNoPermission, "lre": ErrNoPermission, "lrte": nil} {
		b.loc.rights = rightsOf(rights)
		h, dst := b.open(Select), to.open(Target)
		if _, err := h.Move(context.Background(), uidSet(99), dst); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("with %s: %v", rights, err)
		}
		h.Close()
		dst.Close()
	}
}

// TestInsertedFlags: who may only insert sets no flags, and brings no keywords.
func TestInsertedFlags(t *testing.T) {
	b, from := newSpot(t), newSpot(t)
	src := from.open(Select)
	uid := appendText(t, src, mail, imap.FlagSeen, imap.FlagFlagged, "other")
	b.loc.rights = rightsOf("lris")
	h := b.open(Select)
	appendText(t, h, mail, imap.FlagSeen, imap.FlagDeleted, "word")
	refresh(t, src)
	if _, err := src.Copy(t.Context(), uidSet(uid), h); err != nil {
		t.Fatal(err)
	}
	refresh(t, h)
	for _, m := range h.Messages(nil, 0, h.MaxUID(), 9) {
		if m.Flags != (Flags{System: Seen}) {
			t.Errorf("%+v", m.Flags)
		}
	}
	if h.Count() != 2 || slices.ContainsFunc(h.Keywords(), func(f imap.Flag) bool { return f == "word" || f == "other" }) {
		t.Errorf("%d messages, keywords %v", h.Count(), h.Keywords())
	}
}

// TestReadersLeaveNewMailInPlace: nor is it \Recent for a reader alone.
func TestReadersLeaveNewMailInPlace(t *testing.T) {
	for rights, moved := range map[string]bool{"lrs": false, "lri": false, "lrw": true, "lrt": true, "lre": true} {
		b := newSpot(t)
		b.drop("new", mail)
		b.loc.rights = rightsOf(rights)
		h := b.open(Select)
		if got := len(b.names("new")) == 0; got != moved || h.Recent() != 1 {
			t.Errorf("with %s: moved %v, %d recent", rights, got, h.Recent())
		}
		h.Close()
		b.loc.rights = acl.RightsAll
		if h := b.open(Select); (h.Recent() == 1) == moved {
			t.Errorf("after a session with %s: %d recent", rights, h.Recent())
		}
	}
}
