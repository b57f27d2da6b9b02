package message

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// walked is all that a walk hands out.
func walked(t testing.TB, s *SearchText, m *Message, b []byte, scope Scope) []byte {
	var all []byte
	if err := s.Walk(m, bytes.NewReader(b), scope, func(c []byte) bool { all = append(all, c...); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func FuzzSearchText(f *testing.F) {
	f.Add([]byte(attached))
	f.Add([]byte("Subject: =?iso-2022-jp?B?GyRC?=\n =?x?q?=?=\nContent-Type: text/html; charset=utf-7\nContent-Transfer-Encoding: base64\n\nPGI+"))
	f.Add([]byte("Content-Type: text/plain; format=flowed; charset=hz-gb-2312\n\n> a \n> b ~{<:Ky2;~}"))
	var used SearchText
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Parser
		m, _ := p.Parse(iotest.OneByteReader(bytes.NewReader(b)))
		var fresh SearchText
		all := walked(t, &used, m, b, ScopeText)
		if again := walked(t, &fresh, m, b, ScopeText); !bytes.Equal(all, again) {
			t.Fatalf("%q used, %q fresh", all, again)
		}
		if !utf8.Valid(all) {
			t.Fatalf("no UTF-8: %q", all)
		}
		for unit := range bytes.SplitSeq(all, []byte{0}) {
			if again := Fold(nil, unit); !bytes.Equal(unit, again) {
				t.Fatalf("unit %q folds to %q", unit, again)
			}
		}
		// Header and body are what the text consists of, apart from MIME headers.
		for _, scope := range []Scope{ScopeHeader, ScopeBody} {
			for unit := range bytes.SplitSeq(walked(t, &used, m, b, scope), []byte{0}) {
				if !bytes.Contains(all, unit) {
					t.Fatalf("scope %d: %q is not in %q", scope, unit, all)
				}
			}
		}
		if size := used.Size(); size < 0 || size > 8*int64(len(b))+64 {
			t.Fatalf("%d bytes of text in %d", size, len(b))
		}
	})
}

// TestSearchTextHostile: no message costs more than its size is worth.
func TestSearchTextHostile(t *testing.T) {
	const size = 2 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	parts := "Content-Type: multipart/mixed; boundary=b\n\n" + fill("--b\nContent-Type: text/html; charset=iso-8859-1\n\n<p>x\n")
	deep := strings.Repeat("Content-Type: message/rfc822\n\n", 2000)
	for what, mail := range map[string]string{
		"lines":       fill("a\n"),
		"fields":      fill("a: =?utf-8?q?=\n"),
		"words":       "Subject: " + fill("=?utf-8?q?=C3?= "),
		"open words":  "Subject: " + fill("=?utf-8?q?"),
		"one field":   "Subject: =?" + fill("x"),
		"stars":       "Content-Type: text/plain" + fill("; a*0*=b"),
		"tags":        "Content-Type: text/html\n\n" + fill("<"),
		"comments":    "Content-Type: text/html\n\n" + fill("<!-"),
		"scripts":     "Content-Type: text/html\n\n<script>" + fill("</scrip"),
		"references":  "Content-Type: text/html\n\n" + fill("&#x1f600"),
		"names":       "Content-Type: text/html\n\n" + fill("&CounterClockwiseContourIntegral"),
		"ampersands":  "Content-Type: text/html\n\n" + fill("&x"),
		"equals":      "Content-Type: text/html\n\n" + fill("charset="),
		"flowed":      "Content-Type: text/plain; format=flowed\n\n" + fill("> "),
		"flowed deep": "Content-Type: text/plain; format=flowed\n\n" + fill(strings.Repeat(">", 500)+"\n"),
		"marks":       "\n" + fill("\u0323\u0301"),
		"big marks":   "Content-Type: text/plain; charset=utf-8\n\n" + fill("\ufdfa"),
		"iso-2022-jp": "Content-Type: text/plain; charset=iso-2022-jp\n\n" + fill("\x1b$B"),
		"utf-16":      "Content-Type: text/plain; charset=utf-16le\n\n" + fill("\x00\xd8"),
		"parts":       parts,
		"messages":    deep + fill("x"),
	} {
		var p Parser
		m, _ := p.Parse(strings.NewReader(mail))
		var s SearchText
		start := time.Now()
		n := NewNeedle([]byte(strings.Repeat("X", 1000) + "Y"))
		s.Walk(m, strings.NewReader(mail), ScopeText, func(c []byte) bool { return !n.Feed(c) })
		Preview(m, strings.NewReader(mail))
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: %v for %d MiB", what, d, size>>20)
		}
		if kept := cap(s.out) + cap(s.utf) + cap(s.seen) + cap(s.raw) + cap(s.win) + cap(s.field) + cap(s.held); kept > 1<<20 {
			t.Errorf("%s: keeps %d KiB", what, kept>>10)
		}
	}
}

// TestSearchTextCorpus: the text of real mail is found by its own words, decoded
// ones too.
func TestSearchTextCorpus(t *testing.T) {
	var s SearchText
	for i, b := range corpusFiles(t) {
		var p Parser
		m, _ := p.Parse(bytes.NewReader(b))
		all := walked(t, &s, m, b, ScopeText)
		if subject := Fold(nil, DecodeWords(nil, m.Envelope.Subject)); !bytes.Contains(all, bytes.TrimSpace(subject)) {
			t.Errorf("%d: subject %q is not found", i, subject)
		}
		for k := 0; k+30 < len(all); k += max(1, len(all)/20) {
			needle := all[k : k+30]
			if bytes.IndexByte(needle, 0) >= 0 {
				continue
			}
			n, found := NewNeedle(needle), false
			s.Walk(m, bytes.NewReader(b), ScopeText, func(c []byte) bool { found = n.Feed(c); return !found })
			if !found {
				t.Errorf("%d: %q is not found", i, needle)
			}
		}
	}
}
