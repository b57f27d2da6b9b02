package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

func (l *listed) file(rel string) string {
	b, err := os.ReadFile(filepath.Join(l.root, rel))
	if err != nil {
		return "-"
	}
	return string(b)
}

func aclChange(id, letters string) acl.Change {
	x, negative, err := acl.ParseIMAPID(id)
	if err != nil {
		panic(err)
	}
	if letters == "delete" {
		return acl.Change{ID: x, Negative: negative, Op: acl.Delete}
	}
	op, r, err := acl.ParseChange(letters)
	if err != nil {
		panic(err)
	}
	return acl.Change{ID: x, Negative: negative, Op: op, Rights: r}
}

func TestSetACL(t *testing.T) {
	for i, c := range []struct {
		def, root, file, courier string
		who                      string // bob, or ann who owns
		id, rights               string
		err                      error
		want                     string // the file; "-" is none
	}{
		{file: "user=bob lra\n", id: "carol", rights: "lr", want: "user=bob lra\nuser=carol lr\n"},
		{file: "# ours\n\nuser=bob  arl\n", id: "carol", rights: "lrd", want: "# ours\n\nuser=bob  arl\nuser=carol lrte\n"},
		{file: "user=bob lra\nuser=carol lr\n", id: "carol", rights: "+s", want: "user=bob lra\nuser=carol lrs\n"},
		{file: "user=bob lra\nuser=carol lr\n", id: "carol", rights: "delete", want: "user=bob lra\n"},
		{file: "user=bob lra\n", id: "carol", rights: "delete", want: "user=bob lra\n"},
		{file: "user=bob lr\n", id: "carol", rights: "lr", err: ErrNoPermission, want: "user=bob lr\n"},
		{file: "user=bob ra\n", id: "carol", rights: "lr", want: "user=bob ra\nuser=carol lr\n"}, // a without l
		{file: "user=bob r\n", id: "carol", rights: "lr", err: ErrNotExist, want: "user=bob r\n"},
		{def: "anyone lr\nuser=bob lra\n", id: "carol", rights: "lrs", want: "anyone lr\nuser=bob lra\nuser=carol lrs\n"},
		{root: "anyone lr\nuser=bob lra\n", id: "carol", rights: "lrs", want: "anyone lr\nuser=bob lra\nuser=carol lrs\n"},
		{courier: "anyone lr\nuser=bob a\n", id: "carol", rights: "s", want: "anyone lr\nowner lra\nuser=bob lra\nuser=carol s\ngroup-override=administrators lrswikxtea\n"},
		{file: "user=bob lra\n", id: "anyone", rights: "lr", err: ErrAnyone, want: "user=bob lra\n"},
		{file: "user=bob lra\n", id: "authenticated", rights: "+l", err: ErrAnyone, want: "user=bob lra\n"},
		{file: "anyone lr\nuser=bob lra\n", id: "anyone", rights: "-r", want: "anyone l\nuser=bob lra\n"},
		{file: "anyone lr\nuser=bob lra\n", id: "anyone", rights: "delete", want: "user=bob lra\n"},
		{file: "user=bob lra\n", id: "-anyone", rights: "w", want: "-anyone w\nuser=bob lra\n"},
		{file: "anyone lr\n-anyone r\nuser=bob lra\n", id: "-anyone", rights: "delete", err: ErrAnyone, want: "anyone lr\n-anyone r\nuser=bob lra\n"},
		{file: "anyone lrs\nauthenticated l\nuser=bob lra\n", id: "authenticated", rights: "delete", err: ErrAnyone, want: "anyone lrs\nauthenticated l\nuser=bob lra\n"},
		{file: "anyone lrs\nuser=bob lra\n", id: "anyone", rights: "l", want: "anyone l\nuser=bob lra\n"},
		{file: "user=bob lra\n", id: "owner", rights: "lr", err: ErrOwner, want: "user=bob lra\n"},
		{who: "ann", file: "-", id: "bob", rights: "lr", want: "user=bob lr\n"},
		{who: "ann", file: "-", id: "owner", rights: "lr", want: "owner lra\n"},
		{who: "ann", file: "-", id: "ann", rights: "lr", want: "user=ann lra\n"},
		{who: "ann", file: "owner lra\n", id: "owner", rights: "-a", err: ErrLockout, want: "owner lra\n"},
		{who: "ann", file: "owner lra\n", id: "owner", rights: "-ra", want: "owner la\n"},
		{who: "ann", file: "user=ann lra\n", id: "-ann", rights: "a", err: ErrLockout, want: "user=ann lra\n"},
		{who: "ann", file: "user=ann lra\n", id: "-ann", rights: "ra", want: "user=ann lra\n-user=ann r\n"},
		{who: "ann", file: "owner lr\n", id: "bob", rights: "lr", err: ErrNoPermission, want: "owner lr\n"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			l := newListed(t, TreeOptions{Root: t.TempDir(), NoInbox: c.who == ""})
			makeDirsOS(l.root)
			makeDirsOS(filepath.Join(l.root, ".news"))
			if c.who != "" {
				l.who = acl.Who{User: c.who, Owner: true}
			}
			if c.def != "" {
				l.def = parsedList(t, c.def)
			}
			for file, text := range map[string]string{dovecotACL: c.root, ".news/" + dovecotACL: c.file, ".news/" + courierACL: c.courier} {
				if text != "" && text != "-" {
					l.put(file, text)
				}
			}
			l.put(dovecotACLList, "x")
			before, _, _ := l.ACL(t.Context(), "news")
			err := l.SetACL(t.Context(), "news", aclChange(c.id, c.rights))
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if got := l.file(".news/" + dovecotACL); got != c.want {
				t.Errorf("file is\n%s, want\n%s", got, c.want)
			}
			if changed := c.file != c.want; (l.file(dovecotACLList) == "-") != (changed && err == nil) {
				t.Errorf("Dovecot's cache: %s", l.file(dovecotACLList))
			}
			if after, from, err := l.ACL(t.Context(), "news"); err == nil && c.err == nil && after == before && c.file != c.want {
				t.Errorf("answered %v from %v", after, from)
			}
			if left, _ := filepath.Glob(filepath.Join(l.root, ".news", "*.*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestSetACLForAnyone(t *testing.T) {
	l := newListed(t, TreeOptions{Root: t.TempDir(), NoInbox: true})
	makeDirsOS(filepath.Join(l.root, ".news"))
	l.put(".news/"+dovecotACL, "user=bob lra\n")
	l.any = true
	if err := l.SetACL(t.Context(), "news", aclChange("anyone", "lr")); err != nil || l.file(".news/"+dovecotACL) != "anyone lr\nuser=bob lra\n" {
		t.Errorf("%v %s", err, l.file(".news/"+dovecotACL))
	}
}

// TestSetACLOfBrokenFile: what cannot be understood is not written over, also while an earlier version is in force.
func TestSetACLOfBrokenFile(t *testing.T) {
	l := newListed(t, TreeOptions{Root: t.TempDir(), NoInbox: true})
	makeDirsOS(filepath.Join(l.root, ".news"))
	l.put(".news/"+dovecotACL, "user=bob lra\n")
	l.wantRights("news", "lra")
	l.put(".news/"+dovecotACL, "user=bob lra\nbroken\n")
	if err := l.SetACL(t.Context(), "news", aclChange("carol", "lr")); !errors.Is(err, ErrListFile) || !errors.Is(err, ErrNoPermission) {
		t.Errorf("%v", err)
	}
	if got := l.file(".news/" + dovecotACL); got != "user=bob lra\nbroken\n" {
		t.Errorf("%s", got)
	}
	l.wantRights("news", "lra")
}

// TestRenamedListsStayTheirMailboxes: a list that was in force is not the next mailbox's of that name.
func TestRenamedListsStayTheirMailboxes(t *testing.T) {
	for _, layout := range bothLayouts {
		l := newListed(t, TreeOptions{Root: t.TempDir(), Layout: layout, NoInbox: true})
		l.put(dovecotACL, "user=bob lrk\n")
		makeDirsOS(filepath.Join(l.root, inLayout(layout, "a")))
		l.put(inLayout(layout, "a")+"/"+dovecotACL, "user=bob lrx\n")
		l.wantRights("a", "lrx")
		if err := l.Rename(t.Context(), "a", "b"); err != nil {
			t.Fatal(err)
		}
		l.wantRights("b", "lrx")
		makeDirsOS(filepath.Join(l.root, inLayout(layout, "a")))
		l.put(inLayout(layout, "a")+"/"+dovecotACL, "nonsense\n")
		l.wantRights("a", "")
	}
}

// TestSetACLByTool: an administrator's tool may change everything, and sees everything.
func TestSetACLByTool(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, ".news"))
	told := 0
	tree := testTree(t, TreeOptions{Root: root, NoInbox: true, Access: &Access{
		All: true, Who: func() acl.Who { return acl.Who{} }, Changed: func() { told++ },
	}}, fsx.FS{})
	if err := tree.SetACL(t.Context(), "news", aclChange("anyone", "lr")); err != nil {
		t.Fatal(err)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	l, from, err := tree.ACL(t.Context(), "news")
	if err != nil || len(l.Entries) != 1 || from.Kind != dovecotACL || from.Path != filepath.Join(root, ".news", dovecotACL) {
		t.Errorf("%+v %+v %v", l, from, err)
	}
	if all, err := tree.Layers(t.Context(), "news"); err != nil || len(all) != 1 || all[0].From != from {
		t.Errorf("%+v %v", all, err)
	}
	if list, err := tree.List(t.Context()); err != nil || len(list) != 1 || list[0].Rights != acl.RightsAll {
		t.Errorf("%+v %v", list, err)
	}
}

// TestSetACLsAtOnce: two processes' changes are both there.
func TestSetACLsAtOnce(t *testing.T) {
	one := newListed(t, TreeOptions{Root: t.TempDir(), NoInbox: true})
	makeDirsOS(filepath.Join(one.root, ".news"))
	one.put(".news/"+dovecotACL, "user=bob lra\n")
	two := newListed(t, TreeOptions{Root: one.root, NoInbox: true})
	done := make(chan error)
	for i, l := range []*listed{one, two} {
		go func() {
			var err error
			for n := range 10 {
				err = errors.Join(err, l.SetACL(t.Context(), "news", aclChange(fmt.Sprintf("u%d%d", i, n), "lr")))
			}
			done <- err
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(one.file(".news/"+dovecotACL), "\n"); n != 21 {
		t.Errorf("%d lines", n)
	}
}

// TestSetACLFaults: whatever fails or crashes where, the file is the old one or the new one, a change that was confirmed
// is there, and the next life can make it.
func TestSetACLFaults(t *testing.T) {
	const old, new = "user=bob lra\n", "user=bob lra\nuser=carol lr\n"
	for _, layout := range bothLayouts {
		everyFault(t, "set a list "+layout.String(), 5, false, func(t *testing.T, k faultKind, n int64) bool {
			root := unsynced(t)
			defer os.RemoveAll(root)
			dir := filepath.Join(root, inLayout(layout, "a/b"))
			if err := makeDirsOS(dir); err != nil {
				t.Fatal(err)
			}
			makeDirsOS(filepath.Join(root, inLayout(layout, "a")))
			file := filepath.Join(dir, dovecotACL)
			os.WriteFile(file, []byte(old), 0o600)
			os.WriteFile(filepath.Join(root, dovecotACLList), nil, 0o600)
			var armed, hit atomic.Bool
			plan := k.plan(n)
			o := TreeOptions{Root: root, Layout: layout, NoInbox: true, Access: &Access{Who: func() acl.Who { return acl.Who{User: "bob"} }}}
			tree := testTree(t, o, fsx.FS{Fault: func(op, path string) error {
				if !armed.Load() {
					return nil
				}
				err := plan(op, path)
				if err != nil {
					hit.Store(true)
				}
				return err
			}})
			armed.Store(true)
			err := tree.SetACL(t.Context(), "a/b", aclChange("carol", "lr"))
			armed.Store(false)
			where := fmt.Sprintf("%s before operation %d: %v", k.name, n, err)
			b, rerr := os.ReadFile(file)
			if got := string(b); rerr != nil || got != new && (err == nil || got != old) {
				t.Fatalf("%s: %v %q", where, rerr, got)
			}
			if err != nil && !errors.Is(err, fsx.ErrCrash) && classify(err) == nil && !errors.Is(err, ErrNotExist) {
				t.Errorf("%s: not for a client", where)
			}
			os.Remove(file + ".lock")
			if err := testTree(t, o, fsx.FS{}).SetACL(t.Context(), "a/b", aclChange("carol", "lr")); err != nil {
				t.Fatalf("%s: then: %v", where, err)
			}
			if b, _ := os.ReadFile(file); string(b) != new {
				t.Fatalf("%s: then: %q", where, b)
			}
			return hit.Load()
		})
	}
}

func TestNewMailboxesHaveTheListOfTheOneAbove(t *testing.T) {
	for _, layout := range bothLayouts {
		l := newListed(t, TreeOptions{Root: t.TempDir(), Layout: layout, NoInbox: true})
		in := func(name, file string) string { return filepath.Join(inLayout(layout, name), file) }
		makeDirsOS(filepath.Join(l.root, inLayout(layout, "a")))
		l.put(dovecotACL, "user=bob lrka\n")
		l.put(in("a", dovecotACL), "# a\nuser=bob lrk\nuser=carol lr\n")
		create := func(name, want string) {
			t.Helper()
			if err := l.Create(t.Context(), name, nil); err != nil {
				t.Fatal(err)
			}
			if got := l.file(in(name, dovecotACL)); got != want {
				t.Errorf("%v: the list of %s is %q", layout, name, got)
			}
		}
		create("a/b", "# a\nuser=bob lrk\nuser=carol lr\n")
		create("a/x/y/z", "# a\nuser=bob lrk\nuser=carol lr\n") // the next one there is
		create("top", "-")
		os.Remove(filepath.Join(l.root, in("a", dovecotACL)))
		l.put(in("a", courierACL), "user=bob lrcw\n")
		create("a/c", "-")
		if got := l.file(in("a/c", courierACL)); got != "user=bob lrcw\n" {
			t.Errorf("%v: %s", layout, got)
		}
		l.put(in("a", dovecotACL), "user=bob lrk\n")
		l.wantRights("a", "lrk")
		l.put(in("a", dovecotACL), "user=bob lrkwrong z\n")
		create("a/d", "user=bob lrk\n") // what is in force
		cold := newListed(t, TreeOptions{Root: l.root, Layout: layout, NoInbox: true})
		cold.who = acl.Who{User: "bob", Groups: []string{"staff"}}
		l.put(in("a", dovecotACL), "nonsense\n")
		if err := cold.Create(t.Context(), "a/e", nil); !errors.Is(err, ErrNoPermission) {
			t.Errorf("%v: %v", layout, err)
		}
		if layout == MaildirPP {
			continue
		}
		// A directory that is no mailbox yet may have an administrator's list.
		l.put(in("a", dovecotACL), "user=bob lrk\n")
		os.MkdirAll(filepath.Join(l.root, "a/plan"), 0o755)
		l.put("a/plan/"+dovecotACL, "user=bob lrx\n")
		create("a/plan", "user=bob lrx\n")
		os.MkdirAll(filepath.Join(l.root, "a/plan/below"), 0o755)
		if err := l.Delete(t.Context(), "a/plan"); err != nil {
			t.Fatal(err)
		}
		if got := l.file("a/plan/" + dovecotACL); got != "-" {
			t.Errorf("deleted, and has the list %q", got)
		}
		create("a/plan", "user=bob lrk\n")
		// What is left of a deletion that was cut short is nobody's.
		os.MkdirAll(filepath.Join(l.root, "a/was", deletedDir), 0o755)
		l.put("a/was/"+dovecotACL, "user=bob lrx\n")
		create("a/was", "user=bob lrk\n")
	}
}

// TestFilesHaveTheFoldersGroup: what is made in a public folder belongs to the folder's group and lets in whom the
// folder lets in, with set-group-ID or without, whatever the umask.
func TestFilesHaveTheFoldersGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has other groups")
	}
	const group = 54321
	for _, mode := range []uint32{0o2770, 0o770, 0o2775, 0o2750} {
		for _, layout := range bothLayouts {
			l := newListed(t, TreeOptions{Root: t.TempDir(), Layout: layout, NoInbox: true})
			l.put(dovecotACL, "user=bob lrswipkxtea\n")
			if err := errors.Join(os.Chown(l.root, -1, group), syscall.Chmod(l.root, mode)); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			for _, name := range []string{"a", "a/b"} {
				if err := errors.Join(l.Create(ctx, name, nil), l.SetACL(ctx, name, aclChange("carol", "lr"))); err != nil {
					t.Fatal(err)
				}
				h, err := l.Open(ctx, name, Select)
				if err != nil {
					t.Fatal(err)
				}
				appendText(t, h, mail)
				h.Close()
			}
			err := filepath.Walk(l.root, func(path string, info os.FileInfo, err error) error {
				if err != nil || path == filepath.Join(l.root, dovecotACL) || strings.HasPrefix(info.Name(), "dovecot-uidvalidity.") {
					return err
				}
				st := info.Sys().(*syscall.Stat_t)
				want := mode
				if !info.IsDir() {
					want &= 0o666
				}
				if st.Gid != group || st.Mode&0o7777 != want {
					t.Errorf("%v %o: %s is of group %d, mode %o", layout, mode, strings.TrimPrefix(path, l.root), st.Gid, st.Mode&0o7777)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSetgidRefused: where systemd lets nobody set the bit, a new folder still lets in whom the one above does.
func TestSetgidRefused(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Chmod(root, 0o2777); err != nil {
		t.Fatal(err)
	}
	refused := 0
	tree := testTree(t, TreeOptions{Root: root, Layout: FS, NoInbox: true}, fsx.FS{System: func(op, path string) error {
		if op == "chmod" && refused == 0 {
			refused++
			return syscall.EPERM
		}
		return nil
	}})
	if err := tree.Create(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(root, "a"))
	if err != nil || refused != 1 || info.Mode().Perm() != 0o777 {
		t.Errorf("%v %v, refused %d", info.Mode(), err, refused)
	}
}
