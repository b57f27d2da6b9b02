package maildir

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// promises are what a client has been told: DESIGN §5, 1 to 4, as far as commands have come.
type promises struct {
	at     int                 // events before them
	texts  map[string][]string // a message, and the mailboxes of which one has it
	gone   map[string][]string // a message, and the mailboxes that do not have it
	flags  map[string]string   // a message, and its flags as look shows them
	uids   map[string]string   // "UIDVALIDITY/UID" is this message's and no other's
	next   map[uint32]imap.UID // by UIDVALIDITY
	modseq map[uint32]uint64
	boxes  map[string]uint32   // a mailbox and its UIDVALIDITY; 0: there is none of that name
	either map[uint32][]string // a UIDVALIDITY, and the names of which one has it: a mailbox on its way
	given  map[uint32]bool     // UIDVALIDITYs never to be seen with another mailbox
	subs   map[string]bool
}

func (p *promises) clone() *promises {
	return &promises{texts: maps.Clone(p.texts), gone: maps.Clone(p.gone), flags: maps.Clone(p.flags), uids: maps.Clone(p.uids), next: maps.Clone(p.next),
		modseq: maps.Clone(p.modseq), boxes: maps.Clone(p.boxes), given: maps.Clone(p.given), either: maps.Clone(p.either), subs: maps.Clone(p.subs)}
}

// powerRun is one tree on which commands run until the power is cut.
type powerRun struct {
	t       *testing.T
	rec     *recorder
	tree    *Tree
	mode    FsyncMode
	layout  Layout
	apart   string
	root    string
	said    []*promises // one before each command, one after it
	working *promises
}

const bootText = "Subject: %s\n\nthe message %s\n"

func powerText(name string) string { return fmt.Sprintf(bootText, name, name) }

// newPowerRun makes the fixture: INBOX with m1 m2 m3, a with a1, a/b with b1, all of it durable.
func newPowerRun(t *testing.T, mode FsyncMode, layout Layout, apart string) *powerRun {
	base := unsynced(t)
	o := apartOptions(base, layout, apart)
	r := &powerRun{t: t, rec: newRecorder(t, base), mode: mode, layout: layout, apart: apart, root: o.Root}
	s, err := NewStore(StoreOptions{Fsync: mode, FS: fsx.FS{Done: r.rec.done}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if r.tree, err = s.Tree(o); err != nil {
		t.Fatal(err)
	}
	r.working = (&promises{}).init()
	for _, name := range []string{"a", "a/b"} {
		if err := r.tree.Create(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range [][2]string{{"INBOX", "m1"}, {"INBOX", "m2"}, {"INBOX", "m3"}, {"a", "a1"}, {"a/b", "b1"}} {
		r.append(m[0], m[1])
	}
	for _, name := range []string{"INBOX", "a", "a/b"} {
		r.with(name, func(h *Handle) error { r.working.boxes[name] = h.UIDValidity(); return nil })
	}
	r.rec.base = r.rec.now()
	r.said = nil
	r.say()
	return r
}

func (p *promises) init() *promises {
	*p = promises{texts: map[string][]string{}, gone: map[string][]string{}, flags: map[string]string{}, uids: map[string]string{}, next: map[uint32]imap.UID{},
		modseq: map[uint32]uint64{}, boxes: map[string]uint32{}, given: map[uint32]bool{}, either: map[uint32][]string{}, subs: map[string]bool{}}
	return p
}

func (r *powerRun) say() {
	p := r.working.clone()
	p.at = r.rec.now()
	r.said = append(r.said, p)
}

// command runs a command: while it does, before is what may be relied on; once it has been answered, after.
func (r *powerRun) command(before func(p *promises), run func() error, after func(p *promises)) {
	r.t.Helper()
	if before != nil {
		before(r.working)
	}
	r.say()
	if err := run(); err != nil {
		r.t.Fatal(err)
	}
	if after != nil {
		after(r.working)
	}
	r.say()
}

// with opens a mailbox for a command, and notes afterwards what its client has seen.
func (r *powerRun) with(name string, f func(h *Handle) error) {
	r.t.Helper()
	h, err := r.tree.Open(r.t.Context(), name, Select)
	if err != nil {
		r.t.Fatal(err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		r.t.Fatal(name, err)
	}
	refresh(r.t, h)
	r.noteSeen(h)
}

func (r *powerRun) noteSeen(h *Handle) {
	p, v := r.working, h.UIDValidity()
	p.given[v] = true
	p.next[v], p.modseq[v] = max(p.next[v], h.UIDNext()), max(p.modseq[v], h.HighestModSeq())
	for _, m := range h.Messages(nil, 0, maxUID, 100) {
		p.uids[fmt.Sprintf("%d/%d", v, m.UID)] = readAll(r.t, h, m.UID)
	}
}

func (r *powerRun) append(box, name string, flags ...imap.Flag) {
	text := powerText(name)
	r.with(box, func(h *Handle) error {
		r.command(nil, func() error { _, err := tryAppend(h, text, flags...); return err }, func(p *promises) {
			p.texts[text] = []string{box}
			refresh(r.t, h)
			if len(flags) > 0 {
				p.flags[text] = flagsOf(r.t, h, text)
			}
			r.noteSeen(h)
		})
		return nil
	})
}

// flagsOf is the flags of the message with this text.
func flagsOf(t *testing.T, h *Handle, text string) string {
	t.Helper()
	for i, m := range h.Messages(nil, 0, maxUID, 100) {
		if readAll(t, h, m.UID) == text {
			_, f, _ := strings.Cut(strings.Split(look(h), " ")[i], ":")
			parts := strings.Split(f, ",")
			slices.Sort(parts[1:])
			return strings.Join(parts, ",")
		}
	}
	return "none"
}

// powerRows are the commands. Each is run on a tree of its own.
var powerRows = map[string]func(r *powerRun){
	"append": func(r *powerRun) { r.append("INBOX", "new", imap.FlagSeen, "fresh") },
	"high":   highRow,
	"copy": func(r *powerRun) {
		r.transfer(func(h, dst *Handle) error { _, err := h.Copy(context.Background(), uidSet(1, 2), dst); return err }, false)
	},
	"move": func(r *powerRun) {
		r.transfer(func(h, dst *Handle) error { _, err := h.Move(context.Background(), uidSet(1, 2), dst); return err }, true)
	},
	"store":   func(r *powerRun) { r.storeFlags(imap.FlagFlagged, "fresh") },
	"expunge": func(r *powerRun) { r.expungeOne(2, "m2") },
	"claim":   claimRow,
	"create": func(r *powerRun) {
		r.command(nil, func() error { return r.tree.Create(r.t.Context(), "n/x", []imap.MailboxAttr{imap.MailboxAttrSent}) }, nil)
		r.with("n/x", func(h *Handle) error { r.working.boxes["n/x"] = h.UIDValidity(); return nil })
		r.append("n/x", "x1")
	},
	"delete": func(r *powerRun) {
		for _, box := range []string{"a/b", "a"} {
			text := powerText(map[string]string{"a": "a1", "a/b": "b1"}[box])
			r.command(func(p *promises) { delete(p.texts, text); delete(p.boxes, box) }, func() error { return r.tree.Delete(r.t.Context(), box) },
				func(p *promises) { p.boxes[box] = 0 })
		}
		r.command(func(p *promises) { delete(p.boxes, "a") }, func() error { return r.tree.Create(r.t.Context(), "a", nil) }, nil)
		r.with("a", func(h *Handle) error { r.working.boxes["a"] = h.UIDValidity(); return nil })
	},
	"parent": func(r *powerRun) { // its children stay
		r.command(func(p *promises) { delete(p.texts, powerText("a1")); delete(p.boxes, "a") }, func() error { return r.tree.Delete(r.t.Context(), "a") },
			func(p *promises) { p.boxes["a"] = 0 })
		for _, box := range []string{"a", "a/c"} {
			r.command(func(p *promises) { delete(p.boxes, box) }, func() error { return r.tree.Create(r.t.Context(), box, nil) }, nil)
			r.with(box, func(h *Handle) error { r.working.boxes[box] = h.UIDValidity(); return nil })
		}
	},
	"reuse": func(r *powerRun) { // the UID of a message that has come and gone
		r.append("INBOX", "new")
		r.expungeOne(4, "new")
	},
	"rename": func(r *powerRun) {
		v, w := r.working.boxes["a"], r.working.boxes["a/b"]
		r.command(func(p *promises) {
			p.texts[powerText("a1")], p.texts[powerText("b1")] = []string{"a", "z/y"}, []string{"a/b", "z/y/b"}
			delete(p.boxes, "a")
			delete(p.boxes, "a/b")
			p.either[v], p.either[w] = []string{"a", "z/y"}, []string{"a/b", "z/y/b"}
		}, func() error { return r.tree.Rename(r.t.Context(), "a", "z/y") }, func(p *promises) {
			clear(p.either)
			p.texts[powerText("a1")], p.texts[powerText("b1")] = []string{"z/y"}, []string{"z/y/b"}
			p.boxes["z/y"], p.boxes["z/y/b"], p.boxes["a"], p.boxes["a/b"] = v, w, 0, 0
		})
	},
	"inbox": func(r *powerRun) {
		texts := []string{powerText("m1"), powerText("m2"), powerText("m3")}
		r.command(func(p *promises) {
			for _, text := range texts {
				p.texts[text] = []string{"INBOX", "old"}
			}
		}, func() error { return r.tree.Rename(r.t.Context(), "INBOX", "old") }, func(p *promises) {
			for _, text := range texts {
				p.texts[text] = []string{"old"}
			}
		})
		r.with("old", func(*Handle) error { return nil })
	},
	"compact": func(r *powerRun) {
		r.expungeOne(2, "m2")
		r.with("INBOX", func(h *Handle) error {
			r.command(nil, func() error { return h.m.compactList(context.Background(), true) }, nil)
			r.command(nil, func() error { return h.m.compactIndex(context.Background(), true) }, nil)
			return nil
		})
		r.append("INBOX", "new")
	},
	"subscribe": func(r *powerRun) {
		r.command(nil, func() error { return r.tree.Subscribe(r.t.Context(), "a") }, func(p *promises) { p.subs["a"] = true })
		r.command(func(p *promises) { delete(p.subs, "a") }, func() error { return r.tree.Unsubscribe(r.t.Context(), "a") }, func(p *promises) { p.subs["a"] = false })
	},
	"session": func(r *powerRun) {
		r.append("INBOX", "s1", "work")
		r.storeFlags(imap.FlagSeen)
		r.expungeOne(2, "m2")
		r.append("INBOX", "s2", imap.FlagDraft)
		r.transfer(func(h, dst *Handle) error { _, err := h.Copy(context.Background(), uidSet(1), dst); return err }, false)
	},
}

func (r *powerRun) transfer(run func(h, dst *Handle) error, move bool) {
	moved := []string{powerText("m1"), powerText("m2")}
	r.with("a", func(dst *Handle) error {
		r.with("INBOX", func(h *Handle) error {
			r.command(func(p *promises) {
				for _, text := range moved {
					if move {
						p.texts[text] = []string{"INBOX", "a"}
					}
				}
			}, func() error { return run(h, dst) }, func(p *promises) {
				refresh(r.t, dst)
				for _, text := range moved {
					if flagsOf(r.t, dst, text) == "none" {
						continue
					}
					p.texts[text] = []string{"a"}
					if move && r.mode == FsyncAlways {
						p.gone[text] = []string{"INBOX"}
					}
				}
			})
			return nil
		})
		return nil
	})
}

// storeFlags may be lost with fsync = yes.
func (r *powerRun) storeFlags(flags ...imap.Flag) {
	text := powerText("m1")
	r.with("INBOX", func(h *Handle) error {
		r.command(func(p *promises) { delete(p.flags, text) }, func() error {
			_, err := h.Store(context.Background(), uidSet(1, 2), Add, flags, 0, nil)
			return err
		}, func(p *promises) {
			refresh(r.t, h)
			if r.mode == FsyncAlways {
				p.flags[text] = flagsOf(r.t, h, text)
			}
		})
		return nil
	})
}

// expungeOne may be lost, too; then the message is back.
func (r *powerRun) expungeOne(uid imap.UID, name string) {
	text := powerText(name)
	r.with("INBOX", func(h *Handle) error {
		if _, err := h.Store(context.Background(), uidSet(uid), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
			return err
		}
		r.command(func(p *promises) { delete(p.texts, text) }, func() error {
			_, err := h.Expunge(context.Background(), nil)
			return err
		}, func(p *promises) {
			if r.mode == FsyncAlways {
				p.gone[text] = []string{"INBOX"}
			}
		})
		return nil
	})
}

// highRow has keywords without a letter, which are in the index alone.
func highRow(r *powerRun) {
	r.with("INBOX", func(h *Handle) error {
		for i := range maxLetters {
			if _, err := h.Store(context.Background(), uidSet(3), Add, []imap.Flag{imap.Flag(fmt.Sprintf("k%d", i))}, 0, nil); err != nil {
				return err
			}
		}
		return nil
	})
	r.rec.base = r.rec.now()
	r.said = nil
	r.append("INBOX", "new", "high")
	r.storeFlags("high", "higher")
	r.with("INBOX", func(h *Handle) error {
		r.command(nil, func() error { return h.m.compactIndex(context.Background(), true) }, nil)
		return nil
	})
}

// claimRow: mail delivered by others is shown, numbered and moved to cur/.
func claimRow(r *powerRun) {
	r.with("INBOX", func(h *Handle) error {
		for _, name := range []string{"d1", "d2"} {
			path := filepath.Join(r.root, "new", "1700000000.M1P1."+name)
			if err := os.WriteFile(path, []byte(powerText(name)), 0o600); err != nil {
				return err
			}
			r.rec.delivered(r.t, path)
		}
		r.working.texts[powerText("d1")], r.working.texts[powerText("d2")] = []string{"INBOX"}, []string{"INBOX"}
		r.command(nil, func() error { return h.Refresh(context.Background()) }, func(*promises) {
			var d Delta
			h.Sync(true, &d)
			r.noteSeen(h)
		})
		return nil
	})
}

// TestPowerCut cuts the power after every operation of every command.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	step := 1
	if testing.Short() || underRace() {
		step = 3
	}
	for name, row := range powerRows {
		for _, mode := range []FsyncMode{FsyncYes, FsyncAlways} {
			for _, layout := range bothLayouts {
				if treeRow := slices.Contains([]string{"create", "delete", "parent", "rename", "inbox", "subscribe"}, name); !treeRow && layout == FS || treeRow && mode == FsyncAlways {
					continue // what a mailbox does has no layout, what a tree does no mode
				}
				t.Run(fmt.Sprintf("%s %s %s", name, [...]string{"yes", "always"}[mode], layout), func(t *testing.T) {
					t.Parallel()
					r := newPowerRun(t, mode, layout, "")
					row(r)
					r.cutEverywhere(step)
				})
			}
		}
	}
}

// TestPowerCutApart does so where lists and indices lie apart from the mail.
func TestPowerCutApart(t *testing.T) {
	t.Parallel()
	step := 1
	if testing.Short() || underRace() {
		step = 3
	}
	for _, name := range []string{"append", "create", "delete", "parent", "rename", "inbox", "subscribe"} {
		for _, layout := range bothLayouts {
			t.Run(name+" "+layout.String(), func(t *testing.T) {
				t.Parallel()
				r := newPowerRun(t, FsyncYes, layout, "control index")
				powerRows[name](r)
				r.cutEverywhere(step)
			})
		}
	}
}

func (r *powerRun) cutEverywhere(step int) {
	seen := map[uint64]*promises{}
	tried := 0
	for n := r.rec.now(); n >= r.rec.base; n -= step {
		var p *promises
		for _, s := range r.said {
			if s.at <= n {
				p = s
			}
		}
		if p == nil {
			p = r.said[0]
		}
		c := r.rec.cut(n)
		for i, f := range c.fates(uint64(n)) {
			nodes := c.build(f)
			key := sum(nodes)
			if seen[key] == p {
				continue
			}
			seen[key] = p
			tried++
			r.verify(p, nodes, fmt.Sprintf("after %d of %d events, fate %d %v", n-r.rec.base, r.rec.now()-r.rec.base, i, f))
			if r.t.Failed() {
				for i, e := range c.events[r.rec.base:] {
					e.Data = nil
					r.t.Logf("%d: %+v", i+r.rec.base, e)
				}
				r.t.Logf("pending %v", c.pending)
				return
			}
		}
	}
	if tried < 4/step {
		r.t.Errorf("only %d states", tried)
	}
	r.t.Logf("%d events, %d states of the disk", r.rec.now()-r.rec.base, tried)
}

// verify starts a machine on what the disk has kept.
func (r *powerRun) verify(p *promises, nodes map[uint64]*node, what string) {
	t := r.t
	dir := unsynced(t) + "/disk"
	defer os.RemoveAll(filepath.Dir(dir))
	layOut(t, nodes, dir)
	o := apartOptions(dir, r.layout, r.apart)
	o.Create = false
	s, err := NewStore(StoreOptions{FS: alone(fsx.FS{})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.boot = "after the power cut"
	tree, err := s.Tree(o)
	if err != nil {
		t.Fatal(what, err)
	}
	list, err := tree.List(t.Context())
	if err != nil {
		t.Fatal(what, err)
	}
	where := map[string][]string{}
	is := map[string]uint32{}
	for _, e := range list {
		if e.NonExistent {
			continue
		}
		h, err := tree.Open(t.Context(), e.Name, Select)
		if err != nil {
			t.Errorf("%s: %s: %v", what, e.Name, err)
			return
		}
		is[e.Name] = h.UIDValidity()
		r.verifyBox(p, tree, h, e.Name, where, what)
		h.Close()
	}
	for text, boxes := range p.texts {
		if !slices.ContainsFunc(boxes, func(b string) bool { return slices.Contains(where[text], b) }) {
			t.Errorf("%s: %q is lost: in %q, not in %q", what, text, where[text], boxes)
		}
	}
	for text, boxes := range p.gone {
		for _, b := range boxes {
			if slices.Contains(where[text], b) {
				t.Errorf("%s: %q is back in %s", what, text, b)
			}
		}
	}
	for box, v := range p.boxes {
		if is[box] != v {
			t.Errorf("%s: %s has UIDVALIDITY %d, had %d", what, box, is[box], v)
		}
	}
	for v, names := range p.either {
		if !slices.ContainsFunc(names, func(n string) bool { return is[n] == v }) {
			t.Errorf("%s: none of %q has UIDVALIDITY %d: %v", what, names, v, is)
		}
	}
	subs, err := tree.Subscriptions(t.Context())
	for name, on := range p.subs {
		if err != nil || slices.Contains(subs, name) != on {
			t.Errorf("%s: subscriptions %q, %v", what, subs, err)
		}
	}
	if err := tree.Create(t.Context(), "fresh", nil); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	h, err := tree.Open(t.Context(), "fresh", Select)
	if err != nil {
		t.Fatal(what, err)
	}
	if p.given[h.UIDValidity()] {
		t.Errorf("%s: UIDVALIDITY %d again", what, h.UIDValidity())
	}
	h.Close()
	if err := tree.Delete(t.Context(), "fresh"); err != nil { // sweeps up what a deletion before the cut has left
		t.Errorf("%s: %v", what, err)
	}
	for _, err := range Check(o.Root) {
		t.Errorf("%s: %v", what, err)
	}
	if r.apart != "" {
		checkApart(t, tree, what)
	}
}

func (r *powerRun) verifyBox(p *promises, tree *Tree, h *Handle, name string, where map[string][]string, what string) {
	t, v := r.t, h.UIDValidity()
	uids := map[string]imap.UID{}
	for _, m := range h.Messages(nil, 0, maxUID, 100) {
		text := readAll(t, h, m.UID)
		where[text] = append(where[text], name)
		uids[text] = m.UID
		if was, ok := p.uids[fmt.Sprintf("%d/%d", v, m.UID)]; ok && was != text {
			t.Errorf("%s: %s: UID %d was %q, is %q", what, name, m.UID, was, text)
		}
		if want, ok := p.flags[text]; ok && slices.Contains(p.texts[text], name) {
			if got := flagsOf(t, h, text); got != want {
				t.Errorf("%s: flags of %q are %q, were %q", what, text, got, want)
			}
		}
	}
	for key, text := range p.uids {
		var validity uint32
		var uid imap.UID
		fmt.Sscanf(key, "%d/%d", &validity, &uid)
		if now := uids[text]; validity == v && now != 0 && now != uid && slices.Equal(p.texts[text], []string{name}) {
			t.Errorf("%s: %s: %q had UID %d, has %d", what, name, text, uid, now)
		}
	}
	loc, err := tree.locate(name)
	if err != nil {
		t.Fatal(what, err)
	}
	files := 0
	for _, sub := range []string{"cur", "new"} {
		list, err := os.ReadDir(filepath.Join(loc.dir, sub))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		files += len(list)
	}
	if files != int(h.Count()) {
		t.Errorf("%s: %s shows %d messages and has %d files", what, name, h.Count(), files)
	}
	if h.UIDNext() < p.next[v] || h.HighestModSeq() < p.modseq[v] {
		t.Errorf("%s: %s: next UID %d was %d, MODSEQ %d was %d", what, name, h.UIDNext(), p.next[v], h.HighestModSeq(), p.modseq[v])
	}
	if uid, err := tryAppend(h, "last\n"); err != nil || uid < p.next[v] {
		t.Errorf("%s: %s: UID %d again, %v", what, name, uid, err)
	}
}

// underRace tells that this is a test with the race detector, which takes ten times as long.
var underRace = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})
