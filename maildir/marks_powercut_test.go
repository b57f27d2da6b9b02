package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// marksSaid is what a client has been told of its marks once so much had happened.
type marksSaid struct {
	at   int
	look string
	sum  uint64 // that is added to the mailbox's MODSEQs
}

// TestMarksPowerCut cuts the power after every operation of marking and of writing the file anew. MODSEQs go on
// above those that were told; with fsync = always no mark that was answered is lost, and with yes none that was
// there when the file was written anew.
func TestMarksPowerCut(t *testing.T) {
	t.Parallel()
	for _, mode := range []FsyncMode{FsyncYes, FsyncAlways} {
		p := newPublic(t, unsynced(t))
		for i := range 3 {
			p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
		}
		p.mustRead(p.newProcess(), "bob").open(t, "news", Select) // the folder is not what is cut
		home := p.home("alice")
		rec, ino := newRecorder(t, home), inodeOf(t, home)
		s, err := NewStore(StoreOptions{Fsync: mode, FS: fsx.FS{Done: func(e fsx.Event) {
			if e.Dir == ino {
				rec.done(e)
			}
		}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		h := p.mustRead(s, "alice").open(t, "news", Select)
		var said []marksSaid
		say := func() { said = append(said, marksSaid{rec.now(), look(h), h.own.box.steps.last().sum}) }
		say()
		kept := len(said)
		do := func(op StoreOp, uid imap.UID, anew bool) {
			h.own.k.anew = anew
			mark(t, h, op, uidSet(uid), imap.FlagSeen)
			if say(); anew {
				kept = len(said) - 1
			}
		}
		do(Add, 1, false)
		do(Add, 2, false)
		do(Remove, 1, false)
		do(Add, 3, true)
		do(Add, 1, false)
		states := 0
		for n := rec.now(); n >= 0; n-- {
			c := rec.cut(n)
			last := -1
			for i := range said {
				if said[i].at <= n {
					last = i
				}
			}
			for i, f := range c.fates(uint64(n)) {
				states++
				what := fmt.Sprintf("%v: after %d of %d events, fate %d %v", mode, n, rec.now(), i, f)
				dir := unsynced(t)
				layOut(t, c.build(f), filepath.Join(dir, "alice"))
				p.afterPowerCut(what, filepath.Join(dir, "alice"), said, last, mode == FsyncAlways || last == kept)
				os.RemoveAll(dir)
				if t.Failed() {
					return
				}
			}
		}
		if states < 20 {
			t.Errorf("only %d states", states)
		}
		os.RemoveAll(p.top)
	}
}

// afterPowerCut starts a machine on what the disk has kept of a user's file. exact: the marks are those that were told
// last, or what the next command was to make of them.
func (p *public) afterPowerCut(what, home string, said []marksSaid, last int, exact bool) {
	t := p.t
	s := p.process(fsx.FS{})
	defer s.Close()
	s.boot = "after the power cut"
	s.now = func() time.Time { return time.Now().Add(time.Second) } // no machine is back sooner
	again := &public{t: t, top: filepath.Dir(home), root: p.root}
	r, err := again.read(s, "alice")
	if err != nil {
		t.Fatal(what, err)
	}
	defer r.Close()
	h, err := r.Open(bg, "news", Select)
	if err != nil {
		t.Fatal(what, err)
	}
	defer h.Close()
	if last >= 0 {
		now := look(h)
		if h.own.box.steps.last().sum <= said[last].sum {
			t.Errorf("%s: MODSEQs are %d greater than the mailbox's, were %d", what, h.own.box.steps.last().sum, said[last].sum)
		}
		if exact && now != said[last].look && (last+1 == len(said) || now != said[last+1].look) {
			t.Errorf("%s: %q, was %q", what, now, said[last].look)
		}
	}
	mark(t, h, Add, uidSet(1, 2, 3), imap.FlagSeen)
	c := checker{}
	d, err := (&fsx.FS{}).OpenDir(home)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if c.marks(d); len(c.found)+len(c.errs) > 0 {
		t.Errorf("%s: %v %v", what, c.found, c.errs)
	}
}
