package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
	"time"
)

// A mailbox is a mix that resembles a person's: plain text in each transfer encoding, HTML alternatives,
// attachments, of 1 to 40 KiB; two thirds of it read, six in ten messages part of a conversation. Every
// message depends on the seed and its number only.
type mailing struct {
	seed    uint64
	short   bool    // 1 KiB of plain text each, no conversations: what a million of them is made of
	parents []int32 // of a reply: the number of the message it answers, else -1
}

func newMailing(n int, seed uint64, short bool) *mailing {
	g := &mailing{seed: seed, short: short, parents: make([]int32, n)}
	for i := range g.parents {
		r := g.rand(i, 1)
		g.parents[i] = -1
		if i > 0 && r.IntN(10) < 6 && !short {
			g.parents[i] = int32(i - 1 - r.IntN(min(i, 60)))
		}
	}
	return g
}

func (g *mailing) rand(i int, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(g.seed, uint64(i)<<8|purpose))
}

func (g *mailing) id(i int) string {
	return fmt.Sprintf("<%d.%x@example.org>", i, g.rand(i, 2).Uint64())
}

// references is the way from the beginning of the conversation to the parent. As programs do, a long one is
// cut in the middle.
func (g *mailing) references(i int) []string {
	var ids []string
	for p := g.parents[i]; p >= 0; p = g.parents[p] {
		ids = append(ids, g.id(int(p)))
	}
	for a, b := 0, len(ids)-1; a < b; a, b = a+1, b-1 {
		ids[a], ids[b] = ids[b], ids[a]
	}
	if len(ids) > 12 {
		ids = append(ids[:1:1], ids[len(ids)-10:]...)
	}
	return ids
}

func (g *mailing) subject(i int) string {
	root := i
	for g.parents[root] >= 0 {
		root = int(g.parents[root])
	}
	r := g.rand(root, 3)
	s := text(r, 4+r.IntN(6))
	exotic := r.IntN(10) == 0
	if exotic {
		s += " für Sie"
	}
	if root != i {
		s = []string{"Re: ", "RE: ", "Re: ", "Aw: ", "Re[2]: "}[i%5] + s
	}
	if exotic {
		s = "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	return s
}

// letter is a message as it lies in a Maildir, with LF line ends as MTAs store them.
type letter struct {
	name string
	at   time.Time
	raw  []byte
	text int // bytes that are not an attachment
}

var firstDay = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func (g *mailing) letter(i int) letter {
	r := g.rand(i, 4)
	at := firstDay.Add(time.Duration(i) * 17 * time.Minute)
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
	var b strings.Builder
	g.header(&b, r, i, at)
	attached := 0
	if g.short {
		fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\n\n%s\n", text(r, 70))
	} else {
		attached = writeBody(&b, r, i)
	}
	name := fmt.Sprintf("%d.M%06dP%d.bench,S=%d:2,%s", at.Unix(), i%1000000, 1000+i%9000, b.Len(), flags)
	return letter{name, at, []byte(b.String()), b.Len() - attached}
}

func (g *mailing) header(b *strings.Builder, r *rand.Rand, i int, at time.Time) {
	// Written up to half a day before it came, somewhere on earth: the order of dates is not that of arrival.
	written := at.Add(-time.Duration(r.IntN(12*3600)) * time.Second).In(time.FixedZone("", (r.IntN(24)-11)*3600))
	fmt.Fprintf(b, "Return-Path: <bounce-%d@example.org>\nReceived: from mx.example.org (mx.example.org [192.0.2.%d])\n\tby mail.example.net (Postfix) with ESMTPS id %08X\n\tfor <me@example.net>; %s\n",
		i, r.IntN(250), r.Uint32(), at.Format(time.RFC1123Z))
	fmt.Fprintf(b, "From: %s %s <%s%d@example.org>\nTo: Me Myself <me@example.net>\nDate: %s\nMessage-ID: %s\n",
		title(r), title(r), pick(r), r.IntN(200), written.Format(time.RFC1123Z), g.id(i))
	if ids := g.references(i); len(ids) > 0 {
		fmt.Fprintf(b, "In-Reply-To: %s\n", ids[len(ids)-1])
		if r.IntN(10) > 0 { // some programs write no more than that
			fmt.Fprintf(b, "References: %s\n", strings.Join(ids, "\n "))
		}
	}
	if r.IntN(4) == 0 {
		fmt.Fprintf(b, "Cc: %s <%s@example.org>, list@lists.example.org\nList-Id: <list.lists.example.org>\n", title(r), pick(r))
	}
	fmt.Fprintf(b, "Subject: %s\nMIME-Version: 1.0\n", g.subject(i))
}

// writeBody returns how many bytes of it are an attachment.
func writeBody(b *strings.Builder, r *rand.Rand, i int) (attached int) {
	body := paragraphs(r, 1+r.IntN(12), true)
	if i%500 == 250 {
		body += needle + "\n"
	}
	if i%5000 == 2500 {
		body += rareWord + "\n"
	}
	switch k := r.IntN(20); {
	case k < 6:
		fmt.Fprintf(b, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s", body)
	case k < 9:
		fmt.Fprintf(b, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n%s", quoted(body))
	case k < 10:
		fmt.Fprintf(b, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n%s", base64Lines([]byte(body)))
	case k < 16:
		html := "<html><head><style>p.x { margin: 0 }</style></head><body><p class=\"x\">" + strings.ReplaceAll(body, "\n\n", "</p>\n<p class=\"x\">") + "</p></body></html>\n"
		fmt.Fprintf(b, "Content-Type: multipart/alternative; boundary=\"alt%d\"\n\n--alt%d\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n--alt%d\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n%s\n--alt%d--\n",
			i, i, body, i, quoted(html), i)
	default:
		data := make([]byte, 1000+r.IntN(24000))
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		file := base64Lines(data)
		attached = len(file)
		fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=\"mix%d\"\n\n--mix%d\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n--mix%d\nContent-Type: application/pdf; name=\"report-%d.pdf\"\nContent-Disposition: attachment; filename=\"report-%d.pdf\"\nContent-Transfer-Encoding: base64\n\n%s--mix%d--\n",
			i, i, body, i, i, i, file, i)
	}
	return attached
}

func quoted(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // a Builder takes everything
	_ = w.Close()
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
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
