package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

const (
	me    = "Robin Demo <demo@example.org>"
	anna  = "Anna Köhler <anna@example.org>"
	jonas = "Jonas Berg <jonas@example.com>"
	mei   = "Mei Tanaka <mei@example.net>"
	cron  = "Cron Daemon <root@host.example.org>"
	shop  = "Bücher & Mehr <rechnung@shop.example>"
	news  = "news@lists.example.org"
)

// letters is the demo user's mail.
func letters() []letter {
	var all []letter
	all = append(all, hike()...)
	all = append(all, reports()...)
	all = append(all, single()...)
	all = append(all, listMail()...)
	return append(all, outgoing()...)
}

// hike is a thread of five, two levels deep.
func hike() []letter {
	return []letter{
		{flags: "S", age: 6 * day, from: anna, to: me, subject: "Hike on Sunday?", id: "hike-1",
			body: text("Hi Robin,\n\nthe forecast is good. Shall we walk the ridge on Sunday?\nTrain at 8:12, back by six.\n\nAnna\n")},
		{flags: "RS", age: 6*day - hour, from: jonas, to: me, subject: "Re: Hike on Sunday?", id: "hike-2", parents: []string{"hike-1"},
			body: text("I am in. Who brings the map?\n\n> Shall we walk the ridge on Sunday?\n")},
		{flags: "S", age: 5 * day, from: mei, to: me, subject: "Re: Hike on Sunday?", id: "hike-3", parents: []string{"hike-1", "hike-2"},
			body: text("I have the map, 1:25 000, and a thermos of tea.\n\n> Who brings the map?\n")},
		{flags: "FS", age: 4 * day, from: anna, to: me, subject: "Re: Hike on Sunday?", id: "hike-4", parents: []string{"hike-1"},
			body: text("Meeting point moved: north exit, under the clock.\nPlease tell Jonas, his phone is off.\n\nAnna\n")},
		{age: 2 * day, from: jonas, to: me, subject: "Re: Hike on Sunday? (photos)", id: "hike-5", parents: []string{"hike-1", "hike-4"},
			body: several("mixed",
				text("What a day. One picture from the top.\n\nJonas\n"),
				file("image/png", "ridge.png", picture()))},
	}
}

// reports is what a Unix host tells its administrator every night.
func reports() []letter {
	var out []letter
	for n := 12; n > 0; n-- {
		l := letter{flags: "S", age: time.Duration(n)*day - 3*hour, from: cron, to: me, subject: "Cron <root@host> nightly backup",
			extra: []string{"Auto-Submitted: auto-generated", "X-Cron-Env: <SHELL=/bin/sh>"},
			body: part{contentType: "text/plain; charset=us-ascii",
				data: fmt.Sprintf("backup of /home and /srv/mail: ok\nfiles: %d\nchanged: %d\nbytes written: %d\n", 81211+37*n, 212+n*n, 48211003+9341*n)}}
		if n == 3 {
			l.flags, l.subject = "FS", "Cron <root@host> nightly backup FAILED"
			l.body.data = "backup of /home and /srv/mail: failed\nwrite /backup/home.3: No space left on device\n"
		}
		out = append(out, l)
	}
	return out
}

// single is letters of every shape that ordinary mail has.
func single() []letter {
	forwarded := letter{from: "Stadtwerke <info@stadtwerke.example>", to: jonas, subject: "Ablesung am 3. März", id: "meter",
		age: 9 * day, body: text("Sehr geehrte Kundschaft,\n\nam 3. März lesen wir die Zähler ab.\n")}
	latin1 := "Sch\xf6ne Gr\xfc\xdfe aus \xd6sterreich, es schneit.\n\nGerd\n"
	return []letter{
		{flags: "S", age: 20 * day, from: "Gerd Müller <gerd@example.at>", to: me, subject: "Grüße aus Österreich",
			body: part{contentType: "text/plain; charset=iso-8859-1", encoding: "8bit", data: latin1}},
		{flags: "FS", age: 8 * day, from: shop, to: me, subject: "Ihre Rechnung Nr. 2026-1187 über 48,20 €", id: "invoice",
			body: several("mixed",
				several("alternative",
					text("Guten Tag,\n\nanbei Ihre Rechnung über 48,20 €.\nZahlbar bis zum Monatsende.\n\nBücher & Mehr\n"),
					html("<p>Guten Tag,</p>\n<p>anbei Ihre Rechnung über <b>48,20&nbsp;€</b>.<br>Zahlbar bis zum Monatsende.</p>\n<p>Bücher &amp; Mehr</p>\n")),
				file("application/pdf", "Rechnung-2026-1187.pdf", invoicePDF()))},
		{flags: "PS", age: 7 * day, from: jonas, to: me, subject: "Fwd: Ablesung am 3. März",
			body: several("mixed",
				text("Are you at home on that day?\n\nJonas\n"),
				part{contentType: "message/rfc822", data: string(forwarded.write(999, time.Now()))})},
		{age: 30 * hour, from: mei, to: me, subject: "来週の予定 / plans for next week",
			body: text("こんにちは Robin,\n\nTuesday or Thursday works for me. 🍵\n\n美\n")},
		{age: 26 * hour, from: "Café Zentral <post@cafe.example>", to: me, subject: "Your table for four", id: "table",
			body: several("alternative",
				text("Saturday, 19:30, four people. See you!\n"),
				html("<p>Saturday, <b>19:30</b>, four people. See you!</p>\n"),
				part{contentType: "text/calendar; charset=utf-8; method=REQUEST", data: invitation})},
		{flags: "new", age: 2 * hour, from: anna, to: me, subject: "Keys",
			body: text("I left your keys with the neighbour on the second floor.\n\nAnna\n")},
		{flags: "new", age: hour, from: "Library <loans@library.example>", to: me, subject: "Two books are due on Friday",
			body: text("The Design of the UNIX Operating System\nA Field Guide to Alpine Flowers\n")},
	}
}

// listMail is a mailing list, filed in a folder below another.
func listMail() []letter {
	topics := []string{"Release 4.2 is out", "Meeting notes", "Call for talks", "New mirror in Oslo", "Server move on Saturday",
		"Survey results", "Bug squashing weekend", "Welcome, new maintainers"}
	var out []letter
	for i, topic := range topics {
		l := letter{folder: "Lists.news", flags: "S", age: time.Duration(40-4*i) * day, from: "Project News <" + news + ">", to: news,
			subject: "[news] " + topic,
			extra:   []string{"List-Id: Project News <news.lists.example.org>", "List-Unsubscribe: <mailto:news-leave@lists.example.org>", "Precedence: list"},
			body:    text("Hello all,\n\n" + topic + ": the details are on the usual page.\n\n-- \nThis message went to everybody on the list.\n")}
		if i >= 6 {
			l.flags = ""
		}
		out = append(out, l)
	}
	return out
}

// outgoing is what the user wrote, is writing, and threw away.
func outgoing() []letter {
	return []letter{
		{folder: "Sent", flags: "S", age: 6*day - 2*hour, from: me, to: jonas, subject: "Re: Hike on Sunday?", parents: []string{"hike-1", "hike-2"},
			body: text("Mei has one. I bring bread and cheese.\n")},
		{folder: "Sent", flags: "S", age: 3 * day, from: me, to: anna, subject: "Told Jonas",
			body: text("He knows: north exit, under the clock.\n\nRobin\n")},
		{folder: "Sent", flags: "S", age: 8 * day, from: me, to: shop, subject: "Adresse geändert",
			body: text("Guten Tag,\n\nmeine neue Anschrift: Ahornstraße 7, 4020 Linz.\n\nRobin Demo\n")},
		{folder: "Drafts", flags: "DS", age: 5 * hour, from: me, to: mei, subject: "Re: 来週の予定 / plans for next week",
			body: text("Thursday is fine. Shall we\n")},
		{folder: "Trash", flags: "ST", age: 12 * day, from: "Winner Department <win@prizes.example>", to: me, subject: "You have won!!!",
			body: text("Send us your account number.\n")},
		{folder: "Trash", flags: "S", age: 13 * day, from: shop, to: me, subject: "Newsletter",
			body: html("<h1>Neue Bücher</h1>\n")},
	}
}

// announcements is the public tree, the same for every user.
func announcements() []letter {
	staff := "Staff <staff@example.org>"
	return []letter{
		{folder: "Announcements", flags: "", age: 10 * day, from: staff, to: staff, subject: "Office closed on Monday", body: text("It is a holiday.\n")},
		{folder: "Announcements", flags: "", age: 3 * day, from: staff, to: staff, subject: "Fire drill at ten", body: text("Use the stairs, meet in the yard.\n")},
		{folder: "Recipes", flags: "", age: 15 * day, from: anna, to: staff, subject: "Käsespätzle",
			body: text("400 g Mehl, 4 Eier, 1/8 l Wasser, 250 g Bergkäse, 2 Zwiebeln.\n")},
	}
}

const invitation = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example//table//EN\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:table@demo.example\n" +
	"DTSTART:20260606T193000\nDTEND:20260606T220000\nSUMMARY:Table for four\nEND:VEVENT\nEND:VCALENDAR\n"

// picture is a small PNG: a ridge before a bright sky.
func picture() string {
	img := image.NewGray(image.Rect(0, 0, 64, 48))
	for x := range 64 {
		for y := range 48 {
			shade := uint8(230 - y)
			if y > 20+(x*7)%13 {
				shade = 60
			}
			img.SetGray(x, y, color.Gray{Y: shade})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.String()
}

// invoicePDF is a one-page document with a correct cross-reference table.
func invoicePDF() string {
	content := "BT /F1 24 Tf 72 720 Td (Rechnung 2026-1187) Tj 0 -40 Td /F1 14 Tf (Summe: 48,20 EUR) Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	var xref strings.Builder
	for i, o := range objects {
		fmt.Fprintf(&xref, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref.String(), len(objects)+1, at)
	return b.String()
}
