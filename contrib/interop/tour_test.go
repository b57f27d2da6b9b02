//go:build interop

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/contrib/interop/peer"
	"maildir-imapd/imapd/wire"
)

// tour is one tree of folders that several servers serve one after the other,
// while two mail clients keep their configuration and their state: they must
// not notice. What a client fetches is counted on the way.
type tour struct {
	mail      string // the user's Maildir
	home      string // of the clients
	separator string // of names on the wire
	prefix    string // before the names of all folders but INBOX
	layout    string // "maildir++" or "fs"
	utf8      bool   // names on disk are UTF-8
	control   string // Dovecot's CONTROL=, and
	index     string // INDEX=, templates of ours
	escapes   bool   // dots are escaped on disk
	folders   [][]string
	keywords  int // how many one message gets at the first station
	uid       int

	tap      *peer.Tap
	w        *world
	clients  []*tourClient
	next     int // number of the next message made up
	station  int
	renews   bool // of this station
	previous *tourView
	renamed  []string // the folder that every station renames, as it is called now
}

// stop is a server on the tour.
type stop struct {
	name   string
	renews bool // Courier gives a renamed folder another UIDVALIDITY
	start  func() (addr string, stop func() error, err error)
}

const tourUser = "tourist"

// baseFolders exist from the beginning: nested, and with letters that are none of ASCII's.
var baseFolders = [][]string{{"Work"}, {"Work", "2024"}, {"Grüße"}, {"Grüße", "é&x"}, {"Ordner", "Alt"}}

// dottedFolders can be had only where the separator is no dot.
var dottedFolders = [][]string{{"mail.ru"}, {"mail.ru", "x.y"}}

// TestTourDovecot takes one tree from Dovecot to us and back.
func TestTourDovecot(t *testing.T) {
	need(t, "dovecot=dovecot-imapd", "doveadm=dovecot-core", "mbsync=isync", "offlineimap=offlineimap3")
	for _, tc := range []struct {
		name, location, layout, separator, extra string
		dotted                                   bool
	}{
		{"stock", "maildir:DIR/mail/%u", "maildir++", ".", "", false},
		{"listescape", "maildir:DIR/mail/%u", "maildir++", "/", "mail_plugins = listescape\n", true},
		{"fs", "maildir:DIR/mail/%u:LAYOUT=fs", "fs", "/", "", true},
		{"apart", "maildir:DIR/mail/%u:CONTROL=DIR/mail/control/%u:INDEX=DIR/mail/index/%u", "maildir++", ".", "", false},
		{"apart fs", "maildir:DIR/mail/%u:LAYOUT=fs:CONTROL=DIR/mail/control/%u", "fs", "/", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := workDir(t)
			users := map[string]string{tourUser: password}
			dovecot := dovecotStop(dir, users, map[string]string{"mail_location": tc.location, "separator": tc.separator}, tc.extra)
			tr := newTour(t, dir, filepath.Join(dir, "dovecot", "mail", tourUser), peer.DovecotUID)
			tr.layout, tr.separator, tr.folders, tr.escapes = tc.layout, tc.separator, baseFolders, tc.dotted && tc.layout != "fs"
			if tc.dotted {
				tr.folders = slices.Concat(baseFolders, dottedFolders)
			}
			if mails := filepath.Dir(tr.mail); strings.Contains(tc.location, "CONTROL=") {
				tr.control = filepath.Join(mails, "control", "%u")
				if strings.Contains(tc.location, "INDEX=") {
					tr.index = filepath.Join(mails, "index", "%u")
				}
			}
			tr.travel(t, dovecot, tr.ours(dir, users), dovecot)
			if tr.control != "" {
				tr.checkApart(t)
				return
			}
			checkTree(t, tr.mail, "dovecot-uidlist")
		})
	}
}

func dovecotStop(dir string, users, set map[string]string, extra string) stop {
	return stop{"dovecot", false, func() (string, func() error, error) {
		s, err := peer.StartDovecot(peer.Options{Dir: filepath.Join(dir, "dovecot"), Users: users, Set: set, Extra: extra})
		if err != nil {
			return "", nil, err
		}
		return s.Addr, func() error { return quietly(s, "Error:", "Warning:", "Panic:") }, nil
	}}
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, n := range programs {
		program, debian, _ := strings.Cut(n, "=")
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program, debian)
		}
	}
}

func newTour(t *testing.T, dir, mail string, uid int) *tour {
	t.Helper()
	tap, err := peer.NewTap()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	return &tour{mail: mail, home: dir, uid: uid, tap: tap, next: 1, renamed: []string{"Ordner", "Alt"}}
}

// ours is our daemon, as the account that owns the tree.
func (tr *tour) ours(dir string, users map[string]string) stop {
	return stop{"maildir-imapd", false, func() (string, func() error, error) {
		utf8 := "no"
		if tr.utf8 {
			utf8 = "yes"
		}
		s, err := peer.StartDaemon(peer.Options{Dir: filepath.Join(dir, "ours"), Users: users, As: tr.uid, Set: map[string]string{
			"path": filepath.Join(filepath.Dir(tr.mail), "%u"), "layout": tr.layout, "separator": tr.separator, "prefix": tr.prefix, "utf8": utf8,
			"control": tr.control, "index": tr.index,
		}})
		if err != nil {
			return "", nil, err
		}
		return s.Addr, func() error { return quietly(s, "level=WARN", "level=ERROR", "panic") }, nil
	}}
}

// harmless is what servers say of how a test starts and ends them.
var harmless = []string{"Killed with signal 15 (by pid=", "every account of this machine can reach a secret", "made a self-signed certificate"}

// quietly ends a server, which must not have complained about what it found.
func quietly(s *peer.Server, complaints ...string) error {
	err := s.Stop()
	log, rerr := os.ReadFile(filepath.Join(s.Dir, "log"))
	err = errors.Join(err, rerr)
	for line := range strings.Lines(string(log)) {
		has := func(part string) bool { return strings.Contains(line, part) }
		if slices.ContainsFunc(complaints, has) && !slices.ContainsFunc(harmless, has) {
			err = errors.Join(err, errors.New(line))
		}
	}
	return err
}

// travel visits the servers.
func (tr *tour) travel(t *testing.T, stops ...stop) {
	t.Helper()
	for i, s := range stops {
		tr.station, tr.renews = i, s.renews
		addr, end, err := s.start()
		if err != nil {
			t.Fatal(err)
		}
		tr.tap.Switch(addr)
		tr.w = &world{&peer.Server{Addr: addr, UID: tr.uid}}
		t.Run(fmt.Sprintf("%d %s", i, s.name), tr.visit)
		if err := end(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if t.Failed() {
			return
		}
	}
}

// visit is one station: nothing may have changed since the last one, then much changes.
func (tr *tour) visit(t *testing.T) {
	first := tr.previous == nil
	if first {
		tr.settle(t)
	} else {
		now := tr.look(t)
		if d := cmp.Diff(tr.previous, now); d != "" {
			t.Errorf("this server shows (+) another tree than the last one (-):\n%s", d)
		}
	}
	for _, c := range tr.clients {
		want := 0
		if first {
			want = tr.next - 1 // all there is
		}
		c.sync(t, tr, "on arrival", want)
	}
	if t.Failed() {
		return
	}

	was := tr.look(t)
	fresh := tr.change(t)
	for i, c := range tr.clients {
		c.change(t, tr)
		want := fresh + i // what the clients before this one have added
		if !c.renames {
			want += len(was.Folders[tr.name("Ordner", "Alt"+suffix(tr.station))].Messages)
		}
		c.sync(t, tr, "after changes", want)
	}
	for i, c := range tr.clients {
		c.sync(t, tr, "of what the others have added", len(tr.clients)-1-i)
	}
	for _, c := range tr.clients {
		c.sync(t, tr, "with nothing to do", 0)
		c.same(t, tr)
	}
	tr.previous = tr.look(t)
	tr.validityKept(t, was)
}

// suffix tells the names of the folder that is renamed at every station apart.
func suffix(station int) string {
	if station == 0 {
		return ""
	}
	return "ä" + strconv.Itoa(station)
}

// validityKept compares with the beginning of the visit: a rename keeps it too.
func (tr *tour) validityKept(t *testing.T, was *tourView) {
	for name, f := range was.Folders {
		now, ok := tr.previous.Folders[name]
		if !ok && tr.renews {
			continue
		}
		if !ok {
			now = tr.previous.Folders[tr.name("Ordner", "Alt"+suffix(tr.station+1))]
		}
		if f.Validity != now.Validity {
			t.Errorf("%s: UIDVALIDITY was %s and is %s", name, f.Validity, now.Validity)
		}
		for id, m := range f.Messages {
			if n, ok := now.Messages[id]; ok && n.UID != m.UID {
				t.Errorf("%s: %s had UID %s and has %s", name, id, m.UID, n.UID)
			}
		}
	}
}

// settle makes the tree at the first station: folders, subscriptions, mail with flags and keywords.
func (tr *tour) settle(t *testing.T) {
	k := dialRaw(t, tr.w, tourUser)
	for _, f := range tr.folders {
		k.do(t, "CREATE "+tr.quoted(f...))
		k.do(t, "SUBSCRIBE "+tr.quoted(f...))
	}
	k.do(t, "UNSUBSCRIBE "+tr.quoted("Work"))
	tr.deliver(t, 12)
	for _, f := range tr.folders {
		tr.deliver(t, 4, f...)
	}
	for i, f := range append([][]string{nil}, tr.folders...) {
		k.do(t, "SELECT "+tr.quoted(f...))
		k.do(t, `UID STORE 1 +FLAGS (\Seen \Answered)`)
		k.do(t, fmt.Sprintf(`UID STORE 2:3 +FLAGS (\Flagged Label%d $Junk)`, i))
		k.do(t, `UID STORE 4 +FLAGS (\Draft label-4)`)
	}
	k.do(t, "SELECT INBOX")
	for i := range tr.keywords {
		k.do(t, fmt.Sprintf("UID STORE 5:%d +FLAGS (Many%02d)", 5+i%3, i))
	}
	k.do(t, "LOGOUT")
	tr.clients = []*tourClient{newTourMbsync(t, tr), newTourOfflineIMAP(t, tr)}
	tr.tap.Take()
}

// change does at the server what every day brings, and returns how many messages a client has to fetch for it.
func (tr *tour) change(t *testing.T) int {
	k := dialRaw(t, tr.w, tourUser)
	n := tr.station
	tr.deliver(t, 3)
	tr.deliver(t, 2, "Grüße", "é&x")
	fetches := 5

	k.do(t, "SELECT INBOX")
	uids := searchUIDs(t, k, "UNDELETED")
	k.do(t, fmt.Sprintf(`UID STORE %s +FLAGS (\Flagged Work Station%d)`, uids[1], n))
	k.do(t, fmt.Sprintf(`UID STORE %s FLAGS (\Seen $Forwarded)`, uids[2]))
	k.do(t, fmt.Sprintf(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uids[3]))
	k.do(t, "UID EXPUNGE "+uids[3])
	k.do(t, fmt.Sprintf(`UID STORE %s +FLAGS (Travels)`, uids[4]))
	if _, said := k.ask(t, fmt.Sprintf("UID MOVE %s %s", uids[4], tr.quoted("Work", "2024"))); !strings.HasPrefix(said, "OK") { // Courier has no MOVE
		k.do(t, fmt.Sprintf("UID COPY %s %s", uids[4], tr.quoted("Work", "2024")))
		k.do(t, fmt.Sprintf(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uids[4]))
		k.do(t, "UID EXPUNGE "+uids[4])
	}
	fetches++ // in its new place

	folder := fmt.Sprintf("Neu %d ß", n)
	k.do(t, "CREATE "+tr.quoted(folder))
	k.do(t, "SUBSCRIBE "+tr.quoted(folder))
	text := strings.ReplaceAll(string(invented(tr.next)), "\n", "\r\n")
	tr.next++
	k.add(t, fmt.Sprintf("APPEND %s (\\Answered Fresh%d)", tr.quoted(folder), n), text)
	fetches++

	to := []string{"Ordner", "Alt" + suffix(n+1)}
	k.do(t, "RENAME "+tr.quoted(tr.renamed...)+" "+tr.quoted(to...))
	k.do(t, "UNSUBSCRIBE "+tr.quoted(tr.renamed...))
	k.do(t, "SUBSCRIBE "+tr.quoted(to...))
	for _, c := range tr.clients {
		c.rename(t, tr, tr.renamed, to)
	}
	tr.renamed = to
	k.do(t, "LOGOUT")
	return fetches
}

func searchUIDs(t *testing.T, k *raw, key string) []string {
	t.Helper()
	for _, l := range k.do(t, "UID SEARCH "+key) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), "* SEARCH "); ok {
			return strings.Fields(rest)
		}
	}
	t.Fatalf("nothing found: %s", key)
	return nil
}

// deliver puts new mail into a folder's new/, as an MDA does that knows the layout.
func (tr *tour) deliver(t *testing.T, n int, folder ...string) {
	t.Helper()
	dir := filepath.Join(tr.mail, tr.onDisk(folder))
	for range n {
		name := fmt.Sprintf("%d.M%dP1.mta", 1700000000+tr.next, tr.next)
		tmp, to := filepath.Join(dir, "tmp", name), filepath.Join(dir, "new", name)
		if err := os.WriteFile(tmp, invented(tr.next), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(tmp, tr.uid, tr.uid); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, to); err != nil {
			t.Fatal(err)
		}
		tr.next++
	}
}

// onDisk is where a folder lies, told by the formats alone.
func (tr *tour) onDisk(folder []string) string {
	var parts []string
	for _, c := range folder {
		if !tr.utf8 {
			c = wire.EncodeMUTF7(c)
		}
		if tr.escapes {
			c = strings.ReplaceAll(c, ".", `\2e`)
		}
		parts = append(parts, c)
	}
	if len(parts) == 0 || tr.layout == "fs" {
		return filepath.Join(parts...)
	}
	return "." + strings.Join(parts, ".")
}

// name is a folder's name on the wire; none is INBOX.
func (tr *tour) name(folder ...string) string {
	if len(folder) == 0 {
		return "INBOX"
	}
	return tr.prefix + wire.EncodeMUTF7(strings.Join(folder, tr.separator))
}

func (tr *tour) quoted(folder ...string) string { return strconv.Quote(tr.name(folder...)) }
