package message

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func previewOf(t testing.TB, mail string) string {
	t.Helper()
	var p Parser
	m, err := p.Parse(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	text, ok := Preview(m, strings.NewReader(mail))
	if !ok {
		t.Errorf("no preview of %q", mail)
	}
	return string(text)
}

func TestPreview(t *testing.T) {
	plain := func(body string) string { return "Subject: x\nContent-Type: text/plain; charset=utf-8\n\n" + body }
	page := func(body string) string { return "Content-Type: text/html; charset=utf-8\n\n" + body }
	long := strings.Repeat("Wörter ", 60)
	for _, c := range []struct{ mail, want string }{
		{"Subject: x\n\n", ""},
		{"Subject: x\n", ""},
		{plain("Hello\r\n\r\n  world\t!\n"), "Hello world !"},
		{plain(long), strings.TrimSpace(string([]rune(long)[:200]))},
		{plain(strings.Repeat("e\u0301", 150)), strings.Repeat("e\u0301", 100)},
		{plain(strings.Repeat("x", 199) + "e\u0301"), strings.Repeat("x", 199)},
		{plain("日本語のメールです。\n二行目。"), "日本語のメールです。 二行目。"},
		{plain("مرحبا بالعالم"), "مرحبا بالعالم"},
		// Quotations.
		{plain("On Mon, 6 Jan 2025 at 10:00, Ann <a@example.org> wrote:\n> quoted\n> more\n\nMy answer"), "My answer"},
		{plain("On Mon, 6 Jan 2025 at 10:00, Ann\n<a@example.org> wrote:\n\n> quoted\nMy answer"), "My answer"},
		{plain("Am 06.01.25 um 10:00 schrieb Jörg:\n> Zitat\n\nAntwort"), "Antwort"},
		{plain("Le lun. 6 janv. 2025 à 10:00, Ann a écrit :\n\n> Citation\nRéponse"), "Réponse"},
		{plain("山田さん:\n> 引用\n返事"), "返事"},
		{plain("2025年1月6日(月) 10:00 山田 <y@example.jp>:\n\n> 引用\n返事"), "返事"},
		{plain("> only\n> quoted"), ""},
		{plain("Answer first\n\n-----Original Message-----\nFrom: a@example.org\nSent: Monday\n\nold"), "Answer first old"},
		{plain("The list is:\n1 one"), "The list is: 1 one"},
		{plain("On Tuesday we meet\nat noon"), "On Tuesday we meet at noon"},
		{plain("Paul> I would like\nPaul> to know\nSo would I"), "So would I"},
		{plain(">>>>> \"A\" == Ann writes:\n\nA> why?\nA>\nBecause."), "Because."},
		{plain("a > b, and x->y"), "a > b, and x->y"},
		{plain("From: Joe\nSubject: old\n\nWhat he said\n"), "What he said"},
		{plain("<a href=http://example.org/>Here</a> it is"), "Here it is"},
		// Signatures.
		{plain("Hi\n-- \nAnn\nDirector"), "Hi"},
		{plain("-- \nAnn\nDirector"), ""},
		// Forwarded.
		{plain("---------- Forwarded message ---------\nFrom: Ann <a@example.org>\nDate: Mon\nSubject: S\nTo: b\n\n\nThe news"), "The news"},
		{plain("Begin forwarded message:\n\nFrom: Ann\nSubject: S\n\nThe news"), "The news"},
		{plain("-------- Weitergeleitete Nachricht --------\nBetreff: \tS\nVon: \tA\n\nText"), "Text"},
		{plain("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSigned text\n-----BEGIN PGP SIGNATURE-----\n\niQ"), "Signed text"},
		{plain("-----BEGIN PGP MESSAGE-----\n\nhQEM"), ""},
		{"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: text/plain\n\nx\n--b--\n", ""},
		{"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMIAG", ""},
		// HTML.
		{page("<html><head><title>T</title><style>p{}</style></head><body><p>Gr&uuml;&szlig;e<br>aus&nbsp;K<b>&#246;</b>ln</p><script>x</script></body></html>"), "Grüße aus Köln"},
		{page("<div>Answer</div><blockquote type=cite>old</blockquote>"), "Answer"},
		{page("<div class='moz-cite-prefix'>On Monday:</div><blockquote type=\"cite\"><div>old</div><blockquote>older</blockquote>x</blockquote><p>Below"), "Below"},
		{page("<div dir=ltr>Top</div><br><div class=\"gmail_quote\"><div class=gmail_attr>On Mon:</div>old</div>"), "Top"},
		{page("<div class=\"gmail_quote\"><div class=gmail_attr>---- Forwarded message ----</div>The news</div>"), "The news"},
		{page("<blockquote>All is indented</blockquote>"), "All is indented"},
		{page("pre&zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&nbsp;header"), "pre header"},
		{page("<p>unfinished <a href=\"x"), "unfinished"},
		{page("<style>never closed"), ""},
		{plain("<html><body>really <i>this</i>"), "really this"},
		{"Content-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable\n\n=F0=D2=C9=D7=\n=C5=D4", "Привет"},
		{"Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$BF|K\\\x1b(B", "日本"},
		// The first text that says something.
		{"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n \n--b\nContent-Type: text/html\n\n<p>said\n--b--\n", "said"},
		{"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html\n--b\nContent-Type: text/plain\n\nplain\n--b--\n", "plain"},
		{"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Disposition: attachment\n\nfile\n--b\nContent-Type: text/plain\n\nbody\n--b--\n", "body"},
		{"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n", ""},
		{"Content-Type: message/rfc822\n\nSubject: inner\n\ninner text", "inner text"},
	} {
		if got := previewOf(t, c.mail); got != c.want {
			t.Errorf("%q: %q, want %q", c.mail, got, c.want)
		}
	}
	var p Parser
	m, _ := p.Parse(strings.NewReader(attached))
	if _, ok := Preview(m, badFile{}); ok {
		t.Error("a preview of a file that cannot be read")
	}
}

// countingAt counts what is read.
type countingAt struct {
	*strings.Reader
	n int
}

func (c *countingAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(b, off)
	c.n += n
	return n, err
}

// TestPreviewCost: many parts that say nothing are not all looked at, nor the text beside each again and again.
func TestPreviewCost(t *testing.T) {
	mail := "Content-Type: multipart/alternative; boundary=b\n" + strings.Repeat("\n--b\nContent-Type: text/html\n\n<p>", 4000) +
		"\n--b\n\n" + strings.Repeat("> quoted\n", 7000) + "\n--b--\n"
	var p Parser
	m, err := p.Parse(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	f := countingAt{Reader: strings.NewReader(mail)}
	if text, ok := Preview(m, &f); !ok || len(text) > 0 {
		t.Errorf("%q, %v", text, ok)
	}
	if f.n > 16<<20 {
		t.Errorf("%d bytes of %d were read", f.n, len(mail))
	}
}

func checkPreview(t *testing.T, what string, text []byte) {
	if !utf8.Valid(text) || utf8.RuneCount(text) > previewMost {
		t.Errorf("%s: %q", what, text)
	}
	if bytes.ContainsAny(text, "\r\n\t\x00") || bytes.Contains(text, []byte("  ")) || string(bytes.TrimSpace(text)) != string(text) {
		t.Errorf("%s: not one line: %q", what, text)
	}
	if len(text) > 0 && text[0] == '>' {
		t.Errorf("%s: quoted text first: %q", what, text)
	}
}

func FuzzPreview(f *testing.F) {
	f.Add([]byte(attached))
	f.Add([]byte("Content-Type: text/html\n\n<div class=gmail_quote><p>x</div>y&zwnj;<blockquote"))
	f.Add([]byte("\n---------- Forwarded\nA: b\n\nOn 1 Jan 2025\nx:\n>y\n-- \nz"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Parser
		m, _ := p.Parse(bytes.NewReader(b))
		text, ok := Preview(m, bytes.NewReader(b))
		if !ok {
			t.Error("not read")
		}
		if checkPreview(t, "", text); t.Failed() {
			t.Logf("%q", b)
		}
	})
}

// TestPreviewCorpus: no preview of real mail shows markup, or quoted text first.
func TestPreviewCorpus(t *testing.T) {
	markup := regexp.MustCompile(`(?i)</?(html|body|div|p|br|table|td|tr|span|a|font|b|i|img|style|script)\b[^>]*>|\{[^}]*:[^}]*;[^}]*\}`)
	said, quoted := 0, 0
	for _, b := range corpusFiles(t) {
		var p Parser
		m, _ := p.Parse(bytes.NewReader(b))
		text, _ := Preview(m, bytes.NewReader(b))
		checkPreview(t, m.Parts[0].Type, text)
		if len(text) > 0 {
			said++
		}
		if regexp.MustCompile(`^(On .* wrote:|Am .* schrieb|-- )`).Match(text) {
			quoted++
			t.Logf("introduction: %q", text)
		}
		if at := markup.Find(text); at != nil {
			t.Errorf("markup %q in %q", at, text)
		}
	}
	t.Logf("%d previews say something, %d begin with what others wrote", said, quoted)
}
