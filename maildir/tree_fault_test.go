package maildir

import (
	"context"
	"errors"
	"fmt"
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
	for _, layout := range bothLayouts {
		fixture := faultFixture(t, layout)
		for name, row := range treeRows {
			if layout == FS && strings.Contains(name, "subscri") {
				continue // the file is the same
			}
			everyFault(t, layout.String()+" "+name, 5, func(t *testing.T, k faultKind, n int64) bool {
				x := &treeRound{t: t, layout: layout, row: row, kind: k, validities: map[uint32]bool{}}
				return x.run(n, fixture)
			})
		}
	}
}

// faultFixture makes the tree that every round begins with a copy of.
func faultFixture(t *testing.T, layout Layout) string {
	root := filepath.Join(t.TempDir(), "Mail")
	tree := testTree(t, TreeOptions{Root: root, Layout: layout, Create: true}, fsx.FS{})
	for _, name := range []string{"INBOX", "a", "a/b", "a/b/c", "other"} {
		if name != "INBOX" {
			if err := tree.Create(t.Context(), name, nil); err != nil {
				t.Fatal(err)
			}
		}
		loc, _ := tree.locate(name)
		deliver(t, loc.dir, "cur", name)
		deliver(t, loc.dir, "new", name)
	}
	for _, name := range []string{"other", "a"} {
		if err := tree.Subscribe(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// treeRound is one tree in which one change goes wrong at one operation.
type treeRound struct {
	t          *testing.T
	layout     Layout
	row        treeRow
	kind       faultKind
	root       string
	validities map[uint32]bool
	again      *Tree // of the next life
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
func (x *treeRound) run(n int64, fixture string) bool {
	t := x.t
	x.root = filepath.Join(unsynced(t), "Mail")
	defer os.RemoveAll(filepath.Dir(x.root))
	if err := os.CopyFS(x.root, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*", ".*", "*/*", "*/*/*"} {
		lists, _ := filepath.Glob(filepath.Join(x.root, pattern, uidlistFile))
		for _, path := range lists {
			x.validities[validityOf(t, filepath.Dir(path))] = true
		}
	}
	if len(x.validities) < 4 {
		t.Fatalf("fixture: %v", x.validities)
	}
	if x.row.prepare != nil {
		x.row.prepare(t, x.root, x.layout)
	}
	var armed, hit atomic.Bool
	armed.Store(true)
	plan := x.kind.plan(n)
	s, _ := NewStore(StoreOptions{FS: fsx.FS{Fault: func(op, path string) error {
		if !armed.Load() {
			return nil
		}
		err := plan(op, path)
		if err != nil {
			hit.Store(true)
		}
		return err
	}}, LockWait: 2 * time.Second})
	defer s.Close()
	tree, err := s.Tree(TreeOptions{Root: x.root, Layout: x.layout, Create: true})
	if err == nil {
		err = x.row.do(t.Context(), tree)
	}
	armed.Store(false)
	where := fmt.Sprintf("%s before operation %d: %v", x.kind.name, n, err)
	if n%8 != 0 { // else the next life breaks the crashed one's locks, which takes its time
		x.removeLocks()
	}
	x.verify(where, err)
	return hit.Load()
}

// removeLocks removes those of a crashed life.
func (x *treeRound) removeLocks() {
	for _, pattern := range []string{"*.lock", "*/*.lock", ".*/*.lock", "*/*/*.lock"} {
		locks, _ := filepath.Glob(filepath.Join(x.root, pattern))
		for _, l := range locks {
			os.Remove(l)
		}
	}
}

func (x *treeRound) verify(where string, err error) {
	t := x.t
	x.again = testTree(t, TreeOptions{Root: x.root, Layout: x.layout, Create: true}, fsx.FS{})
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
	// In the next life it works, or has worked already.
	if derr := x.row.do(t.Context(), x.again); derr != nil && !errors.Is(derr, ErrExist) && !errors.Is(derr, ErrNotExist) {
		t.Fatalf("%s: then: %v; %s", where, derr, show(t, x.again))
	}
	if cerr := x.again.Create(t.Context(), "fresh", nil); cerr != nil {
		t.Fatalf("%s: then create: %v", where, cerr)
	}
	loc, _ := x.again.locate("fresh")
	if v := validityOf(t, loc.dir); x.validities[v] {
		t.Fatalf("%s: UIDVALIDITY %d again", where, v)
	}
	if derr := x.again.Delete(t.Context(), "fresh"); derr != nil { // sweeps up what another deletion has left
		t.Fatalf("%s: then delete: %v", where, derr)
	}
	x.removeLocks() // nobody has come by in the mailboxes yet
	for _, cerr := range Check(x.root) {
		t.Errorf("%s: %v", where, cerr)
	}
}
