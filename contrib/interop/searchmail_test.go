//go:build interop

package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/unicode/norm"

	"maildir-imapd/contrib/interop/peer"
)

// searched is a mailbox that both servers are given.
type searched struct {
	name  string
	mail  []namedMail
	words []string // to look for, besides those picked from the messages
}

type namedMail struct {
	name string
	raw  []byte
}

// tongues are a sentence in a charset each, and words of it.
var tongues = []struct{ charset, text string }{
	{"utf-8", "Die Grüße aus Köln über Ærøskøbing"},
	{"iso-8859-1", "Le garçon déjà naïf mange une crêpe"},
	{"iso-8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy"},
	{"iso-8859-5", "Съешь ещё этих мягких булок"},
	{"iso-8859-7", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία"},
	{"iso-8859-15", "Das kostet fünfzig € und œuvre"},
	{"windows-1252", "Smart “quotes” — señor Müller"},
	{"windows-1251", "Широкая электрификация южных губерний"},
	{"koi8-r", "Привет медвед, как дела сегодня"},
	{"shift_jis", "吾輩は猫である名前はまだ無い"},
	{"iso-2022-jp", "これは日本語の文章です"},
	{"euc-jp", "漢字とカタカナの試験"},
	{"gbk", "我能吞下玻璃而不伤身体"},
	{"gb18030", "中华人民共和国首都北京"},
	{"big5", "我能吞下玻璃而不傷身體"},
	{"euc-kr", "나는 유리를 먹을 수 있어요"},
}

func encodeAs(t *testing.T, charset, s string) []byte {
	t.Helper()
	e, err := htmlindex.Get(charset)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", charset, err)
	}
	return b
}

func bWord(charset string, b []byte) string {
	return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString(b) + "?="
}

func qWord(charset string, b []byte) string {
	var w strings.Builder
	for _, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			w.WriteByte(c)
		} else if c == ' ' {
			w.WriteByte('_')
		} else {
			fmt.Fprintf(&w, "=%02X", c)
		}
	}
	return "=?" + charset + "?Q?" + w.String() + "?="
}

func qp(b []byte) string {
	var w bytes.Buffer
	q := quotedprintable.NewWriter(&w)
	_, _ = q.Write(b)
	_ = q.Close()
	return strings.ReplaceAll(w.String(), "\r\n", "\n")
}

// forms are the ways in which a sentence comes into a message.
var forms = []struct {
	name  string
	write func(charset string, enc []byte, text string) string
}{
	{"b-word", func(c string, e []byte, _ string) string {
		return "Subject: " + bWord(c, e) + "\nContent-Type: text/plain\n\nnothing here\n"
	}},
	{"q-word", func(c string, e []byte, _ string) string {
		return "Subject: [list] " + qWord(c, e) + " (tail)\nComments: " + qWord(c, e) + "\n\nnothing here\n"
	}},
	{"from-word", func(c string, e []byte, _ string) string {
		return "Subject: plain\nCc: " + bWord(c, e) + " <person@example.org>\nReply-To: x@example.org\n\nnothing here\n"
	}},
	{"8bit", func(c string, e []byte, _ string) string {
		return "Subject: plain\nMIME-Version: 1.0\nContent-Type: text/plain; charset=" + c + "\nContent-Transfer-Encoding: 8bit\n\nbefore " + string(e) + " after\n"
	}},
	{"qp", func(c string, e []byte, _ string) string {
		return "Subject: plain\nMIME-Version: 1.0\nContent-Type: text/plain; charset=\"" + c + "\"\nContent-Transfer-Encoding: quoted-printable\n\n" + qp(append([]byte("some words to begin a line that is rather long, so that it is cut: "), e...)) + "\n"
	}},
	{"base64", func(c string, e []byte, _ string) string {
		return "Subject: plain\nMIME-Version: 1.0\nContent-Type: text/plain; charset=" + c + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(e) + "\n"
	}},
	{"nested", func(c string, e []byte, _ string) string {
		return "Subject: forwarded\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee below\n--b\nContent-Type: message/rfc822\n\nFrom: inner@example.org\nSubject: " + bWord(c, e) + "\nContent-Type: text/plain; charset=" + c + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(e) + "\n--b--\n"
	}},
	{"attached-text", func(c string, e []byte, _ string) string {
		return "Subject: with a file\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee the file\n--b\nContent-Type: text/csv; charset=" + c + "\nContent-Disposition: attachment; filename=x.csv\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(e) + "\n--b--\n"
	}},
	{"attached-binary", func(c string, e []byte, _ string) string {
		return "Subject: with a picture\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee the picture\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(e) + "\n--b--\n"
	}},
	{"html", func(c string, e []byte, _ string) string {
		return "Subject: page\nMIME-Version: 1.0\nContent-Type: text/html; charset=" + c + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(slices.Concat([]byte("<html><body><p>"), e, []byte("</p></body></html>"))) + "\n"
	}},
	{"html-entities", func(_ string, _ []byte, text string) string {
		var b strings.Builder
		for _, r := range text {
			fmt.Fprintf(&b, "&#%d;", r)
		}
		return "Subject: page\nMIME-Version: 1.0\nContent-Type: text/html; charset=us-ascii\n\n<p>" + b.String() + "</p>\n"
	}},
	{"folded", func(_ string, _ []byte, text string) string {
		return "Subject: " + strings.ReplaceAll(text, " ", "\n ") + "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" + strings.ReplaceAll(text, " ", "\n") + "\n"
	}},
	{"nfd", func(_ string, _ []byte, text string) string {
		text = norm.NFD.String(text)
		return "Subject: " + bWord("utf-8", []byte(text)) + "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" + text + "\n"
	}},
	{"alternative", func(c string, e []byte, _ string) string {
		return "Subject: both\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"=_x\"\n\n--=_x\nContent-Type: text/plain\n\nonly the other part has it\n--=_x\nContent-Type: text/html; charset=" + c + "\nContent-Transfer-Encoding: quoted-printable\n\n" + qp(slices.Concat([]byte("<b>"), e, []byte("</b>"))) + "\n--=_x--\n"
	}},
}

// madeMail is every sentence in every form.
func madeMail(t *testing.T) *searched {
	box := &searched{name: "made"}
	for _, l := range tongues {
		enc := encodeAs(t, l.charset, l.text)
		for i, f := range forms {
			head := fmt.Sprintf("From: Writer %d <w%d@example.org>\nTo: reader@example.net\nDate: %d Mar 2021 10:00:00 +0100\nMessage-ID: <%s.%s@example.org>\n", i, i, 1+i, f.name, l.charset)
			box.mail = append(box.mail, namedMail{l.charset + "/" + f.name, []byte(head + f.write(l.charset, enc, l.text))})
		}
		box.words = append(box.words, strings.Fields(l.text)...)
		box.words = append(box.words, l.text)
	}
	return box
}

// listMail is public lists' mail, and oddMail the collection of strange messages, where they lie beside the project.
func listMail(t *testing.T) *searched {
	messages, err := untar(filepath.Join(corpusDir(), "list-open.tar.xz"), 1500)
	if err != nil {
		t.Skipf("no corpus of list mail: %v", err)
	}
	box := &searched{name: "lists"}
	for i, m := range messages {
		box.mail = append(box.mail, namedMail{fmt.Sprintf("%05d", i+1), m})
	}
	return box
}

func oddMail(t *testing.T) *searched {
	paths, err := filepath.Glob(filepath.Join(corpusDir(), "open", "*.eml"))
	if err != nil || len(paths) == 0 {
		t.Skip("no corpus of strange mail")
	}
	box := &searched{name: "odd"}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		box.mail = append(box.mail, namedMail{filepath.Base(p), b})
	}
	return box
}

func corpusDir() string {
	if dir := os.Getenv("MAILDIR_IMAPD_CORPUS"); dir != "" {
		return dir
	}
	return "../../../shared/corpus"
}

// lay writes the box into a Maildir: the same names, flags and times for either server. The last five are new.
func (box *searched) lay(t *testing.T, dir string, uid int) {
	t.Helper()
	for _, sub := range []string{"", "cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(3, 3))
	for i, m := range box.mail {
		name := filepath.Join("new", fmt.Sprintf("%d.M%06dP1.mta", 1600000000+i, i))
		if i < len(box.mail)-5 {
			flags := ""
			for _, f := range "DFRST" {
				if r.IntN(4) == 0 {
					flags += string(f)
				}
			}
			name = filepath.Join("cur", filepath.Base(name)+":2,"+flags)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, m.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2021, 1, 1, r.IntN(24), 0, 0, 0, time.UTC).AddDate(0, 0, i%400)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	(&world{&peer.Server{UID: uid}}).own(t, dir)
}

var rawWord = regexp.MustCompile(`[A-Za-z][A-Za-z'@.-]{2,14}[A-Za-z]`)

// pickWord takes a word from a message as it lies there, of its header or its body.
func pickWord(r *rand.Rand, m []byte, header bool) string {
	head, body, _ := bytes.Cut(bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	part := body
	if header {
		part = head
	}
	if len(part) > 20000 {
		part = part[:20000]
	}
	all := rawWord.FindAll(part, -1)
	if len(all) == 0 {
		return "nothing"
	}
	return string(all[r.IntN(len(all))])
}
