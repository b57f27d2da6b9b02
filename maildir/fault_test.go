package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// faultRow is a command that things go wrong in.
type faultRow struct {
	// prepare makes more on disk before the mailbox is opened.
	prepare func(x *faultRun)
	// closed: the command itself opens the mailbox, for the first time or again.
	closed bool
	// before the fault: further commands.
	before func(x *faultRun) error
	run    func(x *faultRun) error
	// done tells what a command that was answered OK has not done.
	done func(x *faultRun, now, there map[string]int) string
	// kept tells what others have put there and is gone, answered or not.
	kept func(x *faultRun) string
	// mayGo are messages that the command is to remove.
	mayGo []string
	// links answers for link(2); nil lets it be.
	links error
}

func oldText(i int) string { return fmt.Sprintf("Subject: %d\n\nold\n", i) }

// copied tells which of the messages are not at the other mailbox.
func copied(_ *faultRun, _, there map[string]int) string {
	for i := range 4 {
		if there[oldText(i)] == 0 && i != 3 {
			return "not copied: " + oldText(i)
		}
	}
	return ""
}

var bg = context.Background()

var faultRows = map[string]faultRow{
	"append": {
		run: func(x *faultRun) error { _, err := tryAppend(x.h, "new\n", imap.FlagSeen, "fresh"); return err },
		done: func(_ *faultRun, now, _ map[string]int) string {
			if now["new\n"] != 1 {
				return "not there once"
			}
			return ""
		},
	},
	"store": {
		run: func(x *faultRun) error {
			_, err := x.h.Store(bg, all(), Add, []imap.Flag{imap.FlagSeen, "fresh"}, 0, nil)
			return err
		},
		done: func(x *faultRun, _, _ map[string]int) string {
			if l := look(x.again); !strings.HasPrefix(l, "1:S,fresh 2:ST,fresh 3:S,fresh") && !strings.HasPrefix(l, "1:S,fresh 2:TS,fresh 3:S,fresh") {
				return "flags are " + l
			}
			return ""
		},
	},
	"expunge": {
		run:   func(x *faultRun) error { _, err := x.h.Expunge(bg, nil); return err },
		mayGo: []string{oldText(1)},
		done: func(_ *faultRun, now, _ map[string]int) string {
			if now[oldText(1)] > 0 {
				return "still there"
			}
			return ""
		},
	},
	"expire": {
		run:   func(x *faultRun) error { _, err := x.h.expire(bg, ExpireOptions{Keep: 1}); return err },
		mayGo: []string{oldText(0), oldText(1)},
		done: func(_ *faultRun, now, _ map[string]int) string {
			if now[oldText(0)]+now[oldText(1)] > 0 {
				return "still there"
			}
			return ""
		},
	},
	"copy":   {run: func(x *faultRun) error { _, err := x.h.Copy(bg, all(), x.other); return err }, done: copied},
	"bytes":  {run: func(x *faultRun) error { _, err := x.h.Copy(bg, all(), x.other); return err }, done: copied, links: syscall.EXDEV},
	"emlink": {run: func(x *faultRun) error { _, err := x.h.Move(bg, all(), x.other); return err }, done: copied, links: syscall.EMLINK},
	"move":   {run: func(x *faultRun) error { _, err := x.h.Move(bg, all(), x.other); return err }, done: copied},
	"self":   {run: func(x *faultRun) error { _, err := x.h.Copy(bg, all(), x.h); return err }},
	"claim":  {run: func(x *faultRun) error { return x.h.Refresh(bg) }},
	"high keyword": {
		before: func(x *faultRun) error {
			var many []imap.Flag
			for i := range maxLetters {
				many = append(many, imap.Flag(fmt.Sprintf("k%d", i)))
			}
			_, err := x.h.Store(bg, uidSet(1), Add, many, 0, nil)
			return err
		},
		run: func(x *faultRun) error {
			_, err := x.h.Store(bg, uidSet(3), Add, []imap.Flag{"high"}, 0, nil)
			return err
		},
		done: func(x *faultRun, _, _ map[string]int) string {
			if l := look(x.again); !strings.Contains(l, "3:,high") {
				return "flags are " + l
			}
			return ""
		},
	},
	"index": {run: func(x *faultRun) error {
		x.h.m.index.broken = true
		_, err := x.h.Store(bg, uidSet(3), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		return err
	}},
	"fetch": {run: func(x *faultRun) error {
		_, err := x.h.Structure(bg, &Message{UID: 1}, nil)
		x.h.m.flushCache(true)
		return err
	}},
	"learn": {run: func(x *faultRun) error {
		err := x.h.Learn(bg, x.h.Messages(nil, 0, maxUID, 100), KindEnvelope, KindFields)
		x.h.m.flushCache(true)
		return err
	}},
	"cache": {run: func(x *faultRun) error {
		x.h.Learn(bg, x.h.Messages(nil, 0, maxUID, 100), KindStructure)
		x.h.m.flushCache(true)
		return opError("compact", "", x.h.m.compactCache(bg))
	}},
	// Of 120 lines 60 have no message: the list is written anew.
	"list": {closed: true, prepare: func(x *faultRun) {
		x.writeList("3 V1700000000 N200 Gb0b1c2d3e4f5061728394a5b6c7d8e9f Xword", 120, "W30 ")
	}, run: func(x *faultRun) error {
		err := x.reopen()
		if err == nil {
			err = opError("compact", "", x.h.m.compactList(bg, true))
		}
		return err
	},
		kept: func(x *faultRun) string {
			b, _ := os.ReadFile(filepath.Join(x.root, uidlistFile))
			if n := strings.Count(string(b), "W30 "); n < 60 || !strings.Contains(string(b), " Xword\n") {
				return fmt.Sprintf("%d keys in %q", n, b)
			}
			return ""
		}},
	"compact index": {run: func(x *faultRun) error { return opError("compact", "", x.h.m.compactIndex(bg, true)) }},
	"compact list":  {run: func(x *faultRun) error { return opError("compact", "", x.h.m.compactList(bg, true)) }},
	// Nobody has looked at it yet.
	"first": {closed: true, run: (*faultRun).reopen},
	// Courier has; its list has another name and shape.
	"courier": {closed: true, prepare: func(x *faultRun) { x.writeList("1 1700000000 200", 3, "") }, run: (*faultRun).reopen},
	// Keywords that it left: who meets the fault may do without them, the next one has them.
	"courier keywords": {run: func(x *faultRun) error { courierLeft(x.h); return x.h.Refresh(bg) },
		done: func(x *faultRun, _, _ map[string]int) string {
			if got := shown(x.again); !strings.HasPrefix(got, "1:Courier,Work 2:Courier,Work 3: ") {
				return "keywords are " + got
			}
			return ""
		}},
	// The list is damaged and put aside; the index knows what was in it.
	"aside": {closed: true, prepare: func(x *faultRun) {
		x.b.open(Select).Close()
		x.damage()
	}, run: (*faultRun).reopen},
}

// TestFaults fails, crashes and tears before every operation of every command, once or from there on.
// Afterwards a new process must find: every message that was there and was not to go, every
// acknowledged one, no UID given twice, the same UIDVALIDITY.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, row := range faultRows {
		everyFault(t, name, 5, false, func(t *testing.T, k faultKind, n int64) bool {
			x := &faultRun{t: t, row: row, kind: k, what: fmt.Sprintf("%s, %s before %d", name, k.name, n)}
			return x.round(n)
		})
	}
}

// faultRun is one mailbox, and another one, in which one command goes wrong.
type faultRun struct {
	t    *testing.T
	row  faultRow
	kind faultKind
	what string

	b         *spot // the process that meets the fault
	root      string
	otherRoot string
	h, other  *Handle

	plan       func(op, path string) error
	armed, hit atomic.Bool

	validity uint32 // what was promised before, by the handle
	high     uint64
	next     imap.UID
	uids     map[string]imap.UID // by text, of those that had one
	was      map[string]int
	wasThere map[string]int

	again *Handle // of another process, afterwards
}

func (x *faultRun) hook(op, path string) error {
	if !x.armed.Load() {
		return nil
	}
	err := x.plan(op, path)
	if err != nil {
		x.hit.Store(true)
	}
	return err
}

// round tells whether the plan was reached.
func (x *faultRun) round(n int64) bool {
	x.root, x.otherRoot, x.plan = unsynced(x.t), unsynced(x.t), x.kind.plan(n)
	defer os.RemoveAll(x.root)
	defer os.RemoveAll(x.otherRoot)
	x.fixture()
	x.armed.Store(true)
	err := x.row.run(x)
	x.armed.Store(false)
	x.verify(err, n)
	return x.hit.Load()
}

// fixture makes a mailbox of UIDs 1 to 3, of which 2 is \Deleted, and one with a message, and delivers another
// message unseen.
func (x *faultRun) fixture() {
	t := x.t
	x.uids = map[string]imap.UID{}
	x.b = openSpot(t, x.root, fsx.FS{Fault: x.hook, System: func(op, _ string) error {
		if op == "link" {
			return x.row.links
		}
		return nil
	}})
	for i := range 3 {
		x.b.drop("cur", oldText(i))
	}
	if x.row.prepare != nil {
		x.row.prepare(x)
	}
	if !x.row.closed {
		x.h = x.b.open(Select)
	}
	loc := x.b.loc
	loc.dir, loc.root = x.otherRoot, x.otherRoot
	for _, d := range []string{"cur", "new", "tmp"} {
		os.Mkdir(filepath.Join(x.otherRoot, d), 0o755)
	}
	var err error
	if x.other, err = x.b.store.open(bg, loc, Target); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.other.Close() })
	appendText(t, x.other, "there\n")
	if x.h != nil {
		x.h.Store(bg, uidSet(2), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
		if x.row.before != nil {
			if err := x.row.before(x); err != nil {
				t.Fatal(err)
			}
		}
		x.validity, x.high, x.next = x.h.UIDValidity(), x.h.HighestModSeq(), x.h.UIDNext()
		for i := range 3 {
			x.uids[oldText(i)] = imap.UID(i + 1)
		}
	}
	x.b.drop("new", oldText(3)) // found only after the fault is armed
	x.was, x.wasThere = mailTexts(t, x.root), mailTexts(t, x.otherRoot)
}

// writeList writes a list of UIDs as another program would have it: the first three messages have UIDs in the
// middle of it, further ones come before and after, and half of all lines have no message.
func (x *faultRun) writeList(head string, lines int, keys string) {
	name, sep := uidlistFile, " :"
	if head[0] == '1' {
		name, sep = courierList, " "
	}
	files := x.b.names("cur")
	for i := len(files); i < lines/2; i++ {
		files = append(files, x.b.drop("cur", fmt.Sprintf("filler %d\n", i)))
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range lines {
		base := fmt.Sprintf("1600000000.M%dP1.gone", i)
		if lines == len(files) || i%2 == 1 && i/2 < len(files) {
			base = files[min(i, len(files)-1)]
			if lines != len(files) {
				base = files[i/2]
			}
			text, err := os.ReadFile(filepath.Join(x.root, "cur", base))
			if err != nil {
				x.t.Fatal(err)
			}
			x.uids[string(text)] = imap.UID(i + 1)
		}
		k := keys
		if sep == " " {
			k = ""
		}
		b.WriteString(fmt.Sprintf("%d %s", i+1, k))
		b.WriteString(strings.TrimPrefix(sep, " ") + base + "\n")
	}
	if err := os.WriteFile(filepath.Join(x.root, name), []byte(b.String()), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.validity, x.next = 1700000000, 200
}

// damage ruins the list of UIDs of a mailbox that the index knows.
func (x *faultRun) damage() {
	path := filepath.Join(x.root, uidlistFile)
	b, err := os.ReadFile(path)
	if err != nil {
		x.t.Fatal(err)
	}
	u, err := parseUIDList(b)
	if err != nil {
		x.t.Fatal(err)
	}
	x.validity, x.next = u.validity, u.next
	for _, r := range u.records {
		text, err := os.ReadFile(filepath.Join(x.root, "cur", r.base))
		if err != nil {
			x.t.Fatal(err)
		}
		x.uids[string(text)] = r.uid
	}
	if err := os.WriteFile(path, []byte("\x00\x00\x00 garbage\n\n"), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// reopen opens the mailbox in a process that has not seen it.
func (x *faultRun) reopen() error {
	x.b = openSpot(x.t, x.root, fsx.FS{Fault: x.hook})
	h, err := x.b.store.open(bg, x.b.loc, Select)
	if err == nil {
		x.h = h
		x.t.Cleanup(func() { h.Close() })
	}
	return err
}

// verify looks for what must not have happened.
func (x *faultRun) verify(cmdErr error, n int64) {
	t, crashed := x.t, x.kind.crash && x.hit.Load()
	now, there := mailTexts(t, x.root), mailTexts(t, x.otherRoot)
	x.nothingLost(now, there)
	if cmdErr != nil && !crashed {
		if now["new\n"] > 0 && !x.kind.lasting {
			t.Errorf("%s: half there after %v", x.what, cmdErr)
		}
		if classify(cmdErr) == nil && !errors.Is(cmdErr, ErrFull) {
			t.Errorf("%s: not for a client: %v", x.what, cmdErr)
		}
	}
	if n%8 != 0 { // else the next life breaks the crashed one's locks, which takes its time
		for _, dir := range []string{x.root, x.otherRoot} {
			locks, _ := filepath.Glob(filepath.Join(dir, "*.lock"))
			for _, l := range locks {
				os.Remove(l)
			}
		}
	}
	fresh := openSpot(t, x.root, fsx.FS{})
	x.again = fresh.open(Select)
	for range 20 { // a reader does not wait long for the lock of the life before
		if len(fresh.names("new")) == 0 {
			break
		}
		refresh(t, x.again)
	}
	x.samePromises()
	if files := len(fresh.names("cur")); int(x.again.Count()) != files || len(fresh.names("new")) > 0 {
		t.Errorf("%s: %d messages, %d files", x.what, x.again.Count(), files)
	}
	if cmdErr == nil && x.row.done != nil {
		if text := x.row.done(x, now, there); text != "" {
			t.Errorf("%s: confirmed, but: %s", x.what, text)
		}
	}
	if x.row.kept != nil {
		if text := x.row.kept(x); text != "" {
			t.Errorf("%s: %s", x.what, text)
		}
	}
	loc := fresh.loc
	loc.dir, loc.root = x.otherRoot, x.otherRoot
	other, err := fresh.store.open(bg, loc, Select)
	if err != nil {
		t.Fatal(x.what, err)
	}
	defer other.Close()
	if int(other.Count()) != len(mailTexts(t, x.otherRoot)) {
		t.Errorf("%s: the other shows %d messages", x.what, other.Count())
	}
	if uid := appendText(t, x.again, "last\n"); uid < x.next {
		t.Errorf("%s: UID %d again", x.what, uid)
	}
	x.b.compacted()
	fresh.compacted()
	for _, dir := range []string{x.root, x.otherRoot} {
		for _, err := range Check(dir) {
			t.Errorf("%s: %v", x.what, err)
		}
	}
	// The process that met the fault, if it lives, agrees with the new one.
	if !crashed && x.h != nil {
		if err := x.h.Refresh(bg); errors.Is(err, ErrNotExist) && x.validity == 0 && x.h.Count() == 0 {
			return // it showed a number that it could not write down, and no message under it
		}
		refresh(t, x.h)
		refresh(t, x.again)
		if a, b := look(x.h), look(x.again); a != b {
			t.Errorf("%s: %q and %q", x.what, a, b)
		}
	}
}

func (x *faultRun) nothingLost(now, there map[string]int) {
	for text, n := range x.was {
		mayGo := false
		for _, m := range x.row.mayGo {
			mayGo = mayGo || m == text
		}
		if now[text]+there[text] < n && !mayGo {
			x.t.Errorf("%s: lost %q", x.what, text)
		}
	}
	for text := range x.wasThere {
		if there[text] == 0 {
			x.t.Errorf("%s: lost %q at the other", x.what, text)
		}
	}
}

// samePromises compares a new process's view with what was known before.
func (x *faultRun) samePromises() {
	t, a := x.t, x.again
	if x.validity != 0 && a.UIDValidity() != x.validity || a.UIDNext() < x.next || a.HighestModSeq() < x.high {
		t.Errorf("%s: validity %d was %d, next %d was %d, modseq %d was %d", x.what, a.UIDValidity(), x.validity, a.UIDNext(), x.next, a.HighestModSeq(), x.high)
	}
	is := map[imap.UID]string{}
	for _, m := range a.Messages(nil, 0, maxUID, 200) {
		is[m.UID] = readAll(t, a, m.UID)
	}
	for text, uid := range x.uids {
		if now, ok := is[uid]; ok && now != text {
			t.Errorf("%s: UID %d was %q, is %q", x.what, uid, text, now)
		} else if !ok && x.row.closed {
			t.Errorf("%s: UID %d is not there", x.what, uid)
		}
	}
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
