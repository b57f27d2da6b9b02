//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runMbsync: 2,000 messages, a thousand on either side, synchronised both ways; a second run moves nothing;
// flags and removals go over in both directions.
func runMbsync(t *testing.T, w *world, user string) {
	messages := mail(t, 2000)
	far, near := w.MailDir(user), filepath.Join(t.TempDir(), "near")
	fill(t, w, user, "INBOX", messages[:800], 0)
	fill(t, w, user, "Archive", messages[800:1000], 800)
	layNear(t, filepath.Join(near, "INBOX"), messages[1000:1900], 1000)
	layNear(t, filepath.Join(near, "Papers"), messages[1900:], 1900)
	conf := mbsyncConfig(t, w, user, near)

	command(t, nil, "mbsync", "-c", conf, "-a")
	same := func(what string, count int) {
		t.Helper()
		for _, box := range []struct{ near, far string }{{"INBOX", "."}, {"Archive", ".Archive"}, {"Papers", ".Papers"}} {
			n, f := contents(t, filepath.Join(near, box.near)), contents(t, filepath.Join(far, box.far))
			if !slices.Equal(n, f) {
				t.Errorf("%s: %s: %d messages here, %d on the server, not the same", what, box.near, len(n), len(f))
			}
			count -= len(n)
		}
		if count != 0 {
			t.Errorf("%s: %d messages missing", what, count)
		}
	}
	same("first run", 2000)

	beforeNear, beforeFar := files(t, filepath.Join(near, "INBOX")), files(t, far)
	command(t, nil, "mbsync", "-c", conf, "-a")
	if !slices.Equal(beforeNear, files(t, filepath.Join(near, "INBOX"))) || !slices.Equal(beforeFar, files(t, far)) {
		t.Error("the second run moved something")
	}

	// Here: one flagged, one thrown away. There: one answered, one expunged.
	names := files(t, filepath.Join(near, "INBOX"))
	flagged, trashed := readMessage(t, addFlag(t, names[10], "F")), readMessage(t, addFlag(t, names[20], "T"))
	k := dialRaw(t, w, user)
	k.do(t, "SELECT INBOX")
	k.do(t, `UID STORE 30 +FLAGS (\Answered)`)
	k.do(t, `UID STORE 40 +FLAGS.SILENT (\Deleted)`)
	k.do(t, "UID EXPUNGE 40")
	k.do(t, "LOGOUT")
	command(t, nil, "mbsync", "-c", conf, "-a")
	same("after changes", 1998)
	expectFlag(t, far, flagged, 'F', true)
	expectGone(t, far, trashed)
	if n := withFlag(t, filepath.Join(near, "INBOX"), 'R'); n != 1 {
		t.Errorf("%d answered messages here, want 1", n)
	}
}

func mbsyncConfig(t *testing.T, w *world, user, near string) string {
	t.Helper()
	host, port := w.hostPort()
	if err := os.MkdirAll(near, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "mbsyncrc")
	text := fmt.Sprintf(`IMAPAccount a
Host %s
Port %s
User %s
Pass %s
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
CopyArrivalDate yes
`, host, port, user, password, near, near)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return conf
}

// layNear makes a Maildir of the client's, with mail in cur/.
func layNear(t *testing.T, dir string, messages [][]byte, first int) {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range messages {
		path := filepath.Join(dir, "cur", fmt.Sprintf("%d.%d_1.here:2,S", 1700000000+first+i, first+i))
		if err := os.WriteFile(path, m, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// addFlag renames a message file as a mail reader does.
func addFlag(t *testing.T, path, flag string) string {
	t.Helper()
	dir, name := filepath.Split(path)
	base, info, _ := strings.Cut(name, ":2,")
	letters := strings.Split(info+flag, "")
	slices.Sort(letters)
	to := filepath.Join(strings.TrimSuffix(strings.TrimSuffix(dir, "new/"), "cur/"), "cur", base+":2,"+strings.Join(slices.Compact(letters), ""))
	if err := os.Rename(path, to); err != nil {
		t.Fatal(err)
	}
	return to
}

func readMessage(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(b)
}

// findMessage is the name of the file that has this message, "" if none.
func findMessage(t *testing.T, dir string, message []byte) string {
	t.Helper()
	for _, path := range files(t, dir) {
		if string(readMessage(t, path)) == string(message) {
			return filepath.Base(path)
		}
	}
	return ""
}

func expectFlag(t *testing.T, dir string, message []byte, flag byte, want bool) {
	t.Helper()
	name := findMessage(t, dir, message)
	_, info, _ := strings.Cut(name, ":2,")
	if name == "" || strings.IndexByte(info, flag) >= 0 != want {
		t.Errorf("%q: flag %c, want %v", name, flag, want)
	}
}

func expectGone(t *testing.T, dir string, message []byte) {
	t.Helper()
	if name := findMessage(t, dir, message); name != "" {
		t.Errorf("%s is still there", name)
	}
}

// withFlag counts the messages of a Maildir that have a flag.
func withFlag(t *testing.T, dir string, flag byte) int {
	t.Helper()
	n := 0
	for _, path := range files(t, dir) {
		if _, info, _ := strings.Cut(filepath.Base(path), ":2,"); strings.IndexByte(info, flag) >= 0 {
			n++
		}
	}
	return n
}

// offlineimaprc writes a configuration that keeps a user's mail in a tree of Maildirs, and returns its path. local
// are the lines that say where, and how folders are named there.
func offlineimaprc(t *testing.T, dir, host, port, user, local string) string {
	t.Helper()
	conf := filepath.Join(dir, "offlineimaprc")
	text := fmt.Sprintf(`[general]
accounts = a
metadata = %[1]s/meta
ui = basic
socktimeout = 60

[Account a]
localrepository = here
remoterepository = there

[Repository here]
type = Maildir
%[6]s

[Repository there]
type = IMAP
remotehost = %[2]s
remoteport = %[3]s
remoteuser = %[4]s
remotepass = %[5]s
ssl = no
starttls = no
`, dir, host, port, user, password, local)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return conf
}

// runOfflineIMAP: a first and a second synchronisation, then changes on both sides.
func runOfflineIMAP(t *testing.T, w *world, user string) {
	messages := mail(t, 150)
	fill(t, w, user, "INBOX", messages[:100], 0)
	fill(t, w, user, "Papers", messages[100:], 100)
	host, port := w.hostPort()
	dir := t.TempDir()
	conf := offlineimaprc(t, dir, host, port, user, "localfolders = "+dir+"/mail")
	sync := func() { t.Helper(); command(t, []string{"HOME=" + dir}, "offlineimap", "-c", conf, "-o") }
	local := filepath.Join(dir, "mail", "INBOX")
	sync()
	if here, there := contents(t, local), contents(t, w.MailDir(user)); len(here) != 100 || !slices.Equal(here, there) {
		t.Fatalf("first run: %d messages here, %d there, not the same", len(here), len(there))
	}
	before, beforeThere := files(t, local), files(t, w.MailDir(user))
	sync()
	if !slices.Equal(before, files(t, local)) || !slices.Equal(beforeThere, files(t, w.MailDir(user))) {
		t.Error("the second run moved something")
	}
	flagged := readMessage(t, addFlag(t, before[5], "F"))
	trashed := readMessage(t, before[6])
	if err := os.Remove(before[6]); err != nil {
		t.Fatal(err)
	}
	layNear(t, local, [][]byte{invented(5001)}, 5001)
	sync()
	expectFlag(t, w.MailDir(user), flagged, 'F', true)
	expectGone(t, w.MailDir(user), trashed)
	if findMessage(t, w.MailDir(user), canonical(invented(5001))) == "" {
		t.Error("the message added here did not arrive")
	}
}
