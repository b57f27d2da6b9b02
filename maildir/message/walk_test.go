package message

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
)

// piece is a range of the file and what it is.
type piece struct {
	part int32
	kind pieceKind
	at   Range
}

type pieceKind uint8

const (
	pieceHeader pieceKind = iota // of the part
	pieceBody                    // of a part without children
	pieceBefore                  // in the part's body, before its first child
	pieceBetween
	pieceAfter // behind its last child
)

// walkPieces cuts the file into what the parts say of it, in order.
func walkPieces(m *Message, i int32, visit func(piece)) {
	p := &m.Parts[i]
	visit(piece{i, pieceHeader, p.Header.Range})
	if p.Children == 0 {
		visit(piece{i, pieceBody, p.Body.Range})
		return
	}
	at, kind := p.Body.Start, pieceBefore
	for c := i + 1; c >= 0; c = m.Parts[c].Next {
		visit(piece{i, kind, Range{at, m.Parts[c].Header.Start}})
		walkPieces(m, c, visit)
		at, kind = m.Parts[c].Body.End, pieceBetween
	}
	visit(piece{i, pieceAfter, Range{at, p.Body.End}})
}

// checkWalk: what the parts say, one after another, is the file, and what is
// between them is what stands between parts. No piece begins inside of a CRLF,
// so that what is sent of the pieces is what is sent of the whole.
func checkWalk(t failer, file []byte, m *Message) {
	t.Helper()
	at, size := int64(0), int64(0)
	walkPieces(m, 0, func(p piece) {
		t.Helper()
		if p.at.Start != at || p.at.End < at {
			t.Fatalf("part %d, piece %d: %+v after %d", p.part, p.kind, p.at, at)
		}
		at = p.at.End
		b := file[p.at.Start:p.at.End]
		if p.at.Start > 0 && len(b) > 0 && b[0] == '\n' && file[p.at.Start-1] == '\r' {
			t.Fatalf("part %d, piece %d begins inside of a CRLF", p.part, p.kind)
		}
		size += int64(len(sent(t, b)))
		if p.kind >= pieceBefore {
			checkBetween(t, m, p, b)
		}
	})
	if at != int64(len(file)) || size != m.Size {
		t.Fatalf("the pieces are %d bytes, %d as sent, of %d and %d", at, size, len(file), m.Size)
	}
}

// checkBetween: between the parts of a multipart there is one boundary line, with the
// line end before it.
func checkBetween(t failer, m *Message, p piece, b []byte) {
	t.Helper()
	part := &m.Parts[p.part]
	if part.IsMessage() {
		return // checkMessage knows
	}
	boundary, _ := part.Param("boundary")
	boundary = append([]byte("--"), boundary[:min(len(boundary), maxBoundary)]...)
	line := b
	switch p.kind {
	case pieceBefore:
		if part.Body.End == p.at.End {
			return // no boundary line was found
		}
		// The preamble ends in the boundary line.
		if len(b) > 0 && b[len(b)-1] == '\n' {
			line = b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]
		}
	case pieceBetween:
		line = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("\r")), []byte("\n"))
		if bytes.HasPrefix(b, []byte("--")) {
			line = b
		}
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("part %d: %q between its parts", p.part, b)
		}
	case pieceAfter:
		line = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("\r")), []byte("\n"))
		if bytes.HasPrefix(b, []byte("--")) {
			line = b
		}
		if len(line) == 0 {
			return // an outer boundary or the end of the file ended it
		}
	}
	if !bytes.HasPrefix(line, boundary) {
		t.Fatalf("part %d: %q is no boundary line of %q", p.part, line, boundary)
	}
}

// number is an IMAP part number and what it is of.
type number struct {
	path []int
	part int32
}

// numbers lists the part numbers by the rules of RFC 9051 §6.4.5.1: those below
// prefix of the message or multipart whose root is part i.
func numbers(m *Message, i int32, prefix []int, list []number) []number {
	p := &m.Parts[i]
	below := func(n int) []int { return append(slices.Clip(prefix), n) }
	if p.IsMultipart() {
		n := 0
		for c := i + 1; c >= 0; c = m.Parts[c].Next {
			n++
			list = append(list, number{below(n), c})
			switch {
			case m.Parts[c].IsMultipart():
				list = numbers(m, c, below(n), list)
			case m.Parts[c].IsMessage():
				list = numbers(m, c+1, below(n), list)
			}
		}
		return list
	}
	list = append(list, number{below(1), i})
	if p.IsMessage() {
		list = numbers(m, i+1, below(1), list)
	}
	return list
}

// checkNumbers: every part has one number, but a multipart that is all of a message
// has none; no other number names anything; and the sections of an attached
// message are it.
func checkNumbers(t failer, file []byte, m *Message) {
	t.Helper()
	list := numbers(m, 0, nil, nil)
	seen := make([]int, len(m.Parts))
	missing := func(path []int) {
		t.Helper()
		if i, ok := m.Part(path); ok {
			t.Fatalf("part number %v is part %d", path, i)
		}
	}
	for _, n := range list {
		if i, ok := m.Part(n.path); !ok || int32(i) != n.part {
			t.Fatalf("part number %v is %d %v, want %d", n.path, i, ok, n.part)
		}
		seen[n.part]++
		p := &m.Parts[n.part]
		below := slices.Clip(n.path)
		missing(append(below, 0))
		if p.Children == 0 {
			missing(append(below, 1))
		}
		if p.Next < 0 {
			next := slices.Clone(n.path)
			next[len(next)-1]++
			missing(next)
		}
		if p.IsMessage() && !p.IsGlobal() && p.Body.Len() < 1<<16 {
			checkAttached(t, file, m, n)
		}
	}
	for i, n := range seen {
		p := &m.Parts[i]
		root := p.Parent < 0 || m.Parts[p.Parent].IsMessage()
		if want := n == 1; want == (root && p.IsMultipart()) {
			t.Fatalf("part %d has %d numbers", i, n)
		}
	}
}

func checkAttached(t failer, file []byte, m *Message, n number) {
	t.Helper()
	name := ""
	for i, k := range n.path {
		if i > 0 {
			name += "."
		}
		name += strconv.Itoa(k)
	}
	all, ok1 := section(m, file, name)
	header, ok2 := section(m, file, name+".HEADER")
	text, ok3 := section(m, file, name+".TEXT")
	if !ok1 || !ok2 || !ok3 {
		t.Fatalf("BODY[%s] %v, HEADER %v, TEXT %v", name, ok1, ok2, ok3)
	}
	both := slices.Concat(header, text)
	if len(text) == 0 && len(all) > len(both) {
		both = append(both, crlf...) // see doc.go
	}
	if !bytes.Equal(all, both) {
		t.Fatalf("BODY[%s] is %q, HEADER %q, TEXT %q", name, all, header, text)
	}
}

// checkTiles: what is sent can be cut anywhere but behind a CR, whatever is read and
// written at once, so that windows of it can begin where others ended.
func checkTiles(t failer, file []byte) {
	t.Helper()
	whole := sent(t, file)
	if len(file) > 1<<9 {
		return
	}
	for _, size := range []int{1, 2, 3, 7, 100} {
		var tiles []byte
		for start := 0; start < len(file); {
			end := min(start+size, len(file))
			for end < len(file) && file[end-1] == '\r' {
				end++
			}
			tiles = append(tiles, sent(t, file[start:end])...)
			start = end
		}
		if !bytes.Equal(tiles, whole) {
			t.Fatalf("windows of %d bytes are %q, the whole is %q", size, tiles, whole)
		}
		var w bytes.Buffer
		if n, err := CopyCRLF(&w, &slowReader{file, size}); err != nil || n != int64(len(whole)) || !bytes.Equal(w.Bytes(), whole) {
			t.Fatalf("read %d bytes at once %q, %v, the whole is %q", size, w.Bytes(), err, whole)
		}
		if got := AppendCRLF(nil, file); !bytes.Equal(got, whole) {
			t.Fatalf("appended %q, sent %q", got, whole)
		}
	}
}

// checkSections holds the promises to clients against the file.
func checkSections(t failer, file []byte, m *Message) {
	t.Helper()
	checkWalk(t, file, m)
	checkNumbers(t, file, m)
	checkTiles(t, file)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Parent < 0 || m.Parts[p.Parent].IsMessage() {
			if h := file[p.Header.Start:p.Header.End]; len(h) < 1<<11 {
				checkSelect(t, h, []string{"Subject", "content-type", "To"})
			}
		}
	}
}

func TestNumbersOfNestedMessages(t *testing.T) {
	m := parse(t, "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\nContent-Type: message/rfc822\n\n"+
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntwo\n--b\nContent-Type: message/global\n\nSubject: s\n\nthree\n--b--\n\n--a--\n")
	var got []string
	for _, n := range numbers(m, 0, nil, nil) {
		p := &m.Parts[n.part]
		s := ""
		for _, k := range n.path {
			s += strconv.Itoa(k) + "."
		}
		got = append(got, s+" "+p.Type+"/"+p.Subtype)
	}
	want := []string{"1. text/plain", "2. message/rfc822", "2.1. text/plain", "2.2. message/global", "2.2.1. text/plain"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
