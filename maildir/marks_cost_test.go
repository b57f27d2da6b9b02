package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// bigPublic is a root with one folder of n messages.
func bigPublic(t testing.TB, n int) *public {
	t.Helper()
	p := newPublic(t, unsynced(t))
	for i := range n {
		f, err := os.Create(filepath.Join(p.root, "news", "cur", fmt.Sprintf("%d.M1P1.big:2,", 1600000000+i)))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	time.Sleep(2 * time.Duration(tick)) // the look must not be within a tick of the last change
	return p
}

// someMarks are 5 runs.
func someMarks(n int) imap.UIDSet {
	set := imap.UIDSet{imap.UIDRange{Start: 1, Stop: imap.UID(n / 2)}}
	for i := range 4 {
		set.AddNum(imap.UID(n - 2*i))
	}
	return set
}

// readerCost is the memory that each of many readers of a folder of n messages takes, and what the last one asks of
// the file system, step by step.
func readerCost(t *testing.T, n, readers int, private bool) (bytes int64, ops map[string]string) {
	p := bigPublic(t, n)
	defer os.RemoveAll(p.top)
	count := &meter{ops: make(map[string]int)}
	s := p.process(fsx.FS{Fault: count.hook})
	defer s.Close()
	p.mustRead(s, "first").open(t, "news", Select)
	list := make([]*reading, readers)
	handles := make([]*Handle, readers)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range list {
		r, err := p.read(s, fmt.Sprint("reader", i))
		if err != nil {
			t.Fatal(err)
		}
		r.private = private
		list[i], ops = r, make(map[string]string)
		did := func(what string, f func()) {
			count.take()
			f()
			if i == readers-1 {
				ops[what] = fmt.Sprint(count.take())
			}
		}
		did("select", func() {
			if handles[i], err = r.Open(bg, "news", Select); err != nil {
				t.Fatal(err)
			}
		})
		if !private {
			continue
		}
		did("mark", func() { mark(t, handles[i], Add, someMarks(n), imap.FlagSeen) })
		did("count", func() {
			if c, err := handles[i].Counts(bg); err != nil || int(c.Unseen) != n-n/2-4 {
				t.Fatal(c, err)
			}
			if u := handles[i].FirstUnseen(); int(u) != n/2+1 {
				t.Fatal(u)
			}
		})
		did("look", func() { refresh(t, handles[i]) })
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes = (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(readers)
	for i, h := range handles {
		h.Close()
		list[i].Close()
	}
	if n := len(s.marks.users); n != 1 {
		t.Errorf("marks of %d users are left", n)
	}
	return bytes, ops
}

// TestManyReaders: 10,000 readers of one folder of 100,000 messages cost each what their own marks take, and do what one
// reader of a small folder does.
func TestManyReaders(t *testing.T) {
	small, large, readers := 1_000, 100_000, 10_000
	if testing.Short() || underRace() {
		large, readers = 10_000, 300
	}
	_, want := readerCost(t, small, 1, true)
	shared, _ := readerCost(t, small, readers/10, false)
	few, ops := readerCost(t, small, readers/10, true)
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Errorf("the last of many does other things than the only one: %s", diff)
	}
	many, ops := readerCost(t, large, readers, true)
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Errorf("in a large folder a reader does other things: %s", diff)
	}
	t.Logf("a reader takes %d bytes without marks, %d with, %d of a large folder; %v", shared, few, many, want)
	if most := shared + 1000; few > most && !underRace() || many > most && !underRace() {
		t.Errorf("marks of 5 runs take %d bytes, and %d in a large folder", few-shared, many-shared)
	}
	for what, ops := range want {
		if what != "mark" && what != "select" && (strings.Contains(ops, "write") || strings.Contains(ops, "lock")) {
			t.Errorf("%s does %s", what, ops)
		}
	}
}

// TestMarksAllocateNothing when they are looked at, and are not looked at where there are none.
func TestMarksAllocateNothing(t *testing.T) {
	p := bigPublic(t, 2000)
	s := p.newProcess()
	h := p.mustRead(s, "alice").open(t, "news", Select)
	for i := range 100 {
		mark(t, h, Add, uidSet(imap.UID(20*i+1)), imap.FlagSeen)
	}
	buf := make([]Message, 0, 512)
	for what, f := range map[string]func(){
		"count":   func() { h.Counts(bg) },
		"first":   func() { h.FirstUnseen() },
		"fetch":   func() { buf = h.Messages(buf[:0], 100, maxUID, 512) },
		"highest": func() { h.HighestModSeq() },
		"tell":    func() { h.own.box.tell(uidRanges{{3, 4}}, h) },
	} {
		if n := testing.AllocsPerRun(50, f); n > 0 && !underRace() {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	plain, err := s.Tree(TreeOptions{Root: p.root, Layout: FS, NoInbox: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	o, err := plain.Open(bg, "news", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.apart || o.own != nil {
		t.Error("marks where there are none")
	}
}

// BenchmarkMark is one more message read, by a user who has 1,000 runs, in a folder of 100,000.
func BenchmarkMark(b *testing.B) {
	p, r := benchReader(b)
	defer os.RemoveAll(p.top)
	h := r.open(b, "news", Select)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mark(b, h, Add+StoreOp(i%2), uidSet(50_001), imap.FlagSeen)
	}
}

// BenchmarkOneMoreReader is SELECT by a user who has 1,000 runs in a folder of 100,000.
func BenchmarkOneMoreReader(b *testing.B) {
	p, r := benchReader(b)
	defer os.RemoveAll(p.top)
	b.ReportAllocs()
	for b.Loop() {
		h, err := r.Open(bg, "news", Select)
		if err != nil {
			b.Fatal(err)
		}
		if c, _ := h.Counts(bg); c.Unseen == 0 || h.FirstUnseen() == 0 {
			b.Fatal(c)
		}
		h.Close()
	}
}

// BenchmarkMarksFetch is the flags of 100,000 messages of which 1,000 runs are seen.
func BenchmarkMarksFetch(b *testing.B) {
	p, r := benchReader(b)
	defer os.RemoveAll(p.top)
	h := r.open(b, "news", Select)
	buf := make([]Message, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		for after := imap.UID(0); ; after = buf[len(buf)-1].UID {
			if buf = h.Messages(buf[:0], after, maxUID, 512); len(buf) == 0 {
				break
			}
		}
	}
}

func benchReader(b *testing.B) (*public, *reading) {
	p := bigPublic(b, 100_000)
	s := p.process(fsx.FS{})
	b.Cleanup(func() { s.Close() })
	r, err := p.read(s, "alice")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	h := r.open(b, "news", Select)
	for i := range 1000 {
		mark(b, h, Add, uidSet(imap.UID(100*i+1)), imap.FlagSeen)
	}
	return p, r
}

// TestMarksOneByOne: who reads a large folder message by message has marks that are bounded all the same, and a client
// that asks for changes misses none of them.
func TestMarksOneByOne(t *testing.T) {
	t.Parallel()
	n := imap.UID(10_000)
	if underRace() {
		n = 3_000
	}
	p := bigPublic(t, int(n))
	defer os.RemoveAll(p.top)
	s := p.newProcess()
	h, bob := p.mustRead(s, "alice").open(t, "news", Select), p.mustRead(s, "bob").open(t, "news", Select)
	known := make([]uint64, n+1)
	largest, runs, steps := int64(0), 0, 0
	for uid := imap.UID(1); uid <= n; uid++ {
		if uid%3 == 0 {
			mark(t, bob, Replace, uidSet(n), imap.FlagFlagged) // shared changes come in between
			mark(t, bob, Replace, uidSet(n))
		}
		known[uid] = h.HighestModSeq()
		mark(t, h, Add, uidSet(uid), imap.FlagSeen)
		largest = max(largest, h.own.k.end)
		runs, steps = max(runs, len(h.own.box.runs)), max(steps, len(h.own.box.steps))
	}
	t.Logf("at most %d bytes, %d runs, %d steps", largest, runs, steps)
	if largest > 400<<10 || runs > 2*runsMost || steps > 2*runsMost {
		t.Errorf("at most %d bytes, %d runs, %d steps", largest, runs, steps)
	}
	for _, h := range []*Handle{h, p.mustRead(p.newProcess(), "alice").open(t, "news", Select)} {
		high := h.HighestModSeq()
		for _, m := range h.Messages(nil, 0, maxUID, int(n)) {
			if m.Flags.System != Seen || m.ModSeq <= known[m.UID] || m.ModSeq > high {
				t.Fatalf("%+v, %d was known before, %d is the highest", m, known[m.UID], high)
			}
		}
		if c, _ := h.Counts(bg); c.Unseen != 0 || h.FirstUnseen() != 0 {
			t.Errorf("%d unseen", c.Unseen)
		}
	}
}
