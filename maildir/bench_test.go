package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// TestCosts times the operations on a large mailbox, for a look by eye:
// MAILDIR_IMAPD_COSTS=10000 go test -run TestCosts -v ./maildir
func TestCosts(t *testing.T) {
	t.Parallel() // it mostly sleeps, and measures for who runs it alone
	n, _ := strconv.Atoi(os.Getenv("MAILDIR_IMAPD_COSTS"))
	if n == 0 {
		n = 500
	}
	ctx := context.Background()
	b := newSpot(t)
	text := "From: a@example.org\r\nTo: b@example.org\r\nSubject: something\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <x@y>\r\n\r\nbody\r\n"
	for i := range n {
		os.WriteFile(filepath.Join(b.dir, "cur", fmt.Sprintf("1700000000.M%dP1.host,S=%d,W=%d:2,", i, len(text), len(text))), []byte(text), 0o644)
	}
	step := func(name string, f func()) {
		start := time.Now()
		f()
		t.Logf("%-28s %8.2f ms", name, float64(time.Since(start).Microseconds())/1000)
	}
	var h *Handle
	step("first SELECT", func() { h = b.open(Select) })
	step("second SELECT", func() { b.open(Select).Close() })
	time.Sleep(1100 * time.Millisecond)
	step("settling look", func() { refresh(t, h) })
	step("first SELECT, index", func() { openSpot(t, b.dir, fsx.FS{}).open(Select).Close() })
	step("STATUS x50", func() {
		for range 50 {
			p := b.open(Peek)
			p.Counts(ctx)
			p.Close()
		}
	})
	var buf []Message
	step("FETCH FLAGS", func() {
		for after := imap.UID(0); ; after = buf[len(buf)-1].UID {
			if buf = h.Messages(buf[:0], after, maxUID, 256); len(buf) == 0 {
				break
			}
		}
	})
	step("FETCH FAST, first", func() { h.Load(ctx, h.Messages(nil, 0, maxUID, n)); h.FlushCache() })
	walk := func(kind Kind, each func(m *Message)) {
		for after := imap.UID(0); ; after = buf[len(buf)-1].UID {
			if buf = h.Messages(buf[:0], after, maxUID, 512); len(buf) == 0 {
				h.FlushCache()
				return
			}
			h.Learn(ctx, buf, kind)
			for i := range buf {
				each(&buf[i])
			}
		}
	}
	var e message.Envelope
	envelope := func(m *Message) {
		if b := h.Cached(m, KindEnvelope); b == nil || e.UnmarshalBinary(b) != nil {
			t.Fatal("not cached")
		}
	}
	var p message.Message
	structure := func(m *Message) {
		if b := h.Cached(m, KindStructure); b == nil || p.UnmarshalBinary(b) != nil {
			t.Fatal("not cached")
		}
	}
	step("FETCH ENVELOPE, first", func() { walk(KindEnvelope, envelope) })
	step("FETCH ENVELOPE, cached", func() { walk(KindEnvelope, envelope) })
	step("FETCH BODYSTRUCTURE, first", func() { walk(KindStructure, structure) })
	step("FETCH BODYSTRUCTURE, cached", func() { walk(KindStructure, structure) })
	step("STORE all", func() { h.Store(ctx, all(), Add, []imap.Flag{imap.FlagSeen}, 0, func(Message) {}) })
	step("STORE one x500", func() {
		for i := range 500 {
			h.Refresh(ctx)
			h.Store(ctx, uidSet(imap.UID(i%n+1)), StoreOp(1+i/n%2), []imap.Flag{imap.FlagFlagged}, 0, nil)
		}
	})
	step("APPEND x300", func() {
		for range 300 {
			appendText(t, h, text)
		}
	})
	other := newSpot(t)
	loc := b.loc
	loc.dir, loc.root = other.dir, other.dir
	dst, err := b.store.open(ctx, loc, Target)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	set := imap.UIDSet{imap.UIDRange{Start: 1, Stop: imap.UID(min(n, 2000))}}
	step("COPY 2000", func() { h.Copy(ctx, set, dst) })
	step("MOVE 2000", func() { h.Move(ctx, set, dst) })
	h.Store(ctx, all(), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	step("EXPUNGE all", func() { h.Expunge(ctx, nil) })
}

// BenchmarkMessages must not allocate.
func BenchmarkMessages(b *testing.B) {
	x := newSpot(b)
	for i := range 1000 {
		x.drop("cur", fmt.Sprint(i))
	}
	h := x.open(Select)
	buf := make([]Message, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		for after := imap.UID(0); ; after = buf[len(buf)-1].UID {
			if buf = h.Messages(buf[:0], after, maxUID, 256); len(buf) == 0 {
				break
			}
		}
	}
}

// TestArrivalCost: what a delivery costs does not grow with the mailbox.
func TestArrivalCost(t *testing.T) {
	cost := func(n int) int64 {
		b := openSpot(t, unsynced(t), fsx.FS{})
		for i := range n {
			os.WriteFile(filepath.Join(b.dir, "cur", fmt.Sprintf("1700000000.M%dP1.host:2,S", i)), []byte("x"), 0o644)
		}
		h := b.open(Select)
		time.Sleep(1100 * time.Millisecond)
		refresh(t, h)
		<-h.Changed()
		refresh(t, h)
		best := int64(1 << 62)
		for range 20 {
			b.drop("new", "y")
			start := time.Now()
			if d := refresh(t, h); !d.ExistsChanged {
				t.Fatal("not seen")
			}
			best = min(best, time.Since(start).Nanoseconds())
		}
		return best
	}
	small, large := cost(100), cost(20000)
	t.Logf("%d ns at 100, %d ns at 20000", small, large)
	if large > 5*small {
		t.Errorf("an arrival costs %d ns at 100 messages and %d ns at 20000", small, large)
	}
}
