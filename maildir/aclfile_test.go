package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// listed is a tree whose rights come from files.
type listed struct {
	*Tree
	t     *testing.T
	root  string
	who   acl.Who
	log   syncBuffer
	count *meter
	fault func(op, path string) error
	def   *acl.List
	any   bool
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.b.String()
	b.b.Reset()
	return s
}

func newListed(t *testing.T, o TreeOptions) *listed {
	l := &listed{t: t, root: o.Root, who: acl.Who{User: "bob"}, count: &meter{ops: make(map[string]int)}}
	s, err := NewStore(StoreOptions{LockWait: 2 * time.Second, Log: slog.New(slog.NewTextHandler(&l.log, nil)), FS: fsx.FS{Fault: func(op, path string) error {
		l.count.hook(op, path)
		if l.fault != nil {
			return l.fault(op, path)
		}
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	o.Access = &Access{
		Who:     func() acl.Who { return l.who },
		Default: func() *acl.List { return l.def },
		Anyone:  func() bool { return l.any },
	}
	if l.Tree, err = s.Tree(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Tree.Close() })
	return l
}

// put writes a file below the root as an editor does.
func (l *listed) put(rel, text string) {
	l.t.Helper()
	path := filepath.Join(l.root, rel)
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		l.t.Fatal(err)
	}
}

func parsedList(t *testing.T, text string) *acl.List {
	t.Helper()
	l, err := acl.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wantRights asks by name and by LIST.
func (l *listed) wantRights(name, want string) {
	l.t.Helper()
	loc, err := l.locate(name)
	if err != nil {
		l.t.Fatal(err)
	}
	if got := loc.rights; got != rightsOf(want) {
		l.t.Errorf("rights of %+v to %s are %q, want %q", l.who, name, got, want)
	}
	list, err := l.List(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	var got Rights
	for _, e := range list {
		if e.Name == name {
			got = e.Rights
		}
	}
	if listed := rightsOf(want); listed.Has(acl.RightLookup) && got != listed || !listed.Has(acl.RightLookup) && got != 0 {
		l.t.Errorf("LIST gives %q to %s, want %q", got, name, want)
	}
}

func inLayout(layout Layout, name string) string {
	if layout == MaildirPP {
		return "." + strings.ReplaceAll(name, "/", ".")
	}
	return name
}

func TestWhichListHolds(t *testing.T) {
	for _, layout := range bothLayouts {
		for i, c := range []struct{ def, root, folder, courier, want string }{
			{"anyone lr", "", "", "", "lr"},
			{"", "", "", "", ""},
			{"anyone lr", "anyone lrs", "", "", "lrs"},
			{"anyone lr", "user=carol lrs", "", "", ""}, // a root file ends the default
			{"anyone lr", "", "user=carol lrs", "", ""}, // and so does the folder's
			{"anyone lr", "", "#", "", ""},
			{"anyone lr", "anyone l", "user=bob lrw", "", "lrw"},
			{"anyone lr", "anyone lrw", "-user=bob w", "", ""},
			{"anyone lr", "user=bob lrx", "user=carol lrw", "", "lrx"}, // nobody matches: the root's
			{"anyone lr", "user=bob lrx", "#", "", "lrx"},
			{"anyone lr", "anyone lrx", "", "anyone lrs\n-user=bob s\n", "lr"},
			{"anyone lr", "anyone lrx", "", "user=carol lrs", ""}, // Courier's decides for all
			{"anyone lr", "", "anyone l", "anyone lrs", "l"},
			{"anyone lr", "", "bad line", "", ""},
			{"anyone lr", "bad line", "", "", ""},
			{"anyone lr", "bad line", "anyone lrs", "", "lrs"},
			{"anyone lr", "anyone lrs", "bad line", "", ""},
		} {
			t.Run(fmt.Sprintf("%v %d", layout, i), func(t *testing.T) {
				root := t.TempDir()
				dir := inLayout(layout, "a/b")
				makeDirsOS(filepath.Join(root, inLayout(layout, "a")))
				makeDirsOS(filepath.Join(root, dir))
				l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
				if c.def != "" {
					l.def = parsedList(t, c.def)
				}
				for file, text := range map[string]string{dovecotACL: c.root, dir + "/" + dovecotACL: c.folder, dir + "/" + courierACL: c.courier} {
					if text != "" {
						l.put(file, text)
					}
				}
				l.wantRights("a/b", c.want)
				os.Remove(filepath.Join(root, dovecotACL))
				os.Remove(filepath.Join(root, dir, dovecotACL))
				os.Remove(filepath.Join(root, dir, courierACL))
				l.wantRights("a/b", strings.TrimPrefix(c.def, "anyone "))
			})
		}
	}
}

// TestOwnersLists: the owner has everything but where a list says otherwise, and the root's list is INBOX's alone.
func TestOwnersLists(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(root)
	makeDirsOS(filepath.Join(root, ".sub"))
	l := newListed(t, TreeOptions{Root: root})
	l.who = acl.Who{User: "ann", Owner: true}
	l.wantRights("INBOX", acl.RightsAll.String())
	l.put(dovecotACL, "user=bob lr\n")
	l.wantRights("INBOX", acl.RightsAll.String())
	l.wantRights("sub", acl.RightsAll.String())
	l.put(".sub/"+dovecotACL, "owner lr\n")
	l.wantRights("sub", "lr")
	l.who = acl.Who{User: "bob"}
	l.wantRights("INBOX", "lr")
	l.wantRights("sub", "")
	if list, err := l.List(t.Context()); err != nil || len(list) != 1 || list[0].Name != "INBOX" {
		t.Errorf("%+v %v", list, err)
	}
}

// TestListsChangeWhileSelected: the next command goes by what the file says, a version that breaks changes nothing, and
// is told once.
func TestListsChangeWhileSelected(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, ".news"))
	l := newListed(t, TreeOptions{Root: root, NoInbox: true})
	file := ".news/" + dovecotACL
	l.put(file, "user=bob lrs\n")
	h, err := l.Open(t.Context(), "news", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	want := func(letters string) {
		t.Helper()
		if _, err := h.Recheck(t.Context()); err != nil || h.Rights() != rightsOf(letters) {
			t.Errorf("rights %q, want %q: %v", h.Rights(), letters, err)
		}
	}
	want("lrs")
	for range 20 { // in place, same size, faster than the clock
		os.WriteFile(filepath.Join(root, file), []byte("user=bob lrw\n"), 0o644)
		want("lrw")
		os.WriteFile(filepath.Join(root, file), []byte("user=bob lrs\n"), 0o644)
		want("lrs")
	}
	l.log.take()
	l.put(file, "anyone l\nuser=bob lrz\n")
	for range 3 {
		want("lrs")
	}
	if said := l.log.take(); strings.Count(said, "\n") != 1 || !strings.Contains(said, dovecotACL+":2") || !strings.Contains(said, "stays in force") {
		t.Errorf("log: %s", said)
	}
	l.put(file, "nonsense\n")
	want("lrs")
	want("lrs")
	if said := l.log.take(); strings.Count(said, "\n") != 1 || !strings.Contains(said, dovecotACL+":1") {
		t.Errorf("log: %s", said)
	}
	cold := newListed(t, TreeOptions{Root: root, NoInbox: true})
	for range 3 {
		cold.wantRights("news", "")
	}
	if said := cold.log.take(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "nobody has access") {
		t.Errorf("log: %s", said)
	}
	l.put(file, "user=bob lr\n")
	want("lr")
	cold.wantRights("news", "lr")
	if said := l.log.take(); !strings.Contains(said, "well again") {
		t.Errorf("log: %s", said)
	}
	// Renamed by somebody: it is still this mailbox that is asked.
	if err := os.Rename(filepath.Join(root, ".news"), filepath.Join(root, ".olds")); err != nil {
		t.Fatal(err)
	}
	makeDirsOS(filepath.Join(root, ".news"))
	l.put(file, "user=bob lrswi\n")
	want("lr")
	os.Remove(filepath.Join(root, ".olds", dovecotACL))
	want("")
}

// TestListOfAnother: a mailbox that takes the name of one that was renamed does not go by that one's last good list.
func TestListOfAnother(t *testing.T) {
	for _, layout := range bothLayouts {
		root := t.TempDir()
		news, deep := inLayout(layout, "news"), inLayout(layout, "news/go")
		l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		for _, dir := range []string{news, deep} {
			makeDirsOS(filepath.Join(root, dir))
			l.put(dir+"/"+dovecotACL, "user=bob lrx\n")
		}
		l.put(dovecotACL, "user=bob lk\n")
		l.wantRights("news", "lrx")
		l.wantRights("news/go", "lrx")
		if err := l.Rename(t.Context(), "news", "olds"); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{news, deep} {
			makeDirsOS(filepath.Join(root, dir))
			l.put(dir+"/"+dovecotACL, "user=carol lr\nnonsense\n")
		}
		l.wantRights("news", "")
		l.wantRights("news/go", "")
		l.wantRights("olds", "lrx")
		l.wantRights("olds/go", "lrx")
	}
}

// TestRightLostDuringAppend: a message whose sender may not put it here any more by the time it is complete is not put.
func TestRightLostDuringAppend(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, ".news"))
	l := newListed(t, TreeOptions{Root: root, NoInbox: true})
	l.put(".news/"+dovecotACL, "user=bob lri\n")
	h, err := l.Open(t.Context(), "news", Target)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	d, err := h.Deliver(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	d.Write([]byte(mail))
	l.put(".news/"+dovecotACL, "user=bob lr\n")
	if _, err := d.Commit(t.Context(), nil, time.Time{}); !errors.Is(err, ErrNoPermission) {
		t.Errorf("%v", err)
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if left, _ := os.ReadDir(filepath.Join(root, ".news", sub)); len(left) != 0 {
			t.Errorf("%s: %v", sub, left)
		}
	}
}

// TestListThatCannotBeRead gives nobody anything, not even to those who had it.
func TestListThatCannotBeRead(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, ".news"))
	l := newListed(t, TreeOptions{Root: root, NoInbox: true})
	l.put(".news/"+dovecotACL, "anyone lr\n")
	l.wantRights("news", "lr")
	l.put(".news/"+dovecotACL, "anyone lrs\n")
	refuse := func(err error) {
		l.fault = func(op, path string) error {
			if op == "open" && strings.HasSuffix(path, dovecotACL) {
				return err
			}
			return nil
		}
	}
	time.Sleep(30 * time.Millisecond) // so that its times tell that it is the same
	refuse(syscall.EACCES)
	l.wantRights("news", "")
	refuse(nil)
	l.wantRights("news", "lrs")
	l.put(".news/"+dovecotACL, "anyone lri\n")
	refuse(syscall.EIO) // says nothing of the list
	if _, err := l.locate("news"); classify(err) != ErrTemporary {
		t.Errorf("%v", err)
	}
	if _, err := l.List(t.Context()); err == nil {
		t.Error("a list without the mailbox")
	}
	refuse(nil)
	// A link is not followed, wherever it leads.
	os.Rename(filepath.Join(root, ".news", dovecotACL), filepath.Join(root, "elsewhere"))
	os.Symlink("../elsewhere", filepath.Join(root, ".news", dovecotACL))
	l.wantRights("news", "")
	// Nor does anything else in its place keep the other mailboxes from being listed.
	file := filepath.Join(root, ".news", dovecotACL)
	for what, put := range map[string]func() error{
		"directory": func() error { return os.Mkdir(file, 0o700) },
		"fifo":      func() error { return syscall.Mkfifo(file, 0o600) },
		"socket":    func() error { return syscall.Mknod(file, syscall.S_IFSOCK|0o600, 0) },
		"link":      func() error { return os.Symlink("nowhere", file) },
	} {
		os.Remove(file)
		if err := put(); err != nil {
			t.Fatal(what, err)
		}
		l.log.take()
		l.wantRights("news", "")
		l.wantRights("news", "")
		if log := l.log.take(); strings.Count(log, "nobody has access") != 1 || !strings.Contains(log, file) || !strings.Contains(log, what) {
			t.Errorf("%s: the log is %q", what, log)
		}
	}
}

// TestCostOfLists: what has been read is known by a look at it.
func TestCostOfLists(t *testing.T) {
	root := t.TempDir()
	makeDirsOS(filepath.Join(root, ".news"))
	l := newListed(t, TreeOptions{Root: root, NoInbox: true})
	l.def = parsedList(t, "anyone lr")
	file := ".news/" + dovecotACL
	l.put(file, "anyone lrs\n")
	l.put(dovecotACL, "anyone lr\n")
	time.Sleep(30 * time.Millisecond)
	h, err := l.Open(t.Context(), "news", Select)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	cost := func(what string, stats int) {
		t.Helper()
		h.Recheck(t.Context())
		l.count.take()
		h.Recheck(t.Context())
		if ops := l.count.take(); len(ops) != 1 || ops["stat"] != stats {
			t.Errorf("%s: %v, want %d stats", what, ops, stats)
		}
	}
	cost("own file", 1)
	l.put(file, "user=carol lr\n")
	time.Sleep(30 * time.Millisecond)
	cost("own file and the root's", 2)
	os.Remove(filepath.Join(root, file))
	cost("the root's", 3)
	os.Remove(filepath.Join(root, dovecotACL))
	cost("none", 3)
}

// TestListsLeaveTheRootAlone swaps directories for links that lead out while lists are asked for: nothing outside is
// opened.
func TestListsLeaveTheRootAlone(t *testing.T) {
	for _, layout := range bothLayouts {
		top := t.TempDir()
		root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
		for _, dir := range []string{root, outside} {
			makeDirsOS(filepath.Join(dir, inLayout(layout, "a")))
			makeDirsOS(filepath.Join(dir, inLayout(layout, "a/b")))
		}
		os.MkdirAll(filepath.Join(root, "aside"), 0o755)
		l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		os.WriteFile(filepath.Join(outside, inLayout(layout, "a/b"), dovecotACL), []byte("anyone lrswipkxtea\n"), 0o644)
		l.put(filepath.Join(inLayout(layout, "a/b"), dovecotACL), "user=carol lra\n")
		carol := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		carol.who.User = "carol"
		var mu sync.Mutex
		l.fault = func(op, path string) error {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(path, outside) {
				t.Errorf("%s of %s", op, path)
			}
			return nil
		}
		carol.fault = l.fault
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { // the attacker
			defer close(done)
			name := inLayout(layout, "a")
			if layout == MaildirPP {
				name = inLayout(layout, "a/b")
			}
			at, aside := filepath.Join(root, name), filepath.Join(root, "aside", "a")
			for {
				os.Rename(at, aside)
				os.Symlink(filepath.Join(outside, name), at)
				os.Remove(at)
				os.Rename(aside, at)
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			loc, err := l.locate("a/b")
			if err == nil && loc.rights != 0 {
				t.Errorf("%v: rights %q by a list from outside", layout, loc.rights)
			}
			l.List(t.Context())
			if err := l.SetACL(t.Context(), "a/b", acl.Change{ID: acl.ID{Kind: acl.User, Name: "bob"}, Rights: acl.RightsAll}); err == nil {
				t.Errorf("%v: changed a list", layout)
			}
			carol.SetACL(t.Context(), "a/b", aclChange("dave", "+lr"))
			carol.SetACL(t.Context(), "a/b", aclChange("dave", "-r"))
			carol.Create(t.Context(), "a/b/c", nil)
		}
		close(stop)
		<-done
		if b, _ := os.ReadFile(filepath.Join(outside, inLayout(layout, "a/b"), dovecotACL)); string(b) != "anyone lrswipkxtea\n" {
			t.Errorf("the list outside: %q", b)
		}
	}
}
