//go:build webmail

package webmail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

// charsets are the ones the letters are written in.
var charsets = map[string]encoding.Encoding{
	"us-ascii": encoding.Nop, "utf-8": encoding.Nop, "utf-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"iso-8859-1": charmap.ISO8859_1, "iso-8859-15": charmap.ISO8859_15, "windows-1252": charmap.Windows1252,
	"koi8-r": charmap.KOI8R, "windows-1251": charmap.Windows1251, "iso-2022-jp": japanese.ISO2022JP,
}

func in(charset, text string) []byte {
	b, err := charsets[charset].NewEncoder().Bytes([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("%q in %s: %v", text, charset, err)) // the texts are our own
	}
	return b
}

// word is an encoded word (RFC 2047).
func word(charset string, e byte, text string) string {
	raw := in(charset, text)
	if e == 'B' {
		return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString(raw) + "?="
	}
	var b strings.Builder
	for _, c := range raw {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return "=?" + charset + "?Q?" + b.String() + "?="
}

// text is a text part in a charset and a transfer encoding.
func text(subtype, charset, encoding, body string) string {
	raw := in(charset, body)
	head := fmt.Sprintf("Content-Type: text/%s; charset=%s\nContent-Transfer-Encoding: %s\n\n", subtype, charset, encoding)
	switch encoding {
	case "base64":
		return head + wrapped(raw)
	case "quoted-printable":
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		_, _ = w.Write(raw)
		_ = w.Close()
		return head + strings.ReplaceAll(b.String(), "\r\n", "\n")
	}
	return head + string(raw)
}

func plain(charset, encoding, body string) string { return text("plain", charset, encoding, body+"\n") }

func wrapped(raw []byte) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(raw)), 76) {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// attached is a file as an attachment, its name by RFC 2231.
func attached(mediaType, name string, raw []byte) string {
	return "Content-Type: " + mediaType + "\nContent-Transfer-Encoding: base64\nContent-Disposition: " +
		mime.FormatMediaType("attachment", map[string]string{"filename": name}) + "\n\n" + wrapped(raw)
}

func mixed(parts ...string) string {
	const boundary = "==cut here=="
	b := "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n"
	for _, p := range parts {
		b += "--" + boundary + "\n" + p + "\n"
	}
	return b + "--" + boundary + "--\n"
}

// letter is a message of the mailbox. shown is the subject as a person reads it.
type letter struct {
	id, shown string
	subject   string // as in the header
	parents   []string
	body      string // with the MIME header
}

// blob is the attachment that is downloaded: every byte, in more than one read of the server.
func blob() []byte {
	b := make([]byte, 40000)
	for i := range b {
		b[i] = byte(i*i>>3 + i)
	}
	return b
}

const blobName = "Übersicht 2026.bin"

// picture is a square in two colours.
func picture() []byte {
	m := image.NewRGBA(image.Rect(0, 0, 96, 96))
	for i := range 96 * 96 {
		m.Set(i%96, i/96, color.RGBA{uint8(i % 96 * 2), 120, uint8(i / 96 * 2), 255})
	}
	var b bytes.Buffer
	_ = png.Encode(&b, m)
	return b.Bytes()
}

// letters in the order of their arrival.
func letters() []letter {
	const hello, thanks = "Grüße aus Köln", "Re: Grüße aus Köln"
	return []letter{
		{"vacuum", "vacuum", "vacuum", nil, plain("us-ascii", "7bit", "nothing in here")},
		{"hello", hello, word("utf-8", 'Q', "Grüße") + " " + word("utf-8", 'Q', " aus Köln"), nil,
			plain("utf-8", "quoted-printable", "Der Dom steht noch.")},
		{"uebung", "Übung macht den Meister", word("windows-1252", 'B', "Übung macht den Meister"), nil, plain("us-ascii", "7bit", "practice")},
		{"agenda", "[list] Agenda", "[list] Agenda", nil, mixed(plain("us-ascii", "7bit", "see the attached letter"),
			"Content-Type: message/rfc822\n\n"+head("inner", "", word("iso-8859-1", 'Q', "Zur Übung"))+plain("us-ascii", "7bit", "inside"))},
		{"report", "Отчёт за квартал", word("koi8-r", 'B', "Отчёт за квартал"), nil, plain("windows-1251", "base64", "Прибыль выросла.")},
		{"Banana", "Banana", "Banana", nil, plain("us-ascii", "7bit", "Gruesse, Grusse, Ubung")},
		{"thanks", thanks, "Re: " + word("iso-8859-1", 'Q', "Grüße aus Köln"), []string{"hello"}, plain("iso-8859-1", "8bit", "Danke!")},
		{"photos", "Holiday photos", "Holiday photos", nil, mixed(plain("iso-8859-15", "base64", "Viele Grüße und 10 €"),
			attached("application/octet-stream", blobName, blob()), attached("image/png", "sunset.png", picture()))},
		{"apple", "apple", "apple", nil, plain("utf-8", "base64", "Noch eine ÜBUNG")},
		{"minutes", "会議の議事録", word("iso-2022-jp", 'B', "会議の議事録"), nil, plain("iso-2022-jp", "7bit", "本日の議事録を送ります。")},
		{"news", "Newsletter", "Newsletter", nil, text("html", "us-ascii", "7bit", "<html><body><p>Sch&ouml;ne Gr&uuml;&szlig;<b>e</b>!</p></body></html>\n")},
		{"again", "Re: " + thanks, "Re: Re: " + word("windows-1252", 'B', "Grüße aus Köln"), []string{"hello", "thanks"}, plain("us-ascii", "7bit", "more")},
		{"minded", "Re: [list] agenda", "Re: [list] agenda", []string{"agenda"}, plain("us-ascii", "7bit", "agreed")},
		{"cherry", "cherry", "cherry", nil, mixed(plain("us-ascii", "7bit", "a program is attached"),
			attached("application/octet-stream", "program", []byte("\x00\x01 Grüße \x02")))},
		{"note", "Decomposed note", "Decomposed note", nil, plain("utf-8", "quoted-printable", norm.NFD.String("Liebe Grüße"))},
		{"umbrella", "umbrella", "umbrella", nil, plain("utf-16", "base64", "herzliche grÜße")},
	}
}

// sorted is the mailbox as SORT (SUBJECT) orders it: by base subjects without regard to case, then by arrival.
var sorted = []string{
	"[list] Agenda", "Re: [list] agenda", "apple", "Banana", "cherry", "Decomposed note",
	"Grüße aus Köln", "Re: Grüße aus Köln", "Re: Re: Grüße aus Köln", "Holiday photos", "Newsletter",
	"umbrella", "Übung macht den Meister", "vacuum", "Отчёт за квартал", "会議の議事録",
}

// threads are the depths of the messages that are no threads of their own.
var threads = map[string]int{"Re: Grüße aus Köln": 1, "Re: Re: Grüße aus Köln": 2, "Re: [list] agenda": 1}

// searches are what a person looks for, and what is found in whatever form it is written.
var searches = map[string][]string{
	"Grüße":   {"Grüße aus Köln", "Re: Grüße aus Köln", "Re: Re: Grüße aus Köln", "Holiday photos", "Newsletter", "Decomposed note", "umbrella"},
	"Übung":   {"Übung macht den Meister", "[list] Agenda", "apple"},
	"ПРИБЫЛЬ": {"Отчёт за квартал"},
	"議事録":     {"会議の議事録"},
}

var began = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func head(id, parents, subject string) string {
	h := "From: Jürgen <juergen@example.org>\n"
	h = strings.Replace(h, "Jürgen", word("iso-8859-1", 'Q', "Jürgen"), 1)
	h += "To: reader@example.org\nMessage-ID: <" + id + "@example.org>\nSubject: " + subject + "\nMIME-Version: 1.0\n"
	if parents != "" {
		h += "References: " + parents + "\nIn-Reply-To: " + parents[strings.LastIndexByte(parents, '<'):] + "\n"
	}
	return h
}

// deliver puts the letters into new/, an hour between each and the next; uid owns them.
func deliver(t *testing.T, maildir string, uid int) {
	t.Helper()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(maildir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range letters() {
		at := began.Add(time.Duration(i) * time.Hour)
		var refs []string
		for _, p := range l.parents {
			refs = append(refs, "<"+p+"@example.org>")
		}
		b := "Date: " + at.Format(time.RFC1123Z) + "\n" + head(l.id, strings.Join(refs, " "), l.subject) + l.body
		path := filepath.Join(maildir, "new", fmt.Sprintf("%d.M%dP1.mta", at.Unix(), i))
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(maildir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, -1)
	})
	if err != nil {
		t.Fatal(err)
	}
}
