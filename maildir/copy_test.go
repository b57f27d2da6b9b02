package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestCopyOfMany: what is noted of a large set is noted some messages at a time and
// without an allocation for each, and every copy has its original's flags and name.
func TestCopyOfMany(t *testing.T) {
	const n = 2*storeSlice + 100
	ctx := context.Background()
	b := openSpot(t, unsynced(t), fsx.FS{})
	infos := []string{":2,S", ":2,FS", "", ":2,SF", ":2,S,more"} // the last three are odd in cur/
	for i := range n {
		name := fmt.Sprintf("17%08d.M1P1.host%s", i, infos[i%len(infos)])
		if err := os.WriteFile(filepath.Join(b.dir, "cur", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := b.open(Select)
	c := &copying{src: h.m}
	if allocs := testing.AllocsPerRun(1, func() { c.collect(imap.UIDSet{{Start: 1, Stop: 0}}, h.view.maxUID) }); allocs > 300 {
		t.Errorf("%v allocations for %d messages", allocs, n)
	}
	if len(c.list) != n || len(c.uids) != n {
		t.Fatalf("%d of %d messages noted", len(c.list), n)
	}
	other := openSpot(t, unsynced(t), fsx.FS{})
	dst := other.open(Select)
	r, err := h.Copy(ctx, imap.UIDSet{{Start: 2, Stop: 0}}, dst)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Dest; len(got) != 1 || got[0] != (imap.UIDRange{Start: 1, Stop: n - 1}) {
		t.Errorf("copies are %v", got)
	}
	want := b.names("cur")[1:]
	for i, name := range want { // a copy in cur/ has an info, its letters in order
		switch base, info, _ := strings.Cut(name, ":"); info {
		case "", "2,S", "2,FS":
			want[i] = base + ":2," + strings.TrimPrefix(info, "2,")
		case "2,SF":
			want[i] = base + ":2,FS"
		}
	}
	if got := other.names("cur"); !slices.Equal(got, want) {
		for i := range got {
			if i >= len(want) || got[i] != want[i] {
				t.Fatalf("copy %d is %q, want %q", i, got[i], want[i])
			}
		}
		t.Fatalf("%d copies, want %d", len(got), len(want))
	}
	dst.Close()
	h.Close()
	b.check()
	other.check()
}
