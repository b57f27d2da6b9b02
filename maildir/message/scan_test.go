package message

import (
	"math/rand/v2"
	"testing"
)

// TestCount compares the strides of count with going byte by byte, over all cuts of texts made of what matters.
func TestCount(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := make([]byte, rnd.IntN(24))
		for i := range text {
			text[i] = "a\n\n\r\r--"[rnd.IntN(7)]
		}
		dashes, cr := rnd.IntN(2) == 0, rnd.IntN(2) == 0
		s := window{buf: text, w: len(text), cr: cr, lastBare: true}
		found := s.count(text, dashes)

		want := window{cr: cr, lastBare: true}
		ended := false
		for i := 0; i < len(text) && !ended; i++ {
			if text[i] == '\n' {
				want.at.lines++
				if want.lastBare = !want.cr; want.lastBare {
					want.at.bare++
				}
				ended = dashes && (i+1 == len(text) || text[i+1] == '-')
			}
			want.cr = text[i] == '\r'
			want.r++
			want.at.off++
		}
		if s.at != want.at || s.r != want.r || s.cr != want.cr || s.lastBare != want.lastBare || found != ended {
			t.Fatalf("%q, dashes %v, after CR %v:\ngot  %+v cr %v bare %v found %v\nwant %+v cr %v bare %v found %v",
				text, dashes, cr, s.at, s.cr, s.lastBare, found, want.at, want.cr, want.lastBare, ended)
		}
	}
}
