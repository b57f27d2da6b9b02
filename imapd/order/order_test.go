package order

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBaseSubject(t *testing.T) {
	for _, c := range []struct {
		subject, base string
		reply         bool
	}{
		{"", "", false},
		{" \t\r\n ", "", false},
		{"hello  \t world", "hello world", false},
		{"Re: hello", "hello", true},
		{"RE : hello", "hello", true},
		{"re[2]: hello", "hello", true},
		{"Re [2] : hello", "hello", true}, // the space is the blob's
		{"Fw: a", "a", true}, {"FWD: a", "a", true}, {"Fwdd: a", "Fwdd: a", false}, {"fw d: a", "fw d: a", false},
		{"Re", "Re", false}, {"Re:", "", true}, {"Re: Re: Fwd: re: a", "a", true},
		{"Aw: a", "Aw: a", false}, // RFC 5256 knows English
		{"Research: a", "Research: a", false},
		{"a (fwd)", "a", true}, {"a(FWD) (fwd) ", "a", true}, {"(fwd)", "", true},
		{"[list] a", "a", false}, {"[list][x] Re: [y] a", "a", true}, {"Re: [list] Re: a", "a", true},
		{"[list]", "[list]", false}, {"[a] [b]", "[b]", false}, {"[a][b] re: [c]", "[c]", true},
		{"[a[b] c", "[a[b] c", false}, {"[a", "[a", false}, {"[] a", "a", false},
		{"[fwd: a]", "a", true}, {"[Fwd: [list] Re: a (fwd)]", "a", true}, {"[fwd: [fwd: a]]", "a", true},
		{"[fwd: a] b", "b", false}, {"[list] [fwd: a]", "a", true}, {"[fwd:]", "", true}, {"[fwd: a", "[fwd: a", false},
		{"Re: [fwd: a]", "a", true}, {"[fwd: a (fwd)] (fwd)", "a", true},
		{"Re: \u00fcber [x]", "\u00fcber [x]", true}, {"[\u00fc] a", "a", false},
		{"Re\uff1a a", "Re\uff1a a", false},
		{"a\x00b", "a\x00b", false},
	} {
		base, reply := BaseSubject([]byte("x"), []byte(c.subject))
		if string(base) != "x"+c.base || reply != c.reply {
			t.Errorf("%q: %q %v, want %q %v", c.subject, base[1:], reply, c.base, c.reply)
		}
	}
}

// slowBaseSubject does what RFC 5256 §2.1 says, step by step.
func slowBaseSubject(s string) (string, bool) {
	reply := false
	s = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, s)
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	for {
		for { // (2)
			if strings.HasSuffix(s, " ") {
				s = s[:len(s)-1]
			} else if strings.HasSuffix(strings.ToLower(s), "(fwd)") {
				s, reply = s[:len(s)-5], true
			} else {
				break
			}
		}
		for more := true; more; { // (5)
			more = false
			if strings.HasPrefix(s, " ") { // (3)
				s, more = s[1:], true
			}
			rest := s
			for blob([]byte(rest)) > 0 {
				rest = rest[blob([]byte(rest)):]
			}
			if n := refwd([]byte(rest)); n > 0 {
				s, reply, more = rest[n:], true, true
			}
			if n := blob([]byte(s)); n > 0 && n < len(s) { // (4)
				s, more = s[n:], true
			}
		}
		if !strings.HasPrefix(strings.ToLower(s), "[fwd:") || !strings.HasSuffix(s, "]") { // (6)
			return s, reply
		}
		s, reply = s[5:len(s)-1], true
	}
}

func TestBaseSubjectAsWritten(t *testing.T) {
	words := rapid.SliceOf(rapid.SampledFrom([]string{"re", "Re:", "fw", "fwd:", "[", "]", "[a]", "[fwd:", "(fwd)", " ", "\t", ":", "x"}))
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(words.Draw(t, "words"), "")
		want, wantReply := slowBaseSubject(s)
		got, reply := BaseSubject(nil, []byte(s))
		if string(got) != want || reply != wantReply {
			t.Fatalf("%q: %q %v, want %q %v", s, got, reply, want, wantReply)
		}
	})
}

func FuzzBaseSubject(f *testing.F) {
	f.Add("Re: [list] [fwd: a (fwd)]")
	f.Fuzz(func(t *testing.T, s string) {
		base, _ := BaseSubject(nil, []byte(s))
		again, _ := BaseSubject(nil, base)
		if len(base) > 0 && (base[0] == ' ' || base[len(base)-1] == ' ') || !bytes.Equal(base, again) {
			t.Fatalf("%q: %q, and of that %q", s, base, again)
		}
	})
}

// TestLongSubjects: a field of any make costs its length.
func TestLongSubjects(t *testing.T) {
	for _, part := range []string{"[a]", "re:", "[fwd:", "(fwd)", "[", "]", "[a] re:", "re[a]", " "} {
		BaseSubject(nil, bytes.Repeat([]byte(part), 1<<20))
		NextID(nil, bytes.Repeat([]byte(part), 1<<20))
	}
	for _, part := range []string{"<", "<(", `<"`, `"`, "<a", "<a@", "<a@b(", `<"\`, `"<`} {
		NextID(nil, bytes.Repeat([]byte(part), 1<<20))
	}
}

func TestNextID(t *testing.T) {
	for _, c := range []struct {
		field string
		want  []string
	}{
		{"", nil}, {"<a@b>", []string{"a@b"}}, {" <a@b>\r\n\t<c@d> x", []string{"a@b", "c@d"}}, {"<a@b><c@d>", []string{"a@b", "c@d"}},
		// RFC 5256 §3: quoting that quotes nothing makes no difference
		{`<"01KF8JCEOCBS0045PS"@xxx.yyy.com>`, []string{"01KF8JCEOCBS0045PS@xxx.yyy.com"}},
		{`<"a b"@c> <"a\"b"@c> <"\a"@c> <""@c>`, []string{`"a b"@c`, `"a\"b"@c`, "a@c", `""@c`}},
		{"< a . b @ c > <a(x)@b(<)> <d@[1.2.3.4]>", []string{"a.b@c", "d@[1.2.3.4]"}},
		{"<a(x)@b>", []string{"a@b"}},
		{"<> <@> <a@> <@b> <a> a@b <a@b", nil},
		{"<a<b@c>", []string{"b@c"}},
		{`<a@b> <"from <c@d>`, []string{"a@b", "c@d"}}, // an unclosed quote
		{`"Your message <x@y>" <a@b>`, []string{"x@y", "a@b"}}, {`"Joe" <a@b>`, []string{"a@b"}},
		{"Joe's of Mon \"<a@b>", []string{"a@b"}},
		{"<a(b@c> <d@e>", []string{"d@e"}},
		{"<A@b> <a@B>", []string{"A@b", "a@B"}},
		{"<a@b@c>", []string{"a@b@c"}},
	} {
		var got []string
		for rest, ok := []byte(c.field), true; ok; {
			var id []byte
			if id, rest, ok = NextID(nil, rest); ok {
				got = append(got, string(id))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.field, got, c.want)
		}
	}
}

func FuzzNextID(f *testing.F) {
	f.Add(`<a@b> <"from <c@d>`)
	f.Fuzz(func(t *testing.T, s string) {
		for rest, ok := []byte(s), true; ok; {
			var id []byte
			before := len(rest)
			id, rest, ok = NextID([]byte("x"), rest)
			if ok && (len(rest) >= before || id[0] != 'x' || bytes.IndexByte(id, '@') < 2) {
				t.Fatalf("%q: %q", s, id)
			}
		}
	})
}

func TestDisplay(t *testing.T) {
	for _, c := range [][4]string{{"Joe", "joe", "b", "Joe"}, {"", "joe", "b", "joe@b"}, {"", "group", "", "group"}, {"", "", "", ""}} {
		if got := Display(nil, []byte(c[0]), []byte(c[1]), []byte(c[2])); string(got) != c[3] {
			t.Errorf("%q: %q", c, got)
		}
	}
}

func TestValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Values
		seen := map[string]uint32{}
		for _, s := range rapid.SliceOf(rapid.StringN(0, 4, 8)).Draw(t, "texts") {
			n := v.Number([]byte(s))
			if old, ok := seen[s]; ok && n != old || !ok && int(n) != len(seen)+1 {
				t.Fatalf("%q is %d, was %d", s, n, old)
			}
			seen[s] = n
			if string(v.Text(n)) != s {
				t.Fatalf("%d is %q, not %q", n, v.Text(n), s)
			}
			if rapid.IntRange(0, 3).Draw(t, "rank") != 0 {
				continue
			}
			ranks := v.Ranks()
			for a, i := range seen {
				for b, j := range seen {
					if strings.Compare(a, b) != int(min(max(int64(ranks[i])-int64(ranks[j]), -1), 1)) {
						t.Fatalf("%q and %q rank %d and %d", a, b, ranks[i], ranks[j])
					}
				}
			}
		}
		if v.Len() != len(seen) {
			t.Fatalf("%d values, not %d", v.Len(), len(seen))
		}
	})
}

func TestSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 5, fewRows - 1, fewRows, 1000}).Draw(t, "n")
		keys := make([]Key, rapid.IntRange(1, 3).Draw(t, "keys"))
		for i := range keys {
			most := rapid.SampledFrom([]uint64{1, 3, 1 << 12, 1<<64 - 1}).Draw(t, "most")
			keys[i].Reverse = rapid.Bool().Draw(t, "reverse")
			seed := rapid.Uint64().Draw(t, "seed")
			for range n {
				seed = seed*6364136223846793005 + 1442695040888963407
				keys[i].Of = append(keys[i].Of, (seed>>7)%most)
			}
		}
		rows := make([]uint32, n)
		for i := range rows {
			rows[i] = uint32(i)
		}
		var s Sorter
		s.Sort(rows, keys...)
		for i := 1; i < n; i++ {
			if c := compareRows(keys, rows[i-1], rows[i]); c > 0 || c == 0 && rows[i-1] > rows[i] {
				t.Fatalf("row %d before %d: %d", rows[i-1], rows[i], c)
			}
		}
	})
}

func BenchmarkBaseSubject(b *testing.B) {
	subject := []byte("Re: [list] Re: something that somebody wrote")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = BaseSubject(buf[:0], subject)
	}
}

func BenchmarkSort(b *testing.B) {
	const n = 100_000
	key := make([]uint64, n)
	for i := range key {
		key[i] = uint64(i*7919) % 30_000
	}
	rows := make([]uint32, n)
	var s Sorter
	for b.Loop() {
		for i := range rows {
			rows[i] = uint32(i)
		}
		s.Sort(rows, Key{Of: key})
	}
}

func BenchmarkRankArrival(b *testing.B) {
	var v Values
	for i := range 100_000 {
		v.Number(fmt.Appendf(nil, "SUBJECT %d", i*7919%100_000))
	}
	v.Ranks()
	n := 0
	for b.Loop() {
		n++
		v.Number(fmt.Appendf(nil, "SUBJECT X %d", n))
		v.Ranks()
	}
}
