package maildir

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawRanges are some sorted ranges of UIDs up to 40, or around the last UID of all.
func drawRanges(rt *rapid.T) (r uidRanges) {
	base := imap.UID(0)
	if rapid.IntRange(0, 9).Draw(rt, "end") == 0 {
		base = math.MaxUint32 - 40
	}
	for range rapid.IntRange(1, 4).Draw(rt, "ranges") {
		lo := rapid.Uint32Range(1, 40).Draw(rt, "lo")
		hi := min(40, lo+rapid.Uint32Range(0, 6).Draw(rt, "more"))
		r.addRange(base+imap.UID(lo), base+imap.UID(hi))
	}
	return r
}

func each(r uidRanges, f func(imap.UID)) {
	for _, x := range r {
		for uid := x.lo; ; uid++ {
			f(uid)
			if uid == x.hi {
				break
			}
		}
	}
}

func TestMarkRuns(t *testing.T) {
	t.Parallel()
	type mark struct {
		seen   bool
		modseq uint64
	}
	rapid.Check(t, func(rt *rapid.T) {
		model := make(map[imap.UID]mark)
		var runs markRuns
		for n := range rapid.IntRange(1, 30).Draw(rt, "changes") {
			ranges, seen := drawRanges(rt), rapid.Bool().Draw(rt, "seen")
			var want, got []imap.UID
			each(ranges, func(uid imap.UID) {
				if model[uid].seen != seen {
					want = append(want, uid)
				}
			})
			parts := runs.differing(ranges, seen)
			each(parts, func(uid imap.UID) { got = append(got, uid) })
			if !slices.Equal(got, want) {
				rt.Fatalf("differing %v in %v: %v, want %v", ranges, runs, got, want)
			}
			runs = runs.put(parts, seen, uint64(n)+1)
			for _, uid := range want {
				model[uid] = mark{seen, uint64(n) + 1}
			}
			for i, r := range runs {
				if r.lo > r.hi || i > 0 && r.lo <= runs[i-1].hi {
					rt.Fatalf("not in order: %v", runs)
				}
			}
			for _, base := range []imap.UID{0, math.MaxUint32 - 40} {
				for uid := base; uid-base <= 40; uid++ {
					if seen, modseq := runs.at(uid); model[uid] != (mark{seen, modseq}) {
						rt.Fatalf("UID %d: %v %d, want %v", uid, seen, modseq, model[uid])
					}
					if uid == math.MaxUint32 {
						break
					}
				}
			}
		}
		// Joined, they say of every message the same, and a MODSEQ that is no smaller.
		exists := func(uid imap.UID) bool { return uid%3 != 0 }
		live := func(lo, hi imap.UID) bool {
			for uid := lo; uid <= hi && uid >= lo; uid++ {
				if exists(uid) {
					return true
				}
			}
			return false
		}
		most := rapid.IntRange(1, 4).Draw(rt, "most")
		joined := runs.join(most, live)
		if len(joined) > len(runs) {
			rt.Fatalf("%d runs became %d", len(runs), len(joined))
		}
		for uid, want := range model {
			if seen, modseq := joined.at(uid); exists(uid) && (seen != want.seen || modseq < want.modseq) {
				rt.Fatalf("UID %d after joining: %v %d, want %v", uid, seen, modseq, want)
			}
		}
		for i := 1; i < len(joined); i++ {
			a, b := joined[i-1], joined[i]
			if len(joined) > most && a.seen == b.seen && (a.hi+1 == b.lo || !live(a.hi+1, b.lo-1)) {
				rt.Fatalf("could be joined: %v %v", a, b)
			}
		}
	})
}

// TestMarkSteps plays shared and own changes by several processes that learn of the mailbox's changes
// late, and a client that asks at any moment, anywhere, for what has changed since it last asked.
func TestMarkSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		type process struct {
			shared uint64 // what it knows of the mailbox
			steps  markSteps
		}
		var (
			now     = time.Unix(1700000000, 0)
			written = clockSum(now)
			procs   = make([]process, 3)
			steps   markSteps // of the file
			own     []uint64  // MODSEQs of own changes
			ownAt   []int     // and how many steps there were
			known   uint64    // the highest that the client was told
			knows   = make(map[uint64]bool)
			knowOwn = make(map[uint64]bool)
		)
		steps = steps.restart(now)
		for i := range procs {
			procs[i] = process{written, slices.Clone(steps)}
		}
		first := written
		pick := func() *process { return &procs[rapid.IntRange(0, 2).Draw(rt, "process")] }
		rt.Repeat(map[string]func(*rapid.T){
			"shared": func(rt *rapid.T) { // the dotlock sees to it that it knows of all before
				written++
				pick().shared = written
			},
			"learn": func(rt *rapid.T) {
				p := pick()
				p.steps, p.shared = slices.Clone(steps), written
			},
			"own": func(rt *rapid.T) {
				p := pick()
				p.steps = slices.Clone(steps)
				s := p.steps.next(p.shared, p.shared, now)
				steps = steps.add(s)
				p.steps = slices.Clone(steps)
				l := steps.last()
				if n := len(own); n > 0 && l.at+l.sum <= own[n-1] {
					rt.Fatalf("own MODSEQ %d after %d", l.at+l.sum, own[n-1])
				}
				own, ownAt = append(own, l.at+l.sum), append(ownAt, len(own))
			},
			"clock": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "ms")) * time.Millisecond)
			},
			"thin": func(rt *rapid.T) { steps = thinned(slices.Clone(steps), rapid.IntRange(0, 5).Draw(rt, "kept")) },
			"ask": func(rt *rapid.T) {
				p := pick()
				p.steps = slices.Clone(steps) // marks first, then the mailbox, which it may not look at anew
				if rapid.Bool().Draw(rt, "look") {
					p.shared = max(p.shared, p.steps.last().at, written)
				}
				if p.shared < p.steps.last().at {
					return // a refresh finds all that the steps name
				}
				high := p.steps.highest(p.shared)
				past := p.steps.shared(known)
				for x := first + 1; x <= p.shared; x++ {
					told := p.steps.of(x) > known
					if told != (x > past) {
						rt.Fatalf("shared %d is %d, above %d: %v; the inverse says %d", x, p.steps.of(x), known, told, past)
					}
					if !told && !knows[x] {
						rt.Fatalf("shared %d is %d: missed by who knows %d; %v", x, p.steps.of(x), known, p.steps)
					}
					if p.steps.of(x) > high {
						rt.Fatalf("shared %d is %d above %d", x, p.steps.of(x), high)
					}
					knows[x] = true
				}
				for _, v := range own {
					if v <= known && !knowOwn[v] {
						rt.Fatalf("own %d: missed by who knows %d", v, known)
					}
					if v > high {
						rt.Fatalf("own %d above %d", v, high)
					}
					knowOwn[v] = true
				}
				known = max(known, high)
			},
		})
		// Lost and begun anew it is above all that was told.
		again := markSteps(nil).restart(now.Add(time.Second))
		if len(own) < 1<<sumShift*1000/stepLeast && again.highest(written) <= known {
			rt.Fatalf("%d after %d was told", again.highest(written), known)
		}
	})
}

// thinned is thin with another number of steps that are kept.
func thinned(p markSteps, kept int) markSteps {
	if kept >= len(p) {
		return p
	}
	long := make(markSteps, 0, len(p)+2*stepsKept)
	long = append(long, p[:len(p)-kept]...)
	for len(long) < 2*stepsKept-kept { // the same step many times is as one
		long = append(long, p[len(p)-kept-1])
	}
	var out markSteps
	for _, s := range append(long, p[len(p)-kept:]...).thin() {
		out = out.add(s)
	}
	return out
}

// plain is an image for comparing: what a file can say.
func plain(g *markImage) map[uint32]markBox {
	out := make(map[uint32]markBox)
	for b := range g.all() {
		c := *b
		c.views, c.counted, c.unsaid, c.next = nil, markCount{}, false, nil
		if len(c.runs) == 0 {
			c.runs = nil
		}
		if len(c.steps) == 0 {
			c.steps = nil
		}
		out[b.number] = c
	}
	return out
}

// TestMarksMadeToBeSlow: what seems to be a record at each fourth byte, and is none; and very many ranges, backwards.
func TestMarksMadeToBeSlow(t *testing.T) {
	t.Parallel()
	img := newMarkImage()
	box := &markBox{markKey: markKey{[16]byte{1}, 7}, number: 1}
	img.put(box)
	img.numbers[1], img.top = box, 1
	var back uidRanges
	for uid := imap.UID(8 << 20); uid > 1; uid -= 2 {
		back = append(back, uidRange{uid, uid})
	}
	b := appendMarkChange(img.encode(), 1, markStep{200, 9000}, back, true)
	whole := len(b)
	b = append(b, bytes.Repeat([]byte{markChange, markChange, markChange, 0}, 4<<20)...)
	start := time.Now()
	got, n, good := parseMarks(b)
	if n != whole || good {
		t.Errorf("%d bytes, good %v", n, good)
	}
	if what := got.numbers[1].sound(); what != "" && what != markTooHigh {
		t.Error(what)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %v", d)
	}
}

func FuzzMarksFile(f *testing.F) {
	img := newMarkImage()
	img.boot = "a boot"
	box := &markBox{markKey: markKey{[16]byte{1, 2}, 7}, number: 1, base: 99, place: markPlace{"/srv/mail/news", 5}, steps: markSteps{{0, 5}, {100, 2000}}, runs: markRuns{{1, 4, true, 1000}, {9, 9, false, 2100}}}
	img.put(box)
	img.numbers[1], img.top = box, 1
	b := img.encode()
	f.Add(b)
	f.Add(appendMarkChange(b, 1, markStep{200, 9000}, uidRanges{{3, 12}}, true))
	f.Add(append(slices.Clone(b), 17, 0, 0, 0))
	f.Add([]byte(marksMagic))
	other := &markBox{markKey: markKey{[16]byte{3}, 8}}
	f.Add(appendMarkBegin(appendMarkBegin(b, 1, other), 2, box))
	twin := &markBox{markKey: box.markKey, place: markPlace{"/srv/mail/copy", 6}, gone: 77}
	f.Add(appendMarkBegin(appendMarkBegin(b, 2, twin), 3, &markBox{markKey: markKey{box.guid, 9}}))
	f.Add(appendRecord(b, markBegin, func(r []byte) []byte { // of before there were places
		r = append(le.AppendUint32(r, 2), box.guid[:]...)
		return le.AppendUint64(le.AppendUint32(r, 7), 99)
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		img, n, good := parseMarks(b)
		if n > len(b) || n < 0 {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		if good && n > 0 {
			if _, again, good := parseMarks(b[:n]); again != n || !good {
				t.Fatalf("%d whole bytes are %d, %v", n, again, good)
			}
		}
		for box := range img.all() {
			if what := box.sound(); what != "" && what != markTooHigh && box.validity != 0 {
				t.Fatalf("%x: %s: %+v", box.guid, what, box)
			}
			box.fill([]Message{{UID: 1, ModSeq: 1}, {UID: 3, ModSeq: 150}, {UID: maxUID, ModSeq: 1 << 40}}, true)
			box.runs.join(1, func(imap.UID, imap.UID) bool { return true })
		}
		enc := img.encode()
		back, n, good := parseMarks(enc)
		if n != len(enc) || !good {
			t.Fatalf("what was written reads as %d of %d bytes, %v", n, len(enc), good)
		}
		if diff := cmp.Diff(plain(&img), plain(&back), cmp.AllowUnexported(markBox{}, markKey{}, markPlace{}, markRun{}, markStep{}, markCount{}, markView{})); diff != "" || img.boot != back.boot {
			t.Fatal(diff)
		}
	})
}
