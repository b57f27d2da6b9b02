package maildir

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// TestMarksAtOnce lets a user's sessions in two processes mark and a stranger's flag, all at once, while files are
// written anew and selections come and go. A client that goes from one process to the other asks for
// what has changed since it last asked; in the end it knows all there is.
func TestMarksAtOnce(t *testing.T) {
	t.Parallel()
	p := newPublic(t, unsynced(t))
	defer os.RemoveAll(p.top)
	const n = 40
	for i := range n {
		p.put("news", fmt.Sprintf("1700000000.M%03dP1.a:2,", i))
	}
	var alice, bob []*reading
	for range 2 {
		s := p.newProcess()
		alice, bob = append(alice, p.mustRead(s, "alice")), append(bob, p.mustRead(s, "bob"))
	}
	alice[0].open(t, "news", Select) // UIDs are given once
	var busy, asking sync.WaitGroup
	end := time.Now().Add(700 * time.Millisecond)
	work := func(r *reading, seed uint64, flags ...imap.Flag) {
		busy.Add(1)
		go func() {
			defer busy.Done()
			rnd := rand.New(rand.NewPCG(seed, 1))
			for time.Now().Before(end) {
				h, err := r.Open(bg, "news", Select)
				if err != nil {
					t.Error(err)
					return
				}
				for range 10 {
					lo := imap.UID(1 + rnd.IntN(n))
					set := imap.UIDSet{imap.UIDRange{Start: lo, Stop: lo + imap.UID(rnd.IntN(3))}}
					if _, err := h.Store(bg, set, Add+StoreOp(rnd.IntN(2)), flags[rnd.IntN(len(flags)):][:1], 0, nil); err != nil {
						t.Error(err)
					}
					if rnd.IntN(4) == 0 {
						if err := h.Refresh(bg); err != nil {
							t.Error(err)
						}
						var d Delta
						h.Sync(true, &d)
						h.Counts(bg)
						h.FirstUnseen()
					}
					if rnd.IntN(20) == 0 {
						w, err := r.marks.write(bg)
						if err != nil {
							t.Error(err)
							continue
						}
						r.marks.anew = true
						if err := w.append(nil, nil); err != nil {
							t.Error(err)
						}
						w.done()
					}
				}
				h.Close()
			}
		}()
	}
	for i := range 2 {
		work(alice[i], uint64(i), imap.FlagSeen)
		work(alice[i], uint64(i)+10, imap.FlagSeen, imap.FlagFlagged)
		work(bob[i], uint64(i)+20, imap.FlagFlagged, imap.FlagSeen)
	}
	client := make(map[imap.UID]SystemFlags)
	known := uint64(0)
	ask := func(h *Handle) {
		if err := h.Refresh(bg); err != nil {
			t.Error(err)
			return
		}
		var d Delta
		h.Sync(true, &d)
		high := h.HighestModSeq()
		if high < known {
			t.Errorf("HIGHESTMODSEQ fell from %d to %d", known, high)
		}
		for _, m := range h.Messages(nil, 0, maxUID, n) {
			if m.ModSeq > known {
				client[m.UID] = m.Flags.System
			}
		}
		known = max(known, high)
	}
	asking.Add(1)
	handles := []*Handle{alice[0].open(t, "news", Examine), alice[1].open(t, "news", Examine)}
	go func() {
		defer asking.Done()
		for i := 0; time.Now().Before(end); i++ {
			ask(handles[i%2])
		}
	}()
	busy.Wait()
	asking.Wait()
	ask(handles[0])
	ask(handles[1])
	fresh := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	for i, m := range fresh.Messages(nil, 0, maxUID, n) {
		if client[m.UID] != m.Flags.System {
			t.Errorf("the client has %b for %d, which has %b", client[m.UID], m.UID, m.Flags.System)
		}
		for _, h := range handles {
			if got := h.Messages(nil, 0, maxUID, n)[i]; got.Flags != m.Flags {
				t.Errorf("UID %d is %v and %v", m.UID, got.Flags, m.Flags)
			}
		}
	}
	if want := fresh.HighestModSeq(); handles[0].HighestModSeq() != want || handles[1].HighestModSeq() != want {
		t.Errorf("HIGHESTMODSEQ is %d, %d and %d", want, handles[0].HighestModSeq(), handles[1].HighestModSeq())
	}
}
