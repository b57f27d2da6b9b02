package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// checkup is a tree at rest and what a check of it finds.
type checkup struct {
	*life
	tree *Tree
}

func newCheckup(t *testing.T, now func() time.Time) *checkup {
	t.Helper()
	l, h := filled(t)
	buildText(t, h)
	h.Close()
	ctx := context.Background()
	tree, err := l.store.Tree(TreeOptions{Root: l.dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A", "B"} {
		if err := tree.Create(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Subscribe(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	c := &checkup{life: l}
	c.reopen(now)
	return c
}

func (c *checkup) reopen(now func() time.Time) {
	c.t.Helper()
	c.life = c.life.next()
	if now != nil {
		c.store.now = now
	}
	var err error
	if c.tree, err = c.store.Tree(TreeOptions{Root: c.dir}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkup) findings() []Finding {
	c.t.Helper()
	found, err := c.tree.Check(context.Background(), CheckOptions{Wait: 300 * time.Millisecond})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// say is findings in short: number and file.
func (c *checkup) say(found []Finding) (short []string) {
	for _, f := range found {
		if f.Means == "" || f.Repair == "" || f.What == "" {
			c.t.Errorf("not explained: %+v", f)
		}
		path := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(f.Path(), c.dir), c.state), "/")
		if path == treesDir+"/"+fileOf(c.dir) {
			path = treesDir
		}
		short = append(short, fmt.Sprintf("%d %s", f.Invariant, path))
	}
	return short
}

// Each damage is found, said where it is, repaired, and then gone; UIDs are as before.
func TestCheckRepair(t *testing.T) {
	write := func(name, text string) func(*checkup) {
		return func(c *checkup) {
			if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	hurt := func(name string, h harm) func(*checkup) { return func(c *checkup) { c.harm(name, h) } }
	replace := func(old, new string) harm {
		return harm{"", func(b []byte) []byte { return []byte(strings.Replace(string(b), old, new, 1)) }}
	}
	for name, d := range map[string]struct {
		do   []func(*checkup)
		want []string
	}{
		"nothing":                {},
		"list garbage":           {[]func(*checkup){hurt(uidlistFile, harms[3])}, []string{"1 dovecot-uidlist"}},
		"list head":              {[]func(*checkup){hurt(uidlistFile, harms[4])}, []string{"1 dovecot-uidlist"}},
		"list line":              {[]func(*checkup){hurt(uidlistFile, replace("\n4 :", "\nfour"))}, []string{"1 dovecot-uidlist"}},
		"list gone":              {[]func(*checkup){hurt(uidlistFile, harms[0])}, []string{"20 dovecot-uidlist"}},
		"list of another folder": {[]func(*checkup){hurt(uidlistFile, replace("G", "G00000000000000000000000000000000 "))}, []string{"4 maildir-imapd.index"}},
		"index garbage":          {[]func(*checkup){hurt(indexName, harms[3])}, []string{"10 maildir-imapd.index"}},
		"index gone":             {[]func(*checkup){hurt(indexName, harms[0])}, nil},
		"index cut":              {[]func(*checkup){hurt(indexName, harms[2])}, nil},
		"cache garbage":          {[]func(*checkup){hurt(cacheName, harms[3])}, nil},
		"cache section":          {[]func(*checkup){func(c *checkup) { c.otherSize() }}, []string{"7 "}},
		"list and index":         {[]func(*checkup){hurt(uidlistFile, harms[4]), hurt(indexName, harms[3])}, []string{"1 dovecot-uidlist"}},
		"keywords":               {[]func(*checkup){hurt(keywordsFile, harm{"", func(b []byte) []byte { return append(b, "\x00\x01\x02"...) }})}, []string{"11 dovecot-keywords"}},
		"third":                  {[]func(*checkup){func(c *checkup) { c.hurtThird() }}, []string{"12 trees"}},
		"subscriptions":          {[]func(*checkup){write(subscriptionsFile, "V\t3\n\nA\n")}, []string{"13 subscriptions"}},
		"subscription line":      {[]func(*checkup){write(subscriptionsFile, "V\t2\n\nA\n\x00\x00\n")}, []string{"13 subscriptions"}},
		"sentinel":               {[]func(*checkup){func(c *checkup) { c.noSentinel() }}, []string{"14 dovecot-uidvalidity"}},
		"sentinels":              {[]func(*checkup){write(validityFile+".00000007", "")}, []string{"14 dovecot-uidvalidity"}},
		"quota":                  {[]func(*checkup){write(quotaName, "1000000S\n5 5\n")}, []string{"16 maildirsize"}},
		"a dead lock":            {[]func(*checkup){func(c *checkup) { c.lockOf(4194305) }}, []string{"3 dovecot-uidlist.lock"}},
		"trash":                  {[]func(*checkup){write(trashDir, "")}, []string{"17 " + trashDir}},
		"an old tmp file":        {[]func(*checkup){write("tmp/1.M1P1.x", "")}, []string{"17 tmp/1.M1P1.x"}},
		"a double":               {[]func(*checkup){func(c *checkup) { c.double() }}, []string{"2 "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			later := func() time.Time { return time.Now().Add(40 * time.Hour) }
			c := newCheckup(t, later)
			h := c.open(Examine)
			was, view := ident(h), look(h)
			h.Close()
			c.reopen(later)
			if short := c.say(c.findings()); len(short) > 0 {
				t.Fatalf("before: %v", short)
			}
			for _, do := range d.do {
				do(c)
			}
			c.reopen(later)
			found := c.findings()
			short := c.say(found)
			for i := range short { // files of messages have names that nobody knows
				if strings.HasPrefix(short[i], "2 ") || strings.HasPrefix(short[i], "7 ") {
					short[i] = short[i][:2]
				}
			}
			if diff := cmp.Diff(d.want, short); diff != "" {
				t.Errorf("found: %s", diff)
			}
			if err := c.tree.Repair(context.Background(), found); err != nil {
				t.Fatal(err)
			}
			if short := c.say(c.findings()); len(short) > 0 {
				t.Errorf("left: %v\n%s", short, c.log)
			}
			c.reopen(later)
			h = c.open(Examine)
			got := look(h)
			if name == "a double" {
				got = strings.TrimSuffix(got, " 6:")
			}
			if name != "list of another folder" && ident(h) != was || got != view {
				t.Errorf("is %s %q, was %s %q", ident(h), look(h), was, view)
			}
		})
	}
}

// otherSize makes a message longer than the index says.
func (c *checkup) otherSize() {
	name := c.names("cur")[0]
	b := mustRead(c.t, c.dir, "cur/"+name)
	if err := os.WriteFile(filepath.Join(c.dir, "cur", name), append(b, "more\n"...), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkup) hurtThird() {
	file := filepath.Join(c.state, treesDir, fileOf(c.dir))
	if err := os.WriteFile(file, []byte(c.treeText()+"nonsense\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkup) noSentinel() {
	files, _ := filepath.Glob(filepath.Join(c.dir, validityFile+".*"))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *checkup) lockOf(pid int) {
	host, err := os.Hostname()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, uidlistFile+".lock"), fmt.Appendf(nil, "%d:%s", pid, host), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// double is another message of the first one's name.
func (c *checkup) double() {
	base, _, _ := strings.Cut(c.names("cur")[0], ":")
	c.dropAs("new", base, "Subject: other\n\n")
}

// What only a person can mend is found, left alone and found again.
func TestCheckByHand(t *testing.T) {
	c := newCheckup(t, nil)
	for name, text := range map[string]string{propsFile: "special-use\n", "cur/1700000000.M9P9.x:2,Sz": "Subject: z\n\n", ".A/" + dovecotACL: "anyone lr\nuser=bob what\n", ".A/" + courierACL: "anyone lr\n"} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeDirsOS(filepath.Join(c.dir, ".caf\xc3\xa9")); err != nil {
		t.Fatal(err)
	}
	if err := makeDirsOS(filepath.Join(c.dir, ".caf&AOk-")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.dir, ".A", uidlistFile), 0o400); err != nil {
		t.Fatal(err)
	}
	want := []string{"11 dovecot-keywords", "15 maildir-imapd.props", "18 .A/dovecot-uidlist", "19 .caf\xc3\xa9", "22 .A/dovecot-acl"}
	for range 2 {
		found := c.findings()
		short := c.say(found)
		slices.SortStableFunc(short, func(a, b string) int { return strings.Compare(a[:2], b[:2]) })
		if diff := cmp.Diff(want, short); diff != "" {
			t.Error(diff)
		}
		if i := slices.IndexFunc(found, func(f Finding) bool { return !f.ByHand }); i >= 0 {
			t.Errorf("to be repaired: %+v", found[i])
		}
		if err := c.tree.Repair(context.Background(), found); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckLists: of a public root the list that holds for all is checked, also in folders that nobody has served;
// a good one, and one that Courier understands, are no findings.
func TestCheckLists(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{".good", ".bad", ".courier", ".dir"} {
		if err := makeDirsOS(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, ".dir", dovecotACL), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{dovecotACL: "nobody lr\n", ".good/" + dovecotACL: "# for all\n\nanyone lr\n", ".bad/" + dovecotACL: "anyone lr\nanyone\tlr\n", ".courier/" + courierACL: "anyone what\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := testTree(t, TreeOptions{Root: root, NoInbox: true}, fsx.FS{}).Check(context.Background(), CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		rel, _ := filepath.Rel(root, f.Path())
		got = append(got, fmt.Sprintf("%d %s %s", f.Invariant, rel, f.What[:6]))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"22 .bad/dovecot-acl line 2", "22 .dir/dovecot-acl cannot", "22 dovecot-acl line 1"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestRepairsNameLosses: whoever is asked to let the index be written anew is told what only it had.
func TestRepairsNameLosses(t *testing.T) {
	for _, invariant := range []int{invIndexID, invIndexUIDs, invIndex} {
		f := newFinding(invariant, "/box", indexName, "made up")
		if text := f.Means + "; " + f.Repair; !strings.Contains(text, "history of expunges") || !strings.Contains(text, "lost") {
			t.Errorf("invariant %d: %s", invariant, text)
		}
	}
}

// What the index alone has outlives a repair that sets it aside: keywords past the letters, and save dates.
func TestRepairKeepsKeywords(t *testing.T) {
	list := func(old, new string) func(*checkup) []Finding {
		return func(c *checkup) []Finding {
			c.harm(uidlistFile, harm{"", func(b []byte) []byte { return []byte(strings.Replace(string(b), old, new, 1)) }})
			c.reopen(func() time.Time { return time.Now().Add(40 * time.Hour) })
			return c.findings()
		}
	}
	for name, d := range map[string]struct {
		do        func(*checkup) []Finding
		invariant int
	}{
		"another life": {list(" G", " G00000000000000000000000000000000 "), invIndexID},
		"other UIDs":   {list("\n5 :", "\n6 :"), invIndexUIDs},
		"MODSEQ": {func(c *checkup) []Finding {
			c.reopen(func() time.Time { return time.Now().Add(40 * time.Hour) })
			return []Finding{newFinding(invMODSEQ, c.dir, indexName, "made up")}
		}, invMODSEQ},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCheckup(t, nil)
			h := c.open(Select)
			var keys []imap.Flag
			for i := range 30 {
				keys = append(keys, imap.Flag(fmt.Sprintf("key%02d", i)))
			}
			if _, err := h.Store(context.Background(), uidSet(3, 5), Add, keys, 0, nil); err != nil {
				t.Fatal(err)
			}
			refresh(t, h)
			view, saved := c.lasting(h)
			h.Close()
			found := d.do(c)
			if len(found) == 0 || found[0].Invariant != d.invariant {
				t.Fatalf("found %v", c.say(found))
			}
			if err := c.tree.Repair(context.Background(), found); err != nil {
				t.Fatal(err)
			}
			c.reopen(nil)
			h = c.open(Examine)
			now, is := c.lasting(h)
			if diff := cmp.Diff(view, now); diff != "" {
				t.Error("keywords:", diff)
			}
			if diff := cmp.Diff(saved, is); diff != "" {
				t.Error("save dates:", diff)
			}
			h.Close()
			if short := c.say(c.findings()); len(short) > 0 {
				t.Errorf("left: %v", short)
			}
		})
	}
}

// lasting is keywords and save dates, by position.
func (c *checkup) lasting(h *Handle) (keys [][]string, saved []int64) {
	names := h.Keywords()
	for _, m := range h.Messages(nil, 0, maxUID, 100) {
		var of []string
		for i, k := range names {
			if m.Flags.Keywords>>i&1 != 0 {
				of = append(of, string(k))
			}
		}
		slices.Sort(of)
		keys, saved = append(keys, of), append(saved, m.SaveDate)
	}
	return keys, saved
}

// What lies in place of a message and is no file is not opened: a FIFO, or a link to what never ends.
func TestCheckNoFiles(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"fifo": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckup(t, nil)
			for _, n := range c.names("cur") {
				path := filepath.Join(c.dir, "cur", n)
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan []Finding, 1)
			go func() {
				found, err := c.tree.Check(context.Background(), CheckOptions{})
				if err != nil {
					t.Error(err)
				}
				done <- found
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("hangs")
			}
		})
	}
}

// A mailbox that somebody is at work in is waited for, and told when that takes too long.
func TestCheckBusy(t *testing.T) {
	c := newCheckup(t, nil)
	c.lockOf(1) // runs, and is not us
	found := c.findings()
	if len(found) != 1 || found[0].Invariant != invLock || !strings.Contains(found[0].What, "busy") {
		t.Errorf("found %v", c.say(found))
	}
}

// A live tree has no findings, whatever happens to it.
func TestCheckLive(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	h := l.open(Select)
	tree, err := l.store.Tree(TreeOptions{Root: l.dir})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := tryAppend(h, "Subject: x\n\n", imap.Flag([]string{"$A", "$B", "$C"}[i%3])); err != nil {
				t.Error(err)
				return
			}
			if i%10 == 9 {
				h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
				h.Expunge(context.Background(), nil)
			}
		}
	}()
	other := newLife(t, l.dir, l.state)
	tree2, err := other.store.Tree(TreeOptions{Root: tree.root})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		found, err := tree2.Check(context.Background(), CheckOptions{Wait: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Error(f.Error())
		}
	}
	close(stop)
	<-done
}
