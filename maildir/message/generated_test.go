package message

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pieces are what a nasty message is made of.
var pieces = []string{
	"", "", "--a", "--a--", "--ab", "--ab--", "--b", "--b--", "--b-", "-", "--", " ", "\t", "x", "text with\x00nul", "cr\rcr", "\r",
	"From: a@b", "To: c, d <e@f>,", "\tg: h;", " more", "Subject:", "Subject : s", "no colon", ": no name",
	"Content-Type: multipart/mixed; boundary=a", "Content-Type: multipart/mixed; boundary=\"ab\"", "Content-Type: multipart/digest;",
	" boundary*0=b", "Content-Type: message/rfc822", "Content-Type: message/global", "Content-Type: text", "Content-Type: text/html; charset=\"x",
	"Content-Transfer-Encoding: base64", "Content-Disposition: inline; a=b; a*1=c; a*0=d", "Content-Language: de, en", "Content-ID: <i>",
}

func TestGenerated(t *testing.T) {
	var p Parser
	long := strings.Repeat("long ", windowSize/5+1)
	rapid.Check(t, func(t *rapid.T) {
		var file bytes.Buffer
		ends := rapid.SampledFrom([][]string{{"\n"}, {"\r\n"}, {"\n", "\r\n"}}).Draw(t, "ends")
		for range rapid.IntRange(0, 40).Draw(t, "lines") {
			file.WriteString(rapid.SampledFrom(pieces).Draw(t, "line"))
			if rapid.IntRange(0, 60).Draw(t, "long") == 0 {
				// Moves what follows to the edge of the window.
				file.WriteString(long[:windowSize-rapid.IntRange(0, 60).Draw(t, "short of")])
			}
			file.WriteString(rapid.SampledFrom(ends).Draw(t, "end"))
		}
		file.WriteString(rapid.SampledFrom(pieces).Draw(t, "last line"))
		parseAll(t, &p, file.Bytes())
	})
}

// TestHostile: whatever is in it, a message costs time by its size. The limit is
// generous; work by the square of the size would take minutes.
func TestHostile(t *testing.T) {
	const size = 1 << 20
	fill := func(head, unit string) string {
		return head + strings.Repeat(unit, size/len(unit))
	}
	nested := func(depth int, each func(i int) string) string {
		var b strings.Builder
		for i := range depth {
			b.WriteString(each(i))
		}
		return b.String()
	}
	longName := strings.Repeat("n", 60)
	deep := nested(1100, func(i int) string {
		b := longName + string(rune('a'+i%26)) + strings.Repeat("m", i%300)
		return "Content-Type: multipart/mixed; boundary=" + b + "\n\n--" + b + "\n"
	})
	cases := map[string]string{
		"open comments":        fill("To: ", "("),
		"nested comments":      fill("To: ", "(a) "),
		"quotes":               fill("To: ", "\" "),
		"commas":               fill("To: ", ","),
		"addresses":            fill("To: ", "a@b, "),
		"groups":               fill("To: ", "a:;"),
		"group starts":         fill("To: ", "a:"),
		"angles":               fill("To: ", "<"),
		"ats":                  fill("To: ", "@"),
		"words":                fill("To: ", "a "),
		"dots":                 fill("To: a", " . a"),
		"dots after @":         fill("To: a@a", " . a"),
		"routes":               fill("To: ", "<@a:"),
		"many To fields":       fill("", "To: a, b, c\n"),
		"folds":                fill("Subject: ", "\n x"),
		"parameters":           fill("Content-Type: a/b", "; a=b"),
		"numbered parameters":  fill("Content-Type: a/b", "; a*7=b"),
		"parameter quotes":     fill("Content-Type: a/b", ";a=\""),
		"languages":            fill("Content-Language: ", "a,"),
		"languages repeated":   fill("", "Content-Language: a\n"),
		"dashes":               fill("Content-Type: multipart/mixed; boundary=x\n\n", "--\n"),
		"empty parts":          fill("Content-Type: multipart/mixed; boundary=x\n\n", "--x\n"),
		"empty digest parts":   fill("Content-Type: multipart/digest; boundary=x\n\n", "--x\n"),
		"prefixes":             fill(deep+"\n", "--"+longName+"\n"),
		"long prefixes":        fill(deep+"\n", "--"+longName+"a"+strings.Repeat("m", 300)+"\n"),
		"messages in messages": fill("", "Content-Type: message/rfc822\n\n"),
		"closing all":          deep + "\n" + fill("", "--"+longName+"a--\n"),
		"one line":             fill("\n", "x"),
		"header of one line":   fill("X: ", "x"),
		"names":                fill("", "x:\n"),
	}
	var p Parser
	for name, file := range cases {
		start := time.Now()
		m, err := p.Parse(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		if took > 5*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(file))
		}
		if len(m.Parts) > MaxParts {
			t.Errorf("%s: %d parts", name, len(m.Parts))
		}
		t.Logf("%-22s %8v %d parts", name, took.Round(time.Millisecond/10), len(m.Parts))
		if len(m.Parts) < 50 {
			checkMessage(t, []byte(file), m)
		}
		start = time.Now()
		record := m.AppendBinary(nil)
		var back Message
		if err := back.UnmarshalBinary(record); err != nil || !bytes.Equal(back.AppendBinary(nil), record) {
			t.Errorf("%s: record: %v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: record %v", name, took)
		}
	}
}
