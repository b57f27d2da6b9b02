package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// clockSpot is a spot whose store's clock is set by hand.
func clockSpot(t *testing.T, dir string, clock *atomic.Int64) *spot {
	t.Helper()
	b := openSpot(t, dir, fsx.FS{})
	s, err := NewStore(StoreOptions{LockWait: 5 * time.Second, Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b.store = s
	return b
}

func uidsOf(h *Handle) (uids []imap.UID) {
	for _, m := range h.Messages(nil, 0, maxUID, 1<<20) {
		uids = append(uids, m.UID)
	}
	return uids
}

const day = 24 * 60 * 60

// daily is a mailbox with one message a day, UIDs from 1.
func daily(t *testing.T, n int) (*spot, *atomic.Int64) {
	t.Helper()
	var clock atomic.Int64
	clock.Store(time.Now().Unix())
	b := clockSpot(t, unsynced(t), &clock)
	h := b.open(Select)
	for range n {
		appendText(t, h, mail)
		clock.Add(day)
	}
	return b, &clock
}

func TestExpire(t *testing.T) {
	for _, tt := range []struct {
		name string
		days int64 // 0: no age
		keep int
		want []imap.UID
	}{
		{"nothing", 0, 0, []imap.UID{1, 2, 3, 4, 5}},
		{"age", 3, 0, []imap.UID{3, 4, 5}},
		{"all", -1, 0, nil},
		{"newest", 0, 2, []imap.UID{4, 5}},
		{"fewer than may be kept", 0, 9, []imap.UID{1, 2, 3, 4, 5}},
		{"both, age takes more", 2, 4, []imap.UID{4, 5}},
		{"both, number takes more", 4, 1, []imap.UID{5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, clock := daily(t, 5)
			h := b.open(Select)
			if _, err := h.Store(bg, uidSet(1, 5), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
				t.Fatal(err)
			}
			o := ExpireOptions{Keep: tt.keep, DryRun: true}
			if tt.days != 0 {
				o.Before = time.Unix(clock.Load()-tt.days*day, 0)
			}
			n, err := b.open(Peek).expire(bg, o)
			if err != nil || n != 5-len(tt.want) || len(b.names("cur")) != 5 {
				t.Errorf("dry run: %d of 5, %v, %d files left", n, err, len(b.names("cur")))
			}
			o.DryRun = false
			if n, err = b.open(Peek).expire(bg, o); err != nil || n != 5-len(tt.want) {
				t.Errorf("%d of 5, %v", n, err)
			}
			if refresh(t, h); !cmp.Equal(uidsOf(h), tt.want) {
				t.Errorf("left %v, want %v", uidsOf(h), tt.want)
			}
			if n, err = b.open(Peek).expire(bg, o); n != 0 || err != nil {
				t.Errorf("again: %d, %v", n, err)
			}
			b.check()
		})
	}
}

// TestExpireSlices: more messages than one look meets, and than go under one lock.
func TestExpireSlices(t *testing.T) {
	b := openSpot(t, unsynced(t), fsx.FS{})
	const n = storeSlice + 2*expireSlice
	for i := range n {
		b.dropAs("cur", fmt.Sprintf("16000%05d.M1P1.host:2,S", i), mail)
	}
	other := openSpot(t, b.dir, fsx.FS{})
	live, h := other.open(Select), b.open(Peek)
	if got, err := h.expire(bg, ExpireOptions{Keep: 3, DryRun: true}); got != n-3 || err != nil {
		t.Errorf("dry run: %d, %v", got, err)
	}
	if got, err := h.expire(bg, ExpireOptions{Keep: 3}); got != n-3 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if d := refresh(t, live); len(d.ExpungedUIDs) != n-3 || live.Count() != 3 {
		t.Errorf("a session of another process: %d expunged, %d left", len(d.ExpungedUIDs), live.Count())
	}
	if files := b.names("cur"); len(files) != 3 {
		t.Errorf("%d files left", len(files))
	}
	other.compacted()
	b.check()
}

// TestExpireIndexLost: the save dates are in the index. Without it messages begin anew, and none goes early.
func TestExpireIndexLost(t *testing.T) {
	b, clock := daily(t, 4)
	b.store.Close()
	if err := os.Remove(filepath.Join(b.dir, indexName)); err != nil {
		t.Fatal(err)
	}
	expire := func() int {
		t.Helper()
		p := clockSpot(t, b.dir, clock)
		n, err := p.open(Peek).expire(bg, ExpireOptions{Before: time.Unix(clock.Load()-30*day, 0)})
		if err != nil {
			t.Fatal(err)
		}
		p.store.Close()
		return n
	}
	clock.Add(100 * day)
	if n := expire(); n != 0 {
		t.Errorf("%d messages gone at first sight", n)
	}
	clock.Add(29 * day)
	if n := expire(); n != 0 {
		t.Errorf("%d messages gone 29 days after", n)
	}
	clock.Add(2 * day)
	if n := expire(); n != 4 {
		t.Errorf("%d messages gone 31 days after: the first sight is not remembered", n)
	}
}

// TestExpireDecidesAnew: somebody expunges some of the newest between the look and the lock.
func TestExpireDecidesAnew(t *testing.T) {
	b, _ := daily(t, 6)
	h := b.open(Peek)
	x := expiry{m: h.m, keep: 3}
	due, _ := x.look(0)
	if got := due.count(); got != 3 {
		t.Fatal(got)
	}
	other := openSpot(t, b.dir, fsx.FS{}).open(Select)
	if _, err := other.Store(bg, uidSet(5, 6), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Expunge(bg, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := h.expireSome(bg, &x, due[len(due)-1].hi); n != 1 || err != nil {
		t.Errorf("%d gone, %v", n, err)
	}
	if refresh(t, other); !cmp.Equal(uidsOf(other), []imap.UID{2, 3, 4}) {
		t.Errorf("left %v", uidsOf(other))
	}
}

// TestExpireTree: by name, as far as rights go; and the quota knows at once.
func TestExpireTree(t *testing.T) {
	q := Quota{Set: true, Messages: 10}
	tree := quotaTree(t, t.TempDir(), &q, fsx.FS{})
	h := openIn(t, tree, "INBOX", Target)
	for range 4 {
		appendText(t, h, mail)
	}
	before := usage(t, tree)
	if n, err := tree.Expire(bg, "INBOX", ExpireOptions{Keep: 1}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if after := usage(t, tree); after.count != 1 || after.bytes*4 != before.bytes {
		t.Errorf("the quota says %v, was %v", after, before)
	}
	if _, err := tree.Expire(bg, "none", ExpireOptions{Keep: 1}); !errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
	o := tree.o
	o.ReadOnly = true
	read := testTree(t, o, fsx.FS{})
	if _, err := read.Expire(bg, "INBOX", ExpireOptions{Keep: 1}); !errors.Is(err, ErrNoPermission) {
		t.Error(err)
	}
}
