package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maildir-imapd/maildir/fsx"
)

// TestQuotaStaleSum: a mail program has made room and said so to nobody; the lines are not beyond the limit
// themselves, but they and the next message are.
func TestQuotaStaleSum(t *testing.T) {
	ctx := t.Context()
	root := filepath.Join(t.TempDir(), "mail")
	counts := 0
	q := Quota{Set: true, Storage: 1000}
	note := func(e fsx.Event) {
		if e.Op == "rename" && e.New == quotaName {
			counts++
		}
	}
	tree := quotaTree(t, root, &q, fsx.FS{Done: note})
	h := openIn(t, tree, "INBOX", Select)
	for range 9 {
		appendText(t, h, strings.Repeat("x", 110)) // 990 of 1000
	}
	room := func() {
		paths, _ := filepath.Glob(filepath.Join(root, "new/*"))
		cur, _ := filepath.Glob(filepath.Join(root, "cur/*"))
		os.Remove(append(paths, cur...)[0])
		refresh(t, h)
	}
	room()
	if _, err := h.Deliver(ctx, 1001); !errors.Is(err, ErrQuota) || counts != 1 {
		t.Errorf("more than the whole quota: %v, counted %d times", err, counts)
	}
	if _, err := tryAppend(h, strings.Repeat("x", 110)); err != nil {
		t.Errorf("append: %v", err)
	}
	room()
	if _, err := h.Copy(ctx, uidSet(9), h); err != nil {
		t.Errorf("copy: %v", err)
	}
	// What is refused after counting is refused without counting again.
	before := counts
	for range 3 {
		if _, err := tryAppend(h, strings.Repeat("x", 500)); !errors.Is(err, ErrQuota) {
			t.Errorf("really full: %v", err)
		}
	}
	if counts != before+1 {
		t.Errorf("counted %d times for three refusals", counts-before)
	}
	if got, want := usage(t, tree), onDisk(t, root); got != want {
		t.Errorf("%v, really %v", got, want)
	}
}
