package imapd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fetched runs a FETCH of one item and returns the bytes of the one string in the answer.
func (c *client) fetched(item string) string {
	c.t.Helper()
	c.send("f UID FETCH 1:* (" + item + ")\r\n")
	first := c.expect("* ")
	var text []byte
	if m := literalEnd.FindStringSubmatch(first); m != nil {
		n, _ := strconv.Atoi(m[1])
		text = make([]byte, n)
		if _, err := io.ReadFull(c.r, text); err != nil {
			c.t.Fatal(err)
		}
	} else {
		_, quoted, _ := strings.Cut(first, `] "`)
		text = []byte(strings.TrimSuffix(quoted, "\")\r\n"))
	}
	c.expect("f OK")
	return string(text)
}

var literalEnd = regexp.MustCompile(`\{(\d+)\}\r\n$`)

// TestWindowsTile: windows of a section put together are the section, wherever they are cut and however
// the file ends its lines (RFC 9051 §6.4.5).
func TestWindowsTile(t *testing.T) {
	const text = "Subject: x\r\nTo: a@b\r\n\r\nfirst\r\n\r\nsecond\r\n.\r\nend"
	long := "Subject: y\r\n\r\n" + strings.Repeat("0123456789\r\n", 20_000) // more than one buffer
	for name, file := range map[string]string{
		"crlf":        text,
		"lf":          strings.ReplaceAll(text, "\r\n", "\n"),
		"mixed":       strings.Replace(text, "x\r\n", "x\n", 1),
		"odd":         strings.Replace(text, "first\r\n", "first\x00\r\r\n", 1),
		"crlf long":   long,
		"lf long":     strings.ReplaceAll(long, "\r\n", "\n"),
		"base64":      "Content-Transfer-Encoding: base64\n\nAAECAw\nQF\n Bg*cICQ==\n",
		"quoted":      "Content-Transfer-Encoding: quoted-printable\n\na=20b =\nc \t\n=4\n==41=\n",
		"base64 long": "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo\n", 6_000),
		"quoted long": "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("abc=C3=A4 def =\nghi  \n", 9_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, nil)
			c := s.client(t).login()
			if err := os.WriteFile(filepath.Join(s.mail, "new", "1.a.b"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			c.do("s SELECT INBOX")
			sizes := []int{1, 2, 3, 5, 7}
			if len(file) > 1000 {
				sizes = []int{4096, 33333, 65536}
			}
			for _, section := range []string{"BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[HEADER]", "BINARY.PEEK[1]"} {
				whole := c.fetched(section)
				for _, size := range sizes {
					got := ""
					for window := "-"; window != ""; got += window {
						window = c.fetched(fmt.Sprintf("%s<%d.%d>", section, len(got), size))
						if len(got) == 0 && window == "" {
							t.Fatal("nothing came")
						}
					}
					if got != whole {
						t.Fatalf("%s in windows of %d bytes:\n%.300q, want\n%.300q", section, size, got, whole)
					}
					for _, at := range []int{len(whole) / 2, len(whole) / 3, len(whole) - 1} { // out of order
						if w := c.fetched(fmt.Sprintf("%s<%d.%d>", section, at, size)); w != whole[at:min(at+size, len(whole))] {
							t.Fatalf("%s<%d.%d> is %.300q", section, at, size, w)
						}
					}
				}
			}
		})
	}
}

// TestWindowsOfALargeMessage: reading a message to its end in windows costs in proportion to its size, not
// to its square.
func TestWindowsOfALargeMessage(t *testing.T) {
	size := 24 << 20
	if raceDetector {
		size = 4 << 20
	}
	block := strings.Repeat("0123456789abcde\n", 4096)
	for _, x := range []struct {
		section, header string
		want            int
	}{
		{"BODY.PEEK[]", "Subject: large\n\n", 18 + size + size/16},
		{"BINARY.PEEK[1]", "Content-Transfer-Encoding: base64\n\n", size / 16 * 15 / 4 * 3},
	} {
		s := startServer(t, nil)
		c := s.client(t).login()
		f, err := os.Create(filepath.Join(s.mail, "new", "1.a.b"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(x.header)
		for range size / len(block) {
			_, _ = f.WriteString(block)
		}
		f.Close()
		c.do("s SELECT INBOX")
		c.fetched(x.section + "<0.10>") // the structure is known from here on
		start := time.Now()
		c.fetched(x.section)
		whole := time.Since(start)
		const window = 64 << 10
		start = time.Now()
		n := 0
		for off := 0; ; off += window {
			got := c.fetched(fmt.Sprintf("%s<%d.%d>", x.section, off, window))
			if n += len(got); len(got) < window {
				break
			}
		}
		if n != x.want {
			t.Errorf("%s: windows are %d bytes together, want %d", x.section, n, x.want)
		}
		if took := time.Since(start); took > 20*whole+2*time.Second {
			t.Errorf("%s: in windows of %d bytes it takes %v, at once %v", x.section, window, took, whole)
		}
	}
}
