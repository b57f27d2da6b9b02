package maildir

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// sh is what an administrator does in the public root.
func (p *public) sh(command string) {
	p.t.Helper()
	c := exec.Command("sh", "-ec", command)
	c.Dir = p.root
	if out, err := c.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v %s", command, err, out)
	}
}

// anew is alice's selection in a process of its own.
func (p *public) anew(name string) *Handle {
	p.t.Helper()
	return p.mustRead(p.newProcess(), "alice").open(p.t, name, Select)
}

// threeMails is a root with three mails in news, of which alice has read the first.
func threeMails(t *testing.T) *public {
	p := newPublic(t, t.TempDir())
	for i := range 3 {
		p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
	}
	h := p.anew("news")
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	h.Close()
	return p
}

// TestMarksOfTwins: what is read in one is not in the other, in whatever order and process they are opened.
func TestMarksOfTwins(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"news", "copy"} {
		p := threeMails(t)
		p.sh("cp -a news copy")
		if first == "copy" {
			p.anew("copy").Close()
		}
		r := p.mustRead(p.newProcess(), "alice")
		news, twin := r.open(t, "news", Select), r.open(t, "copy", Select)
		if news.GUID() != twin.GUID() || news.UIDValidity() != twin.UIDValidity() {
			t.Fatal("no twins")
		}
		wantLook(t, news, "1:S 2: 3:")
		wantLook(t, twin, "1: 2: 3:")
		far := p.mustRead(p.newProcess(), "alice")
		farNews, farTwin := far.open(t, "news", Select), far.open(t, "copy", Select)
		high := twin.HighestModSeq()
		mark(t, farTwin, Add, uidSet(2), imap.FlagSeen)
		mark(t, farNews, Add, uidSet(3), imap.FlagSeen)
		if d := refresh(t, twin); len(d.Flags) != 1 || d.Flags[0].UID != 2 || d.Flags[0].ModSeq <= high {
			t.Errorf("the twin is told %+v", d.Flags)
		}
		if d := refresh(t, news); len(d.Flags) != 1 || d.Flags[0].UID != 3 {
			t.Errorf("told %+v", d.Flags)
		}
		anew(t, news)
		for name, want := range map[string]string{"news": "1:S 2: 3:S", "copy": "1: 2:S 3:"} {
			wantLook(t, p.anew(name), want)
		}
		refresh(t, farNews)
		wantLook(t, farNews, "1:S 2: 3:S")
		wantLook(t, farTwin, "1: 2:S 3:")
	}
}

// anew has the file written anew.
func anew(t *testing.T, h *Handle) {
	t.Helper()
	w, err := h.own.k.write(bg)
	if err != nil {
		t.Fatal(err)
	}
	h.own.k.anew = true
	err = w.append(nil, nil)
	if w.done(); err != nil {
		t.Fatal(err)
	}
}

// TestMarksFollow the mailbox wherever it goes.
func TestMarksFollow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ do, at, twin string }{
		"renamed":         {"mv news olds", "olds", ""},
		"again":           {"mv news a; mv a olds", "olds", ""},
		"put back":        {"cp -a news olds; rm -r news; mv olds news", "news", ""},
		"another disk":    {"cp -a news olds; rm -r news", "olds", ""},
		"renamed, a copy": {"mv news olds; cp -a olds news", "olds", "news"},
		"swapped":         {"cp -a news olds; mv news x; mv olds news; mv x olds", "olds", "news"},
		"a link":          {"ln -s news olds", "olds", ""},
		"another's place": {"cp -a news olds; rm -r news; mkdir -p news/cur news/new news/tmp", "olds", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := threeMails(t)
			high := p.anew("news").HighestModSeq()
			if name == "another's place" {
				p.sh("cp -a news olds; rm -r news; mkdir -p news/cur news/new news/tmp")
				p.mustRead(p.newProcess(), "bob").open(t, "news", Select).Close() // it is served
			} else {
				p.sh(c.do)
			}
			for range 2 {
				h := p.anew(c.at)
				wantLook(t, h, "1:S 2: 3:")
				if h.HighestModSeq() < high {
					t.Errorf("HIGHESTMODSEQ %d after %d", h.HighestModSeq(), high)
				}
				if c.twin != "" {
					wantLook(t, p.anew(c.twin), "1: 2: 3:")
				}
			}
			h := p.anew(c.at)
			mark(t, h, Add, uidSet(2), imap.FlagSeen)
			wantLook(t, p.anew(c.at), "1:S 2:S 3:")
		})
	}
}

// TestMarksSwapped: twins that have changed their names while both had marks.
func TestMarksSwapped(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	p.sh("cp -a news copy")
	h := p.anew("copy")
	mark(t, h, Add, uidSet(3), imap.FlagSeen)
	p.sh("mv news x; mv copy news; mv x copy")
	wantLook(t, p.anew("news"), "1: 2: 3:S")
	wantLook(t, p.anew("copy"), "1:S 2: 3:")
	wantLook(t, p.anew("news"), "1: 2: 3:S")
}

// TestMarksOfLateMount: a mailbox that is away for a while has its own marks when it is back, whatever has been done
// with a copy of it meanwhile.
func TestMarksOfLateMount(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	p.sh("cp -a news copy; mv news ../away")
	h := p.anew("copy")
	wantLook(t, h, "1:S 2: 3:")
	mark(t, h, Add, uidSet(2), imap.FlagSeen)
	anew(t, h)
	p.sh("mv ../away news")
	wantLook(t, p.anew("news"), "1:S 2: 3:")
	wantLook(t, p.anew("copy"), "1:S 2:S 3:")
}

// TestMarksRenamedInUse: who has the mailbox selected while another process renames it, and marks, and writes the file
// anew, keeps the marks that there are.
func TestMarksRenamedInUse(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	one, two := p.mustRead(p.newProcess(), "alice"), p.mustRead(p.newProcess(), "alice")
	h := one.open(t, "news", Select)
	if err := one.Rename(bg, "news", "olds"); err != nil {
		t.Fatal(err)
	}
	far := two.open(t, "olds", Select)
	mark(t, far, Add, uidSet(2), imap.FlagSeen)
	anew(t, far)
	refresh(t, h)
	wantLook(t, h, "1:S 2:S 3:")
	mark(t, h, Add, uidSet(3), imap.FlagSeen)
	refresh(t, far)
	wantLook(t, far, "1:S 2:S 3:S")
	wantLook(t, p.anew("olds"), "1:S 2:S 3:S")
	if n := len(far.own.k.numbers); n != 1 {
		t.Errorf("%d mailboxes", n)
	}
}

// unplaced makes of alice's file one of a version that knew no places.
func (p *public) unplaced() {
	b, err := os.ReadFile(p.marksFile())
	if err != nil {
		p.t.Fatal(err)
	}
	out := append([]byte(nil), b[:marksHead]...)
	for n := marksHead; n < len(b); {
		size := checks(b[n:])
		if size <= 0 {
			p.t.Fatal("a bad file")
		}
		body := b[n+9 : n+size]
		if b[n+8] == markBegin {
			body = body[:32]
		}
		out = appendRecord(out, b[n+8], func(r []byte) []byte { return append(r, body...) })
		n += size
	}
	if err := os.WriteFile(p.marksFile(), out, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestMarksWithoutPlaces: twins that shared marks have all of them, each, and MODSEQs do not fall.
func TestMarksWithoutPlaces(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	high := p.anew("news").HighestModSeq()
	p.sh("cp -a news copy")
	p.unplaced()
	news := p.anew("news")
	wantLook(t, news, "1:S 2: 3:")
	mark(t, news, Add, uidSet(3), imap.FlagSeen)
	twin := p.anew("copy")
	wantLook(t, twin, "1:S 2: 3:")
	mark(t, twin, Add, uidSet(2), imap.FlagSeen)
	for name, want := range map[string]string{"news": "1:S 2: 3:S", "copy": "1:S 2:S 3:"} {
		h := p.anew(name)
		if wantLook(t, h, want); h.HighestModSeq() <= high {
			t.Errorf("HIGHESTMODSEQ %d after %d", h.HighestModSeq(), high)
		}
	}
}

// TestMarksOfOldProcess: a process of a version that knows no places writes the file anew while the mailbox is selected.
func TestMarksOfOldProcess(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	h := p.anew("news")
	high := h.HighestModSeq()
	p.unplaced()
	b, _ := os.ReadFile(p.marksFile())
	b[len(marksMagic)] ^= 1 // another file
	os.WriteFile(p.marksFile(), b, 0o600)
	if d := refresh(t, h); len(d.Flags) != 0 || h.HighestModSeq() != high {
		t.Errorf("told %+v; HIGHESTMODSEQ %d after %d", d.Flags, h.HighestModSeq(), high)
	}
	mark(t, h, Add, uidSet(2), imap.FlagSeen)
	wantLook(t, h, "1:S 2:S 3:")
	wantLook(t, p.anew("news"), "1:S 2:S 3:")
}

// census looks for what is gone and has the file written anew.
func census(t *testing.T, h *Handle) {
	t.Helper()
	h.own.k.census.Store(censusDue)
	anew(t, h)
}

// TestMarksForgotten when their mailbox has been gone for long, for sure.
func TestMarksForgotten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    string // at first
		back  string // more than a year later, before anybody looks
		later string // and what is there then
	}{
		"there":       {":", ":", "1:S"},
		"deleted":     {"rm -r olds", ":", ""},
		"one is back": {"rm -r olds; mv news ../news", "mv ../news news", ""},
		"late mount":  {"mv olds ../olds", "mv ../olds olds", "1:S"},
		"renumbered":  {"sed -i '1s/V[0-9]*/V77/' olds/dovecot-uidlist; rm olds/maildir-imapd.index", ":", "1:"},
		"renamed":     {"mv olds news2", ":", "1:S"},
		"its disk":    {"mv sub ../sub; mkdir sub", "rmdir sub; mv ../sub sub", "1:S"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := threeMails(t)
			box := "olds"
			if name == "its disk" {
				box = "sub/olds"
			}
			p.make(box)
			p.put(box, "1700000000.M1P1.a:2,")
			h := p.anew(box)
			mark(t, h, Add, uidSet(1), imap.FlagSeen)
			h.Close()
			p.sh(c.do)
			now := time.Now()
			s := p.newProcess()
			s.now = func() time.Time { return now }
			p.make("other") // so that something is open
			h = p.mustRead(s, "alice").open(t, "other", Select)
			mark(t, h, Add, uidSet(1), imap.FlagSeen)
			census(t, h)
			now = now.Add(goneFor - 24*time.Hour)
			census(t, h)
			known := func() int { return len(h.own.k.numbers) }
			if known() != 3 {
				t.Errorf("%d are known after less than a year", known())
			}
			now = now.Add(20 * 24 * time.Hour)
			if name == "late mount" || name == "its disk" || name == "one is back" {
				anew(t, h) // not without another look
				if known() != 3 {
					t.Errorf("%d are known without a look", known())
				}
			}
			p.sh(c.back)
			census(t, h)
			gone := c.later == "" || name == "renumbered"
			if name == "renamed" {
				gone = true // nobody has opened it under its new name
			}
			if want := 3; gone != (known() < want) {
				t.Errorf("%d are known after a year", known())
			}
			if c.later != "" && name != "renamed" && name != "renumbered" {
				wantLook(t, p.anew(box), c.later)
			}
			wantLook(t, p.anew("news"), "1:S 2: 3:")
		})
	}
}

// TestMarksOfManyLives: who has a mailbox renumbered again and again does not make the marks of its readers grow.
func TestMarksOfManyLives(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	for i := range 3 * livesMost {
		p.sh(fmt.Sprintf("sed -i '1s/V[0-9]*/V%d/' news/dovecot-uidlist; rm news/maildir-imapd.index", 2000000000+i))
		h := p.anew("news")
		wantLook(t, h, "1: 2: 3:")
		mark(t, h, Add, uidSet(1), imap.FlagSeen)
		if i%5 == 0 {
			census(t, h)
		}
		if n := len(h.own.k.numbers); n > livesMost+7 {
			t.Fatalf("%d lives", n)
		}
		h.Close()
	}
	wantLook(t, p.anew("news"), "1:S 2: 3:")
}

// TestMarksFindCost: one who opens a mailbox that is known looks at no other place.
func TestMarksFindCost(t *testing.T) {
	t.Parallel()
	p := threeMails(t)
	p.sh("cp -a news copy; cp -a news copy2")
	p.anew("copy").Close()
	p.anew("copy2").Close()
	var looked []string
	s := p.process(fsx.FS{Fault: func(op, path string) error {
		if strings.HasPrefix(path, filepath.Join(p.root, "copy")) {
			looked = append(looked, op+" "+path)
		}
		return nil
	}})
	t.Cleanup(func() { s.Close() })
	r := p.mustRead(s, "alice")
	for range 2 {
		wantLook(t, r.open(t, "news", Select), "1:S 2: 3:")
	}
	if len(looked) > 0 {
		t.Errorf("looked at %q", looked)
	}
}
