package maildir

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

func TestParseInfo(t *testing.T) {
	for _, c := range []struct {
		name    string
		flags   SystemFlags
		letters uint32
		rest    string
		again   string // what appendInfo makes of it; "" = the same
	}{
		{"1.a.h", 0, 0, "", "1.a.h:2,"},
		{"1.a.h:2,", 0, 0, "", ""},
		{"1.a.h:2,FS", Flagged | Seen, 0, "", ""},
		{"1.a.h:2,SF", Flagged | Seen, 0, "", "1.a.h:2,FS"},
		{"1.a.h:2,DFPRSTabz", systemAll, 1<<0 | 1<<1 | 1<<25, "", ""},
		{"1.a.h:2,FXSa", Flagged | Seen, 1, "X", "1.a.h:2,FSXa"},
		{"1.a.h:2,S,extra,more", Seen, 0, ",extra,more", ""},
		{"1.a.h:2,SU,extra", Seen, 0, "U,extra", ""},
		{"1.a.h:1,experimental", 0, 0, ":1,experimental", ""},
		{"1.a.h:", 0, 0, ":", ""},
		{"1.a.h:2", 0, 0, ":2", ""},
		{"1.a.h:x:2,S", 0, 0, ":x:2,S", ""},
		{"1.a.h:2,S:2,F", Seen, 0, ",:2,F", "1.a.h:2,S,:2,F"},
		{"1.a.h:2,A:", 0, 0, "A,:", "1.a.h:2,A,:"},
		{"1.a.h,S=1,W=2:2,SS", Seen, 0, "", "1.a.h,S=1,W=2:2,S"},
		{"plain", 0, 0, "", "plain:2,"},
	} {
		base, info := splitName(c.name)
		flags, letters, rest := parseInfo(info)
		if flags != c.flags || letters != c.letters || rest != c.rest {
			t.Errorf("%q: got %06b %b %q, want %06b %b %q", c.name, flags, letters, rest, c.flags, c.letters, c.rest)
		}
		want := c.again
		if want == "" {
			want = c.name
		}
		if got := string(appendInfo([]byte(base), flags, letters, rest)); got != want {
			t.Errorf("%q: written as %q, want %q", c.name, got, want)
		}
	}
}

func FuzzInfo(f *testing.F) {
	for _, s := range []string{"", ":2,", ":2,DFPRSTabc", ":2,S,x", ":1,abc", ":2,S:2,F", ":2,XYZ,a,b", ":", ":2,:", ":2,S:,x"} {
		f.Add(s, uint8(0), uint32(0))
		f.Add(s, uint8(Seen), uint32(5))
	}
	f.Fuzz(func(t *testing.T, info string, add uint8, addLetters uint32) {
		if info != "" && info[0] != ':' || strings.ContainsAny(info, "/\x00") {
			return
		}
		flags, letters, rest := parseInfo(info)
		add &= systemAll
		addLetters &= 1<<26 - 1
		flags, letters = flags|SystemFlags(add), letters|addLetters
		out := string(appendInfo(nil, flags, letters, rest))
		flags2, letters2, rest2 := parseInfo(out)
		if flags2 != flags || letters2 != letters {
			t.Fatalf("%q + %b %b: written as %q, read as %b %b", info, flags, letters, out, flags2, letters2)
		}
		if again := string(appendInfo(nil, flags2, letters2, rest2)); again != out {
			t.Fatalf("%q: %q, then %q", info, out, again)
		}
		// Nothing that is not a flag may get lost.
		count := func(s string) (n [256]int) {
			for i := range len(s) {
				n[s[i]]++
			}
			return n
		}
		kept, had := count(out), count(rest)
		for c := range had {
			if kept[c] < had[c] && c != ':' {
				t.Fatalf("%q: %q lost in %q", info, rune(c), out)
			}
		}
	})
}

func TestSizesInName(t *testing.T) {
	for _, c := range []struct {
		base string
		s, w int64
	}{
		{"1.M2P3.h,S=10,W=12", 10, 12},
		{"1.M2P3.h,W=12,S=10", 10, 12},
		{"1.M2P3.h,S=10", 10, -1},
		{"1.M2P3.h", -1, -1},
		{"1.M2P3.h,S=", -1, -1},
		{"1.M2P3.h,S=x,W=1", -1, 1},
		{"1.M2P3.h,S=1x,W=1", -1, 1},
		{"1.M2P3.h,S=99999999999999999999,W=5", -1, 5},
		{"1.M2P3.h,U=3,S=0,W=0,FMD5=abc", 0, 0},
	} {
		s, w, ok := sizesInName(c.base)
		if s != c.s || w != c.w || ok != (c.s >= 0 && c.w >= 0) {
			t.Errorf("%q: got %d %d %v, want %d %d", c.base, s, w, ok, c.s, c.w)
		}
	}
	base := newBaseName(time.Unix(1700000000, 123456000))
	if s, w, ok := sizesInName(appendSizes(base, 5, 7)); !ok || s != 5 || w != 7 {
		t.Errorf("own name: %d %d %v", s, w, ok)
	}
	if !strings.HasPrefix(base, "1700000000.M123456P") || strings.ContainsAny(base, ":/,") {
		t.Errorf("own name %q", base)
	}
	if base == newBaseName(time.Unix(1700000000, 123456000)) {
		t.Error("the same name twice")
	}
}

// TestOrder: new files get their UIDs in Dovecot's order.
func TestOrder(t *testing.T) {
	want := []string{"odd", "zodd", "5.x", "7.M1P2.h", "7.M5P1.h", "7.M10P1.a", "7.M10P1.h", "12.M1P2.h", "8796093022300.M1.x", "17592186044415.M2.x", "17592186044416.M1.x", "99999999999999999999999.x"}
	var list []arrival
	for _, base := range slices.Backward(want) {
		list = append(list, arrival{base: base})
	}
	var got []string
	for _, a := range inOrder(list) {
		got = append(got, a.base)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestSystemFlagNames(t *testing.T) {
	for f := SystemFlags(1); f <= systemAll; f <<= 1 {
		names := f.AppendNames(nil)
		if len(names) != 1 || SystemFlag(names[0]) != f || SystemFlag(imap.Flag(strings.ToLower(string(names[0])))) != f {
			t.Errorf("%b: %q", f, names)
		}
	}
	if SystemFlag("$Junk") != 0 || SystemFlag(`\Recent`) != 0 {
		t.Error("a keyword taken for a system flag")
	}
}
