package maildir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	gomaildir "github.com/emersion/go-maildir"

	"maildir-imapd/maildir/fsx"
)

// raceFor is how long the programs fight.
const raceFor = 1500 * time.Millisecond

// TestForeignWriters: a delivery agent, a renamer like mutt, a deleter and sessions of two
// processes work on one mailbox. Then nothing may be lost or double,
// no UID have meant two messages, and all must see the same.
func TestForeignWriters(t *testing.T) {
	b := newSpot(t)
	second := openSpot(t, b.dir, fsx.FS{})
	b.store.watch.large = 1 // our own changes are told from those of others by events
	ledger := &ledger{texts: make(map[imap.UID]string), expunged: make(map[string]bool)}
	stop := time.Now().Add(raceFor)
	var wg sync.WaitGroup
	delivered := make(map[string]bool)
	wg.Go(func() { // the MDA
		for n := 0; time.Now().Before(stop); n++ {
			text := fmt.Sprintf("Subject: mda %d\n\n", n)
			d, err := gomaildir.NewDelivery(b.dir)
			if err != nil {
				t.Error(err)
				return
			}
			d.Write([]byte(text))
			if err := d.Close(); err != nil {
				t.Error(err)
				return
			}
			delivered[text] = true
			time.Sleep(time.Millisecond)
		}
	})
	wg.Go(func() { renamer(b.dir, stop) })
	wg.Go(func() { deleter(b.dir, stop, ledger) })
	for i, spot := range []*spot{b, second, b} {
		h := spot.open(Select)
		if i < 2 {
			<-h.Changed() // watched in one process, and in the other
		}
		wg.Go(func() { session(t, h, i, stop, ledger) })
	}
	wg.Wait()

	one, two := openSpot(t, b.dir, fsx.FS{}).open(Select), b.open(Select)
	refresh(t, two)
	time.Sleep(1100 * time.Millisecond) // the file system's clock must have moved on
	refresh(t, one)
	refresh(t, two)
	if x, y := look(one), look(two); x != y {
		t.Errorf("processes disagree:\n%s\n%s", x, y)
	}
	seen := make(map[string]imap.UID)
	for _, m := range two.Messages(nil, 0, maxUID, 1<<30) {
		text := readAll(t, two, m.UID)
		if was := seen[text]; was != 0 {
			t.Errorf("%q is UID %d and %d", text, was, m.UID)
		}
		seen[text] = m.UID
		ledger.note(t, m.UID, text)
	}
	for text := range delivered {
		if seen[text] == 0 && !ledger.expunged[text] {
			t.Errorf("lost %q", text)
		}
	}
	for text := range ledger.appended {
		if seen[text] == 0 && !ledger.expunged[text] {
			t.Errorf("lost %q", text)
		}
	}
	b.check()
	t.Logf("%d delivered, %d appended, %d expunged, %d there", len(delivered), len(ledger.appended), len(ledger.expunged), len(seen))
}

// ledger is what has been promised to clients.
type ledger struct {
	mu       sync.Mutex
	texts    map[imap.UID]string
	uids     map[string]imap.UID
	appended map[string]bool
	expunged map[string]bool
}

// note holds a UID to its message, and a message to its UID, for ever.
func (l *ledger) note(t *testing.T, uid imap.UID, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, ok := l.texts[uid]; ok && was != text {
		t.Errorf("UID %d was %q and is %q", uid, was, text)
	}
	l.texts[uid] = text
	if was, ok := l.uids[text]; ok && was != uid {
		t.Errorf("%q was UID %d and is %d", text, was, uid)
	}
	if l.uids == nil {
		l.uids = make(map[string]imap.UID)
	}
	l.uids[text] = uid
}

// renamer changes flags as mutt does: no lock, nobody asked. It marks nothing
// deleted and undeletes now and then.
func renamer(dir string, stop time.Time) {
	cur := filepath.Join(dir, "cur")
	for time.Now().Before(stop) {
		list, err := os.ReadDir(cur)
		if err != nil || len(list) == 0 {
			continue
		}
		for range 20 {
			name := list[rand.N(len(list))].Name()
			base, info := splitName(name)
			flags, letters, rest := parseInfo(info)
			flags ^= []SystemFlags{Seen, Flagged, Answered}[rand.N(3)]
			os.Rename(filepath.Join(cur, name), filepath.Join(cur, base+string(appendInfo(nil, flags, letters, rest))))
		}
		time.Sleep(time.Millisecond)
	}
}

// deleter unlinks a file now and then, without a word.
func deleter(dir string, stop time.Time, l *ledger) {
	cur := filepath.Join(dir, "cur")
	for time.Now().Before(stop) {
		time.Sleep(20 * time.Millisecond)
		list, err := os.ReadDir(cur)
		if err != nil || len(list) < 50 {
			continue
		}
		path := filepath.Join(cur, list[rand.N(len(list))].Name())
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		l.mu.Lock()
		l.expunged[string(text)] = true
		l.mu.Unlock()
		os.Remove(path)
	}
}

// session is a mail client that reads, flags, appends and expunges.
func session(t *testing.T, h *Handle, who int, stop time.Time, l *ledger) {
	ctx := context.Background()
	c := &client{h: h, flags: make(map[imap.UID]Flags)}
	var d Delta
	for n := 0; time.Now().Before(stop); n++ {
		if err := h.Refresh(ctx); err != nil {
			t.Error(err)
			return
		}
		h.Sync(true, &d)
		for _, seq := range d.Expunged {
			c.uids = append(c.uids[:min(int(seq)-1, len(c.uids))], c.uids[min(int(seq), len(c.uids)):]...)
		}
		msgs := h.Messages(nil, 0, maxUID, 1<<30)
		if len(msgs) == 0 {
			appendOne(t, h, who, n, l)
			continue
		}
		m := msgs[rand.N(len(msgs))]
		switch rand.N(5) {
		case 0:
			appendOne(t, h, who, n, l)
		case 1:
			if _, err := h.Store(ctx, uidSet(m.UID), Add, []imap.Flag{imap.FlagSeen, "mine"}, 0, nil); err != nil {
				t.Error(err)
			}
		case 2:
			f, err := h.OpenMessage(ctx, m.UID)
			if errors.Is(err, ErrExpunged) {
				continue
			}
			if err != nil {
				t.Error(err)
				continue
			}
			b := make([]byte, f.FileSize())
			f.ReadAt(b, 0)
			f.Close()
			l.note(t, m.UID, string(b))
		case 3:
			if len(msgs) < 50 {
				continue
			}
			f, err := h.OpenMessage(ctx, m.UID)
			if err != nil {
				continue
			}
			b := make([]byte, f.FileSize())
			f.ReadAt(b, 0)
			f.Close()
			l.mu.Lock()
			l.expunged[string(b)] = true
			l.mu.Unlock()
			h.Store(ctx, uidSet(m.UID), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
			if _, err := h.Expunge(ctx, uidSet(m.UID)); err != nil {
				t.Error(err)
			}
		case 4:
			if err := h.Load(ctx, msgs); err != nil {
				t.Error(err)
			}
			h.FlushCache()
		}
	}
}

func appendOne(t *testing.T, h *Handle, who, n int, l *ledger) {
	text := fmt.Sprintf("Subject: session %d %d\n\n%s\n", who, n, strings.Repeat("x", rand.N(50)))
	uid, err := tryAppend(h, text)
	if err != nil {
		t.Error(err)
		return
	}
	l.note(t, uid, text)
	l.mu.Lock()
	if l.appended == nil {
		l.appended = make(map[string]bool)
	}
	l.appended[text] = true
	l.mu.Unlock()
}

// TestWatchedRenamesCostNoScan: while a session waits, our own changes are
// explained by their names and no directory is read.
func TestWatchedChangesCostNoScan(t *testing.T) {
	var scans int
	var mu sync.Mutex
	b := openSpot(t, t.TempDir(), fsx.FS{Fault: func(op, _ string) error {
		if op == "readdir" {
			mu.Lock()
			scans++
			mu.Unlock()
		}
		return nil
	}})
	h := b.open(Select)
	for range 5 {
		appendText(t, h, mail)
	}
	<-h.Changed()
	refresh(t, h)
	mu.Lock()
	scans = 0
	mu.Unlock()
	for range 10 {
		h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
		h.Store(context.Background(), uidSet(2), Remove, []imap.Flag{imap.FlagSeen}, 0, nil)
		appendText(t, h, mail)
		time.Sleep(30 * time.Millisecond)
		refresh(t, h)
	}
	time.Sleep(1200 * time.Millisecond)
	refresh(t, h)
	mu.Lock()
	defer mu.Unlock()
	if scans != 0 {
		t.Errorf("%d directory scans for changes of our own", scans)
	}
}

// TestWarmMailboxCostsNoScan: re-SELECT and STATUS of what is warm, and the
// first SELECT of a process with an index, read no directory.
func TestWarmMailboxCostsNoScan(t *testing.T) {
	t.Parallel()
	b := newSpot(t)
	h := b.open(Select)
	for range 20 {
		appendText(t, h, mail)
	}
	time.Sleep(1100 * time.Millisecond)
	refresh(t, h) // the look that settles
	h.Close()
	var ops []string
	counted := openSpot(t, b.dir, fsx.FS{Fault: func(op, path string) error {
		ops = append(ops, op+" "+strings.TrimPrefix(path, b.dir))
		return nil
	}})
	for range 3 {
		ops = nil
		h := counted.open(Select)
		if h.Count() != 20 {
			t.Error(h.Count())
		}
		h.Close()
		for _, op := range ops {
			if strings.HasPrefix(op, "readdir") || strings.HasPrefix(op, "lock") {
				t.Error(op)
			}
		}
	}
	t.Log(ops)
}

// TestExpungeWhileLearning: sizes and dates of messages are learnt while others are expunged, which the race detector watches.
func TestExpungeWhileLearning(t *testing.T) {
	b := newSpot(t)
	b.drop("cur", mail)
	b.drop("cur", mail)
	h := b.open(Select)
	if _, err := h.Store(t.Context(), uidSet(1), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-done:
				return
			default:
				h.m.know(1, -1, i)
			}
		}
	})
	for range 50 {
		if n, err := h.Expunge(t.Context(), uidSet(2)); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	close(done)
	wg.Wait()
	if n, err := h.Expunge(t.Context(), uidSet(1)); n != 1 || err != nil {
		t.Error(n, err)
	}
}
