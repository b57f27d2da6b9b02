//go:build interop

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maildir-imapd/contrib/interop/peer"
)

// TestTourCourier takes trees from Courier to us, and one of them on to Dovecot.
func TestTourCourier(t *testing.T) {
	need(t, "dovecot=dovecot-imapd", "mbsync=isync", "offlineimap=offlineimap3")
	root := courierRoot(t)
	for _, tc := range []struct {
		name string
		on   bool // to Dovecot
	}{{"to us", false}, {"to Dovecot", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t)
			users := map[string]string{tourUser: password}
			mail := filepath.Join(dir, "dovecot", "mail", tourUser)
			if err := os.MkdirAll(filepath.Dir(mail), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, sub := range []string{"", "cur", "new", "tmp"} {
				if err := os.Mkdir(filepath.Join(mail, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			(&world{&peer.Server{UID: peer.DovecotUID}}).own(t, mail)
			courier := stop{"courier", true, func() (string, func() error, error) {
				s, err := peer.StartCourier(root, mail, peer.DovecotUID)
				if err != nil {
					return "", nil, err
				}
				return s.Addr, s.Stop, nil
			}}
			tr := newTour(t, dir, mail, peer.DovecotUID)
			tr.layout, tr.separator, tr.prefix, tr.folders, tr.utf8 = "maildir++", ".", "INBOX.", baseFolders, true
			ours := tr.ours(dir, users)
			if !tc.on {
				tr.keywords = 40 // more than Dovecot has letters for
				tr.travel(t, courier, ours, ours)
			} else {
				tr.travel(t, courier, ours, dovecotStop(dir, users, map[string]string{
					"mail_location": "maildir:DIR/mail/%u:UTF-8", "separator": ".", "prefix": "INBOX.",
				}, ""))
			}
			checkTree(t, tr.mail, "courierimapuiddb")
		})
	}
}

// courierRoot is where Courier was unpacked; it is fetched when it is not there yet.
func courierRoot(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("./courier.sh")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if testing.Short() {
			t.Skipf("courier-imap is not to be had: %v\n%s", err, stderr.String())
		}
		t.Fatalf("courier-imap is not to be had (-short skips what is missing): %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
