package maildir

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// hears waits until a session is told of a message as seen, or as not.
func hears(t *testing.T, h *Handle, uid imap.UID, seen bool) {
	t.Helper()
	for end := time.After(10 * time.Second); ; {
		select {
		case <-h.Changed():
		case <-end:
			t.Fatalf("not told of %d", uid)
		}
		news, err := h.Woken(bg)
		if err != nil {
			t.Fatal(err)
		}
		if !news {
			continue
		}
		var d Delta
		h.Sync(true, &d)
		for _, m := range d.Flags {
			if m.UID == uid && (m.Flags.System == Seen) == seen {
				return
			}
		}
	}
}

// TestMarksHeardElsewhere: a session that waits hears at once what the same user marks in another process, also when
// the file is written anew, is the first there is, or is in a directory that was away.
func TestMarksHeardElsewhere(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]bool{"watched": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := threeMails(t)
			events := &fsx.Watcher{Fault: func(op, dir string) error {
				if refused && strings.HasSuffix(dir, "/alice") {
					return syscall.ENOSPC
				}
				return nil
			}}
			s, err := NewStore(StoreOptions{Watcher: events})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			r := p.mustRead(s, "alice")
			h, other := r.open(t, "news", Select), r.open(t, "news", Select)
			bob := p.mustRead(s, "bob").open(t, "news", Select)
			for _, h := range []*Handle{h, other, bob} {
				<-h.Changed() // the first look
				if news, err := h.Woken(bg); news || err != nil {
					t.Fatal(news, err)
				}
			}
			far := p.anew("news")
			mark(t, far, Add, uidSet(2), imap.FlagSeen)
			hears(t, h, 2, true)
			hears(t, other, 2, true)
			anew(t, far)
			mark(t, far, Remove, uidSet(2), imap.FlagSeen)
			hears(t, h, 2, false)
			if !refused {
				if err := os.Rename(p.home("alice"), p.top+"/away"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
				if err := os.Rename(p.top+"/away", p.top+"/alice"); err != nil {
					t.Fatal(err)
				}
				mark(t, far, Add, uidSet(3), imap.FlagSeen)
				hears(t, h, 3, true)
				w := &s.watch
				for again, end := false, time.Now().Add(10*time.Second); !again; time.Sleep(20 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("not watched again")
					}
					w.mu.Lock()
					x := w.marks[h.own.k]
					again = x.watch != nil && !x.over.Load()
					w.mu.Unlock()
				}
				mark(t, far, Remove, uidSet(3), imap.FlagSeen)
				hears(t, h, 3, false)
			}
			select {
			case <-bob.Changed():
				t.Error("another user is woken")
			default:
			}
			for _, h := range []*Handle{h, other, bob} {
				h.Close()
			}
			s.watch.mu.Lock()
			defer s.watch.mu.Unlock()
			if n := len(s.watch.marks); n > 0 {
				t.Errorf("%d files are watched", n)
			}
		})
	}
}
