package maildir

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
)

// treeKey tells trees apart that do not look alike to their users.
type treeKey struct {
	names names
	root  string
	words string // special uses and roots that links may lead to
	fixed Rights // to all mailboxes; 0: Access tells
}

// treeShared is what all the sessions of a user, and everybody's in a public root,
// have in common: a thousand of them hold one listing.
type treeShared struct {
	key     treeKey
	users   int // treeRegistry.mu
	special map[string][]imap.MailboxAttr

	mu     sync.Mutex // guards what follows; not held over a system call
	cache  *treeListing
	dirs   *dirNode        // of the listing before, in the fs layout: good as far as they look the same
	turn   int             // times that the listing was dropped
	warned map[string]bool // refused links and the like, told once
}

// treeRegistry has the trees that are in use.
type treeRegistry struct {
	mu    sync.Mutex
	trees map[treeKey]*treeShared
}

// join finds or makes what a tree shares.
func (r *treeRegistry) join(n names, root string, o *TreeOptions) *treeShared {
	k := treeKey{names: n, root: root, words: treeWords(o), fixed: o.fixedRights()}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trees[k]
	if t == nil {
		t = &treeShared{key: k}
		for name, attr := range o.SpecialUse {
			if t.special == nil {
				t.special = make(map[string][]imap.MailboxAttr, len(o.SpecialUse))
			}
			name = n.clean(name)
			t.special[name] = append(t.special[name], attr)
		}
		if r.trees == nil {
			r.trees = make(map[treeKey]*treeShared)
		}
		r.trees[k] = t
	}
	t.users++
	return t
}

func treeWords(o *TreeOptions) string {
	if len(o.SpecialUse)+len(o.Follow) == 0 {
		return ""
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(o.SpecialUse)) {
		b.WriteString(name + "\x00" + string(o.SpecialUse[name]) + "\x00")
	}
	for _, dir := range o.Follow {
		b.WriteString("\x00" + dir)
	}
	return b.String()
}

// leave lets go of what the last tree shared with nobody.
func (r *treeRegistry) leave(t *treeShared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(r.trees, t.key)
	}
}

// forget drops all listings; they are looked up again when somebody asks.
func (r *treeRegistry) forget() {
	r.mu.Lock()
	trees := slices.Collect(maps.Values(r.trees))
	r.mu.Unlock()
	for _, t := range trees {
		t.mu.Lock()
		t.cache, t.dirs = nil, nil
		t.turn++
		t.mu.Unlock()
	}
}

func (t *treeShared) forget() {
	t.mu.Lock()
	t.cache = nil
	t.turn++
	t.mu.Unlock()
}

// kept is the listing, if there is one, the directories that are known, and what keep wants to know.
func (t *treeShared) kept() (*treeListing, *dirNode, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cache, t.dirs, t.turn
}

// keep keeps a listing, unless the tree changed by our hands while it was made.
func (t *treeShared) keep(l *treeListing, turn int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn == turn {
		t.cache, t.dirs = l, l.dirs
	}
}

// first tells whether a path is the subject of a warning for the first time. Nobody is warned by a look that is not a
// tree's.
func (t *treeShared) first(path string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.warned[path] || len(t.warned) >= 1000 {
		return false
	}
	if t.warned == nil {
		t.warned = make(map[string]bool)
	}
	t.warned[path] = true
	return true
}
