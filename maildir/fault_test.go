package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestFaults fails, crashes and tears before every operation of every command.
// Afterwards a new process must find: every message that was there and was not
// to go, every acknowledged one, no UID given twice, the same UIDVALIDITY.
func TestFaults(t *testing.T) {
	ctx := context.Background()
	commands := map[string]func(h, other *Handle) error{
		"append": func(h, _ *Handle) error { _, err := tryAppend(h, "new\n", imap.FlagSeen, "fresh"); return err },
		"store": func(h, _ *Handle) error {
			_, err := h.Store(ctx, all(), Add, []imap.Flag{imap.FlagSeen, "fresh"}, 0, nil)
			return err
		},
		"expunge": func(h, _ *Handle) error { _, err := h.Expunge(ctx, nil); return err },
		"copy":    func(h, other *Handle) error { _, err := h.Copy(ctx, all(), other); return err },
		"move":    func(h, other *Handle) error { _, err := h.Move(ctx, all(), other); return err },
		"self":    func(h, _ *Handle) error { _, err := h.Copy(ctx, all(), h); return err },
		"refresh": func(h, _ *Handle) error { return h.Refresh(ctx) },
		"courier": func(h, _ *Handle) error { courierLeft(h); return h.Refresh(ctx) },
		"fetch": func(h, _ *Handle) error {
			_, err := h.Structure(ctx, &Message{UID: 1}, nil)
			h.m.flushCache(true)
			return err
		},
		"learn": func(h, _ *Handle) error {
			err := h.Learn(ctx, h.Messages(nil, 0, maxUID, 100), KindEnvelope, KindFields)
			h.m.flushCache(true)
			return err
		},
		"compact": func(h, _ *Handle) error {
			h.Learn(ctx, h.Messages(nil, 0, maxUID, 100), KindStructure)
			h.m.flushCache(true)
			return opError("compact", "", h.m.compactCache(ctx))
		},
		"compact index": func(h, _ *Handle) error {
			return opError("compact", "", h.m.compactIndex(ctx, true))
		},
		"compact list": func(h, _ *Handle) error {
			return opError("compact", "", h.m.compactList(ctx, true))
		},
	}
	kinds := map[string]func(n int64) func(op, path string) error{
		"fail":  func(n int64) func(string, string) error { return fsx.FailAt(n, syscall.ENOSPC) },
		"crash": func(n int64) func(string, string) error { return fsx.CrashAt(n, false) },
		"torn":  func(n int64) func(string, string) error { return fsx.CrashAt(n, true) },
	}
	for name, command := range commands {
		for kind, plan := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				for n := int64(0); ; n++ {
					if !faultOnce(t, fmt.Sprintf("%s, %s before %d", name, kind, n), command, plan(n)) {
						if n < 5 {
							t.Errorf("only %d operations", n)
						}
						return
					}
					if t.Failed() {
						return
					}
				}
			})
		}
	}
}

// faultOnce tells whether the plan was reached.
func faultOnce(t *testing.T, what string, command func(h, other *Handle) error, plan func(op, path string) error) bool {
	root, otherRoot := unsynced(t), unsynced(t)
	defer os.RemoveAll(root)
	defer os.RemoveAll(otherRoot)
	var armed, hit atomic.Bool
	hook := func(op, path string) error {
		if !armed.Load() {
			return nil
		}
		err := plan(op, path)
		if err != nil {
			hit.Store(true)
		}
		return err
	}
	b := openSpot(t, root, fsx.FS{Fault: hook})
	for i := range 3 {
		b.drop("cur", fmt.Sprintf("Subject: %d\n\nold\n", i))
	}
	h, other := b.open(Select), (*Handle)(nil)
	loc := b.loc
	loc.dir, loc.root = otherRoot, otherRoot
	for _, d := range []string{"cur", "new", "tmp"} {
		os.Mkdir(filepath.Join(otherRoot, d), 0o755)
	}
	other, err := b.store.open(context.Background(), loc, Target)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	appendText(t, other, "there\n")
	h.Store(context.Background(), uidSet(2), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	b.drop("new", "Subject: 3\n\nold\n") // found only after the fault is armed
	validity, high, next := h.UIDValidity(), h.HighestModSeq(), h.UIDNext()
	was, wasThere := mailTexts(t, root), mailTexts(t, otherRoot)
	armed.Store(true)
	cmdErr := command(h, other)
	armed.Store(false)

	now, there := mailTexts(t, root), mailTexts(t, otherRoot)
	for text, n := range was {
		kept := now[text] + there[text]
		if kept < n && text != "Subject: 1\n\nold\n" {
			t.Errorf("%s: lost %q", what, text)
		}
	}
	for text := range wasThere {
		if there[text] == 0 {
			t.Errorf("%s: lost %q at the other", what, text)
		}
	}
	if cmdErr != nil && !errors.Is(cmdErr, fsx.ErrCrash) {
		if now["new\n"] > 0 {
			t.Errorf("%s: half there after %v", what, cmdErr)
		}
		if classify(cmdErr) == nil && !errors.Is(cmdErr, ErrFull) {
			t.Errorf("%s: %v", what, cmdErr)
		}
	}
	fresh := openSpot(t, root, fsx.FS{})
	again := fresh.open(Select)
	if again.UIDValidity() != validity || again.UIDNext() < next || again.HighestModSeq() < high {
		t.Errorf("%s: validity %d was %d, next %d was %d, modseq %d was %d", what, again.UIDValidity(), validity, again.UIDNext(), next, again.HighestModSeq(), high)
	}
	for _, m := range again.Messages(nil, 0, maxUID, 100) {
		if text := readAll(t, again, m.UID); m.UID <= 3 && text != fmt.Sprintf("Subject: %d\n\nold\n", m.UID-1) {
			t.Errorf("%s: UID %d is now %q", what, m.UID, text)
		}
	}
	if n := len(fresh.names("cur")); int(again.Count()) != n {
		t.Errorf("%s: %d messages, %d files", what, again.Count(), n)
	}
	loc2 := fresh.loc
	loc2.dir, loc2.root = otherRoot, otherRoot
	o2, err := fresh.store.open(context.Background(), loc2, Select)
	if err != nil {
		t.Fatal(what, err)
	}
	defer o2.Close()
	if uid := appendText(t, again, "last\n"); uid < next {
		t.Errorf("%s: UID %d again", what, uid)
	}
	// The process that met the fault, if it lives, agrees with the new one.
	if !errors.Is(cmdErr, fsx.ErrCrash) && cmdErr != nil {
		refresh(t, h)
		refresh(t, again)
		if a, b := look(h), look(again); a != b {
			t.Errorf("%s: %q and %q", what, a, b)
		}
	}
	for _, dir := range []string{root, otherRoot} {
		for _, err := range Check(dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
	return hit.Load()
}

// mailTexts counts the messages of a mailbox by their bytes.
func mailTexts(t *testing.T, dir string) map[string]int {
	t.Helper()
	out := make(map[string]int)
	for _, sub := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			b, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[string(b)]++
		}
	}
	return out
}
