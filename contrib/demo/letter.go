package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// letter is one message before it is written down.
type letter struct {
	folder  string // "" is INBOX
	flags   string // as in a Maildir file name; "new" is a delivery nobody has seen
	age     time.Duration
	from    string
	to      string
	subject string
	id      string // local part of the Message-ID; made up where empty
	parents []string
	extra   []string // further header lines
	body    part
}

// part is a MIME part: text, a file, or several parts together.
type part struct {
	contentType string // with parameters; multipart/* gets its boundary when written
	disposition string
	encoding    string // quoted-printable, base64, 8bit; "" is 7bit
	data        string
	parts       []part
}

func text(s string) part {
	return part{contentType: "text/plain; charset=utf-8", encoding: "quoted-printable", data: s}
}

func html(s string) part {
	return part{contentType: "text/html; charset=utf-8", encoding: "quoted-printable", data: s}
}

func several(kind string, parts ...part) part {
	return part{contentType: "multipart/" + kind, parts: parts}
}

func file(contentType, name, data string) part {
	return part{contentType: contentType, disposition: mime.FormatMediaType("attachment", map[string]string{"filename": name}),
		encoding: "base64", data: data}
}

const idDomain = "demo.example"

// write renders the letter with bare LF, as mail lies on a Unix disk.
func (l letter) write(number int, now time.Time) []byte {
	var b bytes.Buffer
	date := now.Add(-l.age)
	id := l.id
	if id == "" {
		id = fmt.Sprintf("%d.%d", date.Unix(), number)
	}
	fmt.Fprintf(&b, "Received: from mx.%s by localhost with ESMTP; %s\n", idDomain, date.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "Date: %s\nFrom: %s\nTo: %s\n", date.Format(time.RFC1123Z), address(l.from), address(l.to))
	fmt.Fprintf(&b, "Subject: %s\nMessage-ID: <%s@%s>\n", mime.QEncoding.Encode("utf-8", l.subject), id, idDomain)
	if n := len(l.parents); n > 0 {
		var refs []string
		for _, p := range l.parents {
			refs = append(refs, "<"+p+"@"+idDomain+">")
		}
		fmt.Fprintf(&b, "In-Reply-To: %s\nReferences: %s\n", refs[n-1], strings.Join(refs, "\n "))
	}
	for _, x := range l.extra {
		fmt.Fprintf(&b, "%s\n", x)
	}
	b.WriteString("MIME-Version: 1.0\n")
	l.body.write(&b, fmt.Sprintf("=_%d", number))
	return b.Bytes()
}

// address encodes a display name that is not ASCII (RFC 2047).
func address(s string) string {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return s
	}
	return a.String()
}

// write renders header and body of the part; boundary is unique among those above it.
func (p part) write(b *bytes.Buffer, boundary string) {
	fmt.Fprintf(b, "Content-Type: %s", p.contentType)
	if len(p.parts) > 0 {
		fmt.Fprintf(b, "; boundary=\"%s\"", boundary)
	}
	b.WriteByte('\n')
	if p.disposition != "" {
		fmt.Fprintf(b, "Content-Disposition: %s\n", p.disposition)
	}
	if p.encoding != "" {
		fmt.Fprintf(b, "Content-Transfer-Encoding: %s\n", p.encoding)
	}
	b.WriteByte('\n')
	for i, sub := range p.parts {
		fmt.Fprintf(b, "--%s\n", boundary)
		sub.write(b, fmt.Sprintf("%s.%d", boundary, i+1))
		b.WriteByte('\n')
	}
	if len(p.parts) > 0 {
		fmt.Fprintf(b, "--%s--\n", boundary)
		return
	}
	p.writeData(b)
}

func (p part) writeData(b *bytes.Buffer) {
	switch p.encoding {
	case "quoted-printable":
		var q bytes.Buffer
		w := quotedprintable.NewWriter(&q)
		_, _ = w.Write([]byte(p.data)) // into memory
		_ = w.Close()
		b.WriteString(strings.ReplaceAll(q.String(), "\r\n", "\n"))
	case "base64":
		s := base64.StdEncoding.EncodeToString([]byte(p.data))
		for len(s) > 76 {
			b.WriteString(s[:76] + "\n")
			s = s[76:]
		}
		b.WriteString(s + "\n")
	default:
		b.WriteString(p.data)
	}
}
