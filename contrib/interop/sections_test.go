//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"maildir-imapd/contrib/interop/peer"
)

// sectionMails are made for what the transcripts' messages have not: NUL, LF and CRLF mixed, a header without
// an end, no header, digests, attached messages in one another, parts that are not ended.
var sectionMails = []string{
	"From: a@example.org\nSubject: plain\nTo: c@example.org\n\nhello\nworld\n",
	"From: a@example.org\r\nSubject: crlf\r\nTo: c@example.org\r\n\r\nhello\r\nworld\r\n",
	"From: a@example.org\nSubject: a\x00b\nContent-Type: text/plain; name=\"x\x00y\"\n\nbody\x00with\x00\x00nul\n",
	"From: a@example.org\nSubject: header only\n",
	"\nbody only\n",
	"From: a@example.org\nSubject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\npreamble\n--x\n\none\n" +
		"--x\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: c@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=y\n\n" +
		"--y\nContent-Type: text/plain\nX-A: b\n\ninner one\n--y\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<b>=78</b>\n--y--\n\n" +
		"--x\nContent-Type: message/rfc822\n\nSubject: simple\nTo: d@example.org\n\nsimple body\n--x--\nepilogue\n",
	"Subject: digest\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: first\n\n1\n--d\n\nSubject: second\n\n2\n--d--\n",
	"Subject: no end\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=u\n\n--u\nContent-Transfer-Encoding: base64\nContent-Type: application/x\n\nSGVsbG8A\nV29ybGQ=\n--u\n\nlast",
	"Subject: a\nSubject: b\n folded\nX-Empty:\nTo: c@example.org\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: attached\n\nbody\n",
}

// sectionForms are all of RFC 3501 §6.4.5 and RFC 3516; %s is a part with its dot, or nothing.
var sectionForms = []string{
	"BODY.PEEK[%sHEADER]", "BODY.PEEK[%sTEXT]", "BODY.PEEK[%sHEADER.FIELDS (SUBJECT X-Empty)]", "BODY.PEEK[%sHEADER.FIELDS.NOT (SUBJECT)]",
	"BODY.PEEK[%sHEADER]<3.9>", "BODY.PEEK[%sTEXT]<2.7>", "BODY.PEEK[%sTEXT]<0.4294967295>", "BODY.PEEK[%sTEXT]<1000000.5>",
	"BODY.PEEK[%sHEADER.FIELDS (SUBJECT)]<4.6>", "BODY.PEEK[%sHEADER.FIELDS.NOT (SUBJECT)]<0.5>",
}

// partForms are those that name a part itself.
var partForms = []string{"BODY.PEEK[%s]", "BODY.PEEK[%s.MIME]", "BODY.PEEK[%s]<2.5>", "BODY.PEEK[%s.MIME]<1.20>", "BINARY.PEEK[%s]", "BINARY.PEEK[%s]<1.6>", "BINARY.SIZE[%s]"}

// TestSectionsLikeDovecot fetches every form of a section of every part of these messages from both servers. A
// part that is not there is NIL here and an empty string there (RFC 9051 §6.4.5.1 leaves it open).
func TestSectionsLikeDovecot(t *testing.T) {
	if _, err := exec.LookPath("dovecot"); err != nil {
		missing(t, "dovecot", "dovecot-imapd")
		return
	}
	ours, theirs := newSectionClient(t, "maildir-imapd"), newSectionClient(t, "dovecot")
	items := []string{"BODY.PEEK[]", "BODY.PEEK[]<5.11>", "RFC822.HEADER", "RFC822.TEXT", "RFC822", "BINARY.PEEK[]<0.9>"}
	for _, form := range sectionForms {
		for _, part := range []string{"", "1.", "2.", "3.", "2.1."} {
			items = append(items, fmt.Sprintf(form, part))
		}
	}
	for _, form := range partForms {
		for _, part := range []string{"1", "2", "3", "4", "1.1", "1.2", "2.1", "2.2", "2.1.1", "3.1", "1.2.3"} {
			items = append(items, fmt.Sprintf(form, part))
		}
	}
	differ := 0
	for n := range sectionMails {
		for _, item := range items {
			a, b := ours.fetch(n+1, item), theirs.fetch(n+1, item)
			if a == b {
				continue
			}
			if differ++; sectionDifference(n+1, item) == "" {
				t.Errorf("message %d, %s:\nours    %.300q\ntheirs  %.300q", n+1, item, a, b)
			}
		}
	}
	t.Logf("%d forms of %d messages, %d answers differ", len(items), len(sectionMails), differ)
}

// sectionDiffers are disagreements, by message and items, with what decides them.
var sectionDiffers = []struct {
	message int
	items   *regexp.Regexp
	why     string
}{
	{4, regexp.MustCompile(`HEADER\.FIELDS\.NOT`), "RFC 3501 §6.4.5 has no blank line where the message has none; Dovecot adds one to HEADER.FIELDS, we to both"},
	{6, regexp.MustCompile(`\[(1\.1|2\.1\.1)[].]`), "RFC 3501 §6.4.5: a part that is neither multipart nor message has no part 1; Dovecot answers with the part itself"},
	{8, regexp.MustCompile(`\[[12]\.1[].]`), "the same"},
	{6, regexp.MustCompile(`^BINARY.*\[2]`), "RFC 9051 §6.4.5: decoding is of the section's own transfer encoding; Dovecot decodes the parts within"},
}

func sectionDifference(message int, item string) (why string) {
	for _, d := range sectionDiffers {
		if d.message == message && d.items.MatchString(item) {
			return d.why
		}
	}
	return ""
}

type sectionClient struct {
	t *testing.T
	*raw
}

func newSectionClient(t *testing.T, name string) *sectionClient {
	t.Helper()
	s := startPeer(t, name, peer.Options{})
	sc := &sectionClient{t, dialRaw(t, &world{s}, "u0")}
	sc.do(t, "SELECT INBOX") // makes the Maildir
	for i, text := range sectionMails {
		file := filepath.Join(s.MailDir("u0"), "cur", fmt.Sprintf("%d.m.h:2,S", 1_000_000_000+i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, s.UID, s.UID); err != nil {
			t.Fatal(err)
		}
	}
	sc.do(t, "SELECT INBOX")
	return sc
}

var flagsSaid = regexp.MustCompile(` ?FLAGS \([^)]*\)`)

// fetch is the answer in one form: NIL and what is empty are the same.
func (c *sectionClient) fetch(n int, item string) string {
	answer, said := c.ask(c.t, fmt.Sprintf("FETCH %d %s", n, item))
	status, _, _ := strings.Cut(said, " ")
	lines := strings.ReplaceAll(flagsSaid.ReplaceAllString(strings.Join(answer, ""), ""), " NIL)", ` "")`)
	// One server repeats field names as they were sent, the other in upper case.
	if name, value, ok := strings.Cut(lines, "] "); ok {
		lines = strings.ToUpper(name) + "] " + value
	}
	return status + " " + strings.TrimSpace(lines)
}
