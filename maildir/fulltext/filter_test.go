package fulltext

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// check: no part of the text is denied, whatever the pieces and the limit.
func check(t interface {
	Fatalf(string, ...any)
}, b *Builder, text []byte, cut, limit, from, to int) {
	b.Reset()
	b.Add(text[:cut])
	b.Add(text[cut:])
	filter := b.Filter([]byte("x"), limit)
	if filter[0] != 'x' || len(filter)-1 > max(0, limit) {
		t.Fatalf("%d bytes, limit %d", len(filter)-1, limit)
	}
	part := text[from:to]
	q, ok := NewQuery(part)
	if ok != (len(part) >= 3 && bytes.IndexByte(part, 0) < 0) {
		t.Fatalf("a query of %q: %v", part, ok)
	}
	if ok && !q.May(filter[1:]) {
		t.Fatalf("%q in %q is denied with %d bytes", part, text, limit)
	}
}

func TestNeverDenied(t *testing.T) {
	var b Builder
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("ABCDE FÜПр日本\x00")), 0, 200, -1).Draw(t, "text"))
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		check(t, &b, text, rapid.IntRange(0, len(text)).Draw(t, "cut"), rapid.IntRange(-1, 200).Draw(t, "limit"), from, rapid.IntRange(from, len(text)).Draw(t, "to"))
	})
}

func FuzzNeverDenied(f *testing.F) {
	f.Add([]byte("THE QUICK BROWN\x00FOX"), uint16(4), uint16(10), uint16(3), uint16(9))
	var b Builder
	f.Fuzz(func(t *testing.T, text []byte, cut, limit, from, n uint16) {
		at := min(int(from), len(text))
		check(t, &b, text, min(int(cut), len(text)), int(limit), at, min(at+int(n), len(text)))
	})
}

func TestRunsEnd(t *testing.T) {
	var b Builder
	b.Add([]byte("AB\x00C"))
	b.Add([]byte("\x00AB"))
	if f := b.Filter(nil, 100); len(f) != 0 {
		t.Errorf("a filter of nothing: %x", f)
	}
	b.Add([]byte("C"))
	filter := b.Filter(nil, 100)
	for s, want := range map[string]bool{"ABC": true, "ABD": false, "BCA": false} {
		if q, _ := NewQuery([]byte(s)); q.May(filter) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
	if q, _ := NewQuery([]byte("ZZZ")); !q.May(nil) {
		t.Error("no filter denies")
	}
}

// TestManyTrigrams: what a text of any bytes makes a Builder keep is bounded, and nothing of it stays for the next.
func TestManyTrigrams(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := make([]byte, 4<<20)
	for i := range text {
		text[i] = byte(1 + r.IntN(255))
	}
	var b, fresh Builder
	b.Add(text)
	if cap(b.list) > 2*listMost {
		t.Errorf("a list for %d trigrams", cap(b.list))
	}
	filter := b.Filter(nil, 2<<20)
	for range 1000 {
		at := r.IntN(len(text) - 12)
		if q, ok := NewQuery(text[at : at+12]); !ok || !q.May(filter) {
			t.Fatalf("%q is denied", text[at:at+12])
		}
	}
	b.Reset()
	b.Add([]byte("THE NEXT TEXT"))
	fresh.Add([]byte("THE NEXT TEXT"))
	if got, want := b.Filter(nil, 100), fresh.Filter(nil, 100); !bytes.Equal(got, want) {
		t.Errorf("the next text's filter is %x, want %x", got, want)
	}
}

// words makes a text of n bytes as mail has it: some words often, most seldom.
func words(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	z := rand.NewZipf(r, 1.2, 5, 50000)
	for b.Len() < n {
		w := z.Uint64()
		for x := w*0x9e3779b97f4a7c15 + 1; ; x /= 19 {
			b.WriteByte("ETAOINSHRDLUCMFWYPV"[x%19])
			if x < 1<<44 {
				break
			}
		}
		b.WriteByte(' ')
	}
	return b.Bytes()
}

// TestFalsePositives tells how often a string that is not there is not denied, at
// a seventh of the text.
func TestFalsePositives(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b Builder
	var filters [][]byte
	for range 500 {
		text := words(r, 3000)
		b.Reset()
		b.Add(text)
		filters = append(filters, b.Filter(nil, len(text)/7))
	}
	for n, most := range map[int]float64{4: 0.4, 6: 0.15, 10: 0.03, 20: 0.002} {
		wrong, all := 0, 0
		for range 200 {
			var w []byte
			for range n {
				w = append(w, "ETAOINSHRDLUCMFWYPVBGKQJXZ"[r.IntN(26)])
			}
			q, _ := NewQuery(w)
			for _, f := range filters {
				all++
				if q.May(f) {
					wrong++
				}
			}
		}
		rate := float64(wrong) / float64(all)
		t.Logf("strings of %d letters: %.4f%%", n, rate*100)
		if rate > most {
			t.Errorf("strings of %d letters: %.4f, want at most %.4f", n, rate, most)
		}
	}
}

func BenchmarkBuilder(b *testing.B) {
	text := words(rand.New(rand.NewPCG(1, 2)), 3000)
	var x Builder
	var dst []byte
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		x.Reset()
		x.Add(text)
		dst = x.Filter(dst[:0], 430)
	}
}

func BenchmarkMay(b *testing.B) {
	text := words(rand.New(rand.NewPCG(1, 2)), 3000)
	var x Builder
	x.Add(text)
	filter := x.Filter(nil, 430)
	for _, s := range []string{"ZEBRA", strings.ToUpper("a longer string")} {
		b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
			q, _ := NewQuery([]byte(s))
			for b.Loop() {
				q.May(filter)
			}
		})
	}
}
