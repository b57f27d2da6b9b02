package message

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// outline writes the tree: type, header as it lies on disk, size and lines of the body,
// and then the children or the body.
func outline(file string, m *Message, i int32) string {
	p := &m.Parts[i]
	s := fmt.Sprintf("%s/%s %q %d,%d", p.Type, p.Subtype, file[p.Header.Start:p.Header.End], p.Body.Size, p.Body.Lines)
	if p.Children == 0 {
		return s + fmt.Sprintf(" %q", file[p.Body.Start:p.Body.End])
	}
	var children []string
	for c := i + 1; c >= 0; c = m.Parts[c].Next {
		children = append(children, outline(file, m, c))
	}
	return s + " (" + strings.Join(children, " | ") + ")"
}

// TestTroubles: every way in which mail is broken or odd, and the structure that is
// found in it.
func TestTroubles(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n"
	h := func(s string) string { return fmt.Sprintf("%q", s) }
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", `text/plain "" 0,0 ""`},
		{"LF", "A: b\n\nx\ny\n", `text/plain "A: b\n\n" 6,2 "x\ny\n"`},
		{"CRLF", "A: b\r\n\r\nx\r\ny\r\n", `text/plain "A: b\r\n\r\n" 6,2 "x\r\ny\r\n"`},
		{"mixed line ends", "A: b\r\n\nx\r\ny\nz", `text/plain "A: b\r\n\n" 7,2 "x\r\ny\nz"`},
		{"bare CR", "A: b\rC: d\n\nx\ry\n\rz\r", `text/plain "A: b\rC: d\n\n" 8,1 "x\ry\n\rz\r"`},
		{"CR alone on the line that seems blank", "A: b\n\r\r\nx\n", `text/plain "A: b\n\r\r\nx\n" 0,0 ""`},
		{"NUL", "A: \x00\n\n\x00\n", `text/plain "A: \x00\n\n" 3,1 "\x00\n"`},
		{"8-bit header", "Subject: \xe4\xf6 \xc3\xbc\nContent-Type: te\xe4t/pl\xf6in; n\xe4me=\xfc\n\n", `te` + "\xe4t/pl\xf6in" + ` "Subject: \xe4\xf6 ü\nContent-Type: te\xe4t/pl\xf6in; n\xe4me=\xfc\n\n" 0,0 ""`},
		{"no header", "\nx\n", `text/plain "\n" 3,1 "x\n"`},
		{"no header, no blank line", "just text\nmore\n", `text/plain "just text\nmore\n" 0,0 ""`},
		{"header only", "A: b\n", `text/plain "A: b\n" 0,0 ""`},
		{"header only, blank line", "A: b\n\n", `text/plain "A: b\n\n" 0,0 ""`},
		{"header only, cut", "A: b", `text/plain "A: b" 0,0 ""`},
		{"no boundary parameter", "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n",
			`multipart/mixed "Content-Type: multipart/mixed\n\n" 17,4 (text/plain "" 0,0 "")`},
		{"empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
			`multipart/mixed "Content-Type: multipart/mixed; boundary=\"\"\n\n" 15,4 (text/plain "" 0,0 "")`},
		{"boundary that never comes", mixed + "x\n", `multipart/mixed ` + h(mixed) + ` 3,1 (text/plain "" 0,0 "")`},
		{"boundary line in the header", mixed[:len(mixed)-1] + "--b\n\nx\n--b--\n",
			`multipart/mixed "Content-Type: multipart/mixed; boundary=b\n--b\n\n" 10,2 (text/plain "" 0,0 "")`},
		{"only the closing boundary", mixed + "--b--\nx\n", `multipart/mixed ` + h(mixed) + ` 10,2 (text/plain "" 0,0 "")`},
		{"unterminated", mixed + "--b\n\nx\n\ny", `multipart/mixed ` + h(mixed) + ` 13,4 (text/plain "\n" 6,2 "x\n\ny")`},
		{"ends in a boundary line", mixed + "--b\n\nx\n--b", `multipart/mixed ` + h(mixed) + ` 13,3 (text/plain "\n" 1,0 "x")`},
		{"text after a boundary", mixed + "--b and so on\n\nx\n--b-- \t\n--b\n\ny\n", `multipart/mixed ` + h(mixed) + ` 39,7 (text/plain "\n" 1,0 "x")`},
		{"boundary in a header", mixed + "--b\nA: b\n c\n--b\n\nx\n--b--",
			`multipart/mixed ` + h(mixed) + ` 30,6 (text/plain "A: b\n c" 0,0 "" | text/plain "\n" 1,0 "x")`},
		{"boundary repeated inside", mixed + "--b\n" + mixed + "--b\n\nx\n--b--\n--b\n\ny\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 84,11 (multipart/mixed ` + h(mixed) + ` 15,3 (text/plain "\n" 1,0 "x") | text/plain "\n" 1,0 "y")`},
		{"boundary that begins as another", mixed + "--b\nContent-Type: multipart/mixed; boundary=bc\n\n--bc\n\nx\n--bc--\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 77,8 (multipart/mixed "Content-Type: multipart/mixed; boundary=bc\n\n" 17,3 (text/plain "\n" 1,0 "x"))`},
		{"inner boundary never closed", mixed + "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b\n\ny\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 77,10 (multipart/mixed "Content-Type: multipart/mixed; boundary=c\n\n" 8,2 (text/plain "\n" 1,0 "x") | text/plain "\n" 1,0 "y")`},
		{"empty parts", mixed + "--b\n--b\n\n--b\nA: b\n\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 32,7 (text/plain "" 0,0 "" | text/plain "" 0,0 "" | text/plain "A: b\n" 0,0 "")`},
		{"digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b\nContent-Type: text/html\n\ny\n--b\nContent-ID: i\n\nTo: z\n--b--\n",
			`multipart/digest "Content-Type: multipart/digest; boundary=b\n\n" 95,14 (message/rfc822 "\n" 15,2 (text/plain "Subject: s\n\n" 1,0 "x") | ` +
				`text/html "Content-Type: text/html\n\n" 1,0 "y" | message/rfc822 "Content-ID: i\n\n" 7,1 (text/plain "To: z" 0,0 ""))`},
		{"digest in digest", "Content-Type: multipart/digest; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b--\n",
			`multipart/digest "Content-Type: multipart/digest; boundary=b\n\n" 74,8 (multipart/mixed "Content-Type: multipart/mixed; boundary=c\n\n" 15,3 (text/plain "\n" 1,0 "x"))`},
		{"message in message", "Content-Type: Message/RFC822\n\nContent-Type: message/rfc822\n\nA: b\n\nx\n",
			`message/rfc822 "Content-Type: Message/RFC822\n\n" 43,5 (message/rfc822 "Content-Type: message/rfc822\n\n" 11,3 (text/plain "A: b\n\n" 3,1 "x\n"))`},
		{"attached message closes itself", mixed + "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 106,10 (message/rfc822 "Content-Type: message/rfc822\n\n" 62,6 (multipart/mixed "Content-Type: multipart/mixed; boundary=c\n\n" 17,4 (text/plain "\n" 1,0 "x")))`},
		{"attached message with an epilogue", mixed + "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 108,11 (message/rfc822 "Content-Type: message/rfc822\n\n" 62,6 (multipart/mixed "Content-Type: multipart/mixed; boundary=c\n\n" 17,4 (text/plain "\n" 1,0 "x")))`},
		{"attached message without a body", mixed + "--b\nContent-Type: message/rfc822\n\nA: b\n\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 52,6 (message/rfc822 "Content-Type: message/rfc822\n\n" 8,2 (text/plain "A: b\n" 0,0 ""))`},
		{"attached message that is nothing", mixed + "--b\nContent-Type: message/rfc822\n\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 44,4 (message/rfc822 "Content-Type: message/rfc822\n" 0,0 (text/plain "" 0,0 ""))`},
		{"message/global", mixed + "--b\nContent-Type: message/global\n\nSubject: \xc3\xa4\n\nx\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 62,7 (message/global "Content-Type: message/global\n\n" 16,2 (text/plain "Subject: ä\n\n" 1,0 "x"))`},
		{"message/global closes itself", mixed + "--b\nContent-Type: message/global\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b--\n",
			`multipart/mixed ` + h(mixed) + ` 106,10 (message/global "Content-Type: message/global\n\n" 60,5 (multipart/mixed "Content-Type: multipart/mixed; boundary=c\n\n" 15,3 (text/plain "\n" 1,0 "x")))`},
		{"message/global, encoded", "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nQTogYgo=\n",
			`message/global "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\n" 10,1 "QTogYgo=\n"`},
		{"message/rfc822, encoded", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYgo=\n",
			`message/rfc822 "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" 10,1 (text/plain "QTogYgo=\n" 0,0 "")`},
		{"message/partial", "Content-Type: message/partial; id=i\n\nA: b\n\nx", `message/partial "Content-Type: message/partial; id=i\n\n" 9,2 "A: b\n\nx"`},
		{"repeated Content-Type", "Content-Type: text/html\nContent-Type: image/png\n\n", `text/html "Content-Type: text/html\nContent-Type: image/png\n\n" 0,0 ""`},
		{"Content-Type in an encoded word", "Content-Type: =?x?Q?text/html?=\n\n", `text/plain "Content-Type: =?x?Q?text/html?=\n\n" 0,0 ""`},
		{"folded name", "Content-Type\n : text/html\n\n", `text/plain "Content-Type\n : text/html\n\n" 0,0 ""`},
		{"white space before the colon", "Content-Type \t: text/html\n\n", `text/html "Content-Type \t: text/html\n\n" 0,0 ""`},
	} {
		if got := outline(c.in, parse(t, c.in), 0); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.in, got, c.want)
		}
		in := strings.ReplaceAll(strings.ReplaceAll(c.in, "\r\n", "\n"), "\n", "\r\n")
		want := strings.ReplaceAll(strings.ReplaceAll(c.want, `\r\n`, `\n`), `\n`, `\r\n`)
		if got := outline(in, parse(t, in), 0); got != want && !strings.Contains(c.name, "CR") {
			t.Errorf("%s, with CRLF: %q\n got %s\nwant %s", c.name, in, got, want)
		}
	}
}

// TestManyParts: 20,000 parts, and as many as there may be.
func TestManyParts(t *testing.T) {
	var p Parser
	for _, n := range []int{20_000, MaxParts - 1, MaxParts + 1000} {
		unit := "--b\nContent-ID: <i>\n\nx\n"
		m, err := p.Parse(strings.NewReader("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat(unit, n) + "--b--\n"))
		if err != nil {
			t.Fatal(err)
		}
		want := min(n, MaxParts-1)
		if len(m.Parts) != want+1 || m.Parts[0].Children != int32(want) {
			t.Fatalf("%d parts: %d, %d children", n, len(m.Parts), m.Parts[0].Children)
		}
		for i := range want {
			c := &m.Parts[i+1]
			if c.Body.Size != 1 || c.Body.Start != int64(43+i*len(unit)+21) || string(c.ID) != "<i>" {
				t.Fatalf("part %d of %d: %+v", i+1, n, c)
			}
		}
		if i, ok := m.Part([]int{want}); !ok || i != want {
			t.Errorf("part number %d: %d %v", want, i, ok)
		}
	}
}

// TestManyLevels: 1,000 levels of multiparts and of messages, and more than there may be.
func TestManyLevels(t *testing.T) {
	var p Parser
	read := func(file string) *Message {
		m, err := p.Parse(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, levels := range []int{1000, MaxDepth - 1, MaxDepth + 100} {
		var b strings.Builder
		for i := range levels {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d-\n\n--b%d-\n", i, i)
		}
		b.WriteString("\nx\n")
		for i := range levels {
			fmt.Fprintf(&b, "--b%d---\n", levels-1-i)
		}
		m := read(b.String())
		checkWalk(t, []byte(b.String()), m)
		want := min(levels, MaxDepth)
		last := &m.Parts[want]
		switch {
		case len(m.Parts) != want+1 || last.Depth != int32(want):
			t.Errorf("%d levels: %d parts, depth %d", levels, len(m.Parts), last.Depth)
		case levels < MaxDepth && (last.Body.Size != 1 || last.Type != "text"):
			t.Errorf("%d levels: %+v", levels, last)
		case levels > MaxDepth && last.Type != "application":
			t.Errorf("%d levels: the last is %s/%s", levels, last.Type, last.Subtype)
		}
		ones := slices.Repeat([]int{1}, want)
		if i, ok := m.Part(ones); !ok || i != want {
			t.Errorf("%d levels: the innermost is %d %v", levels, i, ok)
		}
		m = read(strings.Repeat("Content-Type: message/rfc822\n\n", levels) + "A: b\n\nx")
		if len(m.Parts) != want+1 || m.Parts[want].Depth != int32(want) {
			t.Errorf("%d messages in one another: %d parts", levels, len(m.Parts))
		}
	}
}

// repeated gives head, n times unit, and tail.
func repeated(head, unit string, n int64, tail string) io.Reader {
	per := max(1, 32<<10/len(unit))
	return io.MultiReader(strings.NewReader(head), &repeater{block: strings.Repeat(unit, per), left: n * int64(len(unit))}, strings.NewReader(tail))
}

type repeater struct {
	block string
	at    int
	left  int64
}

func (r *repeater) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), r.left)], r.block[r.at:])
	if r.at += n; r.at == len(r.block) {
		r.at = 0
	}
	r.left -= int64(n)
	return n, nil
}

// TestLargeMessage: 200 MB, with an attachment that is nearly all of it.
func TestLargeMessage(t *testing.T) {
	const line = "VGhpcyBpcyBhIGxpbmUgb2YgYmFzZTY0IGluIGEgYmlnIGF0dGFjaG1lbnQuIEl0IGhhcyA3Ng==\n"
	const lines = 200 << 20 / int64(len(line))
	head := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\nContent-Transfer-Encoding: base64\n\n"
	var p Parser
	m, err := p.Parse(repeated(head, line, lines, "--b\nContent-Type: text/html\n\nbye\n--b--\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != 4 || m.FileSize != int64(len(head))+lines*int64(len(line))+39 || m.Size != m.FileSize+lines+13 {
		t.Fatalf("%d parts, %d and %d bytes", len(m.Parts), m.FileSize, m.Size)
	}
	if b := m.Parts[2].Body; b.Start != int64(len(head)) || b.Len() != lines*int64(len(line))-1 || b.Size != b.Len()+lines-1 || b.Lines != lines-1 {
		t.Errorf("the attachment is %+v", b)
	}
	if b := m.Parts[3].Body; b.Len() != 3 || m.Parts[3].Subtype != "html" {
		t.Errorf("the part after it is %+v", m.Parts[3])
	}
}
