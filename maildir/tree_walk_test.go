package maildir

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// TestNestedListingIsTheDisks: whatever others do to a tree, a listing that goes by what is known is one that goes by
// nothing.
func TestNestedListingIsTheDisks(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
	makeDirsOS(filepath.Join(outside, "x", "y"))
	os.Mkdir(root, 0o700)
	o := TreeOptions{Root: root, Layout: FS, NoInbox: true, Follow: []string{outside}}
	tree := testTree(t, o, fsx.FS{})
	names := []string{"a", "b", "c", ".d", "e&f", "INBOX"}
	path := func() string {
		p := root
		for range 1 + rand.N(3) {
			p = filepath.Join(p, names[rand.N(len(names))])
		}
		return p
	}
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	for i := range rounds {
		at := path()
		var did string
		switch rand.N(9) {
		case 0, 1:
			did = "make " + at
			makeDirsOS(at)
		case 2:
			did = "mkdir " + at
			os.MkdirAll(at, 0o700)
		case 3:
			did = "remove " + at
			os.RemoveAll(at)
		case 4:
			to := path()
			did = "rename " + at + " " + to
			os.Rename(at, to)
		case 5:
			did = "unmake " + at
			os.RemoveAll(filepath.Join(at, "cur"))
		case 6:
			target := []string{outside, filepath.Join(outside, "x"), root, filepath.Join(root, "a"), "/nowhere"}[rand.N(5)]
			did = "link " + at + " " + target
			os.Symlink(target, at)
		case 7:
			did = "props " + at
			os.WriteFile(filepath.Join(at, propsFile+"~"), encodedUse(imap.MailboxAttrSent), 0o600)
			os.Rename(filepath.Join(at, propsFile+"~"), filepath.Join(at, propsFile))
		case 8:
			did = "list " + at
			os.WriteFile(filepath.Join(at, dovecotACL), nil, 0o600)
		}
		if rand.N(20) == 0 {
			time.Sleep(25 * time.Millisecond) // so that something is known for certain
			tree.List(t.Context())
		}
		if rand.N(3) > 0 {
			continue
		}
		l, err := tree.listing(nil)
		if err != nil {
			t.Fatalf("%d, %s: %v", i, did, err)
		}
		want, err := testTree(t, o, fsx.FS{}).listing(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.boxes, l.boxes, cmp.AllowUnexported(box{})); diff != "" {
			t.Fatalf("%d, after %s (-disk +known):\n%s", i, did, diff)
		}
		if diff := cmp.Diff(want.entries, l.entries); diff != "" {
			t.Fatalf("%d, after %s (-disk +known):\n%s", i, did, diff)
		}
	}
}

// TestNestedListingHasAnEnd: of what is just as much as may be looked at nothing is left out, and what was left out is
// there when there is room again.
func TestNestedListingHasAnEnd(t *testing.T) {
	root := t.TempDir()
	tree := testTree(t, TreeOptions{Root: root, Layout: FS, NoInbox: true}, fsx.FS{})
	for _, name := range []string{"a", "b", "b/1", "b/2", "c"} {
		makeDirsOS(filepath.Join(root, name))
		for i := range 40 { // cur is none of the first
			os.WriteFile(filepath.Join(root, name, fmt.Sprint("file", i)), nil, 0o600)
		}
	}
	time.Sleep(30 * time.Millisecond)
	d, err := tree.open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var known *dirNode
	for i, most := range []int{3, 5, 5, 4, 1, 5} {
		w := walk{t: tree, root: d, left: most}
		if known, err = w.dir(d, "", known); err != nil {
			t.Fatal(err)
		}
		if got := len(known.boxes(tree.names, "", nil)); got != most || w.short != (most < 5) {
			t.Errorf("%d: %d of %d, short %v", i, got, most, w.short)
		}
		if most < 5 && !w.changed {
			t.Errorf("%d: as before", i)
		}
	}
}

// TestLinkInPlaceOfDirectory: a mailbox whose directory becomes a link to nothing that is served is listed no more, nor is
// what was in it.
func TestLinkInPlaceOfDirectory(t *testing.T) {
	for _, target := range []string{"/nowhere", "/", "."} {
		root := t.TempDir()
		makeDirsOS(filepath.Join(root, "a"))
		makeDirsOS(filepath.Join(root, "a", "b"))
		makeDirsOS(filepath.Join(root, "c"))
		tree := testTree(t, TreeOptions{Root: root, Layout: FS, NoInbox: true}, fsx.FS{})
		listed := func() (names []string) {
			all, err := tree.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				names = append(names, e.Name)
			}
			return names
		}
		if got := listed(); !slices.Equal(got, []string{"a", "a/b", "c"}) {
			t.Fatalf("%q", got)
		}
		if err := os.RemoveAll(filepath.Join(root, "a")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(root, "a")); err != nil {
			t.Fatal(err)
		}
		if got := listed(); !slices.Equal(got, []string{"c"}) {
			t.Errorf("a link to %s: %q", target, got)
		}
	}
}

// TestCircleElsewhere: what was a circle below one name need not be one below another.
func TestCircleElsewhere(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
	for _, dir := range []string{"x", "x/deep", "y"} {
		makeDirsOS(filepath.Join(outside, dir))
	}
	for _, dir := range []string{"x", "y"} {
		os.Symlink(outside, filepath.Join(outside, dir, "all"))
	}
	os.Mkdir(root, 0o700)
	os.Symlink(filepath.Join(outside, "x"), filepath.Join(root, "l"))
	o := TreeOptions{Root: root, Layout: FS, NoInbox: true, Follow: []string{outside}}
	tree := testTree(t, o, fsx.FS{})
	time.Sleep(30 * time.Millisecond)
	for range 2 {
		if _, err := tree.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(root, "l"))
	os.Symlink(filepath.Join(outside, "y"), filepath.Join(root, "l"))
	got, err := tree.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := testTree(t, o, fsx.FS{}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-disk +known):\n%s", diff)
	}
}

func encodedUse(attr imap.MailboxAttr) []byte {
	var p props
	p.setSpecialUse([]imap.MailboxAttr{attr})
	return p.encode(nil)
}

// TestNestedListCost: a tree in which nothing has changed costs a look at each directory, and no other listing; one
// change is one directory to read.
func TestNestedListCost(t *testing.T) {
	root := unsynced(t)
	for i := range 20 {
		makeDirsOS(filepath.Join(root, fmt.Sprint("box", i)))
		makeDirsOS(filepath.Join(root, fmt.Sprint("box", i), "deep", "er"))
	}
	count := &meter{ops: make(map[string]int)}
	tree := testTree(t, TreeOptions{Root: root, Layout: FS, NoInbox: true, ReadOnly: true}, fsx.FS{Fault: count.hook})
	time.Sleep(30 * time.Millisecond)
	first, err := tree.List(t.Context())
	if err != nil || len(first) != 60 {
		t.Fatal(len(first), err)
	}
	count.take()
	again, err := tree.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ops := count.take(); ops["stat"] != 61 || ops["opendir"] != 1 || ops["readdir"] != 0 {
		t.Errorf("%v", ops)
	}
	if &first[0] != &again[0] {
		t.Error("a new listing of the same")
	}
	os.WriteFile(filepath.Join(root, "box7", "dovecot-uidlist"), nil, 0o600) // as an active mailbox has it all the time
	time.Sleep(30 * time.Millisecond)
	if again, _ = tree.List(t.Context()); &first[0] != &again[0] {
		t.Error("a new listing of the same")
	}
	if ops := count.take(); ops["readdir"] != 2 || ops["opendir"] != 2 {
		t.Errorf("%v", ops)
	}
	makeDirsOS(filepath.Join(root, "box7", "deep", "other"))
	if again, _ = tree.List(t.Context()); len(again) != 61 {
		t.Errorf("%d entries", len(again))
	}
}

// TestManyFolders: a public root of very many folders is listed whole, in either layout.
func TestManyFolders(t *testing.T) {
	n := 100_000
	if testing.Short() || underRace() {
		n = 2_000
	}
	for _, layout := range bothLayouts {
		root := unsynced(t)
		for i := range n {
			name := fmt.Sprintf("g%02d/f%d", i%100, i)
			if layout == MaildirPP {
				name = inLayout(layout, name)
			}
			if err := os.MkdirAll(filepath.Join(root, name, "cur"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		l.put(dovecotACL, "anyone lr\n")
		l.put(inLayout(layout, "g07/f7")+"/"+dovecotACL, "user=bob\n")
		for pass := range 3 {
			if pass == 1 {
				time.Sleep(1100 * time.Millisecond) // the root's own last change must not be too near
			}
			start := time.Now()
			list, err := l.List(t.Context())
			if err != nil || len(list) != n+100-1 {
				t.Fatalf("%v: %d entries, %v", layout, len(list), err)
			}
			t.Logf("%v: %d folders in %v", layout, n, time.Since(start))
		}
		if r, err := l.Rights(t.Context(), fmt.Sprintf("g%02d/f%d", (n-1)%100, n-1)); err != nil || r != acl.RightsReadOnly {
			t.Errorf("%v %v", r, err)
		}
		os.RemoveAll(root)
	}
}
