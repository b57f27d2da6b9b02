package pubroot

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/maildir"
)

// crowd is me and others with so many folders each.
func crowd(t testing.TB, layout maildir.Layout, owners, folders int) *village {
	users := []string{"me"}
	for i := range owners {
		users = append(users, fmt.Sprintf("u%05d", i))
	}
	v := newVillage(t, '/', users...)
	v.layout = layout
	dot := "."
	if layout == maildir.FS {
		dot = ""
	}
	for _, u := range users {
		for f := range folders {
			if err := os.MkdirAll(filepath.Join(v.dir, u, fmt.Sprintf("%sf%d", dot, f), "cur"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

// cpu is what this process has spent, which other programs on the machine change less than the time on the clock.
func cpu() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkFirstList is the LIST of other users' mail in a process that knows nothing: where nobody shares anything, and
// where everybody has let somebody else in.
func BenchmarkFirstList(b *testing.B) {
	for _, x := range []struct {
		layout  maildir.Layout
		owners  int
		sharing bool
	}{{maildir.MaildirPP, 500, false}, {maildir.MaildirPP, 500, true}, {maildir.FS, 500, false}, {maildir.MaildirPP, 10000, false}} {
		name := fmt.Sprintf("%s/%dx20", x.layout, x.owners)
		if x.sharing {
			name += "/to-others"
		}
		b.Run(name, func(b *testing.B) {
			v := crowd(b, x.layout, x.owners, 20)
			if x.sharing {
				for _, u := range v.users {
					if err := os.WriteFile(filepath.Join(v.dir, u, ".f7/dovecot-acl"), []byte("user=boss lr\n"), 0o600); err != nil {
						b.Fatal(err)
					}
				}
			}
			me := v.others("me")
			me.o.Store, _ = maildir.NewStore(maildir.StoreOptions{}) // without a hook
			defer me.o.Store.Close()
			b.ReportAllocs()
			spent := cpu()
			for b.Loop() {
				v.index.last = nil
				if _, err := me.List(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu()-spent)/float64(b.N), "cpu-ns/op")
			v.index.Now = nil
			v.index.last = nil
			me.List(b.Context())
			begin := time.Now()
			me.List(b.Context())
			b.ReportMetric(float64(time.Since(begin).Nanoseconds()), "ns/second-list")
		})
	}
}

// TestCostOfSharing: who has no lists costs a LIST nothing while that is known, and who lets others in no tree.
func TestCostOfSharing(t *testing.T) {
	for _, layout := range []maildir.Layout{maildir.MaildirPP, maildir.FS} {
		v := crowd(t, layout, 100, 10)
		v.tick = time.Second // a look takes as long
		v.share("u00007", "f7", "me", "lr")
		v.share("u00008", "f7", "boss", "lr")
		v.opens.Store(0)
		me := v.others("me")
		v.wantSeen(me, "u00007-+", "u00007/f7 lr")
		if v.opens.Load() != 1 {
			t.Errorf("%d trees were opened", v.opens.Load())
		}
		looks := v.looks.Load() // what changed a moment ago is read again: the one tree
		for range 3 {
			v.wantSeen(me, "u00007-+", "u00007/f7 lr")
		}
		if n := v.looks.Load() - looks; v.opens.Load() != 1 || n > 60 {
			t.Errorf("%d trees and %d directories were opened again", v.opens.Load(), n)
		}
		v.own("u00008") // opening is not sharing
		v.share("u00009", "f1", "me", "l")
		looks = v.looks.Load()
		v.opens.Store(0)
		v.wantSeen(me, "u00007-+", "u00007/f7 lr", "u00009-+", "u00009/f1 l")
		if n := v.looks.Load() - looks; v.opens.Load() != 1 || n > 60 {
			t.Errorf("%d trees and %d directories were opened for one new share", v.opens.Load(), n)
		}
	}
}
