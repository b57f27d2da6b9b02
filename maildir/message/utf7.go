package message

import (
	stdutf16 "unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// utf7 is UTF-7 (RFC 2152), for reading only: nobody should write it any more.
type utf7 struct{}

// NewDecoder reads UTF-7.
func (utf7) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: new(utf7Decoder)} }

// NewEncoder refuses everything.
func (utf7) NewEncoder() *encoding.Encoder { return encoding.Replacement.NewEncoder() }

// utf7Decoder is what is known between two bytes.
type utf7Decoder struct {
	shifted bool   // after a +
	first   bool   // directly after it
	bits    uint32 // of base64 that are no whole unit yet
	nbits   uint
	high    rune // the first half of a surrogate pair
}

// Reset begins another text.
func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

// Transform decodes; halves of pairs that stand alone become U+FFFD, bytes beyond
// ASCII are windows-1252.
func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for ; nSrc < len(src); nSrc++ {
		if nDst+2*utf8.UTFMax > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		if !d.shifted {
			if c == '+' {
				*d = utf7Decoder{shifted: true, first: true}
			} else {
				nDst += putByte(dst[nDst:], c)
			}
			continue
		}
		if v := base64Values[c]; v != noBase64 {
			d.first = false
			d.bits = d.bits<<6 | uint32(v)
			if d.nbits += 6; d.nbits >= 16 {
				d.nbits -= 16
				nDst += d.unit(dst[nDst:], rune(uint16(d.bits>>d.nbits)))
			}
			continue
		}
		nDst += d.lone(dst[nDst:])
		if d.first {
			nDst += putByte(dst[nDst:], '+') // "+-" is a plus, and so is one before what is no base64
		}
		if c != '-' {
			nDst += putByte(dst[nDst:], c)
		}
		d.shifted = false
	}
	if atEOF && d.high != 0 {
		if nDst+utf8.UTFMax > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += d.lone(dst[nDst:])
	}
	return nDst, nSrc, nil
}

func putByte(dst []byte, c byte) int {
	if c < utf8.RuneSelf {
		dst[0] = c
		return 1
	}
	return utf8.EncodeRune(dst, windows1252(c))
}

// unit takes one unit of UTF-16.
func (d *utf7Decoder) unit(dst []byte, r rune) (n int) {
	switch {
	case d.high != 0 && stdutf16.DecodeRune(d.high, r) != utf8.RuneError:
		n = utf8.EncodeRune(dst, stdutf16.DecodeRune(d.high, r))
		d.high = 0
		return n
	case 0xd800 <= r && r < 0xdc00:
		n = d.lone(dst)
		d.high = r
		return n
	}
	n = d.lone(dst)
	return n + utf8.EncodeRune(dst[n:], r)
}

// lone writes the first half of a pair whose second never came.
func (d *utf7Decoder) lone(dst []byte) int {
	if d.high == 0 {
		return 0
	}
	d.high = 0
	return utf8.EncodeRune(dst, utf8.RuneError)
}
