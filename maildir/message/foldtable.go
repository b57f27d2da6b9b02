package message

import (
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folded is one character of folded text, or where to find several.
type folded struct {
	r    rune // foldMany: index of the first in the page's many
	kind foldKind
	n    uint8 // foldMark: combining class; foldMany: how many
}

type foldKind uint8

const (
	foldRune foldKind = iota
	foldNone          // written by nobody, seen by nobody
	foldSpace
	foldMark
	foldMany
)

// foldPage says what becomes of 256 characters. Pages are made when a text needs
// them and never change.
type foldPage struct {
	entries [256]folded
	many    []folded
}

var foldPages [(unicode.MaxRune + 1) / 256]atomic.Pointer[foldPage]

func foldPageOf(r rune) *foldPage {
	at := &foldPages[r>>8]
	if p := at.Load(); p != nil {
		return p
	}
	p := new(foldPage)
	for i := range p.entries {
		p.make(r&^0xff+rune(i), &p.entries[i])
	}
	at.Store(p)
	return p
}

func (p *foldPage) make(r rune, x *folded) {
	s := foldRunes(string(r))
	if first, n := utf8.DecodeRuneInString(s); n == len(s) {
		*x = foldOne(first)
		return
	}
	*x = folded{r: rune(len(p.many)), kind: foldMany}
	for _, r := range s {
		p.many = append(p.many, foldOne(r))
		x.n++
	}
}

func foldOne(r rune) folded {
	switch {
	case r == 0xad, r == 0x200b, r == 0x2060, r == 0xfeff:
		return folded{kind: foldNone}
	case unicode.IsSpace(r), unicode.Is(unicode.Z, r):
		return folded{kind: foldSpace}
	}
	var b [utf8.UTFMax]byte
	n := utf8.EncodeRune(b[:], r)
	if class := norm.NFKD.Properties(b[:n]).CCC(); class > 0 {
		return folded{r: r, kind: foldMark, n: class}
	}
	return folded{r: r}
}

// foldRunes is titlecase, then NFKD, until nothing changes any more.
func foldRunes(s string) string {
	for range 8 {
		t := ""
		for _, r := range s {
			t += string(title(r))
		}
		if t = norm.NFKD.String(t); t == s {
			break
		}
		s = t
	}
	return s
}

// title is the simple titlecase mapping.
func title(r rune) rune {
	switch {
	case r == 0x345: // its titlecase is the letter Ι
		return r
	case r == 'ẞ', 0x1c90 <= r && r <= 0x1cbf: // capitals whose small letters have no titlecase
		return unicode.ToLower(r)
	}
	return unicode.ToTitle(r)
}
