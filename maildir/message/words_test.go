package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"
)

func TestDecodeWords(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"", ""},
		{"plain", "plain"},
		{"a = b? =?", "a = b? =?"},
		// RFC 2047 §8.
		{"=?ISO-8859-1?Q?a?=", "a"},
		{"=?ISO-8859-1?Q?a?= b", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-2?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
		{"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
		{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "If you can read this you understand the example."},
		{"(=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)", "(םולש ןב ילטפנ)"},
		// RFC 2231 §5.
		{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
		// A character in two words.
		{"=?utf-8?q?Gr=C3?= =?UTF-8?q?=BC=C3=9Fe?=", "Grüße"},
		{"=?utf-8?b?R3LD?= =?utf-8?Q?=BCn?= =?utf-8*de?b?ZQ==?= x", "Grüne x"},
		{"=?gb2312?B?xPo=?= =?gb2312?B?usM=?=", "您好"},
		{"=?shift_jis?B?k/o=?= =?SHIFT_JIS?Q?=96=7B?=", "日本"},
		{"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?koi8-r?q?=F0=D2=C9=D7=C5=D4?=", "Привет"},
		{"=?utf-7?Q?Hi_Mom_+Jjo-!?=", "Hi Mom ☺!"},
		{"=?utf-16?B?/v8AaABp?=", "hi"},
		// Odd places.
		{`"=?utf-8?Q?J=C3=B6rg?=" <j@example.org>`, `"Jörg" <j@example.org>`},
		{"x=?utf-8?Q?=C3=B6?=y=?utf-8?q?z?=", "xöyz"},
		{"Re: =?utf-8?Q?a?=, =?utf-8?Q?b?=", "Re: a, b"},
		// What a person could read.
		{"=?utf-8?Q?a b c?=", "a b c"},
		{"=?utf-8?Q?100=_=zz=4?=", "100= =zz=4"},
		{"=?utf-8?B?YWI?=", "ab"},
		{"=?utf-8?B?Y W\tI=?=", "ab"},
		{"=?iso-8859-1?Q?=93quoted=94?=", "“quoted”"},
		{"=?us-ascii?Q?Gr=C3=BC=DFe?=", "Grüße"},
		{"Gr\xfc\xdfe =?utf-8?q?=C3=BC?=", "Grüße ü"},
		// What stays.
		{"=?x-unknown?Q?a?= =?utf-8?Q?b?= =?x-unknown?q?c?= =?utf-8?q?d?=", "=?x-unknown?Q?a?= b =?x-unknown?q?c?= d"},
		{"=?utf-8?X?a?= =?utf-8??a?= =??q?a?=", "=?utf-8?X?a?= =?utf-8??a?= =??q?a?="},
		{"=?utf-8?Q?open =?utf-8?Q?closed?=", "=?utf-8?Q?open closed"},
		{"=?utf-8?Q?never", "=?utf-8?Q?never"},
		{"=?utf-8?Q??=", ""},
	} {
		if got := string(DecodeWords(nil, []byte(c.raw))); got != c.want {
			t.Errorf("%q: %q, want %q", c.raw, got, c.want)
		}
		if got := string(DecodeWords([]byte("> "), []byte(c.raw))); got != "> "+c.want {
			t.Errorf("%q: not appended: %q", c.raw, got)
		}
	}
}

// TestDecodeWordsAnywhereCut: a text in words of one charset, cut at any byte.
func TestDecodeWordsAnywhereCut(t *testing.T) {
	encoders := map[string]func(string) string{
		"utf-8":     func(s string) string { return s },
		"gb18030":   func(s string) string { b, _ := simplifiedchinese.GB18030.NewEncoder().String(s); return b },
		"shift_jis": func(s string) string { b, _ := japanese.ShiftJIS.NewEncoder().String(s); return b },
		"euc-jp":    func(s string) string { b, _ := japanese.EUCJP.NewEncoder().String(s); return b },
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab日本語ひらカナ _=?")), 1, 20, -1).Draw(t, "text")
		label := rapid.SampledFrom([]string{"utf-8", "gb18030", "shift_jis", "euc-jp"}).Draw(t, "label")
		b := encoders[label](text)
		var raw strings.Builder
		for len(b) > 0 {
			n := rapid.IntRange(1, len(b)).Draw(t, "n")
			if rapid.Bool().Draw(t, "q") {
				raw.WriteString("=?" + label + "?Q?")
				for _, c := range []byte(b[:n]) {
					fmt.Fprintf(&raw, "=%02X", c)
				}
				raw.WriteString("?= ")
			} else {
				raw.WriteString("=?" + strings.ToUpper(label) + "?b?" + base64.StdEncoding.EncodeToString([]byte(b[:n])) + "?=\t")
			}
			b = b[n:]
		}
		if got := string(DecodeWords(nil, []byte(raw.String()))); strings.TrimRight(got, " \t") != strings.TrimRight(text, " ") {
			t.Fatalf("%q: %q, want %q", raw.String(), got, text)
		}
	})
}

func FuzzDecodeWords(f *testing.F) {
	f.Add([]byte("=?utf-8?q?Gr=C3?= =?UTF-8?q?=BC=C3=9Fe?= =?iso-2022-jp?B?GyRCRnxL?= x"))
	f.Add([]byte("=?utf-7*en?Q?+2Dzf-?= =?utf-16?B?/v8AaAB?==?="))
	f.Add([]byte("utf-8''%e2%82%ac%20rates"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out := DecodeWords(nil, b); !utf8.Valid(out) {
			t.Fatalf("%q gives %q", b, out)
		}
		if out := DecodeExtended(nil, b); !utf8.Valid(out) {
			t.Fatalf("%q gives %q", b, out)
		}
	})
}

func TestDecodeWordsLinear(t *testing.T) {
	for _, s := range []string{"=?", "=?utf-8?q?", "=?utf-8?q?x?= ", "=?x?q?x?= ", "=?utf-16?b?AA?="} {
		raw := bytes.Repeat([]byte(s), 1<<20/len(s))
		start := time.Now()
		DecodeWords(nil, raw)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%q: %v for 1 MiB", s, d)
		}
	}
}

func TestDecodeExtended(t *testing.T) {
	for in, want := range map[string]string{
		"utf-8''%e2%82%ac%20rates":       "€ rates",
		"iso-8859-1'en'%A3%20rates":      "£ rates",
		"''plain":                        "plain",
		"no quotes %41":                  "no quotes A",
		"x-unknown''Gr%fcn":              "Grün",
		"us-ascii'en-us'This%20is%2":     "This is%2",
		"shift_jis'ja'%93%fa%96%7b.txt":  "日本.txt",
		"UTF-8''%F0%9F%93%8E.pdf'quote'": "📎.pdf'quote'",
	} {
		if got := string(DecodeExtended(nil, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCharsets(t *testing.T) {
	list := Charsets()
	for _, name := range []string{"US-ASCII", "UTF-8", "UTF-7", "UTF-16", "UTF-32", "ISO-8859-1", "ISO-8859-15", "windows-1252", "KOI8-R", "ISO-2022-JP", "EUC-KR", "Big5", "GB18030", "HZ-GB-2312", "IBM850"} {
		found := false
		for _, n := range list {
			found = found || n == name
		}
		if !found {
			t.Errorf("%s is not in %q", name, list)
		}
	}
	for i, name := range list {
		if i > 0 && list[i-1] >= name {
			t.Errorf("%s after %s", name, list[i-1])
		}
		for _, n := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if _, err := CharsetReader(n, strings.NewReader("")); err != nil {
				t.Errorf("%s: %v", n, err)
			}
		}
	}
}

// TestCharsetLabels: every label that go-message knows is known.
func TestCharsetLabels(t *testing.T) {
	labels := append(Charsets(), strings.Fields(`ansi_x3.110-1983 x-utf_8j latin1 l1 cp1252 x-sjis ms_kanji ks_c_5601-1987 korean euc-kr
		gb2312 gbk chinese big5 big5-hkscs cp850 ibm850 437 cp866 tis-620 iso-8859-8-i iso-8859-6-e logical visual x-mac-roman
		macintosh koi8-u windows-874 dos-874 unicode-1-1-utf-8 utf8 unicode utf-16le utf-16be iso-ir-100 csisolatin1 ibm037 cp037
		iso-8859-16 latin9 l9 iso-8859-10 iso-8859-13 iso-8859-14 x-user-defined`)...)
	for _, l := range labels {
		_, theirs := charset.Reader(l, strings.NewReader(""))
		_, ours := CharsetReader(l, strings.NewReader(""))
		if theirs == nil && ours != nil && l != "x-user-defined" {
			t.Errorf("%s: %v", l, ours)
		}
	}
	for _, l := range strings.Fields("iso-2022-kr hz gb_2312-80 cp936 cp949 cp932 iso_8859-15 iso8859_15 latin-1 utf-7 ibm-850 iso8859-1 utf-32le") {
		_, err := CharsetReader(l, strings.NewReader(""))
		if (err != nil) != (l == "iso-2022-kr") {
			t.Errorf("%s: %v", l, err)
		}
	}
	for _, l := range []string{"", "x-unknown", "replacement", "x-user-defined", strings.Repeat("utf-8", 100), "utf-8 x"} {
		if _, err := CharsetReader(l, strings.NewReader("")); err != ErrUnknownCharset {
			t.Errorf("%q: %v", l, err)
		}
	}
}

func TestCharsetReader(t *testing.T) {
	for _, c := range []struct{ label, in, want string }{
		{"utf-8", "Grüße", "Grüße"},
		{"US-ASCII", "Grüße Gr\xfc\xdfe \x93x\x94 \xe2\x82", "Grüße Grüße “x” â‚"},
		{"iso-8859-1", "\x93x\x94 \x80", "“x” €"},
		{"iso-8859-15", "\xa4", "€"},
		{"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"},
		{"utf-16", "\xff\xfeh\x00i\x00", "hi"},
		{"utf-16", "\x00h\x00i", "hi"},
		{"utf-16le", "h\x00i\x00", "hi"},
		{"utf-32", "\x00\x00\x00h\x00\x00\x00i", "hi"},
		{"utf-32le", "h\x00\x00\x00", "h"},
		{"utf-7", "A+ImIDkQ.", "A≢Α."},
		{"utf-7", "Hi Mom -+Jjo--!", "Hi Mom -☺-!"},
		{"utf-7", "+ZeVnLIqe-", "日本語"},
		{"utf-7", "1 +- 1 + 1 +2D3cAQ- +2D0-x+", "1 + 1 + 1 🐁 \ufffdx"},
		{"utf-7", "Item 3 is +AKM-1.", "Item 3 is £1."},
		{"gb2312", "\xc4\xfa\xba\xc3\x81\x30\x81\x30", "您好\u0080"},
		{"hz-gb-2312", "~{<:Ky2;~}", "己所不"},
		{"cp437", "\x81", "ü"},
		{"ibm037", "\xc8\x89", "Hi"},
		{"tis-620", "\xca\xc7\xd1\xca", "สวัส"},
		{"big5", "\xa4\xa4\xa4\xe5", "中文"},
		{"euc-kr", "\xc7\xd1\xb1\xdb", "한글"},
	} {
		r, err := CharsetReader(c.label, iotest.OneByteReader(strings.NewReader(c.in)))
		if err != nil {
			t.Errorf("%s: %v", c.label, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %q: %q %v, want %q", c.label, c.in, got, err, c.want)
		}
	}
}
