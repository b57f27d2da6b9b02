package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// units walks a message and splits what comes.
func units(t testing.TB, s *SearchText, mail string, scope Scope) []string {
	t.Helper()
	var p Parser
	m, err := p.Parse(strings.NewReader(mail))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	if err := s.Walk(m, strings.NewReader(mail), scope, func(b []byte) bool { all = append(all, b...); return true }); err != nil {
		t.Fatal(err)
	}
	var out []string
	for u := range strings.SplitSeq(string(all), "\x00") {
		if u = strings.TrimSpace(u); u != "" {
			out = append(out, u)
		}
	}
	return out
}

const attached = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus\tK=?utf-8?q?=C3=B6?=ln\r\n" +
	"From: plain <a@example.org>\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n" +
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nZeile ei=\r\nns =E4=80\r\nzwei\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>A&uuml;<b>b</b>c<br>d<script>no<b></script><style>x</style><!-- c --></p>\r\n" +
	"--b\r\nContent-Type: application/pdf;\r\n name*0*=utf-8''Anh%C3%A4;\r\n name*1=nge.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\nGr\xfc\xdfe innen\r\n" +
	"--b\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-16; x=y\r\nContent-Transfer-Encoding: base64\r\n\r\n/v8AaABpAPw=\r\n" +
	"--b--\r\nepilogue\r\n"

func foldAll(list ...string) []string {
	var out []string
	for _, s := range list {
		out = append(out, foldString(s))
	}
	return out
}

func TestSearchText(t *testing.T) {
	var s SearchText
	own := foldAll("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus K=?utf-8?q?=C3=B6?=ln", "Subject: Grüße aus Köln", "From: plain <a@example.org>", "Content-Type: multipart/mixed; boundary=b")
	body := foldAll("Zeile eins ä€ zwei", "<p>A&uuml;<b>b</b>c<br>d<script>no<b></script><style>x</style><!-- c --></p>", "Aübc d",
		"Subject: inner", "Content-Type: text/plain; charset=x-unknown", "Grüße innen", "Status: 5.1.1", "hiü")
	if d := cmp.Diff(own, units(t, &s, attached, ScopeHeader)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(body, units(t, &s, attached, ScopeBody)); d != "" {
		t.Error(d)
	}
	all := units(t, &s, attached, ScopeText)
	there := strings.Join(all, "\n")
	for _, u := range append(append(own, body...), foldAll("name=Anhänge.pdf")...) {
		if !strings.Contains(there, u) {
			t.Errorf("TEXT lacks %q", u)
		}
	}
	for _, no := range foldAll("preamble", "epilogue", "hello", "SGVsbG8") {
		if strings.Contains(there, no) {
			t.Errorf("TEXT has %q", no)
		}
	}
}

func TestSearchTextCharsets(t *testing.T) {
	var s SearchText
	for _, c := range []struct{ field, body, want string }{
		{"", "Grüße", "Grüße"},
		{"", "Gr\xfc\xdfe", "Grüße"},
		{"text/plain; charset=us-ascii", "Gr\xc3\xbc\xdfe", "Grüße"},
		{"text/plain; charset=ISO-8859-1", "\x84Gr\xfc\xdfe\x93", "„Grüße“"},
		{"text/plain; charset=\"koi8-r\"", "\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"},
		{"text/plain; charset=iso-2022-jp", "\x1b$BF|K\\\x1b(B abc", "日本 abc"},
		{"text/plain; charset=utf-7", "A+ImIDkQ.", "A≢Α."},
		{"text/plain; charset*=us-ascii'en'koi8-r", "\xf0", "П"},
		{"text/html", "<meta charset=windows-1251><p>\xcf\xf0\xe8", "При"},
		{"text/html", "<meta http-equiv=x content='text/html; charset=koi8-r'><p>\xf0", "П"},
		{"text/html; charset=utf-8", "<title>T&amp;c</title> 1 &lt; 2 &#8364;&#x20ac;&#128;&nbsp;&bogus; a < b &eacute", "T&c 1 < 2 €€€ &bogus; a < b é"},
		{"text/html; charset=utf-8", "a<a href='>' title=\"x>y\">b</a\n>c<td>d</td >e<img src=x/>f", "abc d e f"},
		{"text/html; charset=utf-8", "x<STYLE type=a>y</styl></STYLE z>z<!-->1--><!-- > -- -->2<!-- -- ->--!>3<!doctype a>4<?x y?>5", "xz1-->23 4 5"},
		{"text/html; charset=utf-8", "1<script>'<' \"</scriptx>\" <b></script>2<style/>3</style>", "12"},
	} {
		mail := "Subject: x\n"
		if c.field != "" {
			mail += "Content-Type: " + c.field + "\n"
		}
		got := units(t, &s, mail+"\n"+c.body+"\n", ScopeBody)
		if last := strings.Join(strings.Fields(got[len(got)-1]), " "); strings.ReplaceAll(last, " ", "") != strings.ReplaceAll(strings.TrimSpace(foldString(c.want)), " ", "") {
			t.Errorf("%s: %q: %q, want %q", c.field, c.body, last, foldString(c.want))
		}
	}
}

func TestSearchTextFlowed(t *testing.T) {
	var s SearchText
	for _, c := range []struct{ param, body, want string }{
		{"", "one \r\ntwo\r\nthree\r\n", "one two three"},
		{"", "> quoted \r\n> text\r\n>> deeper \r\n> less\r\nnone", "> quoted text >> deeper > less none"},
		{"", " > stuffed \n From x\n-- \nsig \nnature", "> stuffed From x -- sig nature"},
		{"; delsp=yes", "日本 \r\n語\r\nab  \ncd", "日本語 ab cd"},
		{"; delsp=yes", ">-- \r\n>x \r\n>y", ">-- >xy"},
	} {
		for _, nl := range []string{"\n", "\r\n"} {
			body := strings.ReplaceAll(strings.ReplaceAll(c.body, "\r\n", "\n"), "\n", nl)
			got := units(t, &s, "Content-Type: text/plain; charset=utf-8; format=flowed"+c.param+nl+nl+body, ScopeBody)
			want := strings.ReplaceAll(foldString(c.want), ">-- >XY", "> -- > XY")
			if len(got) != 1 || got[0] != want {
				t.Errorf("%q: %q, want %q", c.body, got, want)
			}
		}
	}
}

// inPieces runs a filter over a text cut in two.
func inPieces(f func(dst, src []byte) []byte, b []byte, cut int) string {
	cut = min(cut, len(b))
	return string(f(f(nil, b[:cut]), b[cut:]))
}

func FuzzTextFilters(f *testing.F) {
	f.Add([]byte("a<b title='>'>&uuml;<!-- -- ->--><script>x</script>&#x20ac &"), 5)
	f.Add([]byte("> a \r\n> b\r\n-- \n c \n"), 4)
	f.Add([]byte(">0  \r\n>0"), 4) // cut in what may end a soft line
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 {
			return
		}
		strip := func(cut int) string {
			var s stripper
			return inPieces(s.append, b, cut) + string(s.finish(nil))
		}
		if whole, parts := strip(len(b)), strip(cut); whole != parts {
			t.Errorf("stripped %q whole, %q cut", whole, parts)
		}
		for _, delsp := range []bool{false, true} {
			flow := func(cut int) string {
				w := flowed{start: true, delsp: delsp}
				return foldString(inPieces(w.append, b, cut))
			}
			if whole, parts := flow(len(b)), flow(cut); whole != parts {
				t.Errorf("flowed %q whole, %q cut", whole, parts)
			}
		}
	})
}

// TestSearchTextLarge: a part of any size, in memory that does not grow, found
// wherever it lies.
func TestSearchTextLarge(t *testing.T) {
	for _, enc := range []string{"7bit", "base64", "quoted-printable"} {
		for _, at := range []int{0, 16<<10 - 3, 32<<10 - 2, 64<<10 - 5, 1<<20 - 20} {
			text := bytes.Repeat([]byte("x "), 1<<19)
			copy(text[at:], "Nadel im Heu")
			body := string(text)
			if enc == "base64" {
				body = base64.StdEncoding.EncodeToString(text)
			}
			mail := "Content-Type: text/plain; charset=shift_jis\nContent-Transfer-Encoding: " + enc + "\n\n" + body
			var p Parser
			m, _ := p.Parse(strings.NewReader(mail))
			var s SearchText
			n := NewNeedle([]byte("NADEL IM HEU"))
			found, chunks := false, 0
			s.Walk(m, strings.NewReader(mail), ScopeBody, func(b []byte) bool {
				chunks++
				found = n.Feed(b)
				return !found
			})
			if !found {
				t.Errorf("%s at %d: not found", enc, at)
			}
			if after := max(0, at-8<<10) / (64 << 10); chunks > 2*after+4 {
				t.Errorf("%s at %d: %d chunks", enc, at, chunks)
			}
			if cap(s.out)+cap(s.utf)+cap(s.seen)+cap(s.raw)+cap(s.win) > 300<<10 {
				t.Errorf("%s: keeps %d bytes", enc, cap(s.out)+cap(s.utf)+cap(s.seen)+cap(s.raw)+cap(s.win))
			}
		}
	}
}

type badFile struct{}

func (badFile) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSearchTextError(t *testing.T) {
	var p Parser
	m, _ := p.Parse(strings.NewReader(attached))
	var s SearchText
	if err := s.Walk(m, badFile{}, ScopeText, func([]byte) bool { return true }); err != io.ErrUnexpectedEOF {
		t.Errorf("error %v", err)
	}
	if err := s.Walk(m, strings.NewReader(attached[:300]), ScopeText, func([]byte) bool { return true }); err != nil {
		t.Errorf("a file that became shorter: %v", err)
	}
}

func TestNeedle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 40, -1)
		text := letters.Draw(t, "text")
		want := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 8, -1).Draw(t, "needle")
		n := NewNeedle([]byte(want))
		n.Feed([]byte("abababab"))
		n.Reset()
		found, rest := false, text
		for len(rest) > 0 || text == "" {
			k := rapid.IntRange(min(1, len(rest)), len(rest)).Draw(t, "k")
			found = n.Feed([]byte(rest[:k]))
			rest = rest[k:]
			if found || text == "" {
				break
			}
		}
		if found != strings.Contains(text, want) {
			t.Fatalf("%q in %q: %v", want, text, found)
		}
	})
}

// plainMail is a message as most are.
func plainMail(size int) string {
	var b strings.Builder
	b.WriteString("Return-Path: <a@example.org>\nReceived: from mail.example.org (mail.example.org [192.0.2.1])\n\tby mx.example.net with ESMTPS id 1234567\n\tfor <b@example.net>; Mon, 6 Jan 2025 10:00:00 +0000\nDate: Mon, 6 Jan 2025 10:00:00 +0000\nFrom: Ann <a@example.org>\nTo: Bob <b@example.net>\nSubject: The quarterly numbers\nMessage-ID: <1234567890@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "Line %d of a message that goes on about this and that, for a while.\n", i)
	}
	return b.String()
}

func BenchmarkSearchText(b *testing.B) {
	qp := strings.ReplaceAll(plainMail(4000), "us-ascii\n", "utf-8\nContent-Transfer-Encoding: quoted-printable\n")
	mails := map[string]string{
		"plain-3k":   plainMail(3000),
		"plain-100k": plainMail(100000),
		"qp-4k":      qp,
		"html-8k":    strings.Replace(plainMail(8000), "text/plain", "text/html", 1),
		"base64-8k":  strings.Replace(plainMail(0), "us-ascii\n", "utf-8\nContent-Transfer-Encoding: base64\n", 1) + base64.StdEncoding.EncodeToString([]byte(plainMail(6000))),
	}
	for name, mail := range mails {
		b.Run(name, func(b *testing.B) {
			var p Parser
			m, _ := p.Parse(strings.NewReader(mail))
			f := strings.NewReader(mail)
			var s SearchText
			n := NewNeedle(Fold(nil, []byte("not to be found")))
			b.SetBytes(int64(len(mail)))
			b.ReportAllocs()
			for b.Loop() {
				n.Reset()
				s.Walk(m, f, ScopeText, func(c []byte) bool { return !n.Feed(c) })
			}
		})
	}
}

// TestSearchTextEnds: who has said that nothing more is wanted is not asked again, wherever the walk is.
func TestSearchTextEnds(t *testing.T) {
	var s SearchText
	for n := searchChunk - 400; n < searchChunk; n += 7 { // the first chunk ends in the second part's header
		mail := "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n" + strings.Repeat("x", n) +
			"\n--b\nContent-Type: text/html\nContent-Description: " + strings.Repeat("y", 200) + "\n\n<p>" +
			strings.Repeat("z", 2*searchChunk) + "\n--b--\n"
		var p Parser
		m, err := p.Parse(strings.NewReader(mail))
		if err != nil {
			t.Fatal(err)
		}
		visits := 0
		if err := s.Walk(m, strings.NewReader(mail), ScopeText, func([]byte) bool { visits++; return false }); err != nil {
			t.Fatal(err)
		}
		if visits != 1 {
			t.Fatalf("%d visits with %d bytes of text", visits, n)
		}
	}
}

// TestSearchTextWindows: what BODY looks at is part of what TEXT looks at, wherever the windows of the file end.
// The text index is made of the one and says what is not in the other.
func TestSearchTextWindows(t *testing.T) {
	var s SearchText
	for n := windowSize - 400; n < windowSize; n++ {
		mail := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("x", n) +
			"\n--b\nContent-Type: message/rfc822\n\nContent-Type: text/plain; name=\"a name\"\nX-Field: a\rb\r\n\ninner\n--b--\n"
		all := strings.Join(units(t, &s, mail, ScopeText), "\x00")
		for _, u := range units(t, &s, mail, ScopeBody) {
			if !strings.Contains(all, u) {
				t.Fatalf("with %d bytes of text TEXT lacks %q", n, u)
			}
		}
	}
}
