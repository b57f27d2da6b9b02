package imapd

import (
	"fmt"
	"strings"
	"testing"
)

// answer is everything up to the tagged line of a command, as it came.
func (c *client) answer(command string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	tag, _, _ := strings.Cut(command, " ")
	var b strings.Builder
	for {
		l := c.line()
		if l == "" {
			c.t.Fatalf("the connection ended in the answer to %s", command)
		}
		if strings.HasPrefix(l, tag+" ") {
			if !strings.HasPrefix(l, tag+" OK") {
				c.t.Errorf("%s: %s", command, l)
			}
			return b.String()
		}
		b.WriteString(l)
	}
}

// TestStringsInUTF8 looks at the form of strings, which a transcript takes for the same: quoted where UTF-8 is
// enabled and the text is UTF-8, literals elsewhere (RFC 6855 §3, RFC 3501 §4.3).
func TestStringsInUTF8(t *testing.T) {
	s := startServer(t, nil)
	plain, utf8 := s.client(t).login(), s.client(t).login()
	s.put(t, "From: \"J\u00fcrgen\" <j\u00fcrgen@ex\u00e4mple.org>\nSubject: Gr\u00fc\u00dfe \xff\nMIME-Version: 1.0\n"+
		"Content-Type: text/plain; name=\"\u65e5\u672c.txt\"\nContent-Description: \\\"\u00fc\\\n\nj\u00e4\n")
	utf8.answer("e ENABLE UTF8=ACCEPT")
	for _, c := range []*client{plain, utf8} {
		c.answer("s SELECT INBOX")
	}
	for range 2 { // what one session leaves in the cache is nothing for the other
		for item, want := range map[string][2]string{
			"ENVELOPE": {"* 1 FETCH (ENVELOPE (NIL {9}\r\nGr\u00fc\u00dfe \xff (({7}\r\nJ\u00fcrgen NIL {7}\r\nj\u00fcrgen {12}\r\nex\u00e4mple.org))",
				"* 1 FETCH (ENVELOPE (NIL {9}\r\nGr\u00fc\u00dfe \xff ((\"J\u00fcrgen\" NIL \"j\u00fcrgen\" \"ex\u00e4mple.org\"))"},
			"BODYSTRUCTURE": {"* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" (\"name\" {10}\r\n\u65e5\u672c.txt",
				"* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" (\"name\" \"\u65e5\u672c.txt\""},
			"BODY":    {"* 1 FETCH (BODY (\"text\" \"plain\" (\"name\" {10}\r\n\u65e5\u672c.txt", "* 1 FETCH (BODY (\"text\" \"plain\" (\"name\" \"\u65e5\u672c.txt\""},
			"PREVIEW": {"* 1 FETCH (PREVIEW {3}\r\nj\u00e4)", "* 1 FETCH (PREVIEW \"j\u00e4\")"},
		} {
			for i, c := range []*client{plain, utf8} {
				if got := c.answer("f FETCH 1 " + item); !strings.HasPrefix(got, want[i]) {
					t.Errorf("%s, UTF-8 %v: %q, want %q", item, i == 1, got, want[i])
				}
			}
		}
	}
	utf8.answer("c CREATE {9+}\r\nEntw\u00fcrfe")
	for _, form := range []string{`"Entw` + "\u00fc" + `rfe"`, "{9+}\r\nEntw\u00fcrfe"} {
		if got := utf8.answer("l LIST \"\" " + form); got != "* LIST (\\HasNoChildren) \"/\" \"Entw\u00fcrfe\"\r\n" {
			t.Errorf("LIST: %q", got)
		}
	}
	if got := plain.answer(`l LIST "" %&APw-*`); got != "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe\r\n" {
		t.Errorf("LIST: %q", got)
	}
}

// TestStructureKeptForOthers: the rendering of a body structure that the cache keeps is that of sessions without
// UTF-8; a message/global shows that nobody gets the other's.
func TestStructureKeptForOthers(t *testing.T) {
	s := startServer(t, nil)
	clients := [2]*client{s.client(t).login(), s.client(t).login()}
	clients[1].answer("e ENABLE UTF8=ACCEPT")
	const global = "Content-Type: message/global\nMIME-Version: 1.0\n\nSubject: \u00fc\n\nx\n"
	for n := 1; n <= 4; n++ {
		s.put(t, global)
		for i := range clients {
			i = (i + n) % 2
			clients[i].answer("s SELECT INBOX")
			got := clients[i].answer(fmt.Sprintf("f FETCH %d BODYSTRUCTURE", n))
			if opaque := !strings.Contains(got, "\u00fc"); opaque != (i == 0) {
				t.Errorf("message %d, UTF-8 %v: %q", n, i == 1, got)
			}
		}
	}
}
