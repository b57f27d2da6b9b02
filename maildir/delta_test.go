package maildir

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestDeltaIsBounded: what another session does to all messages reaches a session in pieces,
// which together are everything, with numbers that are right when they are told.
func TestDeltaIsBounded(t *testing.T) {
	ctx := context.Background()
	b := openSpot(t, unsynced(t), fsx.FS{})
	const n = 1000
	for i := range n {
		b.dropAs("cur", fmt.Sprintf("17000%05d.M1P1.test:2,", i), "x\n")
	}
	h, idle := b.open(Select), b.open(Select)
	if _, err := h.Store(ctx, all(), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
		t.Fatal(err)
	}
	var odd imap.UIDSet
	for uid := imap.UID(1); uid <= n; uid += 2 {
		odd.AddNum(uid)
	}
	if _, err := h.Store(ctx, odd, Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	told := make(map[imap.UID]Flags)
	pieces := syncAll(t, idle, func(d *Delta) {
		for _, m := range d.Flags {
			if m.Seq != uint32(m.UID) {
				t.Errorf("UID %d has number %d", m.UID, m.Seq)
			}
			told[m.UID] = m.Flags
		}
	})
	if len(told) != n || pieces != n/deltaMost+1 {
		t.Errorf("told of %d messages in %d pieces", len(told), pieces)
	}
	// Half of the messages go and the others change again, and both is told at once.
	if _, err := h.Store(ctx, all(), Remove, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Expunge(ctx, nil); err != nil {
		t.Fatal(err)
	}
	appendText(t, h, "one more\n")
	var left []imap.UID
	for uid := imap.UID(1); uid <= n; uid++ {
		left = append(left, uid)
	}
	clear(told)
	syncAll(t, idle, func(d *Delta) {
		for i, seq := range d.Expunged {
			if left[seq-1] != d.ExpungedUIDs[i] {
				t.Fatalf("EXPUNGE %d is UID %d, told as %d", seq, left[seq-1], d.ExpungedUIDs[i])
			}
			left = slices.Delete(left, int(seq)-1, int(seq))
		}
		if d.ExistsChanged {
			left = append(left, n+1)
		}
		if int(d.Exists) != len(left) || int(idle.Count()) != len(left) {
			t.Fatalf("%d exist, view has %d, client %d", d.Exists, idle.Count(), len(left))
		}
		if int(idle.SeqOf(left[len(left)-1])) != len(left) {
			t.Fatalf("the last message is number %d of %d", idle.SeqOf(left[len(left)-1]), len(left))
		}
		for _, m := range d.Flags {
			if left[m.Seq-1] != m.UID {
				t.Fatalf("FETCH %d is UID %d, told as %d", m.Seq, left[m.Seq-1], m.UID)
			}
			told[m.UID] = m.Flags
		}
	})
	if len(left) != n/2+1 || len(told) != n/2 {
		t.Errorf("%d messages left, %d told of", len(left), len(told))
	}
	b.check()
}

// syncAll takes all there is to tell, in how many pieces it comes.
func syncAll(t *testing.T, h *Handle, each func(*Delta)) (pieces int) {
	t.Helper()
	var d Delta
	for d.More = true; d.More; pieces++ {
		h.Sync(true, &d)
		if len(d.Flags) > deltaMost || len(d.Expunged) > deltaMost {
			t.Fatalf("%d flags, %d expunges at once", len(d.Flags), len(d.Expunged))
		}
		each(&d)
	}
	return pieces
}

// TestFirstUnseen: whatever has been marked and unmarked, the first is found.
func TestFirstUnseen(t *testing.T) {
	ctx := context.Background()
	b := openSpot(t, unsynced(t), fsx.FS{})
	for i := range 20 {
		b.dropAs("cur", fmt.Sprintf("17000%05d.M1P1.test:2,S", i), "x\n")
	}
	h := b.open(Select)
	mark := func(op StoreOp, uid imap.UID) {
		t.Helper()
		if _, err := h.Store(ctx, uidSet(uid), op, []imap.Flag{imap.FlagSeen}, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := func(seq uint32) {
		t.Helper()
		if got := h.FirstUnseen(); got != seq {
			t.Errorf("first unseen is %d, want %d", got, seq)
		}
	}
	want(0)
	mark(Remove, 15)
	want(15)
	mark(Remove, 1)
	want(1)
	mark(Add, 1)
	want(15)
	appendText(t, h, "unseen\n")
	want(15)
	mark(Add, 15)
	want(0) // beyond the view
	refresh(t, h)
	want(21)
	if _, err := h.Store(ctx, uidSet(3, 21), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Expunge(ctx, nil); err != nil {
		t.Fatal(err)
	}
	want(0)
	b.check()
}
