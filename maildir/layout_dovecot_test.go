package maildir

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// dovecot runs Debian's doveadm on a Maildir of ours, with a configuration of
// its own: no daemon, no socket.
type dovecot struct {
	dir, mail, conf, user string
	uid, gid              int
	t                     *testing.T
}

func newDovecot(t *testing.T, layout Layout) *dovecot {
	t.Helper()
	if _, err := exec.LookPath("doveadm"); err != nil {
		t.Skip("doveadm is not installed: nothing to compare with")
	}
	d := &dovecot{dir: t.TempDir(), t: t}
	d.mail = filepath.Join(d.dir, "home", "Mail")
	d.conf = filepath.Join(d.dir, "dovecot.conf")
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if d.user = u.Username; u.Uid == "0" {
		d.user = "nobody" // Dovecot serves no mail of root's
	}
	account, err := user.Lookup(d.user)
	if err != nil {
		t.Skip("no account for Dovecot: ", err)
	}
	fmt.Sscan(account.Uid, &d.uid)
	fmt.Sscan(account.Gid, &d.gid)
	extra := ""
	if layout == FS {
		extra = ":LAYOUT=fs"
	}
	conf := fmt.Sprintf(`base_dir = %[1]s/run
log_path = %[1]s/log
mail_uid = %[2]d
mail_gid = %[5]d
mail_home = %[1]s/home
mail_location = maildir:%[3]s%[4]s
mail_plugins = listescape
first_valid_uid = 1
first_valid_gid = 1
namespace inbox {
  inbox = yes
  separator = /
}
`, d.dir, d.uid, d.mail, extra, d.gid)
	for _, err := range []error{os.WriteFile(d.conf, []byte(conf), 0o644), os.Mkdir(filepath.Join(d.dir, "home"), 0o755),
		os.WriteFile(filepath.Join(d.dir, "log"), nil, 0o666), os.Chmod(filepath.Join(d.dir, "log"), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for p := d.dir; p != "/"; p = filepath.Dir(p) { // nobody must get there
		if st, err := os.Stat(p); err == nil && st.Mode().Perm()&1 == 0 {
			os.Chmod(p, st.Mode().Perm()|0o111)
		}
		if filepath.Dir(p) == os.TempDir() {
			break
		}
	}
	return d
}

// run runs doveadm after giving the mail to the account that Dovecot uses.
func (d *dovecot) run(stdin string, args ...string) string {
	d.t.Helper()
	if os.Getuid() == 0 {
		filepath.WalkDir(filepath.Join(d.dir, "home"), func(path string, _ fs.DirEntry, err error) error {
			return os.Lchown(path, d.uid, d.gid)
		})
	}
	cmd := exec.Command("doveadm", append([]string{"-c", d.conf}, args...)...)
	cmd.Env = append(os.Environ(), "USER=u", "HOME="+filepath.Join(d.dir, "home"))
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("doveadm %q: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

func (d *dovecot) lines(args ...string) []string {
	d.t.Helper()
	l := strings.Split(strings.TrimSpace(d.run("", args...)), "\n")
	slices.Sort(l)
	return l
}

// quiet fails the test for anything that Dovecot complained about.
func (d *dovecot) quiet() {
	d.t.Helper()
	if b, _ := os.ReadFile(filepath.Join(d.dir, "log")); len(b) > 0 {
		d.t.Errorf("Dovecot's log: %s", b)
	}
}

var interopNames = []string{"Grüße/é&x", "INBOX/kid", "a/b", `back\slash`, "mail.ru/x", "x/~t", "~tilde"}

func TestDovecotReadsOurs(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			d := newDovecot(t, layout)
			tree := testTree(t, TreeOptions{Root: d.mail, Layout: layout, Create: true}, fsx.FS{})
			for _, name := range interopNames {
				if err := tree.Create(t.Context(), name, nil); err != nil {
					t.Fatal(err)
				}
				if err := tree.Subscribe(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			loc, err := tree.locate("mail.ru/x")
			if err != nil {
				t.Fatal(err)
			}
			validity := validityOf(t, loc.dir)
			// Messages with UIDs, flags and keywords of our choice.
			list := uidlist{validity: validity, next: 50, guid: newGUID(), ext: []string{"Zours"}}
			km := keywordMap{}
			km.names[0], km.names[3] = "$Junk", "Work"
			for i, f := range []SystemFlags{Seen | Answered, Flagged, 0} {
				base := appendSizes(newBaseName(time.Now()), 12, 14)
				name := string(appendInfo([]byte(base), f, []uint32{0, 1, 1 | 1<<3}[i], ""))
				os.WriteFile(filepath.Join(loc.dir, "cur", name), []byte("Subject: x\n\n"), 0o600)
				list.records = append(list.records, uidRecord{uid: []imap.UID{7, 23, 42}[i], base: base, keys: []string{"", "Gabc ", ""}[i]})
			}
			os.WriteFile(filepath.Join(loc.dir, uidlistFile), list.encode(nil), 0o600)
			os.WriteFile(filepath.Join(loc.dir, keywordsFile), km.encode(nil), 0o600)

			got := d.lines("-f", "flow", "fetch", "uid flags guid", "mailbox", "mail.ru/x", "ALL")
			for i := range got {
				if !strings.HasSuffix(got[i], " guid=abc") { // else the base name, never the same
					got[i], _, _ = strings.Cut(got[i], " guid=")
				}
			}
			if want := []string{`uid=23 flags=\Flagged $Junk guid=abc`, `uid=42 flags=$Junk Work`, `uid=7 flags=\Answered \Seen`}; !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("messages: got %q\nwant %q", got, want)
			}
			if got, want := strings.TrimSpace(d.run("", "-f", "flow", "mailbox", "status", "uidvalidity uidnext messages", "mail.ru/x")), fmt.Sprintf("mail.ru/x messages=3 uidnext=50 uidvalidity=%d", validity); got != want {
				t.Errorf("status: got %q, want %q", got, want)
			}
			if got := d.lines("mailbox", "list", "-s"); !slices.Equal(got, sorted(interopNames)) {
				t.Errorf("subscriptions: got %q", got)
			}
			for _, name := range interopNames {
				if got := d.lines("mailbox", "list"); !slices.Contains(got, name) {
					t.Errorf("list lacks %q: %q", name, got)
				}
			}
			// Its next mailbox gets the number after our last.
			last, _, err := validitySentinels(rootDir(t, &fsx.FS{}, d.mail))
			if err != nil {
				t.Fatal(err)
			}
			d.run("", "mailbox", "create", "theirs")
			d.run("", "mailbox", "status", "uidvalidity", "theirs")
			loc, err = tree.locate("theirs")
			if err != nil {
				t.Fatal(err)
			}
			if v := validityOf(t, loc.dir); v != last+1 {
				t.Errorf("Dovecot's next UIDVALIDITY is %d, want %d", v, last+1)
			}
			d.quiet()
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func TestWeReadDovecots(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			d := newDovecot(t, layout)
			for _, name := range interopNames {
				d.run("", "mailbox", "create", "-s", name)
			}
			for range 3 {
				d.run("Subject: x\n\nbody\n", "save", "-m", "mail.ru/x")
			}
			// doveadm leaves them in new/, where they can have no flags.
			box := filepath.Join(d.mail, newNames(&TreeOptions{Layout: layout}).path("mail.ru/x"))
			fresh, _ := os.ReadDir(filepath.Join(box, "new"))
			for _, f := range fresh {
				if err := os.Rename(filepath.Join(box, "new", f.Name()), filepath.Join(box, "cur", f.Name()+":2,")); err != nil {
					t.Fatal(err)
				}
			}
			d.run("", "flags", "add", `\Seen $Forwarded Work`, "mailbox", "mail.ru/x", "uid", "2")
			d.run("", "expunge", "mailbox", "mail.ru/x", "uid", "3")
			tree := testTree(t, TreeOptions{Root: d.mail, Layout: layout}, fsx.FS{})
			entries, err := tree.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				if !e.NonExistent && e.Name != "INBOX" {
					names = append(names, e.Name)
				}
			}
			if !slices.Equal(sorted(names), sorted(interopNames)) {
				t.Errorf("list: got %q", names)
			}
			subs, err := tree.Subscriptions(t.Context())
			if err != nil || !slices.Equal(sorted(subs), sorted(interopNames)) {
				t.Errorf("subscriptions: got %q, %v", subs, err)
			}
			loc, err := tree.locate("mail.ru/x")
			if err != nil {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(filepath.Join(loc.dir, uidlistFile))
			u, err := parseUIDList(b)
			if err != nil || u.rewrite || len(u.records) < 2 || u.records[0].uid != 1 || u.next != 4 {
				t.Fatalf("%s: %v", b, err)
			}
			b, _ = os.ReadFile(filepath.Join(loc.dir, keywordsFile))
			km := parseKeywords(b)
			var info string
			files, _ := os.ReadDir(filepath.Join(loc.dir, "cur"))
			for _, f := range files {
				if base, i := splitName(f.Name()); base == u.records[1].base {
					info = i
				}
			}
			flags, letters, rest := parseInfo(info)
			if flags != Seen || rest != "" || km.find("Work") < 0 || letters != 1<<km.find("Work")|1<<km.find("$Forwarded") {
				t.Errorf("%q with %q: %b %b %q", info, b, flags, letters, rest)
			}
			if s, w, ok := sizesInName(u.records[1].base); !ok || s <= 0 || w < s {
				t.Errorf("sizes of %q: %d %d", u.records[1].base, s, w)
			}
			last, _, _ := validitySentinels(rootDir(t, &fsx.FS{}, d.mail))
			if v, err := takeUIDValidity(rootDir(t, &fsx.FS{}, d.mail), time.Now()); err != nil || v != last+1 {
				t.Errorf("next UIDVALIDITY %d, %v; want %d", v, err, last+1)
			}
			// What it deletes and renames, we see so.
			d.run("", "mailbox", "rename", "a/b", "c/d")
			d.run("", "mailbox", "delete", "~tilde")
			if ok, _ := tree.Exists("c/d"); !ok {
				t.Error("a renamed mailbox is not found")
			}
			if ok, _ := tree.Exists("~tilde"); ok {
				t.Error("a deleted mailbox is still there")
			}
			d.quiet()
		})
	}
}

// TestDovecotTreeLock: while one side holds the lock of the tree the other one
// waits, and mailboxes that both make and remove at once are all whole afterwards.
func TestDovecotTreeLock(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			d := newDovecot(t, layout)
			tree := testTree(t, TreeOptions{Root: d.mail, Layout: layout, Create: true}, fsx.FS{})
			os.Chmod(d.mail, 0o777) // both are at work there as different users, if this is root
			d.run("", "mailbox", "create", "theirs")
			root, lock, err := tree.change(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			const hold = 700 * time.Millisecond
			begun := time.Now()
			time.AfterFunc(hold, func() { tree.unlock(root, lock) })
			d.run("", "mailbox", "create", "waited")
			if took := time.Since(begun); took < hold {
				t.Errorf("Dovecot waited %v for a lock that was held for %v", took, hold)
			}
			var both sync.WaitGroup
			both.Go(func() {
				for i := range 10 {
					d.run("", "mailbox", "create", fmt.Sprintf("d%d", i))
				}
			})
			for i := range 10 {
				if err := tree.Create(t.Context(), fmt.Sprintf("o%d", i), nil); err != nil {
					t.Error(err)
				}
			}
			both.Wait()
			d.quiet()
			entries, err := tree.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen := map[uint32]string{}
			for _, e := range entries {
				if e.NonExistent || e.Name == "INBOX" {
					continue
				}
				d.run("", "mailbox", "status", "uidvalidity", e.Name)
				loc, err := tree.locate(e.Name)
				if err != nil {
					t.Fatal(err)
				}
				v := validityOf(t, loc.dir)
				if other, ok := seen[v]; ok {
					t.Errorf("%q and %q have UIDVALIDITY %d", other, e.Name, v)
				}
				seen[v] = e.Name
			}
			if len(seen) != 2+10+10 {
				t.Errorf("%d mailboxes", len(seen))
			}
		})
	}
}
