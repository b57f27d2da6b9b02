package wire

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The sets are those that go-imap's own insertion, a range at a time, makes.
func TestNumSetMatchesVocabulary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Just(uint32(1<<32-1)), rapid.Uint32Range(1<<32-4, 1<<32-2))
		n := rapid.IntRange(1, 12).Draw(t, "n")
		var want imap.UIDSet
		var text []string
		word := func(u uint32) string {
			if u == 0 {
				return "*"
			}
			return fmt.Sprint(u)
		}
		for range n {
			a, b := number.Draw(t, "a"), number.Draw(t, "b")
			if rapid.Bool().Draw(t, "single") {
				b = a
				text = append(text, word(a))
			} else {
				text = append(text, word(a)+":"+word(b))
			}
			want.AddRange(imap.UID(a), imap.UID(b))
		}
		d := NewDecoder(PostLogin)
		d.Reset(bufio.NewReader(strings.NewReader(strings.Join(text, ",") + "\r\n")))
		got := d.UIDSet()
		if d.Err() != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s: got %v, want %v, error %v", text, got, want, d.Err())
		}
	})
}

// A line of numbers in the worst order is sorted once.
func BenchmarkUIDSetReversed(b *testing.B) {
	var text []string
	for i := range 9000 {
		text = append(text, fmt.Sprint(100000-2*i))
	}
	if slices.IsSorted(text) {
		b.Fatal("not the worst order")
	}
	benchmarkDecode(b, strings.Join(text, ",")+"\r\n", func(d *Decoder) { d.UIDSet() })
}
