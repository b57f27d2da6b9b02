package imapd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answers is all that a command is answered with.
func (c *client) answers(command string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	tag, _, _ := strings.Cut(command, " ")
	var b strings.Builder
	for {
		l := c.line()
		if l == "" {
			c.t.Fatal("the connection ended")
		}
		b.WriteString(l)
		if strings.HasPrefix(l, tag+" ") {
			return b.String()
		}
	}
}

var oddMessages = []string{
	"Subject: plain\n\ntext\n",
	"", "\n", "no header\n", "Subject: no end",
	"From: a@b\nfrom : c@d\nTO:\te\r\n f\nX-Other: no\n g\nCc: \x00\r\r\n\nbody\n",
	"Subject: " + strings.Repeat("long ", 2000) + "\nTo: x@y\n\n",
	"To: " + strings.Repeat("someone@example.org,\n ", 30_000) + "last@example.org\nSubject: behind much\n\n", // 640 KiB
	"Received: " + strings.Repeat("x", 1<<20+5) + "\nSubject: behind one MiB\n\n",
	"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: \"in\\side\"\n\n1\n--b\n" +
		"Content-Type: message/global\n\nSubject: gr\xc3\xbc\xc3\x9fe\n\n2\n--b\nContent-Type: text/html; x=\"\xff\"\nContent-Description: " +
		strings.Repeat("d", 5000) + "\n\n3\n--b--\n",
}

// TestCachedAnswers: what comes out of the cache, waiting or on disk, is what comes from the file.
func TestCachedAnswers(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	c := s.client(t).login()
	for i, m := range oddMessages {
		if err := os.WriteFile(filepath.Join(s.mail, "cur", fmt.Sprintf("%d.a.b:2,S", i)), []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.do("s SELECT INBOX")
	items := []string{
		"ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[HEADER.FIELDS (Subject To)]", "BODY.PEEK[HEADER.FIELDS (fRoM cc SUBJECT)]<3.40>",
		"(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID)])",
	}
	first := make([]string, len(items))
	for i, item := range items {
		first[i] = c.answers("f FETCH 1:* " + item)
	}
	again := func(when string) {
		t.Helper()
		for i, item := range items {
			if d := cmp.Diff(first[i], c.answers("f FETCH 1:* "+item)); d != "" {
				t.Errorf("%s, %s: %s", item, when, d)
			}
		}
	}
	again("waiting")
	// A name that nobody lists mail by has the same fields looked for in the file.
	file := strings.ReplaceAll(c.answers("f FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject To X-Nothing)]"), " X-Nothing", "")
	if d := cmp.Diff(first[3], file); d != "" {
		t.Errorf("from the file: %s", d)
	}
	c.do("z LOGOUT")
	s.stop()
	s.start()
	c = s.client(t).login()
	c.do("s SELECT INBOX")
	again("on disk")
	c.do("x ENABLE UTF8=ACCEPT")
	if wide := c.answers("f FETCH 1:* BODYSTRUCTURE"); !strings.Contains(wide, "grüße") || strings.Contains(first[1], "grüße") {
		t.Error("with UTF8=ACCEPT the structure is the one without")
	}
}
