package message

import (
	"bytes"
	"io"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	previewMost = 200      // characters (RFC 8970 §3.1)
	previewRead = 64 << 10 // decoded bytes of a part that are looked at
	previewTry  = 32       // parts that are looked at until one says something
)

// previews are walkers that are in use only while a preview is made.
var previews = sync.Pool{New: func() any { return new(SearchText) }}

// Preview is the beginning of what a message says (RFC 8970): at most 200
// characters on one line, decoded, white space collapsed, without markup and
// without what others wrote: quoted text, the line that introduces it, signatures
// and the headers of forwarded messages. It is empty for a message that is
// encrypted or says nothing; ok is false when f could not be read.
func Preview(m *Message, f io.ReaderAt) (text []byte, ok bool) {
	t := previews.Get().(*SearchText)
	defer previews.Put(t)
	if t.win == nil {
		t.win = make([]byte, 0, windowSize)
	}
	t.f, t.err, t.done, t.win = f, nil, false, t.win[:0]
	for i, tried := 0, 0; i < len(m.Parts) && tried < previewTry; i++ {
		p := &m.Parts[i]
		if hidesText(p) {
			break
		}
		if !previewable(p) {
			continue
		}
		tried++
		if equalFoldString(p.Subtype, "html") {
			if plain := m.plainBeside(i); plain != nil {
				text = t.preview(plain)
			}
		}
		if len(text) == 0 {
			text = t.preview(p)
		}
		if len(text) > 0 || t.err != nil {
			break
		}
	}
	t.f = nil
	return text, t.err == nil
}

// hidesText: nothing of the message can be read without a key.
func hidesText(p *Part) bool {
	if p.IsMultipart() {
		return equalFoldString(p.Subtype, "encrypted")
	}
	return equalFoldString(p.Type, "application") && (equalFoldString(p.Subtype, "pkcs7-mime") || equalFoldString(p.Subtype, "x-pkcs7-mime"))
}

func previewable(p *Part) bool {
	return p.IsText() && !equalFold(p.Disposition, "attachment") && (equalFoldString(p.Subtype, "plain") ||
		equalFoldString(p.Subtype, "html") || equalFoldString(p.Subtype, "enriched") || equalFoldString(p.Subtype, "richtext"))
}

// plainBeside is the plain text that stands after an HTML part for the same.
func (m *Message) plainBeside(i int) *Part {
	if i == 0 || !equalFoldString(m.Parts[m.Parts[i].Parent].Subtype, "alternative") {
		return nil
	}
	for i := m.Parts[i].Next; i >= 0; i = m.Parts[i].Next {
		if p := &m.Parts[i]; previewable(p) && equalFoldString(p.Subtype, "plain") {
			return p
		}
	}
	return nil
}

// preview reads the beginning of a part.
func (t *SearchText) preview(p *Part) []byte {
	isHTML := !equalFoldString(p.Subtype, "plain")
	c := t.coding(p, isHTML)
	text := t.seen[:0]
	t.decode(p, c, func(b []byte) {
		text = append(text, b[:min(len(b), previewRead-len(text))]...)
		t.done = t.done || len(text) == previewRead
	})
	t.done = t.err != nil
	t.seen = text
	text = appendUTF8(nil, text)
	if !isHTML && !looksHTML(text) {
		return previewLines(text)
	}
	if out := previewLines(visibleText(text, false)); len(out) > 0 {
		return out
	}
	return previewLines(visibleText(text, true)) // all of it is an indented block
}

// looksHTML: HTML that is called plain text.
func looksHTML(text []byte) bool {
	start := bytes.ToLower(text[:min(len(text), 4<<10)])
	trimmed := bytes.TrimSpace(start)
	n := 0
	for _, tag := range []string{"<br>", "<br/>", "<br />", "</p>", "</a>", "</div>", "</td>", "</font>", "</span>", "</b>", "<a href="} {
		n += bytes.Count(start, []byte(tag))
	}
	return n > 1 || bytes.HasPrefix(trimmed, []byte("<html")) || bytes.HasPrefix(trimmed, []byte("<!doctype html"))
}

// previewLines leaves out the lines that are not the writer's own.
func previewLines(text []byte) []byte {
	var w previewWriter
	header := false // within the header of a forwarded message
	for len(text) > 0 && !w.over {
		line := cutLine(text)
		text = text[len(line):]
		line = bytes.TrimFunc(line, unseen)
		switch {
		case bytes.HasPrefix(line, []byte("-----BEGIN PGP MESSAGE")), bytes.HasPrefix(line, []byte("-----BEGIN PGP SIGNATURE")), string(line) == "--":
			return w.out // encrypted, or signed, or the signature: nothing more is said
		case len(line) == 0:
			header = header && w.fresh
			w.fresh = false
		case quoted(line):
		case separates(line), len(w.out) == 0 && isSender(line):
			header = bytes.ContainsFunc(line, unicode.IsLetter)
			w.fresh = header && !isSender(line)
		case header && isField(line):
			w.fresh = false
		default:
			if n := introduces(line, text); n >= 0 {
				text = text[n:]
				continue
			}
			header = false
			w.add(line)
		}
	}
	return w.out
}

// separates: a line of dashes or the like, with or without words in it, as before
// forwarded and quoted messages.
func separates(line []byte) bool {
	n := 0
	for n < len(line) && (line[n] == '-' || line[n] == '_' || line[n] == '=' || line[n] == '*') {
		n++
	}
	return n >= 5 || bytes.Equal(line, []byte("Begin forwarded message:")) || isSender(line) && bytes.IndexByte(line, '@') >= 0
}

// quoted: a line that begins with a quote mark, or with the name of who wrote it
// and one.
func quoted(line []byte) bool {
	if line[0] == '>' || line[0] == '|' {
		return true
	}
	i := 0
	for i < len(line) && (line[i] >= utf8.RuneSelf || unicode.IsLetter(rune(line[i]))) {
		i++
	}
	return 0 < i && i <= 12 && i < len(line) && line[i] == '>' && (i+1 == len(line) || line[i+1] <= ' ' || line[i+1] == '>')
}

// isSender: the first line of a message's header in the text of another, as
// Outlook puts it there without any mark.
func isSender(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return false
	}
	switch string(bytes.TrimSpace(name)) {
	case "From", "Von", "De", "Da", "Van", "Från", "Fra", "Od", "От", "Kimden", "Lähettäjä", "发件人", "差出人", "보낸 사람":
		return true
	}
	return false
}

// isField: a line of the header of a forwarded message, in any language.
func isField(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		i = bytes.Index(line, []byte("："))
	}
	return i > 0 && utf8.RuneCount(line[:i]) <= 24
}

// introduces tells how much of the rest belongs to "On Monday, Ann wrote:" or its
// like, over one line or two, when quoted text follows or it can be nothing else;
// -1 when it is none.
func introduces(line, rest []byte) int {
	n := 0
	if !endsInColon(line) && attributionBegins(line) {
		next := cutLine(rest)
		n = len(next)
		line = append(append(bytes.Clone(line), ' '), bytes.TrimFunc(next, unseen)...)
	}
	if !endsInColon(line) {
		return -1
	}
	next := bytes.TrimLeftFunc(rest[n:], unseen)
	if len(next) > 0 && quoted(next) || attribution(line) {
		return n
	}
	return -1
}

func endsInColon(line []byte) bool {
	return bytes.HasSuffix(line, []byte(":")) || bytes.HasSuffix(line, []byte("："))
}

// attribution: who wrote it and when.
func attribution(line []byte) bool {
	digits := 0
	for _, c := range line {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return digits >= 5 && len(line) < 300 && (attributionBegins(line) || bytes.Contains(line, []byte("@")))
}

func attributionBegins(line []byte) bool {
	for _, word := range []string{"On ", "Am ", "Le ", "El ", "Il ", "Op ", "Em ", "Den ", "På ", "W dniu ", "Dnia ", "Dne ", "В ", "Quoting ", "Citando ", "Zitat von "} {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}

// previewWriter gathers characters.
type previewWriter struct {
	out   []byte
	n     int // characters
	fresh bool
	over  bool
}

// add adds a line, after a space.
func (w *previewWriter) add(line []byte) {
	space := true
	for len(line) > 0 && !w.over {
		r, n := utf8.DecodeRune(line)
		line = line[n:]
		switch {
		case unseen(r) || space && filler(r):
			space = space || unicode.IsSpace(r)
			continue
		case space && len(w.out) > 0:
			for last, n := utf8.DecodeLastRune(w.out); filler(last); last, n = utf8.DecodeLastRune(w.out) {
				w.out = w.out[:len(w.out)-n]
				w.n--
			}
			w.rune(' ')
		}
		space = false
		w.rune(r)
	}
}

// rune adds a character; one that is too many takes those with it that it
// belongs to.
func (w *previewWriter) rune(r rune) {
	if w.n < previewMost {
		w.out = utf8.AppendRune(w.out, r)
		w.n++
		return
	}
	w.over = true
	for joins(r) && len(w.out) > 0 {
		last, n := utf8.DecodeLastRune(w.out)
		w.out = w.out[:len(w.out)-n]
		if r = last; !joins(r) {
			break
		}
	}
	w.out = bytes.TrimRightFunc(w.out, unseen)
}

// joins: the character is part of the one before it.
func joins(r rune) bool {
	return r == 0x200d || unicode.Is(unicode.M, r) || 0x1f3fb <= r && r <= 0x1f3ff
}

// filler: joiners, which newsletters put between spaces to fill lines.
func filler(r rune) bool { return r == 0x200c || r == 0x200d || r == 0x34f }

// unseen: white space, controls, and what only fills the lines of newsletters.
func unseen(r rune) bool {
	switch r {
	case 0xad, 0x200b, 0x200e, 0x200f, 0x2060, 0xfeff, 0xfffc:
		return true
	}
	return unicode.IsSpace(r) || unicode.IsControl(r)
}
