package imapd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSectionsDovecotIsLaxerAbout: RFC 9051 §9 has no part 0, no range of length 0, no number past 32 bits,
// and no range of a size; Dovecot answers them all.
func TestSectionsDovecotIsLaxerAbout(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	s.put(t, "Subject: x\n\nbody\n")
	c.do("s SELECT INBOX")
	for _, item := range []string{
		"BODY.PEEK[0]", "BODY.PEEK[1.0]", "BODY.PEEK[0.TEXT]", "BODY.PEEK[TEXT]<0.0>", "BODY.PEEK[TEXT]<5.0>",
		"BODY.PEEK[4294967296]", "BODY.PEEK[18446744073709551617]", "BODY.PEEK[]<9223372036854775808.1>",
		"BODY.PEEK[]<0.9223372036854775808>", "BINARY.SIZE[1]<0.5>", "BINARY.PEEK[0]", "BINARY.PEEK[1.TEXT]",
		"BODY.PEEK[01]",
	} {
		if l := c.do("a FETCH 1 " + item); !strings.HasPrefix(l, "a BAD") {
			t.Errorf("%s: %s", item, l)
		}
	}
	for _, item := range []string{ // and these are at the edge
		"BODY.PEEK[4294967295]", "BODY.PEEK[]<9223372036854775807.9223372036854775807>", "BODY.PEEK[]<0.9223372036854775807>",
	} {
		if l := c.do("a FETCH 1 " + item); !strings.HasPrefix(l, "a OK") {
			t.Errorf("%s: %s", item, l)
		}
	}
}

// put delivers a message, in the order of the calls.
func (s *testServer) put(t testing.TB, text string) {
	t.Helper()
	name := fmt.Sprintf("%d.test.h", 1_000_000_000+delivered.Add(1))
	if err := os.WriteFile(filepath.Join(s.mail, "new", name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var delivered atomic.Int64

// TestNULIsSentInLiteral8Only: RFC 3501 §4.3.1, RFC 9051 §9 CHAR8. What goes instead has the same length in
// sections, so that windows and RFC822.SIZE agree, and is U+FFFD in strings made of a message.
func TestNULIsSentInLiteral8Only(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	const text = "Subject: a\x00b\r\nContent-Type: text/plain; name=\"n\x00\"\r\n\r\nbo\x00dy\x00\x00\r\n"
	s.put(t, text)
	c.do("s SELECT INBOX")
	clean := strings.ReplaceAll(text, "\x00", "\x80")
	body := clean[strings.Index(clean, "\r\n\r\n")+4:]
	for item, want := range map[string]string{
		"BODY.PEEK[]": clean, "BODY.PEEK[TEXT]": body, "BODY.PEEK[1]": body, "BODY.PEEK[]<10.3>": "\x80b\r",
		"BODY.PEEK[HEADER.FIELDS (SUBJECT)]": "Subject: a\x80b\r\n\r\n", "RFC822": clean, "RFC822.TEXT": body,
		"BODY.PEEK[HEADER]": strings.TrimSuffix(clean, body),
		"BINARY.PEEK[1]":    "bo\x00dy\x00\x00\r\n", "BINARY.PEEK[]": text, "BINARY.PEEK[1]<2.1>": "\x00",
	} {
		if got := c.fetched(item); got != want {
			t.Errorf("%s: %q, want %q", item, got, want)
		}
	}
	for _, item := range []string{"ENVELOPE", "BODYSTRUCTURE"} {
		c.send("e FETCH 1 " + item + "\r\n")
		var answer strings.Builder
		for l := ""; !strings.HasPrefix(l, "e "); {
			l = c.line()
			answer.WriteString(l)
		}
		if a := answer.String(); strings.Contains(a, "\x00") || !strings.Contains(a, "\uFFFD") {
			t.Errorf("%s: %q", item, a)
		}
	}
}
