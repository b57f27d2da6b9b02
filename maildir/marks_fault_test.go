package maildir

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// markFaults are commands that things go wrong in. Before each, message 1 is seen, and 2 was until it was taken back.
var markFaults = map[string]struct {
	closed bool // the command opens the mailbox
	before func(x *markFault)
	run    func(x *markFault) error
	want   string // what is seen after a command that was answered OK
}{
	"mark": {run: func(x *markFault) error {
		_, err := x.h.Store(bg, uidSet(2, 3), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		return err
	}, want: "1:S 2:S 3:S"},
	"both": {run: func(x *markFault) error {
		_, err := x.h.Store(bg, uidSet(2), Replace, []imap.Flag{imap.FlagSeen, imap.FlagFlagged}, 0, nil)
		return err
	}, want: "1:S 2:FS 3:"},
	"anew": {before: func(x *markFault) { x.h.own.k.anew = true }, run: func(x *markFault) error {
		_, err := x.h.Store(bg, uidSet(3), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		return err
	}, want: "1:S 2: 3:S"},
	"torn end": {before: func(x *markFault) {
		f, err := os.OpenFile(x.p.marksFile(), os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.Write([]byte{40, 0, 0, 0, 1, 2, 3})
			f.Close()
		}
		if err != nil {
			x.p.t.Fatal(err)
		}
	}, run: func(x *markFault) error {
		_, err := x.h.Store(bg, uidSet(3), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		return err
	}, want: "1:S 2: 3:S"},
	"append": {run: func(x *markFault) error { _, err := tryAppend(x.h, "new\n", imap.FlagSeen); return err }, want: "1:S 2: 3:"},
	"select": {closed: true, run: func(x *markFault) error {
		h, err := x.reader.Open(bg, "news", Select)
		if err == nil {
			x.p.t.Cleanup(func() { h.Close() })
		}
		return err
	}, want: "1:S 2: 3:"},
	"first": {closed: true, before: func(x *markFault) { x.p.make("more") }, run: func(x *markFault) error {
		h, err := x.reader.Open(bg, "more", Select)
		if err == nil {
			x.p.t.Cleanup(func() { h.Close() })
		}
		return err
	}, want: "1:S 2: 3:"},
}

type markFault struct {
	p      *public
	reader *reading
	h      *Handle
}

// TestMarkFaults fails, crashes and tears before every operation. Afterwards a new process must find all marks that
// were answered, no HIGHESTMODSEQ below one that was told, and in the MODSEQs whatever has changed.
func TestMarkFaults(t *testing.T) {
	t.Parallel()
	for name, row := range markFaults {
		everyFault(t, name, 2, false, func(t *testing.T, k faultKind, n int64) bool {
			what := fmt.Sprintf("%s, %s before %d", name, k.name, n)
			p := newPublic(t, unsynced(t))
			defer os.RemoveAll(p.top)
			for i := range 3 {
				p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
			}
			plan := k.plan(n)
			var armed, hit atomic.Bool
			s := p.process(fsx.FS{Fault: func(op, path string) error {
				if !armed.Load() {
					return nil
				}
				err := plan(op, path)
				hit.Store(hit.Load() || err != nil)
				return err
			}})
			t.Cleanup(func() { s.Close() })
			x := &markFault{p: p}
			old := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
			mark(t, old, Add, uidSet(1, 2), imap.FlagSeen)
			mark(t, old, Remove, uidSet(2), imap.FlagSeen)
			x.reader = p.mustRead(s, "alice")
			if !row.closed {
				x.h = x.reader.open(t, "news", Select)
			}
			if row.before != nil {
				row.before(x)
			}
			known, was := old.HighestModSeq(), look(old)
			armed.Store(true)
			err := row.run(x)
			armed.Store(false)
			p.afterFault(what, row.want, was, known, err == nil && !strings.Contains(k.name, "perm") && !strings.Contains(k.name, "remount"), x.h, k.crash && hit.Load())
			return hit.Load()
		})
	}
}

// afterFault looks for what must not have happened. live is the session that met the fault, nil for none.
func (p *public) afterFault(what, want, was string, known uint64, done bool, live *Handle, crashed bool) {
	t := p.t
	for _, l := range []string{p.marksFile() + ".lock", p.root + "/news/" + uidlistFile + ".lock", p.root + "/more/" + uidlistFile + ".lock"} {
		os.Remove(l)
	}
	var told uint64
	if live != nil {
		told = live.HighestModSeq()
	}
	fresh := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	now := look(fresh)
	if done && !strings.HasPrefix(now, want) {
		t.Errorf("%s: confirmed, and there is %s", what, now)
	}
	if !strings.HasPrefix(now, "1:S 2:") {
		t.Errorf("%s: %s", what, now)
	}
	high := fresh.HighestModSeq()
	if high < known || high < told && !crashed && done {
		t.Errorf("%s: HIGHESTMODSEQ %d after %d and %d", what, high, known, told)
	}
	before := strings.Fields(was)
	for i, m := range fresh.Messages(nil, 0, maxUID, 9) {
		if i < len(before) && strings.Fields(now)[i] != before[i] && m.ModSeq <= known || m.ModSeq > high {
			t.Errorf("%s: UID %d has %d, known %d, highest %d: %s and %s", what, m.UID, m.ModSeq, known, high, was, now)
		}
	}
	mark(t, fresh, Add, uidSet(1, 2, 3), imap.FlagSeen)
	if live != nil && !crashed {
		before := live.HighestModSeq()
		refresh(t, live)
		refresh(t, live)
		refresh(t, fresh)
		if _, err := live.Recheck(bg); err != nil {
			t.Fatal(what, err)
		}
		if a, b := look(live), look(fresh); a != b && !live.own.k.anew || live.HighestModSeq() < before {
			t.Errorf("%s: the process that met the fault has %s, another %s; HIGHESTMODSEQ %d after %d", what, a, b, live.HighestModSeq(), before)
		}
		mark(t, live, Remove, uidSet(3), imap.FlagSeen)
		refresh(t, fresh)
		if a, b := look(live), look(fresh); a != b {
			t.Errorf("%s: then %s and %s", what, a, b)
		}
	}
	c := checker{}
	d, err := (&fsx.FS{}).OpenDir(p.home("alice"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if c.marks(d); len(c.found)+len(c.errs) > 0 {
		t.Errorf("%s: %v %v", what, c.found, c.errs)
	}
}
