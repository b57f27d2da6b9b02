package imapd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// sharedServer has Public/news with two messages and Public/other with none, to which rights are what the test says.
func sharedServer(t *testing.T, rights string) (*testServer, func(rights string)) {
	var now atomic.Uint32
	set := func(rights string) {
		r := maildir.Rights(0)
		for _, c := range rights {
			r |= 1 << strings.IndexRune("lrswipkxtea", c)
		}
		now.Store(uint32(r))
	}
	set(rights)
	s := startServer(t, func(s *testServer) {
		s.withPublic = true
		s.access = &maildir.Access{
			Who: func() acl.Who { return acl.Who{User: testUser} },
			Default: func() *acl.List {
				return &acl.List{Entries: []acl.Entry{{ID: acl.ID{Kind: acl.Anyone}, Rights: maildir.Rights(now.Load())}}}
			},
		}
	})
	for _, box := range []string{"news", "other"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(s.public, box, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 2 {
		file := filepath.Join(s.public, "news", "cur", fmt.Sprintf("%d.M1P1.host:2,T", 1700000000+i))
		if err := os.WriteFile(file, []byte("Subject: x\n\nbody\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s, set
}

// whole sends a command and returns all lines of its answer.
func (c *client) whole(command string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	tag, _, _ := strings.Cut(command, " ")
	var b strings.Builder
	for {
		l := c.line()
		b.WriteString(l)
		if l == "" || strings.HasPrefix(l, tag+" ") {
			return b.String()
		}
	}
}

func TestRightsOfCommands(t *testing.T) {
	text := "{8+}\r\nA: b\r\n\r\n"
	for _, c := range []struct{ rights, command, want, not string }{
		{"r", "a EXAMINE Public/other", "a OK", "NO"},
		{"l", "a SELECT Public/other", "a NO [NOPERM]", "OK"},
		{"i", "a SELECT Public/other", "a NO [NONEXISTENT] No such mailbox", "OK"},
		{"l", "a STATUS Public/other (MESSAGES)", "a NO [NOPERM]", "* STATUS"},
		{"a", "a STATUS Public/other (MESSAGES)", "a NO [NONEXISTENT]", "* STATUS"},
		{"lr", "a APPEND Public/other " + text, "a NO [NOPERM]", "OK"},
		{"r", "a APPEND Public/other " + text, "a NO [TRYCREATE]", "OK"},
		{"lri", "a APPEND Public/other " + text, "a OK [APPENDUID ", "NO"},
		{"li", "a APPEND Public/other " + text, "a OK ", "APPENDUID"},
		{"lri", "a COPY 1 Public/other", "a OK [COPYUID ", "NO"},
		{"lrte", "a MOVE 1 Public/other", "a NO [NOPERM]", "EXPUNGE"},
		{"lrit", "a MOVE 1 Public/other", "a NO [NOPERM]", "EXPUNGE"},
		{"lrie", "a MOVE 1 Public/other", "a NO [NOPERM]", "EXPUNGE"},
		{"lrite", "a MOVE 1 Public/other", "* 1 EXPUNGE", "NO"},
		{"lr", `a STORE 1 +FLAGS (\Flagged)`, "a NO [NOPERM]", "FETCH"},
		{"lrs", `a STORE 1 +FLAGS (\Flagged)`, "a NO [NOPERM]", "FETCH"},
		{"lrs", `a STORE 1 +FLAGS (\Flagged \Seen)`, `* 1 FETCH (FLAGS (\Deleted \Seen))`, "Flagged"},
		{"lrw", `a STORE 1 -FLAGS (\Deleted)`, "a NO [NOPERM]", "FETCH"},
		{"lrt", `a STORE 1 -FLAGS (\Deleted)`, "* 1 FETCH (FLAGS ())", "NO"},
		{"lrw", `a STORE 1 FLAGS (word)`, `* 1 FETCH (FLAGS (\Deleted word))`, "NO"},
		{"lr", "a FETCH 1 BODY[TEXT]", "a OK", "FLAGS"},
		{"lrw", "a FETCH 1 BODY[TEXT]", "a OK", "FLAGS"},
		{"lrs", "a FETCH 1 BODY[TEXT]", `FLAGS (\Deleted \Seen)`, "NO"},
		{"lrt", "a EXPUNGE", "a NO [NOPERM]", "* 1"},
		{"lre", "a EXPUNGE", "* 1 EXPUNGE", "NO"},
		{"lrt", "a CLOSE", "a OK", "NO"},
		{"lr", "a CREATE Public/news/sub", "a NO [NOPERM]", "OK"},
		{"lrk", "a CREATE Public/news/sub", "a OK", "NO"},
		{"lr", "a DELETE Public/other", "a NO [NOPERM]", "OK"},
		{"r", "a DELETE Public/other", "a NO [NONEXISTENT]", "OK"},
		{"r", "a SUBSCRIBE Public/other", "a NO [NONEXISTENT]", "OK"},
		{"lr", "a SUBSCRIBE Public/other", "a OK", "NO"},
		{"r", `a LIST "" Public/*`, "a OK", "* LIST"},
		{"l", `a LIST "" Public/*`, "Public/other", "NO"},
	} {
		s, set := sharedServer(t, c.rights)
		k := s.client(t).login()
		if strings.Contains(c.rights, "r") {
			k.do("s SELECT Public/news")
		}
		if strings.HasPrefix(c.command, "a COPY") { // from own mail
			k.do("p APPEND INBOX " + text)
			k.do("s SELECT INBOX")
		}
		got := k.whole(c.command)
		if !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("with %q, %s: %q", c.rights, c.command, got)
		}
		if c.command == "a CLOSE" {
			set("lr")
			if l := k.whole("b STATUS Public/news (MESSAGES)"); !strings.Contains(l, "MESSAGES 2") {
				t.Errorf("CLOSE without the right to expunge: %q", l)
			}
		}
	}
}

func TestCopyTellsReadersUIDs(t *testing.T) {
	s, _ := sharedServer(t, "li")
	c := s.client(t).login()
	for _, command := range []string{"COPY", "MOVE"} {
		c.do("p APPEND INBOX {8+}\r\nA: b\r\n\r\n")
		c.do("s SELECT INBOX")
		if got := c.whole("a " + command + " 1 Public/other"); strings.Contains(got, "COPYUID") || !strings.Contains(got, "a OK") {
			t.Errorf("%s: %q", command, got)
		}
	}
}

func TestSelectTellsRights(t *testing.T) {
	for rights, want := range map[string][2]string{
		"lr":          {"[PERMANENTFLAGS ()]", "[READ-ONLY]"},
		"lrp":         {"[PERMANENTFLAGS ()]", "[READ-ONLY]"},
		"lrkxa":       {"[PERMANENTFLAGS ()]", "[READ-ONLY]"},
		"lrs":         {`[PERMANENTFLAGS (\Seen)]`, "[READ-WRITE]"},
		"lrt":         {`[PERMANENTFLAGS (\Deleted)]`, "[READ-WRITE]"},
		"lrw":         {`[PERMANENTFLAGS (\Answered \Flagged \Draft $Forwarded \*)]`, "[READ-WRITE]"},
		"lri":         {"[PERMANENTFLAGS ()]", "[READ-WRITE]"},
		"lre":         {"[PERMANENTFLAGS ()]", "[READ-WRITE]"},
		"lrswipkxtea": {`[PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded \*)]`, "[READ-WRITE]"},
	} {
		s, _ := sharedServer(t, rights)
		c := s.client(t).login()
		if got := c.whole("a SELECT Public/news"); !strings.Contains(got, want[0]) || !strings.Contains(got, "a OK "+want[1]) {
			t.Errorf("with %s: %q", rights, got)
		}
		if got := c.whole("a EXAMINE Public/news"); !strings.Contains(got, "[PERMANENTFLAGS ()]") || !strings.Contains(got, "a OK [READ-ONLY]") {
			t.Errorf("EXAMINE with %s: %q", rights, got)
		}
	}
}

// TestRightsTakenAway: from the next command on, and without ending anything.
func TestRightsTakenAway(t *testing.T) {
	s, set := sharedServer(t, "lrswite")
	c := s.client(t).login()
	c.do("s SELECT Public/news")
	set("lrs")
	if got := c.whole("a STORE 1 +FLAGS (\\Flagged)"); !strings.Contains(got, `[PERMANENTFLAGS (\Seen)]`) || !strings.Contains(got, "a NO [NOPERM]") {
		t.Errorf("%q", got)
	}
	set("l")
	for _, command := range []string{"FETCH 1 FLAGS", "SEARCH ALL", "UID STORE 1 +FLAGS (\\Seen)", "COPY 1 INBOX", "EXPUNGE"} {
		if got := c.whole("b " + command); !strings.HasPrefix(got, "b NO [NOPERM]") {
			t.Errorf("%s: %q", command, got)
		}
	}
	deliver := func(i int) {
		file := filepath.Join(s.public, "news", "cur", fmt.Sprintf("%d.M1P1.host:2,", 1800000000+i))
		if err := os.WriteFile(file, []byte("Subject: y\n\nbody\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deliver(1)
	for _, command := range []string{"NOOP", "ESEARCH IN (mailboxes Public/news) ALL", "STATUS INBOX (MESSAGES)"} {
		if got := c.whole("d " + command); strings.Contains(got, "EXISTS") || strings.Contains(got, "* ESEARCH") || !strings.Contains(got, "d OK") {
			t.Errorf("%s: %q", command, got)
		}
	}
	c.send("e IDLE\r\n")
	c.expect("+")
	deliver(2)
	time.Sleep(300 * time.Millisecond)
	c.send("DONE\r\n")
	if l := c.line(); !strings.HasPrefix(l, "e OK") {
		t.Errorf("IDLE: %q", l)
	}
	set("lr")
	if got := c.whole("g NOOP"); !strings.Contains(got, "* 4 EXISTS") || !strings.Contains(got, "PERMANENTFLAGS ()") {
		t.Errorf("given back: %q", got)
	}
	set("")
	if got := c.whole("h CLOSE"); got != "h OK CLOSE completed\r\n" {
		t.Errorf("%q", got)
	}
	if got := c.whole("i NOOP"); !strings.HasPrefix(got, "i OK") {
		t.Errorf("%q", got)
	}
}

// TestRightsTakenAwayDuringIdle: nothing is told from then on.
func TestRightsTakenAwayDuringIdle(t *testing.T) {
	s, set := sharedServer(t, "lr")
	c := s.client(t).login()
	c.do("s SELECT Public/news")
	c.send("a IDLE\r\n")
	c.expect("+")
	set("")
	file := filepath.Join(s.public, "news", "cur", "1800000000.M1P1.host:2,")
	if err := os.WriteFile(file, []byte("Subject: y\n\nbody\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	c.send("DONE\r\n")
	if l := c.line(); !strings.HasPrefix(l, "a OK") {
		t.Errorf("%q", l)
	}
}

// TestRefusalsSayWhatToDo: the reasons why SETACL is refused to who administers the mailbox.
func TestRefusalsSayWhatToDo(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.withPublic, s.lists = true, true })
	makeFolders(t, s.public, "news")
	file := filepath.Join(s.public, "news", "dovecot-acl")
	if err := os.WriteFile(file, []byte("user=alice lra\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := s.client(t).login()
	for command, want := range map[string]string{
		"SETACL Public/news anyone l":        `"anyone = yes"`,
		"SETACL Public/news authenticated l": `"anyone = yes"`,
		"SETACL Public/news owner l":         "no owner",
		"SETACL INBOX -alice a":              "keeps the right",
		"SETACL Public/news bob lz":          `BAD Unknown right 'z'`,
		"SETACL Public/news #all l":          "BAD The administrator's own entries",
	} {
		if got := c.do("a " + command); !strings.Contains(got, want) {
			t.Errorf("%s: %q", command, got)
		}
	}
	if err := os.WriteFile(file, []byte("user=alice lra\nbob lr\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := c.do("a SETACL Public/news bob l"); !strings.Contains(got, "NO [NOPERM]") || !strings.Contains(got, "damaged") {
		t.Errorf("%q", got)
	}
}
