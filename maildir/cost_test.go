package maildir

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// meter counts what a command asks of the file system.
type meter struct {
	mu  sync.Mutex
	ops map[string]int
}

func (m *meter) hook(op, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops[op]++
	return nil
}

// take returns what has been counted since the last time.
func (m *meter) take() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	ops := m.ops
	m.ops = make(map[string]int)
	return ops
}

// bigSpot is a mailbox of n messages with an index that proves it.
func bigSpot(t testing.TB, n int) (*spot, *meter) {
	t.Helper()
	dir := unsynced(t)
	count := &meter{ops: make(map[string]int)}
	b := openSpot(t, dir, fsx.FS{Fault: count.hook})
	for i := range n {
		f, err := os.Create(filepath.Join(dir, "cur", fmt.Sprintf("%d.M1P1.big:2,S", 1600000000+i)))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	time.Sleep(30 * time.Millisecond) // the look must not be within a tick of the last change
	h := b.open(Select)
	if int(h.Count()) != n {
		t.Fatalf("%d messages, want %d", h.Count(), n)
	}
	h.Close()
	return b, count
}

// TestCostOfSize: after the first look nothing costs by the mailbox's size while it is
// watched or changed by ourselves alone: neither operations on files nor messages walked
// over, which time would show. A change made by others while nobody watches costs one
// readdir.
func TestCostOfSize(t *testing.T) {
	t.Parallel()
	sizes := []int{1_000, 10_000, 100_000}
	if testing.Short() || underRace() {
		sizes = sizes[:2]
	}
	for _, watched := range []bool{true, false} {
		var first map[string]map[string]int
		for _, n := range sizes {
			got := costs(t, n, watched)
			if first == nil {
				first = got
				for _, what := range slices.Sorted(maps.Keys(got)) {
					t.Logf("watched %v: %s: %v", watched, what, got[what])
				}
			} else if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("watched %v: %d messages cost other operations than %d: %s", watched, n, sizes[0], diff)
			}
		}
		for what, ops := range first {
			most := 0
			if strings.HasPrefix(what, "foreign") {
				most = 2 // calls: what is in new/, and that there is no more
			}
			if ops["readdir"] > most {
				t.Errorf("watched %v: %s reads directories %d times", watched, what, ops["readdir"])
			}
		}
	}
}

// costs does everything once in a mailbox of n messages.
func costs(t *testing.T, n int, watched bool) map[string]map[string]int {
	ctx := context.Background()
	b, count := bigSpot(t, n)
	defer os.RemoveAll(b.dir)
	out := make(map[string]map[string]int)
	h := b.open(Select)
	defer h.Close()
	if watched {
		<-h.Changed()
	}
	refresh(t, h)
	settled := func() {
		b.store.watch.events.Drain(time.Second)
		time.Sleep(2 * time.Duration(tick))
	}
	did := func(what string, f func()) {
		t.Helper()
		count.take()
		f()
		out[what] = count.take()
		settled()
	}
	status := func() {
		p := b.open(Peek)
		if c, err := p.Counts(ctx); err != nil || int(c.Messages) < n {
			t.Error(c, err)
		}
		p.Close()
	}
	store := func(uid imap.UID, f imap.Flag) {
		if _, err := h.Store(ctx, uidSet(uid), Add, []imap.Flag{f}, 0, nil); err != nil {
			t.Error(err)
		}
	}
	did("select", func() { b.open(Select).Close() })
	did("status", status)
	did("noop", func() { refresh(t, h) })
	did("flag", func() { store(imap.UID(n/2), imap.FlagFlagged) })
	did("noop after flag", func() { refresh(t, h) })
	time.Sleep(1100 * time.Millisecond)
	did("noop a second after flag", func() { refresh(t, h) })
	did("status a second after flag", status)
	did("append", func() { appendText(t, h, mail) })
	did("noop after append", func() { refresh(t, h) })
	did("expunge", func() {
		store(7, imap.FlagDeleted)
		if gone, err := h.Expunge(ctx, nil); gone != 1 || err != nil {
			t.Error(gone, err)
		}
	})
	time.Sleep(1100 * time.Millisecond)
	did("noop a second after expunge", func() { refresh(t, h) })
	did("select a second after expunge", func() { b.open(Select).Close() })
	count.take()
	b.drop("new", mail)
	settled()
	did("foreign arrival", func() {
		if d := refresh(t, h); !d.ExistsChanged {
			t.Error("not told of the arrival")
		}
	})
	did("noop after arrival", func() { refresh(t, h) })
	b.check()
	return out
}

// TestCostOfForeignChange: what others do while nobody watches costs one readdir, not
// another one a second later.
func TestCostOfForeignChange(t *testing.T) {
	t.Parallel()
	b, count := bigSpot(t, 700)
	h := b.open(Select)
	for i, change := range []func() error{
		func() error {
			return os.Rename(filepath.Join(b.dir, "cur/1600000003.M1P1.big:2,S"), filepath.Join(b.dir, "cur/1600000003.M1P1.big:2,FS"))
		},
		func() error {
			return os.Rename(filepath.Join(b.dir, "cur/1600000004.M1P1.big:2,S"), filepath.Join(b.dir, "cur/1600000004.M1P1.big:2,FS"))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Duration(tick))
		count.take()
		if d := refresh(t, h); len(d.Flags) != 1 {
			t.Errorf("%d: told of %d flags", i, len(d.Flags))
		}
		if n := count.take()["readdir"]; n == 0 {
			t.Errorf("%d: no directory read", i)
		}
		time.Sleep(1100 * time.Millisecond)
		refresh(t, h)
		refresh(t, h)
		if n := count.take()["readdir"]; n != 0 {
			t.Errorf("%d: directories read %d times again", i, n)
		}
	}
}

// TestOwnChangesAcrossRestart: our own changes in a large mailbox leave an index that
// proves the directories, so that the next process reads none; and one that does not
// when somebody else has been at it meanwhile.
func TestOwnChangesAcrossRestart(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		b, _ := bigSpot(t, ownFrom)
		h := b.open(Select)
		if _, err := h.Store(context.Background(), uidSet(5), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
			t.Fatal(err)
		}
		appendText(t, h, mail)
		if foreign { // at once, so that the directory's time may not tell
			if err := os.Remove(filepath.Join(b.dir, "cur/1600000009.M1P1.big:2,S")); err != nil {
				t.Fatal(err)
			}
		}
		h.Close()
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
		if foreign {
			time.Sleep(1100 * time.Millisecond) // until then the change may hide behind ours
		}
		count := &meter{ops: make(map[string]int)}
		next := openSpot(t, b.dir, fsx.FS{Fault: count.hook})
		want := ownFrom + 1
		if foreign {
			want = ownFrom
		}
		again := next.open(Select)
		if int(again.Count()) != want {
			t.Errorf("foreign %v: %d messages, want %d", foreign, again.Count(), want)
		}
		if n := count.take()["readdir"]; foreign != (n > 0) {
			t.Errorf("foreign %v: %d directories read", foreign, n)
		}
		again.Close()
	}
}

// TestForeignBesideOurs: what somebody else does at the very moment of our own change is
// found, watched or not.
func TestForeignBesideOurs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{ownFrom, 20} {
		b, _ := bigSpot(t, n)
		var armed sync.Once
		victim := filepath.Join(b.dir, "cur/1600000009.M1P1.big:2,S")
		intruder := openSpot(t, b.dir, fsx.FS{Fault: func(op, path string) error {
			if op == "rename" && strings.Contains(path, "1600000004") {
				armed.Do(func() { os.Rename(victim, victim[:len(victim)-1]+"FS") })
			}
			return nil
		}})
		h := intruder.open(Select)
		if _, err := h.Store(context.Background(), uidSet(5), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			refresh(t, h)
			if m := h.Messages(nil, 9, 10, 1); len(m) == 1 && m[0].Flags.System&Flagged != 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d messages: not found", n)
			}
		}
	}
}

// TestFlagAndBack: a flag that is set and taken away at once leaves events on the way of
// which the last says what is not true any more: that is no change by others.
func TestFlagAndBack(t *testing.T) {
	t.Parallel()
	b, count := bigSpot(t, 1_000)
	h := b.open(Select)
	defer h.Close()
	refresh(t, h)
	count.take()
	for i := range 400 {
		op := Add
		if i%2 == 1 {
			op = Remove
		}
		if _, err := h.Store(t.Context(), uidSet(500), op, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
			t.Fatal(err)
		}
		refresh(t, h)
	}
	if n := count.take()["readdir"]; n > 0 {
		t.Errorf("directories were read %d times", n)
	}
}

// TestOwnLookIsNoProof: what somebody else does at the very moment of our change is found by the next process too,
// however long our command went on after it.
func TestOwnLookIsNoProof(t *testing.T) {
	b, _ := bigSpot(t, 20)
	var placed bool
	slow := openSpot(t, b.dir, fsx.FS{Fault: func(op, path string) error {
		switch {
		case (op == "rename" || op == "link") && strings.Contains(path, "/tmp/"):
			placed = true
			return os.WriteFile(filepath.Join(b.dir, "cur/1700000000.M1P1.other:2,"), []byte(mail), 0o600)
		case placed && op == "sync":
			time.Sleep(5 * time.Duration(tick))
		}
		return nil
	}})
	h := slow.open(Select)
	appendText(t, h, mail)
	h.Close()
	if err := slow.store.Close(); err != nil {
		t.Fatal(err)
	}
	if again := openSpot(t, b.dir, fsx.FS{}).open(Select); again.Count() != 22 {
		t.Errorf("%d messages, want 22", again.Count())
	}
}
