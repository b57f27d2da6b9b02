package maildir

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestVersion1Mailbox: a mailbox whose dovecot-uidlist is still of version 1 is
// served under the UIDs that it has, and the file is of version 3 afterwards.
func TestVersion1Mailbox(t *testing.T) {
	b := newSpot(t)
	one, two, fresh := b.drop("cur", "one\n\n"), b.drop("cur", "two\n\n"), b.drop("new", "new\n\n")
	list := filepath.Join(b.dir, uidlistFile)
	// With the info that old Dovecots wrote too, a message that is gone, and a line above the next UID.
	os.WriteFile(list, []byte("1 1275660208 40\n7 "+two+":2,S\n9 gone\n12 "+one+"\n50 beyond\n"), 0o644)
	h := b.open(Select)
	wantLook(t, h, "7: 12: 40:")
	if h.UIDValidity() != 1275660208 || h.UIDNext() != 41 {
		t.Errorf("UIDVALIDITY %d, next UID %d", h.UIDValidity(), h.UIDNext())
	}
	for uid, want := range map[imap.UID]string{7: "two\n\n", 12: "one\n\n", 40: "new\n\n"} {
		if got := readAll(t, h, uid); got != want {
			t.Errorf("UID %d is %q, want %q", uid, got, want)
		}
	}
	data, err := os.ReadFile(list)
	want := `^3 V1275660208 N41 G[0-9a-f]{32}\n7 :` + regexp.QuoteMeta(two) + `\n(9 :gone\n)?12 :` + regexp.QuoteMeta(one) + `\n40 :` + regexp.QuoteMeta(fresh) + `\n$`
	if err != nil || !regexp.MustCompile(want).Match(data) {
		t.Errorf("%v: %q does not match %s", err, data, want)
	}
	if _, err := h.Store(context.Background(), uidSet(7), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if uid := appendText(t, h, "later\n\n"); uid != 41 {
		t.Errorf("the next message has UID %d", uid)
	}
	h.Close()
	again := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantLook(t, again, "7:F 12: 40: 41:")
	if again.UIDValidity() != 1275660208 {
		t.Errorf("UIDVALIDITY %d", again.UIDValidity())
	}
	b.check()
}
