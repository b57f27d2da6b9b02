package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// words make subjects and bodies that SEARCH has to read.
var words = strings.Fields(`the of and to in is you that it he was for on are as with his they at be this have from
or one had by word but not what all were we when your can said there use an each which she do how their if will up
other about out many then them these so some her would make like him into time has look two more write go see number
no way could people my than first water been call who oil its now find long down day did get come made may part
meeting invoice kernel patch release agenda minutes holiday budget server mailbox question answer review draft`)

// needle is in the body of every 500th message, and nowhere else.
const needle = "quetzalcoatlus"

// box writes a Maildir of n messages as a mix that resembles a person's: plain text, HTML alternatives,
// attachments and replies, of 1 to 40 KiB, two thirds of them read. The same seed gives the same bytes.
func box(dir string, n int, seed uint64) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	r := rand.New(rand.NewPCG(seed, 2))
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := start.Add(time.Duration(i) * 97 * time.Minute)
		flags := ""
		if r.IntN(20) == 0 {
			flags += "F"
		}
		if r.IntN(5) == 0 {
			flags += "R"
		}
		if r.IntN(3) > 0 {
			flags += "S"
		}
		text := letter(r, i, at)
		name := fmt.Sprintf("%d.M%06dP%d.bench,S=%d:2,%s", at.Unix(), i%1000000, 1000+i%9000, len(text), flags)
		path := filepath.Join(dir, "cur", name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if err := os.Chtimes(path, at, at); err != nil {
			return err
		}
	}
	return nil
}

// letter is one message, with LF line ends as MTAs store them.
func letter(r *rand.Rand, i int, at time.Time) []byte {
	var b strings.Builder
	from := fmt.Sprintf("%s %s <%s%d@example.org>", title(r), title(r), pick(r), r.IntN(200))
	fmt.Fprintf(&b, "Return-Path: <bounce-%d@example.org>\nReceived: from mx.example.org (mx.example.org [192.0.2.%d])\n\tby mail.example.net (Postfix) with ESMTPS id %08X\n\tfor <me@example.net>; %s\n",
		i, r.IntN(250), r.Uint32(), at.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "From: %s\nTo: Me Myself <me@example.net>\nDate: %s\nMessage-ID: <%d.%x@example.org>\n",
		from, at.Format(time.RFC1123Z), i, r.Uint64())
	subject := text(r, 4+r.IntN(6))
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, "In-Reply-To: <%d.x@example.org>\nReferences: <%d.y@example.org>\n <%d.x@example.org>\n", i-1, i-2, i-1)
		subject = "Re: " + subject
	}
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "Cc: %s <%s@example.org>, list@lists.example.org\nList-Id: <list.lists.example.org>\n", title(r), pick(r))
	}
	if r.IntN(10) == 0 {
		subject = "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(subject+" für Sie")) + "?="
	}
	fmt.Fprintf(&b, "Subject: %s\nMIME-Version: 1.0\n", subject)
	body := paragraphs(r, 1+r.IntN(12))
	if i%500 == 250 {
		body += needle + "\n"
	}
	switch k := r.IntN(10); {
	case k < 5:
		fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s", body)
	case k < 8:
		fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"alt%d\"\n\n--alt%d\nContent-Type: text/plain; charset=utf-8\n\n%s\n--alt%d\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><body><p class=3D\"x\">%s</p></body></html>\n--alt%d--\n",
			i, i, body, i, strings.ReplaceAll(body, "\n\n", "</p>=\n<p>"), i)
	default:
		data := make([]byte, 1000+r.IntN(24000))
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"mix%d\"\n\n--mix%d\nContent-Type: text/plain; charset=us-ascii\n\n%s\n--mix%d\nContent-Type: application/pdf; name=\"report-%d.pdf\"\nContent-Disposition: attachment; filename=\"report-%d.pdf\"\nContent-Transfer-Encoding: base64\n\n%s--mix%d--\n",
			i, i, body, i, i, i, base64Lines(data), i)
	}
	return []byte(b.String())
}

func pick(r *rand.Rand) string { return words[r.IntN(len(words))] }

func title(r *rand.Rand) string { w := pick(r); return strings.ToUpper(w[:1]) + w[1:] }

func text(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pick(r))
	}
	return b.String()
}

func paragraphs(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		for range 2 + r.IntN(5) {
			b.WriteString(text(r, 10+r.IntN(4)))
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func base64Lines(data []byte) string {
	s := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s + "\n"
}

// cloneBox makes a Maildir of hard links to another's messages: a fresh mailbox for every run.
func cloneBox(from, to string, uid int) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(to, sub), 0o700); err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(to, sub), uid, uid); err != nil {
			return err
		}
	}
	if err := os.Chown(to, uid, uid); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(from, "cur"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(to, "cur", e.Name())
		if err := os.Link(filepath.Join(from, "cur", e.Name()), path); err != nil {
			return err
		}
		if err := os.Lchown(path, uid, uid); err != nil {
			return err
		}
	}
	return nil
}
