package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

func (p *public) put(name, file string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.root, name, "cur", file), []byte("x\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *public) files(name string) string {
	list, err := os.ReadDir(filepath.Join(p.root, name, "cur"))
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func mark(t testing.TB, h *Handle, op StoreOp, uids imap.UIDSet, flags ...imap.Flag) {
	t.Helper()
	if _, err := h.Store(bg, uids, op, flags, 0, nil); err != nil {
		t.Fatal(err)
	}
}

// TestWhereSeenIsPrivate: by the configuration, by dovecot-shared where a configuration is asked at all, and for
// nobody else.
func TestWhereSeenIsPrivate(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,S")
	p.put("news", "1700000000.M2P1.b:2,")
	r := p.mustRead(p.newProcess(), "alice")
	h := r.open(t, "news", Select)
	wantLook(t, h, "1: 2:")
	if h.FirstUnseen() != 1 || h.ReadOnly() {
		t.Errorf("first unseen is %d, read-only %v", h.FirstUnseen(), h.ReadOnly())
	}
	r.private = false
	shared := r.open(t, "news", Select)
	wantLook(t, shared, "1:S 2:")
	if err := os.WriteFile(filepath.Join(p.root, "news", sharedFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wantLook(t, r.open(t, "news", Select), "1: 2:")
	tree := r.Tree.o
	tree.Access = nil
	own, err := r.store.Tree(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if h, err = own.Open(bg, "news", Select); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	wantLook(t, h, "1:S 2:")
}

// TestPrivateStore: the letter S is left alone, the other flags are for all, and each part is done by
// who has the right to it.
func TestPrivateStore(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,S")
	p.put("news", "1700000000.M2P1.b:2,")
	s := p.newProcess()
	alice, bob := p.mustRead(s, "alice"), p.mustRead(s, "bob")
	a, b := alice.open(t, "news", Select), bob.open(t, "news", Select)
	mark(t, a, Add, all(), imap.FlagSeen)
	mark(t, b, Replace, uidSet(1), imap.FlagFlagged)
	refresh(t, a)
	wantLook(t, a, "1:FS 2:S")
	wantLook(t, b, "1:F 2:")
	if got := p.files("news"); got != "1700000000.M1P1.a:2,FS 1700000000.M2P1.b:2," {
		t.Errorf("files are %s", got)
	}
	bob.rights = acl.RightLookup | acl.RightRead | acl.RightSeen
	if _, err := b.Recheck(bg); err != nil {
		t.Fatal(err)
	}
	mark(t, b, Replace, uidSet(1, 2), imap.FlagSeen, imap.FlagDeleted)
	wantLook(t, b, "1:FS 2:S")
	mark(t, b, Replace, uidSet(1))
	wantLook(t, b, "1:F 2:S")
	if _, err := b.Store(bg, all(), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); !errors.Is(err, ErrNoPermission) {
		t.Errorf("flagged: %v", err)
	}
	bob.rights &^= acl.RightSeen
	b.Recheck(bg)
	if _, err := b.Store(bg, all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil); !errors.Is(err, ErrNoPermission) {
		t.Errorf("seen: %v", err)
	}
	wantLook(t, a, "1:FS 2:S")
}

// TestSeenGoesAlong with messages that are copied, moved or appended, for the user who does it.
func TestSeenGoesAlong(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.make("olds")
	s := p.newProcess()
	alice, bob := p.mustRead(s, "alice"), p.mustRead(s, "bob")
	own, err := s.Tree(TreeOptions{Root: filepath.Join(p.top, "mail"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	inbox, err := own.Open(bg, "INBOX", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	appendText(t, inbox, "1\n", imap.FlagSeen, imap.FlagFlagged)
	appendText(t, inbox, "2\n")
	refresh(t, inbox)
	target := alice.open(t, "news", Target)
	if _, err := inbox.Copy(bg, all(), target); err != nil {
		t.Fatal(err)
	}
	appendText(t, target, "3\n", imap.FlagSeen)
	a, b := alice.open(t, "news", Select), bob.open(t, "news", Select)
	wantLook(t, a, "1:FS 2: 3:S")
	wantLook(t, b, "1:F 2: 3:")
	mark(t, b, Add, uidSet(2), imap.FlagSeen)
	if _, err := b.Move(bg, all(), bob.open(t, "olds", Target)); err != nil {
		t.Fatal(err)
	}
	wantLook(t, bob.open(t, "olds", Select), "1:F 2:S 3:")
	wantLook(t, alice.open(t, "olds", Select), "1:F 2: 3:")
	if strings.Contains(p.files("olds")+" ", "S ") {
		t.Errorf("files are %s", p.files("olds"))
	}
	if _, err := bob.open(t, "olds", Peek).Copy(bg, all(), inbox); err != nil {
		t.Fatal(err)
	}
	refresh(t, inbox)
	wantLook(t, inbox, "1:FS 2: 3:F 4:S 5:")
}

// TestMarksWakeOwnSessions, in this process at once and in another one when it looks, and nobody else.
func TestMarksWakeOwnSessions(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	for i := range 3 {
		p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
	}
	s := p.newProcess()
	alice := p.mustRead(s, "alice")
	a, idle := alice.open(t, "news", Select), alice.open(t, "news", Select)
	bob := p.mustRead(s, "bob").open(t, "news", Select)
	far := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	for _, h := range []*Handle{idle, bob} {
		<-h.Changed() // the first look
		if _, err := h.Woken(bg); err != nil {
			t.Fatal(err)
		}
	}
	mark(t, a, Add, uidSet(2), imap.FlagSeen)
	select {
	case <-idle.Changed():
	default:
		t.Fatal("not woken")
	}
	if news, err := idle.Woken(bg); err != nil || !news {
		t.Errorf("news %v %v", news, err)
	}
	var d Delta
	if idle.Sync(true, &d); len(d.Flags) != 1 || d.Flags[0].UID != 2 || d.Flags[0].Flags.System != Seen || d.Flags[0].ModSeq <= 1 {
		t.Errorf("told %+v", d.Flags)
	}
	if d := refresh(t, far); len(d.Flags) != 1 || d.Flags[0].UID != 2 || d.Flags[0].Flags.System != Seen || d.Flags[0].ModSeq != a.Messages(nil, 1, 2, 1)[0].ModSeq {
		t.Errorf("another process was told %+v", d.Flags)
	}
	select {
	case <-bob.Changed():
		t.Error("another user is woken")
	default:
	}
	if d := refresh(t, a); len(d.Flags) != 0 {
		t.Errorf("its own change: %+v", d.Flags)
	}
	if d := refresh(t, bob); len(d.Flags) != 0 {
		t.Errorf("another user is told %+v", d.Flags)
	}
}

// TestMarksTouchNothing of the mailbox: a mark is a record in the user's own file, an open or a STATUS
// the second time nothing at all.
func TestMarksTouchNothing(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	for i := range 10 {
		p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
	}
	var ops []string
	watch := false
	s := p.process(fsx.FS{Fault: func(op, path string) error {
		if watch && op != "stat" && op != "read" && op != "open" && op != "opendir" {
			ops = append(ops, op+" "+strings.TrimPrefix(path, p.top+"/"))
		}
		return nil
	}})
	t.Cleanup(func() { s.Close() })
	r := p.mustRead(s, "alice")
	h := r.open(t, "news", Select)
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	time.Sleep(2 * time.Duration(tick)) // a look within a tick of a change is repeated
	refresh(t, h)
	watch = true
	mark(t, h, Add, uidSet(5), imap.FlagSeen)
	if want := "lock alice/maildir-imapd.seen.lock, create alice/maildir-imapd.seen, write alice/maildir-imapd.seen, unlock alice/maildir-imapd.seen.lock"; strings.Join(ops, ", ") != want {
		t.Errorf("a mark is %s", strings.Join(ops, ", "))
	}
	s.o.Fsync, ops = FsyncAlways, nil
	mark(t, h, Add, uidSet(7), imap.FlagSeen)
	if want := "write alice/maildir-imapd.seen, sync alice/maildir-imapd.seen, unlock"; !strings.Contains(strings.Join(ops, ", "), want) {
		t.Errorf("a durable mark is %s", strings.Join(ops, ", "))
	}
	mark(t, h, Remove, uidSet(7), imap.FlagSeen)
	ops = nil
	mark(t, h, Add, uidSet(5), imap.FlagSeen) // there is nothing to change
	refresh(t, h)
	r.open(t, "news", Select)
	if c, _ := r.open(t, "news", Peek).Counts(bg); c.Unseen != 8 {
		t.Errorf("%d unseen", c.Unseen)
	}
	for _, op := range ops {
		if !strings.HasPrefix(op, "lock ") && !strings.HasPrefix(op, "unlock ") {
			t.Errorf("looking does %s", op)
		}
	}
}

// marksFile is alice's.
func (p *public) marksFile() string { return filepath.Join(p.home("alice"), marksName) }

// TestMarksLost: whatever becomes of the file, HIGHESTMODSEQ does not fall, and who asks for changes is told of
// all messages whose marks are gone.
func TestMarksLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string, b []byte)
		look  string
	}{
		"deleted": {func(t *testing.T, path string, _ []byte) { os.Remove(path) }, "1: 2: 3:"},
		"torn": {func(t *testing.T, path string, b []byte) {
			os.WriteFile(path, append(b, 40, 0, 0, 0, 1, 2, 3, 4, 'C', 0), 0o600)
		}, "1:S 2:S 3:"},
		"damaged": {func(t *testing.T, path string, b []byte) {
			b[strings.Index(string(b), "P\x01\x00\x00\x00")+9] ^= 1
			os.WriteFile(path, b, 0o600)
		}, "1: 2: 3:"},
		"zeros":   {func(t *testing.T, path string, b []byte) { os.WriteFile(path, make([]byte, len(b)), 0o600) }, "1: 2: 3:"},
		"foreign": {func(t *testing.T, path string, b []byte) { os.WriteFile(path, []byte("something else"), 0o600) }, "1: 2: 3:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublic(t, t.TempDir())
			for i := range 3 {
				p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
			}
			live := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
			mark(t, live, Add, uidSet(1), imap.FlagSeen)
			mark(t, live, Add, uidSet(2), imap.FlagSeen)
			high := live.HighestModSeq()
			b, err := os.ReadFile(p.marksFile())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond) // sums go by the clock's milliseconds
			c.spoil(t, p.marksFile(), b)
			verify := func(who string, h *Handle) {
				t.Helper()
				wantLook(t, h, c.look)
				now := h.HighestModSeq()
				if now < high || c.look != "1:S 2:S 3:" && now == high {
					t.Errorf("%s: HIGHESTMODSEQ %d after %d", who, now, high)
				}
				for _, m := range h.Messages(nil, 0, maxUID, 9) {
					if m.ModSeq > now || (now > high) != (m.ModSeq > high) {
						t.Errorf("%s: UID %d has %d, known %d, highest %d", who, m.UID, m.ModSeq, high, now)
					}
				}
			}
			fresh := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
			verify("a new process", fresh)
			refresh(t, live)
			verify("who had it open", live)
			mark(t, fresh, Add, uidSet(3), imap.FlagSeen)
			d := refresh(t, live)
			want := strings.Replace(c.look, "3:", "3:S", 1)
			if wantLook(t, live, want); len(d.Flags) != 1 || d.Flags[0].ModSeq <= high {
				t.Errorf("told %+v", d.Flags)
			}
			if live.HighestModSeq() != fresh.HighestModSeq() {
				t.Errorf("%d and %d", live.HighestModSeq(), fresh.HighestModSeq())
			}
			last := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
			wantLook(t, last, want)
			if last.HighestModSeq() != fresh.HighestModSeq() {
				t.Errorf("%d and then %d", fresh.HighestModSeq(), last.HighestModSeq())
			}
			aside, _ := filepath.Glob(p.marksFile() + ".damaged-*")
			if (len(aside) == 1) != (name == "damaged" || name == "foreign") {
				t.Errorf("put aside: %v", aside)
			}
		})
	}
}

// TestMarksPutBack: an older file from a backup.
func TestMarksPutBack(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	for i := range 3 {
		p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
	}
	s := p.newProcess()
	h := p.mustRead(s, "alice").open(t, "news", Select)
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	b, err := os.ReadFile(p.marksFile())
	if err != nil {
		t.Fatal(err)
	}
	mark(t, h, Add, uidSet(2), imap.FlagSeen)
	high := h.HighestModSeq()
	if err := os.WriteFile(p.marksFile()+".old", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.marksFile()+".old", p.marksFile()); err != nil {
		t.Fatal(err)
	}
	d := refresh(t, h)
	wantLook(t, h, "1:S 2: 3:")
	if len(d.Flags) != 3 || h.HighestModSeq() <= high {
		t.Errorf("told %+v, HIGHESTMODSEQ %d after %d", d.Flags, h.HighestModSeq(), high)
	}
	again := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	if again.HighestModSeq() != h.HighestModSeq() {
		t.Errorf("%d and %d", again.HighestModSeq(), h.HighestModSeq())
	}
	for i, m := range again.Messages(nil, 0, maxUID, 9) {
		if m.ModSeq <= high || m.ModSeq != h.Messages(nil, 0, maxUID, 9)[i].ModSeq {
			t.Errorf("%+v", m)
		}
	}
}

// TestMarksOtherBoot: what was written last may be gone, and what it said is not said of anything else.
func TestMarksOtherBoot(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,")
	p.put("news", "1700000000.M2P1.b:2,")
	h := p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	b, err := os.ReadFile(p.marksFile())
	if err != nil {
		t.Fatal(err)
	}
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	high := h.HighestModSeq()
	if err := os.WriteFile(p.marksFile(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	s := p.newProcess()
	s.boot = "another"
	later := p.mustRead(s, "alice").open(t, "news", Select)
	if wantLook(t, later, "1: 2:"); later.HighestModSeq() <= high {
		t.Errorf("HIGHESTMODSEQ %d after %d", later.HighestModSeq(), high)
	}
	before := later.HighestModSeq()
	mark(t, later, Add, uidSet(2), imap.FlagSeen)
	if m := later.Messages(nil, 1, 2, 1)[0]; m.ModSeq <= before {
		t.Errorf("%+v", m)
	}
	s = p.newProcess()
	s.boot = "another"
	if h := p.mustRead(s, "alice").open(t, "news", Select); h.HighestModSeq() != later.HighestModSeq() {
		t.Errorf("%d, and in the same life %d", later.HighestModSeq(), h.HighestModSeq())
	}
}

// TestMarksOfAnotherLife: marks are of a UIDVALIDITY.
func TestMarksOfAnotherLife(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,")
	p.put("news", "1700000000.M2P1.a:2,")
	r := p.mustRead(p.newProcess(), "alice")
	h := r.open(t, "news", Select)
	mark(t, h, Add, uidSet(1), imap.FlagSeen)
	validity := h.UIDValidity()
	list := filepath.Join(p.root, "news", uidlistFile)
	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(list, []byte(strings.Replace(string(b), fmt.Sprint("V", validity), fmt.Sprint("V", validity+1), 1)), 0o644)
	os.Remove(filepath.Join(p.root, "news", indexName))
	r = p.mustRead(p.newProcess(), "alice")
	h = r.open(t, "news", Select)
	if h.UIDValidity() != validity+1 {
		t.Fatalf("UIDVALIDITY %d", h.UIDValidity())
	}
	wantLook(t, h, "1: 2:")
	mark(t, h, Add, uidSet(2), imap.FlagSeen)
	h = p.mustRead(p.newProcess(), "alice").open(t, "news", Select)
	wantLook(t, h, "1: 2:S")
	os.WriteFile(list, b, 0o644) // the old one is back
	os.Remove(filepath.Join(p.root, "news", indexName))
	r = p.mustRead(p.newProcess(), "alice")
	h = r.open(t, "news", Select)
	if h.UIDValidity() != validity {
		t.Fatalf("UIDVALIDITY %d", h.UIDValidity())
	}
	wantLook(t, h, "1:S 2:")
	mark(t, h, Remove, uidSet(1), imap.FlagSeen)
	if n := len(h.own.k.numbers); n != 2 {
		t.Errorf("%d lives", n)
	}
}

// TestMarksUnkept: somebody without a file, and one who may not write to it, have marks until they go.
func TestMarksUnkept(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,")
	for _, user := range []string{"", "alice"} {
		s := p.process(fsx.FS{Fault: func(op, path string) error {
			if strings.Contains(path, marksName) && (op == "lock" || op == "create") {
				return syscall.EACCES
			}
			return nil
		}})
		t.Cleanup(func() { s.Close() })
		r := p.mustRead(s, user)
		h, other := r.open(t, "news", Select), r.open(t, "news", Select)
		mark(t, h, Add, uidSet(1), imap.FlagSeen)
		wantLook(t, h, "1:S")
		if d := refresh(t, other); len(d.Flags) != 1 || d.Flags[0].Flags.System != Seen {
			t.Errorf("%q: told %+v", user, d.Flags)
		}
	}
	wantLook(t, p.mustRead(p.newProcess(), "alice").open(t, "news", Select), "1:")
}

// TestMarksChecked and repaired.
func TestMarksChecked(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	for i := range 3 {
		p.put("news", fmt.Sprintf("1700000000.M%dP1.a:2,", i))
	}
	s := p.newProcess()
	own, err := s.Tree(TreeOptions{Root: p.home("alice") + "/Maildir", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	path := filepath.Join(own.root, marksName)
	findings := func() string {
		found, err := own.Check(bg, CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for i := range found {
			text = append(text, fmt.Sprint(found[i].Invariant, " ", found[i].File))
		}
		if n := len(Check(own.root)); (n > 0) != strings.Contains(strings.Join(text, " "), fmt.Sprint(invMarks, " ")) {
			t.Errorf("the other check finds %d", n)
		}
		if err := own.Repair(bg, found); err != nil {
			t.Fatal(err)
		}
		return strings.Join(text, ", ")
	}
	marksOf := func() string {
		s := p.newProcess()
		k, err := s.Marks(own.root)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		r, err := s.Tree(TreeOptions{Root: p.root, Layout: FS, NoInbox: true, Access: &Access{
			Who: func() acl.Who { return acl.Who{} },
			Default: func() *acl.List {
				return &acl.List{Entries: []acl.Entry{{ID: acl.ID{Kind: acl.Anyone}, Rights: acl.RightsAll}}}
			},
			Private: func() bool { return true }, Marks: k}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		h, err := r.Open(bg, "news", Select)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		mark(t, h, Add, uidSet(2), imap.FlagSeen)
		return look(h)
	}
	if got := marksOf(); got != "1: 2:S 3:" {
		t.Error(got)
	}
	if got := findings(); got != "" {
		t.Errorf("found %s", got)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	high := appendMarkRuns(b, 1, markRuns{{2, 3, true, 1 << 60}})
	damaged := append([]byte(nil), b...)
	damaged[strings.Index(string(b), "P\x01\x00\x00\x00")+9] ^= 1
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{"high": {high, "21 maildir-imapd.seen"}, "damaged": {damaged, "21 maildir-imapd.seen"}, "torn": {b[:len(b)-3], ""}} {
		if err := os.WriteFile(path, c.b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := findings(); got != c.want {
			t.Errorf("%s: found %s", name, got)
		}
		if got := findings(); got != "" {
			t.Errorf("%s: left is %s", name, got)
		}
		if got := marksOf(); got != "1: 2:S 3:" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if err := os.WriteFile(path+".lock", []byte(fmt.Sprintf("%d:%s", 1<<22+1, hostOf(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findings(); got != "3 maildir-imapd.seen.lock" {
		t.Errorf("found %s", got)
	}
	if got := findings(); got != "" {
		t.Errorf("left is %s", got)
	}
}

func hostOf(t *testing.T) string {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// TestMarksWhereNothingCanBeWritten: marks do not need the mailbox to be writable.
func TestMarksWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	p := newPublic(t, t.TempDir())
	p.put("news", "1700000000.M1P1.a:2,S")
	p.mustRead(p.newProcess(), "bob").open(t, "news", Select).Close()
	s := p.process(fsx.FS{Fault: func(op, path string) error {
		if strings.HasPrefix(path, p.root) && (op == "lock" || op == "create" || op == "write" || op == "rename") {
			return syscall.EACCES
		}
		return nil
	}})
	t.Cleanup(func() { s.Close() })
	r := p.mustRead(s, "alice")
	h := r.open(t, "news", Select)
	p.put("news", "1700000001.M2P1.b:2,") // which nobody can give a UID
	refresh(t, h)
	if !h.m.frozen.Load() {
		t.Fatal("it can be written")
	}
	if h.ReadOnly() || h.May(DeedSeen) != nil || !errors.Is(h.May(DeedFlag), ErrReadOnly) {
		t.Errorf("read-only %v, seen: %v, flags: %v", h.ReadOnly(), h.May(DeedSeen), h.May(DeedFlag))
	}
	high := h.HighestModSeq()
	mark(t, h, Add, all(), imap.FlagSeen)
	wantLook(t, h, "1:S")
	if now := h.HighestModSeq(); now <= high || h.Messages(nil, 0, 1, 1)[0].ModSeq <= high {
		t.Errorf("HIGHESTMODSEQ %d after %d", now, high)
	}
	if _, err := h.Store(bg, all(), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err == nil {
		t.Error("flagged")
	}
	wantLook(t, p.mustRead(p.newProcess(), "alice").open(t, "news", Select), "1:S 2:")
}

// TestMarksTurned: \Seen becomes everybody's and each user's own again, by the configuration or by dovecot-shared. The
// user's HIGHESTMODSEQ does not fall, who asks for changes is told of all messages, sessions that are open go along,
// and the user's own marks are there again in the end.
func TestMarksTurned(t *testing.T) {
	t.Parallel()
	for _, byFile := range []bool{false, true} {
		p := newPublic(t, t.TempDir())
		p.put("news", "1700000000.M1P1.a:2,S")
		p.put("news", "1700000000.M2P1.b:2,")
		p.put("news", "1700000000.M3P1.c:2,")
		private := true
		tree := func(s *Store) *reading {
			r := p.mustRead(s, "alice")
			r.private = private && !byFile
			shared := filepath.Join(p.root, "news", sharedFile)
			if os.Remove(shared); byFile && private {
				if err := os.WriteFile(shared, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			return r
		}
		r := tree(p.newProcess())
		idle := tree(p.newProcess()).open(t, "news", Select)
		h := r.open(t, "news", Select)
		mark(t, h, Add, uidSet(2), imap.FlagSeen)
		refresh(t, idle)
		high := h.HighestModSeq()
		turn := func(want string) *Handle {
			t.Helper()
			private = !private
			time.Sleep(2 * time.Millisecond)
			c, err := tree(p.newProcess()).Open(bg, "news", Peek)
			if err != nil {
				t.Fatal(err)
			}
			told := c.HighestModSeq()
			c.Close()
			h := tree(p.newProcess()).open(t, "news", Select)
			if wantLook(t, h, want); told <= high || h.HighestModSeq() <= high {
				t.Errorf("HIGHESTMODSEQ %d, %d after %d", told, h.HighestModSeq(), high)
			}
			for _, m := range h.Messages(nil, 0, maxUID, 9) {
				if m.ModSeq <= high || m.ModSeq > h.HighestModSeq() {
					t.Errorf("UID %d has %d, known %d, highest %d", m.UID, m.ModSeq, high, h.HighestModSeq())
				}
			}
			counts, err := h.Counts(bg)
			if err != nil || int(counts.Unseen) != 3-strings.Count(want, "S") || int(h.FirstUnseen()) != firstUnseen(want) {
				t.Errorf("%+v %v, first unseen %d", counts, err, h.FirstUnseen())
			}
			high = h.HighestModSeq()
			if d := refresh(t, idle); len(d.Flags) != 3 {
				t.Errorf("who was there is told %+v", d.Flags)
			}
			if wantLook(t, idle, want); idle.HighestModSeq() != high {
				t.Errorf("who was there has HIGHESTMODSEQ %d, want %d", idle.HighestModSeq(), high)
			}
			again := tree(p.newProcess()).open(t, "news", Select)
			if again.HighestModSeq() != high {
				t.Errorf("HIGHESTMODSEQ %d, and then %d", high, again.HighestModSeq())
			}
			return h
		}
		h = turn("1:S 2: 3:")
		mark(t, h, Add, uidSet(3), imap.FlagSeen)
		wantLook(t, h, "1:S 2: 3:S")
		if m := h.Messages(nil, 2, 3, 1)[0]; m.ModSeq <= high || h.HighestModSeq() != m.ModSeq {
			t.Errorf("%+v, HIGHESTMODSEQ %d after %d", m, h.HighestModSeq(), high)
		}
		if modified, err := h.Store(bg, all(), Add, []imap.Flag{imap.FlagFlagged}, high, nil); err != nil || modified.String() != "3" {
			t.Errorf("changed since: %v %v", modified, err)
		}
		mark(t, h, Remove, all(), imap.FlagFlagged)
		if got := p.files("news"); !strings.Contains(got, "M3P1.c:2,S") {
			t.Errorf("files are %s", got)
		}
		high = h.HighestModSeq()
		h = turn("1: 2:S 3:")
		mark(t, h, Add, uidSet(1), imap.FlagSeen)
		high = h.HighestModSeq()
		turn("1:S 2: 3:S")
		turn("1:S 2:S 3:")
		// Who never had marks has none, and no file.
		if bob := p.mustRead(p.newProcess(), "bob"); true {
			bob.private = false
			os.Remove(filepath.Join(p.root, "news", sharedFile))
			if h := bob.open(t, "news", Select); h.own != nil || h.HighestModSeq() != h.m.state.modseq {
				t.Error("marks where there are none")
			}
			if _, err := os.Stat(filepath.Join(p.home("bob"), marksName)); err == nil {
				t.Error("a file")
			}
		}
	}
}

// firstUnseen is the first message of a look without \Seen, 0 for none.
func firstUnseen(look string) int {
	for i, m := range strings.Fields(look) {
		if !strings.HasSuffix(m, "S") {
			return i + 1
		}
	}
	return 0
}
