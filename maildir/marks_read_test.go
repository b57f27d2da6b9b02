package maildir

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestMarksCutWhileRead: a reader without the lock is in the middle of a torn end when another process cuts it off, and
// puts records in its place. He finds what there is, and takes nothing for damage.
func TestMarksCutWhileRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		torn  int // bytes of a record that is not finished
		later int // ranges that are marked in its place
		at    int // the read before which that happens
	}{"small": {30, 0, 2}, "a mark": {30, 1, 2}, "two pieces": {marksPiece + 5000, 0, 3}, "much more": {marksPiece + 5000, 60_000, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := threeMails(t)
			whole, err := os.ReadFile(p.marksFile())
			if err != nil {
				t.Fatal(err)
			}
			img, _, _ := parseMarks(whole)
			torn := appendRecord(slices.Clone(whole), markChange, func(r []byte) []byte { return append(r, make([]byte, 2*c.torn)...) })
			if err := os.WriteFile(p.marksFile(), torn[:len(whole)+9+c.torn], 0o600); err != nil {
				t.Fatal(err)
			}
			reads := 0
			s := p.process(fsx.FS{Fault: func(op, path string) error {
				if op != "read" || path != p.marksFile() {
					return nil
				}
				if reads++; reads != c.at {
					return nil
				}
				b := slices.Clone(whole)
				if c.later > 0 { // message 2, and what is not there
					l := img.numbers[1].steps.last()
					ranges := uidRanges{{2, 2}}
					for i := range c.later - 1 {
						ranges = append(ranges, uidRange{imap.UID(100 + 2*i), imap.UID(100 + 2*i)})
					}
					b = appendMarkChange(b, 1, markStep{l.at, l.sum + stepLeast}, ranges, true)
				}
				f, err := os.OpenFile(p.marksFile(), os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				defer f.Close()
				if err := f.Truncate(int64(len(whole))); err != nil {
					return err
				}
				_, err = f.WriteAt(b[len(whole):], int64(len(whole)))
				return err
			}})
			t.Cleanup(func() { s.Close() })
			h := p.mustRead(s, "alice").open(t, "news", Select)
			if reads < c.at {
				t.Fatalf("%d reads", reads)
			}
			refresh(t, h)
			want := "1:S 2: 3:"
			if c.later > 0 {
				want = "1:S 2:S 3:"
			}
			wantLook(t, h, want)
			mark(t, h, Add, uidSet(3), imap.FlagSeen)
			wantLook(t, p.anew("news"), strings.Replace(want, "3:", "3:S", 1))
			if aside, _ := filepath.Glob(p.marksFile() + ".damaged-*"); len(aside) > 0 {
				t.Errorf("put aside: %v", aside)
			}
		})
	}
}

// longMarks is a file of alice's that has not been written anew for long: the same mark n times.
func (p *public) longMarks(n int) (size int64) {
	b, err := os.ReadFile(p.marksFile())
	if err != nil {
		p.t.Fatal(err)
	}
	img, _, _ := parseMarks(b)
	l := img.numbers[1].steps.last()
	f, err := os.OpenFile(p.marksFile(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	size = int64(len(b))
	for i := 0; i < n; {
		var piece []byte
		for ; i < n && len(piece) < 1<<20; i++ {
			l.sum += stepLeast
			piece = appendMarkChange(piece, 1, l, uidRanges{{2, 2}}, i%2 == 0)
		}
		if _, err := f.Write(piece); err != nil {
			p.t.Fatal(err)
		}
		size += int64(len(piece))
	}
	return size
}

// TestMarksOfLongFile: what is read into memory does not grow with the file.
func TestMarksOfLongFile(t *testing.T) {
	p := threeMails(t)
	size := p.longMarks(1_000_001)
	s := p.newProcess()
	r := p.mustRead(s, "alice")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h := r.open(t, "news", Select)
	runtime.ReadMemStats(&after)
	if got := int64(after.TotalAlloc - before.TotalAlloc); got > size && !underRace() { // all changes of marks together take nearly that
		t.Errorf("%d bytes were allocated for a file of %d", got, size)
	}
	wantLook(t, h, "1:S 2:S 3:")
	mark(t, h, Add, uidSet(3), imap.FlagSeen)
	anew(t, h)
	if st, err := os.Stat(p.marksFile()); err != nil || st.Size() > 1000 {
		t.Errorf("%v %v", st.Size(), err)
	}
	wantLook(t, p.anew("news"), "1:S 2:S 3:S")
}

// TestTooManyMarks: beyond a limit none are set, with an error that says so, and those that there are stay.
func TestTooManyMarks(t *testing.T) {
	p := bigPublic(t, 2000)
	defer os.RemoveAll(p.top)
	s := p.newProcess()
	h := p.mustRead(s, "alice").open(t, "news", Select)
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	w, err := h.own.k.write(bg)
	if err != nil {
		t.Fatal(err)
	}
	k, box := h.own.k, h.own.box
	var many uidRanges
	for len(many) < (marksMost-4096)/24 { // above all messages, which may be of before the list was restored
		uid := imap.UID(3000 + 2*len(many))
		many = append(many, uidRange{uid, uid})
	}
	l := box.steps.last()
	if err := w.append(appendMarkChange(nil, box.number, markStep{l.at, l.sum + stepLeast}, many, true), nil); err != nil {
		t.Fatal(err)
	}
	w.done()
	if k.held > marksMost || len(box.runs) < len(many) {
		t.Fatalf("%d bytes, %d runs", k.held, len(box.runs))
	}
	odd := imap.UIDSet{}
	for uid := imap.UID(1); uid < 2000; uid += 2 {
		odd.AddNum(uid)
	}
	_, err = h.Store(bg, odd, Add, []imap.Flag{imap.FlagSeen}, 0, nil)
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "too many read marks") {
		t.Errorf("it says %v", err)
	}
	fresh := p.anew("news")
	if c, _ := fresh.Counts(bg); c.Unseen != 1999 || len(fresh.own.box.runs) != len(box.runs) {
		t.Errorf("%d unseen, %d runs of %d", c.Unseen, len(fresh.own.box.runs), len(box.runs))
	}
	mark(t, fresh, Add, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 2000}}, imap.FlagSeen) // which is few
	if c, _ := p.anew("news").Counts(bg); c.Unseen != 0 {
		t.Errorf("%d unseen", c.Unseen)
	}
	// What is more than that twice nobody has written here: it is not read, and left as it is.
	b, err := os.ReadFile(p.marksFile())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for i := range many {
			many[i].lo += 10_000_000
			many[i].hi += 10_000_000
		}
		l.sum += 2 * stepLeast
		b = appendMarkChange(b, 1, l, many, true)
	}
	if err := os.WriteFile(p.marksFile(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := p.mustRead(p.newProcess(), "alice").Open(bg, "news", Select); err == nil || !strings.Contains(err.Error(), marksName) {
		t.Errorf("%v", err)
		h.Close()
	}
	if now, err := os.ReadFile(p.marksFile()); err != nil || !bytes.Equal(now, b) {
		t.Errorf("the file has changed: %v", err)
	}
}

// parseMarks is readMarks of what is in memory.
func parseMarks(b []byte) (img markImage, n int, good bool) {
	img, whole, good, err := readMarks(bytes.NewReader(b))
	return img, int(whole), good && err == nil
}
