package maildir

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// steppedClock is a clock that a test moves.
type steppedClock struct{ off atomic.Int64 }

func (c *steppedClock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

func (c *steppedClock) step(d time.Duration) { c.off.Add(int64(d)) }

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// await waits for a handle to see n messages.
func await(t *testing.T, h *Handle, n int, what string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for int(h.Count()) != n {
		select {
		case <-h.Changed():
			if _, err := h.Woken(context.Background()); err != nil {
				t.Fatal(err)
			}
			var d Delta
			h.Sync(true, &d)
		case <-late:
			t.Fatalf("%s: %d messages seen, want %d", what, h.Count(), n)
		}
	}
}

// TestWatchesRunOut: without inotify mailboxes are polled, with one warning, and told of
// in the status; they are watched again when that is possible, wherever they lie by then.
func TestWatchesRunOut(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"inotify", "watch"} {
		var refuse atomic.Bool
		refuse.Store(true)
		var log lockedBuffer
		var clock steppedClock
		top := t.TempDir()
		store, err := NewStore(StoreOptions{
			Log: slog.New(slog.NewTextHandler(&log, nil)), Now: clock.now,
			Watcher: &fsx.Watcher{Fault: func(op, _ string) error {
				if op == what && refuse.Load() {
					return syscall.ENOSPC
				}
				return nil
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		spots := make([]*spot, 2)
		handles := make([]*Handle, 2)
		for i := range spots {
			dir := filepath.Join(top, string(rune('a'+i)))
			for _, d := range []string{"new", "cur", "tmp"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			spots[i] = &spot{t: t, dir: dir, store: store, loc: location{name: "INBOX", dir: dir, root: dir, rights: acl.RightsAll}}
			if handles[i], err = store.open(context.Background(), spots[i].loc, Select); err != nil {
				t.Fatal(err)
			}
			<-handles[i].Changed()
			spots[i].drop("new", mail)
			await(t, handles[i], 1, what+": polled")
		}
		if s := store.WatchStatus(); s != (WatchStatus{Polled: 2}) || log.count("level=WARN") != 1 {
			t.Errorf("%s: %+v, %d warnings", what, s, log.count("level=WARN"))
		}
		// A polled mailbox moves, and is still seen.
		to := filepath.Join(top, "moved")
		if err := os.Rename(spots[1].dir, to); err != nil {
			t.Fatal(err)
		}
		store.moved(nil, &move{fromDir: spots[1].dir, toDir: to})
		spots[1].dir = to
		spots[1].drop("new", mail)
		await(t, handles[1], 2, what+": moved")
		refuse.Store(false)
		clock.step(2 * pollRetry)
		for end := time.Now().Add(10 * time.Second); store.WatchStatus() != (WatchStatus{Watched: 2}); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: still %+v", what, store.WatchStatus())
			}
		}
		spots[1].drop("new", mail)
		await(t, handles[1], 3, what+": watched again")
		if n := log.count("no directory is polled"); n != 1 {
			t.Errorf("%s: said %d times that it is over", what, n)
		}
		for _, h := range handles {
			h.Close()
		}
		store.Close()
	}
}

// TestMovedWhileWatched: a watched mailbox that is renamed is watched at its new place.
func TestMovedWhileWatched(t *testing.T) {
	top := t.TempDir()
	b := openSpot(t, filepath.Join(top, "a"), fsx.FS{})
	h := b.open(Select)
	<-h.Changed()
	to := filepath.Join(top, "b")
	if err := os.Rename(b.dir, to); err != nil {
		t.Fatal(err)
	}
	b.store.moved(nil, &move{fromDir: b.dir, toDir: to})
	b.dir = to
	b.drop("new", mail)
	await(t, h, 1, "after the rename")
}

// TestClockSteps: whatever the clock does, nothing is lost, no UID is given twice, and
// HIGHESTMODSEQ does not go back, in one process and over restarts.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	dir := unsynced(t)
	var clock steppedClock
	var next, high uint64
	uids := make(map[uint32]string)
	messages := 0
	for life, step := range []time.Duration{0, -time.Hour, 48 * time.Hour, -3 * time.Second, -400 * 24 * time.Hour, time.Second} {
		clock.step(step)
		b := openSpot(t, dir, fsx.FS{})
		b.store.now = clock.now
		h := b.open(Select)
		for round, again := range []time.Duration{0, -time.Minute, 2 * time.Minute, -2 * time.Second} {
			clock.step(again)
			b.drop("new", mail)
			messages++
			refresh(t, h)
			os.Rename(filepath.Join(dir, "cur", b.names("cur")[0]), filepath.Join(dir, "cur", strings.SplitN(b.names("cur")[0], ":", 2)[0]+":2,F"))
			b.drop("cur", mail)
			messages++
			appendText(t, h, mail)
			messages++
			time.Sleep(2 * time.Duration(tick))
			refresh(t, h)
			if int(h.Count()) != messages {
				t.Fatalf("life %d, round %d: %d messages, want %d", life, round, h.Count(), messages)
			}
			if uint64(h.UIDNext()) < next || h.HighestModSeq() < high {
				t.Fatalf("life %d, round %d: next UID %d after %d, MODSEQ %d after %d", life, round, h.UIDNext(), next, h.HighestModSeq(), high)
			}
			next, high = uint64(h.UIDNext()), h.HighestModSeq()
			for _, m := range h.Messages(nil, 0, maxUID, 1000) {
				h.m.mu.RLock()
				base := string(h.m.state.base(h.m.state.find(m.UID)))
				h.m.mu.RUnlock()
				if was := uids[uint32(m.UID)]; was != "" && was != base {
					t.Fatalf("UID %d was %s and is %s", m.UID, was, base)
				}
				uids[uint32(m.UID)] = base
			}
		}
		h.Close()
		b.store.Close()
		b.check()
	}
	if len(uids) != messages {
		t.Errorf("%d UIDs for %d messages", len(uids), messages)
	}
}

// TestHerd: a delivery to a mailbox that a thousand sessions wait for is one look under
// one lock, and all hear of it soon.
func TestHerd(t *testing.T) {
	if testing.Short() {
		t.Skip("many goroutines")
	}
	count := &meter{ops: make(map[string]int)}
	b := openSpot(t, unsynced(t), fsx.FS{Fault: count.hook})
	const sessions = 1000
	var ready, done sync.WaitGroup
	stop := make(chan struct{})
	heard := make(chan time.Time, 10*sessions)
	for range sessions {
		h := b.open(Select)
		<-h.Changed()
		ready.Add(1)
		done.Go(func() {
			seen := h.Count()
			ready.Done()
			for {
				select {
				case <-stop:
					return
				case <-h.Changed():
				}
				if news, err := h.Woken(context.Background()); err != nil || !news {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				var d Delta
				if h.Sync(true, &d); d.Exists > seen {
					seen = d.Exists
					heard <- time.Now()
				}
			}
		})
	}
	ready.Wait()
	refresh(t, b.open(Select))
	for round := range 5 {
		b.store.watch.events.Drain(time.Second)
		time.Sleep(50 * time.Millisecond)
		count.take()
		begin := time.Now()
		b.drop("new", mail)
		var median time.Duration
		for i := range sessions {
			select {
			case at := <-heard:
				if i == sessions/2 {
					median = at.Sub(begin)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("round %d: only %d sessions have heard", round, i)
			}
		}
		b.store.watch.events.Drain(time.Second)
		time.Sleep(20 * time.Millisecond)
		ops := count.take()
		t.Logf("half of them within %v; %v", median, ops)
		if ops["lock"] > 2 || ops["stat"] > 100 {
			t.Errorf("round %d: %v for one delivery", round, ops)
		}
	}
	close(stop)
	done.Wait()
}
