package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// treeRow is a change of the tree that things go wrong in.
type treeRow struct {
	do func(context.Context, *Tree) error
	// moves maps mailboxes to where their messages may be afterwards, too; "" means nowhere.
	moves map[string]string
	// done tells whether what was answered OK is so.
	done func(x *treeRound) bool
	// prepare changes the copy of the fixture.
	prepare func(t *testing.T, root string, layout Layout)
}

var treeRows = map[string]treeRow{
	"create": {
		do: func(c context.Context, t *Tree) error {
			return t.Create(c, "nova/x", []imap.MailboxAttr{imap.MailboxAttrSent})
		},
		done: func(x *treeRound) bool { return x.exists("nova/x") },
	},
	"create over leftovers": {
		prepare: deletedLeftovers,
		do:      func(c context.Context, t *Tree) error { return t.Create(c, "was", nil) },
		done:    func(x *treeRound) bool { return x.messages("was") == 0 },
	},
	"delete": {
		do:    func(c context.Context, t *Tree) error { return t.Delete(c, "a/b/c") },
		moves: map[string]string{"a/b/c": ""},
		done:  func(x *treeRound) bool { return !x.exists("a/b/c") },
	},
	"delete parent": {
		do:    func(c context.Context, t *Tree) error { return t.Delete(c, "a/b") },
		moves: map[string]string{"a/b": ""},
		done:  func(x *treeRound) bool { return !x.exists("a/b") },
	},
	"rename": {
		do:    func(c context.Context, t *Tree) error { return t.Rename(c, "a", "z/y") },
		moves: map[string]string{"a": "z/y", "a/b": "z/y/b", "a/b/c": "z/y/b/c"},
		done:  func(x *treeRound) bool { return x.exists("z/y") && x.exists("z/y/b/c") && !x.exists("a") },
	},
	"rename INBOX": {
		do:    func(c context.Context, t *Tree) error { return t.Rename(c, "INBOX", "old") },
		moves: map[string]string{"INBOX": "old"},
		done:  func(x *treeRound) bool { return x.messages("INBOX") == 0 && x.messages("old") == 2 },
	},
	"subscribe": {
		do:   func(c context.Context, t *Tree) error { return t.Subscribe(c, "a/b") },
		done: func(x *treeRound) bool { return x.subscribed("a/b") },
	},
	"unsubscribe": {
		do:   func(c context.Context, t *Tree) error { return t.Unsubscribe(c, "a") },
		done: func(x *treeRound) bool { return !x.subscribed("a") },
	},
	"damaged subscriptions": {
		prepare: func(t *testing.T, root string, _ Layout) {
			if err := os.WriteFile(filepath.Join(root, subscriptionsFile), []byte("V\t9\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		do:   func(c context.Context, t *Tree) error { return t.Subscribe(c, "other") },
		done: func(x *treeRound) bool { return x.subscribed("other") },
	},
}

// deletedLeftovers is what a deletion that was cut short has left of a mailbox "was".
func deletedLeftovers(t *testing.T, root string, layout Layout) {
	dir := filepath.Join(root, "was", deletedDir)
	if layout == MaildirPP {
		dir = filepath.Join(root, "tmp", buildDir, "cur")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	list := uidlist{validity: 7, next: 9, guid: newGUID()}
	for path, b := range map[string][]byte{filepath.Join(dir, "1.left:2,"): []byte("gone\n"), filepath.Join(filepath.Dir(dir), uidlistFile): list.encode(nil),
		filepath.Join(filepath.Dir(dir), indexName): []byte(indexMagic)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTreeFaults fails and crashes every operation of every change at every
// step. What must hold afterwards, in a new life: the change happened or did
// not, an error-free change happened, no message of another mailbox is gone or
// has moved, UIDVALIDITY is never used again, and the change can be made.
func TestTreeFaults(t *testing.T) {
	t.Parallel()
	for _, layout := range bothLayouts {
		treeFaults(t, layout, "", false)
	}
}

// TestApartFaults does it to trees whose lists, or indices, or both, lie apart. What lies apart moves alike in all.
func TestApartFaults(t *testing.T) {
	t.Parallel()
	treeFaults(t, MaildirPP, "control", true)
	treeFaults(t, MaildirPP, "index", true)
	treeFaults(t, MaildirPP, "control index", false)
	treeFaults(t, FS, "control index", true)
}

func treeFaults(t *testing.T, layout Layout, apart string, sparse bool) {
	fixture := faultFixture(t, layout, apart)
	for name, row := range treeRows {
		if (layout == FS || apart == "index") && strings.Contains(name, "subscri") {
			continue // the file is the same
		}
		everyFault(t, strings.TrimSpace(layout.String()+" "+apart)+" "+name, 5, sparse, func(t *testing.T, k faultKind, n int64) bool {
			x := &treeRound{t: t, layout: layout, apart: apart, row: row, kind: k}
			return x.run(n, fixture)
		})
	}
}

// apartOptions are those of a tree below top: "Mail", and what lies apart beside it.
func apartOptions(top string, layout Layout, apart string) TreeOptions {
	o := TreeOptions{Root: filepath.Join(top, "Mail"), Layout: layout, Create: true}
	if strings.Contains(apart, "control") {
		o.Control = filepath.Join(top, "Control")
	}
	if strings.Contains(apart, "index") {
		o.Index = filepath.Join(top, "Index")
	}
	return o
}

// listOf is where a mailbox's list of UIDs is.
func listOf(t *testing.T, tree *Tree, name string) string {
	t.Helper()
	loc, err := tree.locate(name)
	if err != nil {
		t.Fatal(err)
	}
	if tree.lists() == tree.root {
		return loc.dir
	}
	return filepath.Join(tree.lists(), tree.apart.rel(loc.rel))
}

// fixtureTree is what every round begins with a copy of.
type fixtureTree struct {
	top        string
	validities map[string]uint32
	used       map[uint32]bool // of those that nobody has looked at too
}

// faultFixture makes it.
func faultFixture(t *testing.T, layout Layout, apart string) fixtureTree {
	top := t.TempDir()
	tree := testTree(t, apartOptions(top, layout, apart), fsx.FS{})
	fixture := fixtureTree{top, map[string]uint32{}, map[uint32]bool{}}
	for _, name := range []string{"INBOX", "a", "a/b", "a/b/c", "other"} {
		if name != "INBOX" {
			if err := tree.Create(t.Context(), name, nil); err != nil {
				t.Fatal(err)
			}
		}
		loc, _ := tree.locate(name)
		deliver(t, loc.dir, "cur", name)
		deliver(t, loc.dir, "new", name)
		if name == "other" {
			continue // nobody has looked at it
		}
		h, err := tree.Open(t.Context(), name, Examine)
		if err != nil {
			t.Fatal(err)
		}
		fixture.validities[name] = h.UIDValidity()
		h.Close()
	}
	for _, name := range []string{"other", "a"} {
		if err := tree.Subscribe(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"*", ".*", "*/*", "*/*/*"} {
		lists, _ := filepath.Glob(filepath.Join(top, "*", pattern, uidlistFile))
		for _, path := range lists {
			fixture.used[validityOf(t, filepath.Dir(path))] = true
		}
	}
	if len(fixture.used) < 4 {
		t.Fatalf("fixture: %v", fixture.used)
	}
	return fixture
}

// treeRound is one tree in which one change goes wrong at one operation.
type treeRound struct {
	t       *testing.T
	layout  Layout
	apart   string
	row     treeRow
	kind    faultKind
	top     string
	options TreeOptions
	again   *Tree // of the next life
}

func (x *treeRound) exists(name string) bool { ok, _ := x.again.Exists(name); return ok }

func (x *treeRound) subscribed(name string) bool {
	subs, err := x.again.Subscriptions(x.t.Context())
	return err == nil && slices.Contains(subs, name)
}

// messages counts, -1 for a mailbox that is not there.
func (x *treeRound) messages(name string) int {
	loc, err := x.again.locate(name)
	if err != nil {
		return -1
	}
	count := 0
	for _, sub := range []string{"cur", "new"} {
		files, _ := os.ReadDir(filepath.Join(loc.dir, sub))
		count += len(files)
	}
	return count
}

// run tells whether the fault was reached.
func (x *treeRound) run(n int64, fixture fixtureTree) bool {
	t := x.t
	x.top = unsynced(t)
	defer os.RemoveAll(x.top)
	if err := os.CopyFS(x.top, os.DirFS(fixture.top)); err != nil {
		t.Fatal(err)
	}
	x.options = apartOptions(x.top, x.layout, x.apart)
	if x.row.prepare != nil {
		root := x.options.Root
		if x.options.Control != "" && strings.Contains(t.Name(), "damaged") {
			root = x.options.Control
		}
		x.row.prepare(t, root, x.layout)
	}
	var armed, hit atomic.Bool
	armed.Store(true)
	plan := x.kind.plan(n)
	s, _ := NewStore(StoreOptions{FS: alone(fsx.FS{Fault: func(op, path string) error {
		if !armed.Load() {
			return nil
		}
		err := plan(op, path)
		if err != nil {
			hit.Store(true)
		}
		return err
	}}), LockWait: 2 * time.Second})
	defer s.Close()
	tree, err := s.Tree(x.options)
	if err == nil {
		err = x.row.do(t.Context(), tree)
	}
	armed.Store(false)
	where := fmt.Sprintf("%s before operation %d: %v", x.kind.name, n, err)
	if n%8 != 0 { // else the next life breaks the crashed one's locks, which takes its time
		x.removeLocks()
	}
	x.verify(where, err, fixture)
	return hit.Load()
}

// removeLocks removes those of a crashed life.
func (x *treeRound) removeLocks() {
	filepath.WalkDir(x.top, func(path string, e fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err == nil && e.IsDir() && (name == "cur" || name == "new"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".lock"):
			os.Remove(path)
		}
		return nil
	})
}

func (x *treeRound) verify(where string, err error, fixture fixtureTree) {
	t := x.t
	s, serr := NewStore(StoreOptions{FS: alone(fsx.FS{}), LockWait: 2 * time.Second})
	if serr != nil {
		t.Fatal(serr)
	}
	defer s.Close()
	if x.again, serr = s.Tree(x.options); serr != nil {
		t.Fatalf("%s: %v", where, serr)
	}
	list := show(t, x.again)
	if err != nil && !errors.Is(err, fsx.ErrCrash) && classify(err) == nil && !errors.Is(err, ErrNotExist) {
		t.Errorf("%s: not for a client", where)
	}
	for _, name := range []string{"INBOX", "a", "a/b", "a/b/c", "other"} {
		kept := x.messages(name)
		to, may := x.row.moves[name]
		switch {
		case may && to == "" && kept == -1:
			continue
		case may && to != "":
			kept = max(kept, 0) + max(x.messages(to), 0)
			if kept >= 2 { // in both places at worst
				continue
			}
		}
		if kept != 2 {
			t.Fatalf("%s: %q has %d messages; %s", where, name, kept, list)
		}
	}
	if err == nil && !x.row.done(x) {
		t.Fatalf("%s: confirmed but not done: %s", where, list)
	}
	if subs, serr := x.again.Subscriptions(t.Context()); x.row.prepare == nil && (serr != nil || !slices.Contains(subs, "other")) {
		t.Fatalf("%s: subscriptions %q, %v", where, subs, serr)
	}
	x.numbered(where, fixture.validities)
	// In the next life it works, or has worked already.
	if derr := x.row.do(t.Context(), x.again); derr != nil && !errors.Is(derr, ErrExist) && !errors.Is(derr, ErrNotExist) {
		t.Fatalf("%s: then: %v; %s", where, derr, show(t, x.again))
	}
	if cerr := x.again.Create(t.Context(), "fresh", nil); cerr != nil {
		t.Fatalf("%s: then create: %v", where, cerr)
	}
	if v := validityOf(t, listOf(t, x.again, "fresh")); fixture.used[v] {
		t.Fatalf("%s: UIDVALIDITY %d again", where, v)
	}
	if derr := x.again.Delete(t.Context(), "fresh"); derr != nil { // sweeps up what another deletion has left
		t.Fatalf("%s: then delete: %v", where, derr)
	}
	x.removeLocks() // nobody has come by in the mailboxes yet
	for _, cerr := range Check(x.options.Root) {
		t.Errorf("%s: %v", where, cerr)
	}
	if x.apart != "" {
		checkApart(t, x.again, where)
	}
}

// checkApart is Check of a tree whose lists or indices lie apart.
func checkApart(t *testing.T, tree *Tree, where string) {
	t.Helper()
	found, err := tree.Check(t.Context(), CheckOptions{})
	for i := range found {
		if found[i].Invariant <= invText || strings.Contains(found[i].File, movingFile) {
			err = errors.Join(err, &found[i])
		}
	}
	if err != nil {
		t.Errorf("%s: %v; %s", where, err, show(t, tree))
	}
}

// numbered looks whether mailboxes have the UIDVALIDITY that they had, under the old
// name or the new one, and their messages' UIDs with it.
func (x *treeRound) numbered(where string, validities map[string]uint32) {
	t := x.t
	for name, want := range validities {
		to := x.row.moves[name]
		switch {
		case to != "" && name != inbox && x.exists(to):
			name = to
		case !x.exists(name):
			continue
		}
		h, err := x.again.Open(t.Context(), name, Examine)
		if err != nil {
			t.Fatalf("%s: open %s: %v", where, name, err)
		}
		if h.UIDValidity() != want {
			t.Errorf("%s: UIDVALIDITY of %s is %d, was %d", where, name, h.UIDValidity(), want)
		}
		if last := h.MaxUID(); name != inbox && last != 2 {
			t.Errorf("%s: last UID of %s is %d", where, name, last)
		}
		h.Close()
	}
}
