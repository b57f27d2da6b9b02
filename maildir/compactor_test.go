package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

func fileSize(t *testing.T, dir, name string) int64 {
	t.Helper()
	st, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestIndexCompaction: a bloated index is written anew when no command waits for it,
// and says the same.
func TestIndexCompaction(t *testing.T) {
	ctx := context.Background()
	b := openSpot(t, unsynced(t), fsx.FS{})
	for range 20 {
		b.drop("cur", mail)
	}
	h := b.open(Select)
	expunge(t, h, 4, 7)
	most := int64(0)
	for i := range 600 {
		if _, err := h.Store(ctx, all(), Add+StoreOp(i%2), []imap.Flag{imap.FlagFlagged, imap.FlagSeen}, 0, nil); err != nil {
			t.Fatal(err)
		}
		most = max(most, fileSize(t, b.dir, indexName))
	}
	h.Store(ctx, uidSet(5), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
	b.compacted()
	if n := fileSize(t, b.dir, indexName); most < 64<<10 || n > most/2 && n > 64<<10 {
		t.Errorf("%d bytes, at most %d", n, most)
	}
	want, high := look(h), h.HighestModSeq()
	h.Close()
	var reads atomic.Int64
	x := openSpot(t, b.dir, listReads(&reads)).open(Select)
	wantLook(t, x, want)
	if x.HighestModSeq() < high || x.UIDNext() != 21 {
		t.Errorf("MODSEQ %d, was %d, next UID %d", x.HighestModSeq(), high, x.UIDNext())
	}
	if len(x.m.state.history) == 0 {
		t.Error("the history is gone")
	}
	appendText(t, x, mail)
	if reads.Load() != 0 {
		t.Error("the uidlist had to be parsed")
	}
	x.Close()
	b.check()
}

// TestCompactionBeside: what is done to a mailbox while its index is written anew is
// in the new one, and so is what has happened to messages whose turn had not come.
func TestCompactionBeside(t *testing.T) {
	ctx := context.Background()
	var beside atomic.Pointer[func()]
	b := openSpot(t, unsynced(t), fsx.FS{Fault: func(op, path string) error {
		if f := beside.Load(); f != nil && op == "write" && filepath.Base(path) == indexName+besideSuffix {
			beside.Store(nil)
			(*f)()
		}
		return nil
	}})
	for i := range 12 {
		b.dropAs("cur", fmt.Sprintf("17000000%02d.M1P1.other:2,", i), mail)
	}
	h := b.open(Select)
	expunge(t, h, 12)
	time.Sleep(1100 * time.Millisecond) // so that no directory need be looked at again
	refresh(t, h)
	other := openSpot(t, b.dir, fsx.FS{}).open(Select)
	f := func() { // after the head, before the first message
		expunge(t, h, 2)
		h.Store(ctx, uidSet(3), Add, []imap.Flag{imap.FlagSeen, "$new"}, 0, nil)
		appendText(t, h, mail)
		refresh(t, other)
		other.Store(ctx, uidSet(4), Add, []imap.Flag{imap.FlagFlagged}, 0, nil)
		expunge(t, other, 5, 13)
		appendText(t, other, mail)
	}
	beside.Store(&f)
	if err := h.m.compactIndex(ctx, true); err != nil {
		t.Fatal(err)
	}
	if beside.Load() != nil || fileExists(b.dir, indexName+besideSuffix) {
		t.Error("no compaction")
	}
	refresh(t, h)
	refresh(t, other)
	want := look(h)
	wantLook(t, other, want)
	var reads atomic.Int64
	fresh := openSpot(t, b.dir, listReads(&reads))
	x := fresh.open(Select)
	wantLook(t, x, want)
	if x.HighestModSeq() != h.HighestModSeq() || x.UIDNext() != 15 {
		t.Errorf("MODSEQ %d, elsewhere %d; next UID %d", x.HighestModSeq(), h.HighestModSeq(), x.UIDNext())
	}
	// Lines of those that went meanwhile are known as well.
	for _, i := range []int{1, 4, 11} {
		fresh.dropAs("cur", fmt.Sprintf("17000000%02d.M1P1.other:2,", i), mail)
	}
	refresh(t, x)
	if got := strings.TrimPrefix(look(x), want+" "); got != "15: 16: 17:" {
		t.Errorf("names that came back: %q", got)
	}
	if reads.Load() > 1 { // the assignment rewrites the list for them, which asks for foreign words
		t.Errorf("the uidlist was read %d times", reads.Load())
	}
	x.Close()
	b.check()
}

// TestCompactionTwice: of two processes that write the index anew at once one gives up.
func TestCompactionTwice(t *testing.T) {
	ctx := context.Background()
	var beside atomic.Pointer[func()]
	b := openSpot(t, unsynced(t), fsx.FS{Fault: func(op, path string) error {
		if f := beside.Load(); f != nil && op == "write" && filepath.Base(path) == indexName+besideSuffix {
			beside.Store(nil)
			(*f)()
		}
		return nil
	}})
	for range 5 {
		b.drop("cur", mail)
	}
	h := b.open(Select)
	other := openSpot(t, b.dir, fsx.FS{}).open(Select)
	for name, f := range map[string]func(){
		"another compaction": func() { other.m.compactIndex(ctx, true) },
		"another, half way": func() {
			os.WriteFile(filepath.Join(b.dir, indexName+besideSuffix+"x"), nil, 0o644)
			os.Rename(filepath.Join(b.dir, indexName+besideSuffix+"x"), filepath.Join(b.dir, indexName+besideSuffix))
		},
		"the index is gone":      func() { os.Remove(filepath.Join(b.dir, indexName)) },
		"the index is rewritten": func() { other.m.index.broken = true; appendText(t, other, mail) },
	} {
		beside.Store(&f)
		if err := h.m.compactIndex(ctx, true); err != nil {
			t.Error(name, err)
		}
		if beside.Load() != nil {
			t.Error(name, "not reached")
		}
		h.Store(ctx, uidSet(3), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		refresh(t, h)
		x := openSpot(t, b.dir, fsx.FS{}).open(Select)
		wantLook(t, x, look(h))
		x.Close()
		b.check()
		os.Remove(filepath.Join(b.dir, indexName+besideSuffix))
	}
}

func fileExists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// TestLinesAboveStay: lines above all messages, which a uidlist written anew keeps, are
// no reason to write it anew at every look; once a message lies above them they go.
func TestLinesAboveStay(t *testing.T) {
	b := openSpot(t, unsynced(t), fsx.FS{})
	for range 3 {
		b.drop("cur", mail)
	}
	h := b.open(Select)
	refresh(t, h)
	f, err := os.OpenFile(filepath.Join(b.dir, uidlistFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for uid := 10; uid < 310; uid++ { // by a program that has seen these files come and go
		fmt.Fprintf(f, "%d :17000%d.M1P1.other\n", uid, uid)
	}
	f.Close()
	looks := func() (rewritten int) {
		list := func() uint64 {
			id, err := idNow(h.m.dir, uidlistFile)
			if err != nil {
				t.Fatal(err)
			}
			return id.ino
		}
		for range 5 {
			was := list()
			os.Chtimes(filepath.Join(b.dir, "cur"), time.Now(), time.Now())
			refresh(t, h)
			b.compacted()
			if list() != was {
				rewritten++
			}
		}
		return rewritten
	}
	if n := looks(); n != 0 {
		t.Errorf("written anew %d times in 5 looks", n)
	}
	if n := h.m.list.lines; n != 303 {
		t.Errorf("%d lines, want 303", n)
	}
	appendText(t, h, mail)
	if n := looks(); n != 1 {
		t.Errorf("with a message above: written anew %d times in 5 looks", n)
	}
	if n := h.m.list.lines; n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
	if h.UIDNext() != 311 {
		t.Errorf("next UID %d", h.UIDNext())
	}
	h.Close()
	b.check()
}

// TestCacheCompactionInSlices: the new places of a large mailbox's cache records are
// told some at a time, and all of them.
func TestCacheCompactionInSlices(t *testing.T) {
	const n = 2*storeSlice + 100
	b, _ := bigSpot(t, n)
	h := b.open(Select)
	for uid := imap.UID(1); uid <= n; uid++ {
		h.Remember(uid, KindPreview, fmt.Append(nil, "preview ", uid))
	}
	h.m.flushCache(true)
	var writes atomic.Int64
	x := openSpot(t, b.dir, fsx.FS{Fault: func(op, path string) error {
		if op == "write" && filepath.Base(path) == indexName {
			writes.Add(1)
		}
		return nil
	}})
	other := x.open(Select)
	writes.Store(0)
	if err := other.m.compactCache(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := writes.Load(); got != 3 {
		t.Errorf("the index was written %d times, want 3", got)
	}
	refresh(t, h)
	for _, h := range []*Handle{h, other, openSpot(t, b.dir, fsx.FS{}).open(Examine)} {
		for uid := imap.UID(1); uid <= n; uid++ {
			if got := string(h.Cached(&Message{UID: uid}, KindPreview)); got != fmt.Sprint("preview ", uid) {
				t.Fatalf("UID %d: %q", uid, got)
			}
		}
	}
	b.check()
}
