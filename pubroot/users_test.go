package pubroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// village is some users' mail in one process.
type village struct {
	t          testing.TB
	dir        string
	users      []string
	sep        byte
	layout     maildir.Layout
	store      *maildir.Store
	index      Sharing
	now        time.Time
	tick       time.Duration // that each look at the clock takes
	opens      atomic.Int64  // of trees
	looks      atomic.Int64  // that directories were opened
	generation uint64
	homes      map[string]string // of those whose mail lies elsewhere
	broke      error             // of opening carol's mail
	panic      bool              // when it is looked for
}

func newVillage(t testing.TB, sep byte, users ...string) *village {
	v := &village{t: t, dir: t.TempDir(), users: users, sep: sep, now: time.Now(), homes: make(map[string]string)}
	v.index.Now = func() time.Time {
		v.now = v.now.Add(v.tick)
		return v.now
	}
	var err error
	if v.store, err = maildir.NewStore(maildir.StoreOptions{FS: fsx.FS{Fault: v.operation}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.store.Close() })
	for _, u := range users {
		folder(t, filepath.Join(v.dir, u))
	}
	return v
}

func (v *village) operation(op, _ string) error {
	if op == "opendir" {
		v.looks.Add(1)
	}
	return nil
}

// place is where a user's mail lies.
func (v *village) place(owner string) (maildir.TreeOptions, error) {
	if !slices.Contains(v.users, owner) {
		return maildir.TreeOptions{}, fs.ErrNotExist
	}
	root := filepath.Join(v.dir, owner)
	if home := v.homes[owner]; home != "" {
		root = home
	}
	return maildir.TreeOptions{Root: root, Layout: v.layout, Separator: v.sep}, nil
}

func (v *village) tree(o maildir.TreeOptions, owner, who string) (*maildir.Tree, error) {
	o.Access = &maildir.Access{Who: visitor(who), Anyone: func() bool { return true }}
	if owner == who {
		o.Access.Who = func() acl.Who { return acl.Who{User: who, Owner: true} }
	}
	return v.store.Tree(o)
}

func visitor(who string) func() acl.Who {
	return func() acl.Who { return acl.Who{User: who, Anonymous: who == ""} }
}

// own is a user's own mail.
func (v *village) own(owner string) *maildir.Tree {
	o, err := v.place(owner)
	if err != nil {
		v.t.Fatal(err)
	}
	t, err := v.tree(o, owner, owner)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { t.Close() })
	return t
}

// others is what a user sees of the others.
func (v *village) others(who string) *Users {
	u := NewUsers(UsersOptions{Separator: v.sep, Self: who, Users: func() []string { return v.users }, Who: visitor(who),
		Generation: func() uint64 { return v.generation }, Store: v.store, Index: &v.index,
		Place: func(owner string) (maildir.TreeOptions, error) {
			if owner == "carol" && v.panic {
				panic("carol's mail")
			}
			if owner == "carol" && v.broke != nil {
				return maildir.TreeOptions{}, v.broke
			}
			return v.place(owner)
		},
		Open: func(_ context.Context, owner string, o maildir.TreeOptions) (*maildir.Tree, error) {
			v.opens.Add(1)
			return v.tree(o, owner, who)
		}})
	v.t.Cleanup(func() { u.Close() })
	return u
}

func (v *village) share(owner, folder, id, letters string) {
	v.t.Helper()
	op, r, err := acl.ParseChange(letters)
	if err != nil {
		v.t.Fatal(err)
	}
	x, negative, _ := acl.ParseIMAPID(id)
	if err := v.own(owner).SetACL(v.t.Context(), folder, acl.Change{ID: x, Negative: negative, Op: op, Rights: r}); err != nil {
		v.t.Fatal(err)
	}
	v.index.Forget(owner)
}

// seen is a listing: "-" behind what does not exist, "+" behind what has children.
func seen(t testing.TB, list []maildir.Entry, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range list {
		name := e.Name
		if e.NonExistent {
			name += "-"
		}
		if e.HasChildren {
			name += "+"
		}
		out = append(out, strings.TrimSuffix(name+" "+e.Rights.String(), " "))
	}
	return out
}

func (v *village) wantSeen(u *Users, want ...string) {
	v.t.Helper()
	list, err := u.List(v.t.Context())
	if diff := cmp.Diff(append([]string{}, want...), seen(v.t, list, err)); diff != "" {
		v.t.Errorf("LIST (-want +got):\n%s", diff)
	}
}

func TestThreeUsers(t *testing.T) {
	v := newVillage(t, '/', "ann", "bob", "carol")
	ann, bob, carol, guest := v.others("ann"), v.others("bob"), v.others("carol"), v.others("")
	ctx := t.Context()
	if err := errors.Join(v.own("ann").Create(ctx, "Work/Plans/2026", nil), v.own("ann").Create(ctx, "Diary", nil)); err != nil {
		t.Fatal(err)
	}
	for _, u := range []*Users{ann, bob, carol, guest} {
		v.wantSeen(u)
	}
	v.share("ann", "Work/Plans/2026", "bob", "lrs")
	v.share("ann", "INBOX", "carol", "lr")
	v.share("bob", "INBOX", "anyone", "lr")
	v.wantSeen(ann, "bob-+", "bob/INBOX lr")
	v.wantSeen(bob, "ann-+", "ann/Work-+", "ann/Work/Plans-+", "ann/Work/Plans/2026 lrs")
	v.wantSeen(carol, "ann-+", "ann/INBOX lr", "bob-+", "bob/INBOX lr")
	v.wantSeen(guest, "bob-+", "bob/INBOX lr")

	h, err := bob.Open(ctx, "ann/Work/Plans/2026", maildir.Select)
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	for name, is := range map[string]bool{"ann/Work/Plans/2026": true, "ann/Work": false, "ann/Diary": false, "ann/INBOX": false,
		"bob/INBOX": false, "carol/INBOX": false, "nobody/INBOX": false, "ann": false, "ann/": false, "/": false, "": false} {
		if got, err := bob.Exists(name); got != is || err != nil {
			t.Errorf("%q: %v %v", name, got, err)
		}
		h, err := bob.Open(ctx, name, maildir.Examine)
		if err == nil {
			h.Close()
		}
		if is != (err == nil) || !is && !errors.Is(err, maildir.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	// Hidden and missing mailboxes are told alike, whoever they would belong to.
	var texts []string
	for _, name := range []string{"ann/Diary", "ann/nothing", "carol/INBOX", "nobody/INBOX"} {
		_, err := bob.Rights(ctx, name)
		texts = append(texts, strings.ReplaceAll(err.Error(), name, "NAME"))
	}
	if len(slices.Compact(texts)) != 1 {
		t.Errorf("%q", texts)
	}
	if r, err := bob.Rights(ctx, "ann/Work/Plans/2026"); err != nil || r.String() != "lrs" {
		t.Errorf("%v %v", r, err)
	}
	for what, err := range map[string]error{
		"create":    bob.Create(ctx, "ann/Work/Plans/2026/x", nil),
		"create 2":  bob.Create(ctx, "nobody/x", nil),
		"delete":    bob.Delete(ctx, "ann/Work/Plans/2026"),
		"rename":    bob.Rename(ctx, "ann/Work/Plans/2026", "carol/x"),
		"list of":   bob.SetACL(ctx, "ann/Work/Plans/2026", acl.Change{ID: acl.ID{Kind: acl.User, Name: "bob"}, Rights: acl.RightsAll}),
		"subscribe": bob.Subscribe(ctx, "ann/Work"),
	} {
		if !errors.Is(err, maildir.ErrNoPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
	v.share("ann", "Work/Plans/2026", "bob", "lrskxa")
	if err := bob.Create(ctx, "ann/Work/Plans/2026/x", nil); err != nil {
		t.Error(err)
	}
	if err := bob.Rename(ctx, "ann/Work/Plans/2026/x", "ann/Work/Plans/2026/y"); err != nil {
		t.Error(err)
	}
	if err := bob.Rename(ctx, "ann/Work/Plans/2026/y", "carol/y"); !errors.Is(err, maildir.ErrNoPermission) {
		t.Error(err)
	}
	if err := bob.SetACL(ctx, "ann/Work/Plans/2026/y", acl.Change{ID: acl.ID{Kind: acl.User, Name: "carol"}, Rights: acl.RightLookup}); err != nil {
		t.Error(err)
	}
	v.wantSeen(carol, "ann-+", "ann/INBOX lr", "ann/Work-+", "ann/Work/Plans-+", "ann/Work/Plans/2026-+", "ann/Work/Plans/2026/y l", "bob-+", "bob/INBOX lr")
	if l, _, err := bob.ACL(ctx, "ann/Work/Plans/2026/y"); err != nil || len(l.Entries) != 2 {
		t.Errorf("%+v %v", l, err)
	}
	if err := bob.Delete(ctx, "ann/Work/Plans/2026/y"); err != nil {
		t.Error(err)
	}
}

// TestOwnersThatCannotBeRead are left out, and hide nobody else.
func TestOwnersThatCannotBeRead(t *testing.T) {
	for _, broken := range []error{fs.ErrPermission, fs.ErrNotExist, errors.New("bad disk")} {
		v := newVillage(t, '/', "ann", "bob", "carol")
		v.share("ann", "INBOX", "bob", "lr")
		v.share("carol", "INBOX", "bob", "lr")
		v.broke = broken
		bob := v.others("bob")
		v.wantSeen(bob, "ann-+", "ann/INBOX lr")
		if _, err := bob.Rights(t.Context(), "carol/INBOX"); errors.Is(err, maildir.ErrNotExist) != (broken != nil && unreadable(broken)) {
			t.Errorf("%v: %v", broken, err)
		}
		v.broke = nil
		v.wantSeen(bob, "ann-+", "ann/INBOX lr", "carol-+", "carol/INBOX lr")
	}
}

// TestUsersWithSeparators: a name belongs to the longest user's name that it begins with.
func TestUsersWithSeparators(t *testing.T) {
	v := newVillage(t, '.', "a", "a.b@c.d", "z")
	if err := v.own("a").Create(t.Context(), "b@c.d.INBOX", nil); err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"a", "INBOX"}, {"a", "b@c.d.INBOX"}, {"a.b@c.d", "INBOX"}} {
		v.share(x[0], x[1], "z", "lr")
	}
	z := v.others("z")
	v.wantSeen(z, "a-+", "a.INBOX lr", "a.b@c-+", "a.b@c.d-+", "a.b@c.d.INBOX lr")
	if list, _ := z.List(t.Context()); slices.ContainsFunc(list, func(e maildir.Entry) bool { return e.NonExistent != (e.Rights == 0) }) {
		t.Errorf("%+v", list)
	}
}

// TestManyOwners: those who share nothing cost nothing while that is known, and few trees stay open.
func TestManyOwners(t *testing.T) {
	users := []string{"me"}
	for i := range 60 {
		users = append(users, fmt.Sprintf("u%02d", i))
	}
	v := newVillage(t, '/', users...)
	for i := range 40 {
		v.share(fmt.Sprintf("u%02d", i), "INBOX", "me", "lr")
	}
	me := v.others("me")
	list, err := me.List(t.Context())
	if err != nil || len(list) != 80 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	if len(me.open) > treesOpen {
		t.Errorf("%d trees are open", len(me.open))
	}
	v.opens.Store(0)
	if _, err := me.List(t.Context()); err != nil || v.opens.Load() > 40 {
		t.Errorf("%d opened, %v", v.opens.Load(), err)
	}
	h, err := me.Open(t.Context(), "u00/INBOX", maildir.Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	me.List(t.Context()) // lets go of that tree
	if _, err := h.Recheck(t.Context()); err != nil || h.Rights().String() != "lr" {
		t.Errorf("%v %v", h.Rights(), err)
	}
}

// TestWhoHasMailIsNotTold: who is let in nowhere is answered the same whether there is such a user or not.
func TestWhoHasMailIsNotTold(t *testing.T) {
	v := newVillage(t, '/', "ann", "bob", "carol")
	folder(t, filepath.Join(v.dir, "bob", ".Work"))
	v.share("carol", "INBOX", "ann", "lrs")
	ann, ctx := v.others("ann"), t.Context()
	long := strings.Repeat("x", 300)
	for deed, do := range map[string]func(owner string) error{
		"create INBOX":    func(o string) error { return ann.Create(ctx, o+"/INBOX", nil) },
		"create":          func(o string) error { return ann.Create(ctx, o+"/Work", nil) },
		"create long":     func(o string) error { return ann.Create(ctx, o+"/"+long, nil) },
		"create bad":      func(o string) error { return ann.Create(ctx, o+"/a//b", nil) },
		"create below":    func(o string) error { return ann.Create(ctx, o+"/Work/x", nil) },
		"delete INBOX":    func(o string) error { return ann.Delete(ctx, o+"/INBOX") },
		"delete":          func(o string) error { return ann.Delete(ctx, o+"/Work") },
		"rename away":     func(o string) error { return ann.Rename(ctx, o+"/Work", "carol/Work") },
		"rename to self":  func(o string) error { return ann.Rename(ctx, o+"/Work", o+"/Work") },
		"rename to INBOX": func(o string) error { return ann.Rename(ctx, o+"/Work", o+"/INBOX") },
		"rename to long":  func(o string) error { return ann.Rename(ctx, o+"/Work", o+"/"+long) },
		"rename below":    func(o string) error { return ann.Rename(ctx, o+"/Work", o+"/Work/x") },
		"rename INBOX":    func(o string) error { return ann.Rename(ctx, o+"/INBOX", o+"/Work") },
		"open":            func(o string) error { _, err := ann.Open(ctx, o+"/INBOX", maildir.Target); return err },
		"ask for rights":  func(o string) error { _, err := ann.Rights(ctx, o+"/Work"); return err },
		"read the list":   func(o string) error { _, _, err := ann.ACL(ctx, o+"/INBOX"); return err },
		"change the list": func(o string) error {
			return ann.SetACL(ctx, o+"/INBOX", acl.Change{ID: acl.ID{Kind: acl.Anyone}, Rights: acl.RightsAll})
		},
	} {
		var is, isNot *maildir.Error
		if !errors.As(do("bob"), &is) || !errors.As(do("nobody"), &isNot) || is.Err.Error() != isNot.Err.Error() {
			t.Errorf("%s: %v, and %v where there is nobody", deed, is, isNot)
		}
	}
}

// TestSharingAfterPanic: who panics while looking has not found anything out, and the next one looks; also where the
// look is another goroutine's, of whose panic the process must not die.
func TestSharingAfterPanic(t *testing.T) {
	few := []string{"ann", "carol"}
	first, last := slices.Clone(few), slices.Clone(few)
	for i := range apartFrom {
		first, last = append(first, fmt.Sprintf("u%02d", i)), append(last, fmt.Sprintf("a%02d", i))
	}
	slices.Sort(last)
	for _, users := range [][]string{few, first, last} {
		v := newVillage(t, '/', users...)
		ann := v.others("ann")
		v.wantSeen(ann)
		v.panic = true
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			v.others("ann").List(t.Context())
		}()
		v.panic = false
		if err := v.own("carol").SetACL(t.Context(), "INBOX", acl.Change{ID: acl.ID{Kind: acl.User, Name: "ann"}, Rights: acl.RightLookup}); err != nil {
			t.Fatal(err)
		}
		v.wantSeen(ann, "carol-+", "carol/INBOX l")
	}
}
