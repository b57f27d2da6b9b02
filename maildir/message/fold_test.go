package message

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func foldString(s string) string { return string(Fold(nil, []byte(s))) }

func TestFold(t *testing.T) {
	same := [][]string{
		{"Grüße", "grüße", "GRÜßE", "gru\u0308ße", "GRU\u0308ẞE", "gr\xfc\xdfe"},
		{"résumé", "RÉSUMÉ", "re\u0301sume\u0301"},
		{"a b", "A  B", "a\r\n b", "a \t\v\f\n\n b", "a\u00a0b", "a\u3000b", "a\u2028b", "a\u0085b"},
		{"office", "oﬃce", "OFFICE", "of\u00adfi\u200bce", "ｏｆｆｉｃｅ"},
		{"Привет", "ПРИВЕТ", "привет"},
		{"Ελληνικός", "ελληνικόσ", "ΕΛΛΗΝΙΚΌΣ", "Ελληνικο\u0301ς"},
		{"ᾳ\u0301", "ᾴ", "α\u0301\u0345", "α\u0345\u0301", "ᾼ\u0301"},
		{"한국어", norm.NFD.String("한국어")},
		{"日本語", "日本語"},
		{"ガギグ", "ｶﾞｷﾞｸﾞ", "カ\u3099キ\u3099ク\u3099"},
		{"ǆ", "Ǆ", "ǅ", "dž"},
		{"Straße", "STRAẞE", "straße"},
		{"ქართული", "ᲥᲐᲠᲗᲣᲚᲘ"},
		{"tiếng Việt", norm.NFD.String("TIẾNG VIỆT")},
		{"q\u0323\u0307", "q\u0307\u0323"},
		{"€ “x” – …", "\x80 \x93X\x94 \x96 \x85", "€ “X” – ..."},
		{"x²", "x2"},
		{"", "\ufeff", "\u00ad"},
	}
	for _, list := range same {
		for _, s := range list[1:] {
			if a, b := foldString(list[0]), foldString(s); a != b {
				t.Errorf("%q is %+q, %q is %+q", list[0], a, s, b)
			}
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"a b", "ab"}, {"e", "é"}, {"strasse", "straße"}, {"\x00", " "}} {
		if foldString(pair[0]) == foldString(pair[1]) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
}

// TestFoldEveryCharacter: every character agrees with RFC 5051 §2 done step by
// step, with its own decompositions and its own capital, and is stable.
func TestFoldEveryCharacter(t *testing.T) {
	var f Folder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		got := string(f.Finish(f.Append(nil, []byte(s))))
		if again := foldString(got); again != got {
			t.Fatalf("%U: %+q folds to %+q", r, got, again)
		}
		for _, other := range []string{norm.NFC.String(s), norm.NFD.String(s), norm.NFKC.String(s), norm.NFKD.String(s), string(unicode.ToTitle(r))} {
			if r == 0x345 {
				continue // see title
			}
			if o := foldString(other); o != got {
				t.Fatalf("%U: %+q, but %+q gives %+q", r, got, other, o)
			}
		}
		// The RFC's own steps give a text that folds to the same.
		if rfc := norm.NFKD.String(string(unicode.ToTitle(r))); r != 0x345 && foldString(rfc) != got {
			t.Fatalf("%U: %+q, by the RFC %+q", r, got, rfc)
		}
	}
}

// foldBySteps folds without the fast path and without cuts.
func foldBySteps(s string) string {
	var u strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = windows1252(s[i])
		}
		i += n
		for _, x := range foldRunes(string(r)) {
			switch o := foldOne(x); o.kind {
			case foldNone:
			case foldSpace:
				u.WriteByte(' ')
			default:
				u.WriteRune(x)
			}
		}
	}
	out := norm.NFD.String(u.String())
	for strings.Contains(out, "  ") {
		out = strings.ReplaceAll(out, "  ", " ")
	}
	return out
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Grüße\r\n  aus\tKöln", "a\u0345\u0301\u0323 \u0308", "\xe2\x82", "\xf0\x9f\x98\x80", "한국 ﬃ \xff\xfe", "abcdefg  hijklmnopqrstuvwxyz[{`@"} {
		f.Add([]byte(s), uint16(3), uint16(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, i, j uint16) {
		whole := Fold(nil, b)
		if !utf8.Valid(whole) {
			t.Fatalf("%q folds to %q", b, whole)
		}
		if again := Fold(nil, whole); !bytes.Equal(again, whole) {
			t.Fatalf("%q folds to %q and then to %q", b, whole, again)
		}
		x := min(int(i), len(b))
		y := min(x+int(j), len(b))
		var fo Folder
		out := fo.Append([]byte("prefix"), b[:x])
		out = fo.Append(out, b[x:y])
		out = fo.Finish(fo.Append(out, b[y:]))
		if string(out) != "prefix"+string(whole) {
			t.Fatalf("%q cut at %d and %d: %q, whole %q", b, x, y, out, whole)
		}
		if want := foldBySteps(string(b)); longMarks(want) == 0 && want != string(whole) {
			t.Fatalf("%q folds to %q, step by step to %q", b, whole, want)
		}
	})
}

// longMarks is more than zero where marks are too many to be put in order.
func longMarks(s string) int {
	n := 0
	for _, r := range s {
		if norm.NFKD.PropertiesString(string(r)).CCC() == 0 {
			n = 0
		} else if n++; n > maxMarks {
			return n
		}
	}
	return 0
}

// TestFoldSubstring: what is in a text is in its folded form, where the cut does
// not part a character from its marks.
func TestFoldSubstring(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("abzABZ éÜßñ\tЖжяΩς日本한글ﬁ½\r\n.<>")), 1, 12, -1)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if !strings.Contains(foldString(a+b+c), foldString(b)) {
			t.Fatalf("%q is not in %q", foldString(b), foldString(a+b+c))
		}
	})
}

func TestFoldNoAllocation(t *testing.T) {
	text := []byte(strings.Repeat("The quick brown fox jumps over\r\nthe lazy dog; Grüße aus Köln, привет. ", 100))
	dst := make([]byte, 0, 3*len(text))
	var f Folder
	f.Append(dst, text)
	if n := testing.AllocsPerRun(10, func() { f.Reset(); f.Append(dst, text) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFold(b *testing.B) {
	for name, text := range map[string]string{
		"ascii":    "The quick brown fox jumps over the lazy dog, again and again, until it\r\nis tired of it. ",
		"german":   "Die Größe der Bäume überraschte alle, die zum ersten Male durch den\r\nWald gingen. ",
		"russian":  "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
		"japanese": "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ。",
	} {
		b.Run(name, func(b *testing.B) {
			src := []byte(strings.Repeat(text, 500))
			dst := make([]byte, 0, 4*len(src))
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				Fold(dst, src)
			}
		})
	}
}
