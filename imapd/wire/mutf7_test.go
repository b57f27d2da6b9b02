package wire

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMUTF7(t *testing.T) {
	for i, c := range []struct{ utf8, mutf7 string }{
		{"", ""},
		{"INBOX", "INBOX"},
		{"&", "&-"},
		{"&&", "&-&-"},
		{"a&b", "a&-b"},
		{"\u00fc", "&APw-"},
		{"\u00fc&", "&APw-&-"},
		{"\u00fc-", "&APw--"},
		{"\x00", "&AAA-"},
		{"\r\n", "&AA0ACg-"},
		{"~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
		{"\U0001f600x", "&2D3eAA-x"},
		{"\x7f", "&AH8-"},
	} {
		if got := EncodeMUTF7(c.utf8); got != c.mutf7 {
			t.Errorf("case %d: encode %q: %q, want %q", i, c.utf8, got, c.mutf7)
		}
		if got, err := DecodeMUTF7(c.mutf7); got != c.utf8 || err != nil {
			t.Errorf("case %d: decode %q: %q, %v", i, c.mutf7, got, err)
		}
	}
}

func TestMUTF7Errors(t *testing.T) {
	for i, c := range []struct {
		in  string
		err error
	}{
		{"&", errMUTF7Shift},
		{"&APw", errMUTF7Shift},
		{"R&D", errMUTF7Shift},
		{"&AP/-", errMUTF7Shift},
		{"&AGE-", errMUTF7ASCII},
		{"&ACY-", errMUTF7ASCII},
		{"&AP-", errMUTF7Bits},
		{"&A-", errMUTF7Bits},
		{"&APx-", errMUTF7Bits},
		{"&APwA-", errMUTF7Bits},
		{"&2D0-", errMUTF7Surrogate},
		{"&3gA-", errMUTF7Surrogate},
		{"&2D3YPQ-", errMUTF7Surrogate},
		{"&U,BTFw-&ZeVnLIqe-", errMUTF7Adjacent}, // the example of RFC 3501 §5.1.3
		{"\u00fc", errMUTF7Byte},
		{"a\n", errMUTF7Byte},
		{"\x7f", errMUTF7Byte},
	} {
		if got, err := DecodeMUTF7(c.in); err != c.err || got != "" {
			t.Errorf("case %d: %q: %q, %v, want %v", i, c.in, got, err, c.err)
		}
	}
	if got := EncodeMUTF7("\xff"); got != "&,,0-" {
		t.Errorf("not UTF-8: %q", got)
	}
}

func TestMUTF7RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "name")
		if got, err := DecodeMUTF7(EncodeMUTF7(s)); got != s || err != nil {
			t.Fatalf("%q: %q: %q, %v", s, EncodeMUTF7(s), got, err)
		}
	})
}

// FuzzMUTF7 holds the decoder to names with one encoding only.
func FuzzMUTF7(f *testing.F) {
	for _, s := range []string{"a&-b", "&APw-", "&U,BTFw-", "&2D3eAA-", "&AAA-", "&APw-&-", "R&D", "&U,BTFw-&ZeVnLIqe-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := DecodeMUTF7(s)
		if err != nil {
			return
		}
		if again := EncodeMUTF7(name); again != s {
			t.Errorf("%q decodes to %q, which encodes to %q", s, name, again)
		}
	})
}
