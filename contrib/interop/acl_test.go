//go:build interop

package interop

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"maildir-imapd/contrib/interop/peer"
	"maildir-imapd/maildir/acl"
)

// The hand-made files and what Dovecot answers about them; the package's own test reads them too.
const (
	aclAnswers     = "../../maildir/acl/testdata/dovecot-answers.txt"
	aclDifferences = "../../maildir/acl/testdata/dovecot-differences.txt"
)

var recordACL = flag.Bool("record", false, "write Dovecot's answers about ACL files into "+aclAnswers)

// aclGroups are the users who ask. The last one's name is what a careless unescaper makes of another.
var (
	aclUsers  = []string{"alice", "bob", "carol", "bnb"}
	aclGroups = map[string][]string{"alice": {"news", "staff"}, "bob": {"staff"}}
)

// aclRoots are the dovecot-acl files of the public roots; nil is none. Each root is a namespace.
var aclRoots = []*string{nil, text(""), text("user=alice lrp\n"), text("-anyone r\nanyone lrsw\n"), text("-anyone r\n"), text("owner lra\n"), text("anyone z\n")}

// aclPrivateRoot is alice's: INBOX's file and nobody else's.
const aclPrivateRoot = "user=carol lr\nowner lrwstipekx\nanyone i\n"

func text(s string) *string { return &s }

// aclCase is a mailbox, of a public root or of alice's own, and its file.
type aclCase struct {
	space int     // in aclRoots; -1: alice's mailbox
	file  *string // nil: none
	name  string  // of the directory
	want  []string
	// called is what everybody calls the mailbox, for those that lie in neither.
	called string
}

func (c *aclCase) root() *string {
	if c.space < 0 {
		return text(aclPrivateRoot)
	}
	return aclRoots[c.space]
}

func (c *aclCase) dir(base string) string {
	switch {
	case c.space >= 0:
		return filepath.Join(base, "public", strconv.Itoa(c.space), c.name)
	case c.name == "INBOX":
		return filepath.Join(base, "mail", "alice")
	}
	return filepath.Join(base, "mail", "alice", "."+c.name)
}

// mailbox is what a user calls it.
func (c *aclCase) mailbox(user string) string {
	switch {
	case c.called != "":
		return c.called
	case c.space >= 0:
		return fmt.Sprintf("P%d/%s", c.space, c.name)
	case user == "alice":
		return c.name
	}
	return "Shared/alice/" + c.name
}

// String is the case as a line of the file of answers.
func (c *aclCase) String() string {
	space, quote := "public", func(s *string) string {
		if s == nil {
			return "none"
		}
		return strconv.Quote(*s)
	}
	switch {
	case c.name == "INBOX":
		space = "inbox"
	case c.space < 0:
		space = "private"
	}
	return strings.Join([]string{space, quote(c.root()), quote(c.file)}, " | ")
}

// aclServer says what a user's rights are: letters as acl.Rights has them, "-" for none, "!" for a file that is no good.
type aclServer func(t *testing.T, c *aclCase, user string) string

// byIMAP asks a server with MYRIGHTS, each user on a connection of their own.
func byIMAP(t *testing.T, w *world) aclServer {
	conns := map[string]*raw{}
	for _, user := range aclUsers {
		conns[user] = dialRaw(t, w, user)
	}
	return func(t *testing.T, c *aclCase, user string) string {
		t.Helper()
		lines, said := conns[user].ask(t, "MYRIGHTS "+c.mailbox(user))
		switch {
		case strings.HasPrefix(said, "OK") && len(lines) == 1:
			letters := strings.Fields(lines[0])
			r, err := acl.ParseRights(strings.Trim(letters[len(letters)-1], `"cd`)) // the virtual ones come last
			if err != nil {
				t.Fatalf("%s: %q: %v", c, lines, err)
			}
			return aclTold(r)
		case strings.HasPrefix(said, "NO [NONEXISTENT]"):
			return "-"
		case strings.HasPrefix(said, "NO Internal error"):
			return "!"
		}
		t.Fatalf("MYRIGHTS %s as %s: %q %s", c.mailbox(user), user, lines, said)
		return ""
	}
}

// byPackage reads the files themselves, the root's where the mailbox's own says nothing about the user. Where the
// root is a mailbox itself, as in everybody's own tree, its file is that mailbox's alone.
func byPackage(t *testing.T, c *aclCase, user string) string {
	t.Helper()
	who := acl.Who{User: user, Groups: aclGroups[user], Owner: c.space < 0 && user == "alice"}
	files := []*string{c.file, c.root()}
	if c.space < 0 {
		files = files[:1]
	}
	r, matched := acl.Rights(0), false
	for _, file := range files {
		if file == nil || matched {
			continue
		}
		list, err := acl.Parse([]byte(*file))
		if err != nil {
			return "!"
		}
		r, matched = list.Rights(&who)
	}
	if !matched && who.Owner {
		r = acl.RightsAll
	}
	return aclTold(r)
}

// aclTold is rights as an answer. MYRIGHTS tells who can post and no more that there is no mailbox.
func aclTold(r acl.Rights) string {
	if r&^acl.RightPost == 0 {
		return "-"
	}
	return r.String()
}

// TestACLFilesAsDovecot: the same files, the same rights. Some hundred files by hand, whose answers are on record, and
// more that are made up; below public roots with files of their own, in somebody's own mail for its owner and for
// visitors.
func TestACLFilesAsDovecot(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	t.Parallel()
	cases := readACLAnswers(t)
	made := len(cases)
	cases = append(cases, madeUpACLs(rand.New(rand.NewPCG(1, 2)), 60)...)
	d := startACLDovecot(t, cases, "")
	dovecot, ours := byIMAP(t, &world{d}), aclServer(byPackage)
	differs := readACLDifferences(t)
	for i, c := range cases {
		var got []string
		for n, user := range aclUsers {
			answer, own := dovecot(t, c, user), ours(t, c, user)
			got = append(got, answer)
			if i < made && !*recordACL && c.want[n] != answer {
				t.Errorf("%s: %s has %s, on record is %s", c, user, answer, c.want[n])
			}
			if key := c.String() + " | " + user; answer != own && !differs[key] {
				t.Errorf("%s: %s has %s, with us %s", c, user, answer, own)
			}
		}
		c.want = got
	}
	if *recordACL {
		recordACLAnswers(t, cases[:made])
	}
}

// readACLAnswers reads the cases that are written by hand.
func readACLAnswers(t *testing.T) []*aclCase {
	t.Helper()
	b, err := os.ReadFile(aclAnswers)
	if err != nil {
		t.Fatal(err)
	}
	var cases []*aclCase
	for n, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) < 3 {
			t.Fatalf("%s:%d: not SPACE | ROOT | FILE | ANSWERS", aclAnswers, n+1)
		}
		c := &aclCase{space: -1, name: fmt.Sprintf("c%d", n), file: aclFile(t, f[2]), want: append(f[3:], make([]string, len(aclUsers))...)}
		switch root := aclFile(t, f[1]); f[0] {
		case "public":
			same := func(r *string) bool { return r == nil && root == nil || r != nil && root != nil && *r == *root }
			if c.space = slices.IndexFunc(aclRoots, same); c.space < 0 {
				t.Fatalf("%s:%d: no such root", aclAnswers, n+1)
			}
		case "inbox":
			c.name = "INBOX"
		}
		cases = append(cases, c)
	}
	return cases
}

func aclFile(t *testing.T, s string) *string {
	t.Helper()
	if s == "none" {
		return nil
	}
	s, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return &s
}

// recordACLAnswers writes the answers behind the cases; what else is in the file stays.
func recordACLAnswers(t *testing.T, cases []*aclCase) {
	t.Helper()
	b, err := os.ReadFile(aclAnswers)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if s := strings.TrimSpace(line); s == "" || s[0] == '#' {
			out.WriteString(line)
			continue
		}
		fmt.Fprintf(&out, "%s | %s\n", cases[0], strings.Join(cases[0].want, " | "))
		cases = cases[1:]
	}
	if err := os.WriteFile(aclAnswers, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readACLDifferences lists answers of Dovecot that are not ours: the case, the user and why.
func readACLDifferences(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(aclDifferences)
	if err != nil {
		t.Fatal(err)
	}
	differs := map[string]bool{}
	for n, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 5 || f[4] == "" {
			t.Fatalf("%s:%d: not SPACE | ROOT | FILE | USER | WHY", aclDifferences, n+1)
		}
		differs[strings.Join(f[:4], " | ")] = true
	}
	return differs
}

// startACLDovecot writes the files and starts Dovecot over them; more is further configuration.
func startACLDovecot(t *testing.T, cases []*aclCase, more string) *peer.Server {
	t.Helper()
	dir := workDir(t)
	users := map[string]string{}
	for _, user := range aclUsers {
		users[user] = password
	}
	extra := peer.DovecotACL + more + aclNamespace("shared", "Shared/%%u/", "maildir:DIR/mail/%%u:INDEX=DIR/index/%u/shared/%%u")
	for i, root := range aclRoots {
		base := filepath.Join(dir, "public", strconv.Itoa(i))
		if err := os.MkdirAll(base, 0o755); err != nil {
			t.Fatal(err)
		}
		putACL(t, base, root)
		extra += aclNamespace(fmt.Sprintf("p%d", i), fmt.Sprintf("P%d/", i), fmt.Sprintf("maildir:DIR/public/%d:LAYOUT=fs:INDEX=DIR/index/%%u/%d", i, i))
	}
	for _, c := range cases {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(c.dir(dir), sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		putACL(t, c.dir(dir), c.file)
	}
	putACL(t, filepath.Join(dir, "mail", "alice"), text(aclPrivateRoot))
	if err := os.MkdirAll(filepath.Join(dir, "index"), 0o755); err != nil {
		t.Fatal(err)
	}
	(&world{&peer.Server{UID: peer.DovecotUID}}).own(t, dir)
	d, err := peer.StartDovecot(peer.Options{Dir: dir, Users: users, Groups: aclGroups, Extra: strings.ReplaceAll(extra, "DIR", dir)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of Dovecot's log:\n%s", d.Log())
		}
	})
	return d
}

func aclNamespace(name, prefix, location string) string {
	kind := "public"
	if name == "shared" {
		kind = name
	}
	return fmt.Sprintf("namespace %s {\n  type = %s\n  separator = /\n  prefix = %s\n  location = %s\n  subscriptions = no\n  list = children\n}\n",
		name, kind, prefix, location)
}

func putACL(t *testing.T, dir string, file *string) {
	t.Helper()
	if file == nil {
		return
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "dovecot-acl"), []byte(*file), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// madeUpACLs makes files up, n for each root and for alice's own mail, one in ten with a mistake.
func madeUpACLs(r *rand.Rand, n int) (cases []*aclCase) {
	for space := -1; space < len(aclRoots); space++ {
		for i := range n {
			c := &aclCase{space: space, name: fmt.Sprintf("m%d", i)}
			if file := madeUpACL(r); r.IntN(30) > 0 {
				c.file = &file
			}
			cases = append(cases, c)
		}
	}
	return cases
}

func madeUpACL(r *rand.Rand) string {
	ids := []string{"anyone", "anonymous", "authenticated", "owner", "user=alice", "user=bob", "user=carol", "user=zed", "group=news", "group=staff",
		"group=other", "group-override=news", "group-override=staff", "group-override=zed"}
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	var b strings.Builder
	for range r.IntN(7) {
		id := ids[r.IntN(len(ids))]
		if r.IntN(3) == 0 {
			id = "-" + id
		}
		if r.IntN(6) == 0 {
			id = `"` + id + `"`
		}
		letters := ""
		for _, c := range "lrwstipekxa" {
			if r.IntN(3) == 0 {
				letters += string(c)
			}
		}
		b.WriteString(pick([]string{"", "", "", "# words\n", "\n", "\r\n", "#\n"}))
		b.WriteString(id + pick([]string{" ", " ", " ", "  ", " \t "}) + letters)
		b.WriteString(pick([]string{"", "", "", " ", ":", " :read", " :write-seen,x  y", ": z", "\t: post"}))
		b.WriteString(pick([]string{"\n", "\n", "\n", "\r\n"}))
	}
	file := b.String()
	if r.IntN(10) == 0 && file != "" {
		at := r.IntN(len(file))
		file = file[:at] + pick([]string{"\t", " ", "z", `"`, `\`, ":", "\r", "-", "\n"}) + file[at:]
	}
	return file
}

// TestDovecotFindsACLFiles pins what Dovecot does with files that are not where or what they should be. The daemon differs
// for what is no file, which gives nobody anything here: see aclDifferences, and maildir's TestListThatCannotBeRead.
func TestDovecotFindsACLFiles(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	t.Parallel()
	trouble := map[string]struct {
		do   func(file string) error
		want string // alice, who owns the mailbox, and bob, who visits it; carol is as bob
	}{
		"eacces":   {func(f string) error { return errors.Join(os.WriteFile(f, []byte("anyone lr\n"), 0), os.Chown(f, 0, 0)) }, "- -"},
		"dir":      {func(f string) error { return os.Mkdir(f, 0o755) }, "lrswipkxtea -"},
		"dangling": {func(f string) error { return os.Symlink("nowhere", f) }, "lrswipkxtea -"},
		"loop":     {func(f string) error { return os.Symlink("dovecot-acl", f) }, "! !"},
		"link":     {func(f string) error { return os.Symlink("../.good/dovecot-acl", f) }, "lrswipkxtea lr"},
		"good":     {func(f string) error { return os.WriteFile(f, []byte("anyone lr\n"), 0o644) }, "lrswipkxtea lr"},
	}
	var cases []*aclCase
	for name := range trouble {
		cases = append(cases, &aclCase{space: -1, name: name})
	}
	d := startACLDovecot(t, cases, "")
	for name, tr := range trouble {
		if err := tr.do(filepath.Join((&aclCase{space: -1, name: name}).dir(d.Dir), "dovecot-acl")); err != nil {
			t.Fatal(err)
		}
	}
	ask := byIMAP(t, &world{d})
	for _, c := range cases {
		if got := ask(t, c, "alice") + " " + ask(t, c, "bob"); got != trouble[c.name].want {
			t.Errorf("%s: %s, want %s", c.name, got, trouble[c.name].want)
		}
	}
}

// TestDovecotLooksForACLFilesInTheMail: beside the mail also where control files are elsewhere, and in the root of a
// Maildir++ tree, whether that is a mailbox itself or not, also for the mailboxes below it.
func TestDovecotLooksForACLFilesInTheMail(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	t.Parallel()
	var cases []*aclCase
	for _, name := range []string{"C/own", "C/none", "M/own", "M/none", "B/own", "B/none"} {
		cases = append(cases, &aclCase{called: name})
	}
	d := startACLDovecot(t, nil, aclNamespace("c", "C/", "maildir:DIR/c:LAYOUT=fs:CONTROL=DIR/control")+
		aclNamespace("m", "M/", "maildir:DIR/m")+aclNamespace("b", "B/", "maildir:DIR/b"))
	for file, text := range map[string]string{
		"c/own/dovecot-acl": "anyone lr\n", "c/none/cur/x": "", "control/own/dovecot-acl": "anyone lrs\n", "control/none/dovecot-acl": "anyone lrs\n",
		"c/dovecot-acl": "user=alice li\n", "control/dovecot-acl": "anyone lrst\n",
		"m/.own/dovecot-acl": "user=bob lr\n", "m/.none/cur/x": "", "m/dovecot-acl": "user=alice li\n",
		"b/.own/dovecot-acl": "user=bob lr\n", "b/.none/cur/x": "", "b/dovecot-acl": "user=alice li\n", "b/cur/x": "",
	} {
		path := filepath.Join(d.Dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"c/own", "c/none", "m/.own", "m/.none", "b/.own", "b/.none", "b"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(d.Dir, dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &world{d}
	for _, dir := range []string{"b", "c", "m", "control"} {
		w.own(t, filepath.Join(d.Dir, dir))
	}
	ask := byIMAP(t, w)
	want := map[string]string{"C/own": "lr lr", "C/none": "li -", "M/own": "li lr", "M/none": "li -", "B/own": "li lr", "B/none": "li -"}
	for _, c := range cases {
		if got := ask(t, c, "alice") + " " + ask(t, c, "bob"); got != want[c.called] {
			t.Errorf("%s: %s, want %s", c.called, got, want[c.called])
		}
	}
}
