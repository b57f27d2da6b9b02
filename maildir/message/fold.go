package message

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// Fold appends the form in which texts are compared: i;unicode-casemap (RFC 5051
// §2), that is every character in titlecase and then decomposed for
// compatibility, with marks in canonical order. Beyond the RFC, and only ever
// making more texts equal:
//
//   - runs of white space and line ends are one space,
//   - what a decomposition yields is put into titlecase too, so that the
//     ligature in "ﬁn" is found by "fin", and so are the capitals ẞ and Mtavruli,
//   - U+0345 stays a mark, as NFC and NFD would differ otherwise,
//   - soft hyphens, zero width spaces, word joiners and byte order marks, which
//     nobody sees, are gone,
//   - bytes that are not UTF-8 are read as windows-1252.
func Fold(dst, text []byte) []byte {
	var f Folder
	return f.Finish(f.Append(dst, text))
}

// Folder folds a text that comes in pieces: wherever it is cut, the same is
// written. The zero Folder is ready for use.
type Folder struct {
	space  bool // a space was written last
	nheld  int8
	nmarks int8
	held   [utf8.UTFMax]byte   // the beginning of a character that is not whole yet
	marks  [maxMarks]combining // in order; they wait for the next character that is none
}

// maxMarks of one character are put in order, as in the Stream-Safe Text Format
// (UAX #15 §13).
const maxMarks = 30

// combining is a mark and its canonical combining class.
type combining struct {
	r     rune
	class uint8
}

// Reset makes the Folder ready for another text.
func (f *Folder) Reset() { f.space, f.nheld, f.nmarks = false, 0, 0 }

// Append appends what is decided of the text so far.
func (f *Folder) Append(dst, text []byte) []byte {
	for f.nheld > 0 && len(text) > 0 {
		f.held[f.nheld] = text[0]
		f.nheld++
		text = text[1:]
		for f.nheld > 0 && utf8.FullRune(f.held[:f.nheld]) {
			dst = f.oneHeld(dst)
		}
	}
	for len(text) > 0 {
		if text[0] < utf8.RuneSelf {
			if f.nmarks > 0 {
				dst = f.flush(dst)
			}
			var n int
			dst, n = f.ascii(dst, text)
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(text) {
				f.nheld = int8(copy(f.held[:], text))
				return dst
			}
			r = windows1252(text[0])
		}
		dst = f.rune(dst, r)
		text = text[n:]
	}
	return dst
}

// Finish appends what was waiting for more text and makes the Folder ready for
// another one.
func (f *Folder) Finish(dst []byte) []byte {
	for f.nheld > 0 {
		dst = f.oneHeld(dst)
	}
	dst = f.flush(dst)
	f.space = false
	return dst
}

// oneHeld folds the first character that was held back.
func (f *Folder) oneHeld(dst []byte) []byte {
	r, n := utf8.DecodeRune(f.held[:f.nheld])
	if r == utf8.RuneError && n == 1 {
		r = windows1252(f.held[0])
	}
	copy(f.held[:], f.held[n:f.nheld])
	f.nheld -= int8(n)
	return f.rune(dst, r)
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// ascii folds the ASCII characters at the beginning of the text, eight at a time
// where among those are no control characters and no two spaces in a row.
func (f *Folder) ascii(dst, text []byte) ([]byte, int) {
	start := len(dst)
	dst = slices.Grow(dst, len(text))
	out := dst[start : start+len(text)]
	i, n := 0, 0
	before := uint64(0) // the bit of a space before these eight
	if f.space {
		before = 0x80
	}
	for {
		for i+8 <= len(text) && n+8 <= len(out) {
			w := binary.LittleEndian.Uint64(text[i:])
			if w&highBits != 0 || (w+0x60*everyByte)&highBits != highBits {
				break
			}
			spaces := ^(w ^ 0x20*everyByte + 0x7f*everyByte) & highBits
			if spaces&(spaces<<8|before) != 0 {
				break
			}
			before = spaces >> 56
			letters := (w + (0x80-'a')*everyByte) &^ (w + (0x7f-'z')*everyByte) & highBits
			binary.LittleEndian.PutUint64(out[n:], w-letters>>2)
			i += 8
			n += 8
		}
		for stop := min(i+8, len(text)); i < stop; i++ {
			c := foldASCII[text[i]]
			if c == ' ' {
				if before == 0 {
					out[n] = ' '
					n++
				}
				before = 0x80
				continue
			}
			if text[i] >= utf8.RuneSelf {
				f.space = before != 0
				return dst[:start+n], i
			}
			out[n] = c
			n++
			before = 0
		}
		if i == len(text) {
			f.space = before != 0
			return dst[:start+n], i
		}
	}
}

var foldASCII = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case '\t' <= c && c <= '\r':
			t[i] = ' '
		case 'a' <= c && c <= 'z':
			t[i] = c - 'a' + 'A'
		default:
			t[i] = c
		}
	}
	return t
}()

// rune folds a character beyond ASCII.
func (f *Folder) rune(dst []byte, r rune) []byte {
	if 0x4e00 <= r && r <= 0x9fff { // CJK Unified Ideographs: nothing to do
		dst = f.flush(dst)
		f.space = false
		return utf8.AppendRune(dst, r)
	}
	if hangulFirst <= r && r <= hangulLast {
		return f.hangul(dst, r)
	}
	p := foldPageOf(r)
	x := p.entries[r&0xff]
	if x.kind != foldMany {
		return f.put(dst, x)
	}
	for _, x := range p.many[x.r : x.r+rune(x.n)] {
		dst = f.put(dst, x)
	}
	return dst
}

// put writes one folded character.
func (f *Folder) put(dst []byte, x folded) []byte {
	switch x.kind {
	case foldNone:
		return dst
	case foldMark:
		if f.nmarks == maxMarks {
			dst = f.flush(dst)
		}
		i := int(f.nmarks)
		for i > 0 && f.marks[i-1].class > x.n {
			f.marks[i] = f.marks[i-1]
			i--
		}
		f.marks[i] = combining{x.r, x.n}
		f.nmarks++
		return dst
	}
	dst = f.flush(dst)
	if x.kind == foldSpace {
		if f.space {
			return dst
		}
		f.space = true
		return append(dst, ' ')
	}
	f.space = false
	return utf8.AppendRune(dst, x.r)
}

// flush writes the marks that belong to the last character.
func (f *Folder) flush(dst []byte) []byte {
	if f.nmarks == 0 {
		return dst
	}
	for _, m := range f.marks[:f.nmarks] {
		dst = utf8.AppendRune(dst, m.r)
	}
	f.nmarks, f.space = 0, false
	return dst
}

// Hangul syllables are decomposed by arithmetic (The Unicode Standard §3.12).
const (
	hangulFirst, hangulLast = 0xac00, 0xd7a3
	jamoL, jamoV, jamoT     = 0x1100, 0x1161, 0x11a7
	jamoVCount, jamoTCount  = 21, 28
)

func (f *Folder) hangul(dst []byte, r rune) []byte {
	dst = f.flush(dst)
	f.space = false
	r -= hangulFirst
	dst = utf8.AppendRune(dst, jamoL+r/(jamoVCount*jamoTCount))
	dst = utf8.AppendRune(dst, jamoV+r%(jamoVCount*jamoTCount)/jamoTCount)
	if t := r % jamoTCount; t > 0 {
		dst = utf8.AppendRune(dst, jamoT+t)
	}
	return dst
}
