package message

import (
	"bytes"
	"sync"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// DecodeWords appends an unfolded header value as UTF-8, its encoded words (RFC
// 2047, with the language of RFC 2231 §5) decoded wherever they stand, also
// inside quoted strings and next to other text, where RFC 2047 §5 does not want
// them but people and programs put them. White space between two encoded words
// goes (§6.2), and neighbours of one charset are decoded as one text, so that a
// character cut in two is whole again. A word in an unknown charset stays as it
// is.
func DecodeWords(dst, raw []byte) []byte {
	at := bytes.Index(raw, wordStart)
	if at < 0 {
		return appendUTF8(dst, raw)
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	text := s.text[:0]  // of words whose charset is that of the last one
	var charset *coding // nil: the last thing was no word
	done := 0           // raw up to here is written or in text
	for at < len(raw) {
		w, ok := cutWord(raw[at:])
		c := w.coding
		if !ok || c == nil {
			next := bytes.Index(raw[at+1:], wordStart)
			if next < 0 {
				break
			}
			at += 1 + next
			continue
		}
		gap := raw[done:at]
		switch {
		case charset == nil:
			dst = appendUTF8(dst, gap)
		case len(trimSpace(gap)) > 0:
			dst = s.decode(dst, text, charset)
			text = text[:0]
			dst = appendUTF8(dst, gap)
		case c != charset:
			dst = s.decode(dst, text, charset)
			text = text[:0]
		}
		text = w.append(text)
		charset = c
		at += w.size
		done = at
		next := bytes.Index(raw[at:], wordStart)
		if next < 0 {
			break
		}
		at += next
	}
	if charset != nil {
		dst = s.decode(dst, text, charset)
	}
	if cap(text) <= windowSize {
		s.text = text
	}
	return appendUTF8(dst, raw[done:])
}

var wordStart = []byte("=?")

const maxLabel = 96

// encodedWord is one word, not decoded yet.
type encodedWord struct {
	coding *coding
	base64 bool
	text   []byte
	size   int // of all of it
}

// cutWord reads the word at the beginning of b. A Q text may hold what it should
// not, spaces for instance, as long as it has an end on the same line of words.
func cutWord(b []byte) (w encodedWord, ok bool) {
	b = b[len(wordStart):]
	n := bytes.IndexByte(b[:min(len(b), maxLabel)], '?')
	if n <= 0 || len(b) < n+3 || b[n+2] != '?' {
		return w, false
	}
	label, rest := b[:n], b[n+1:]
	for _, c := range label {
		if c <= ' ' || c == '=' {
			return w, false
		}
	}
	switch lower(rest[0]) {
	case 'b':
		w.base64 = true
	case 'q':
	default:
		return w, false
	}
	label, _, _ = bytes.Cut(label, []byte("*"))
	rest = rest[2:]
	if next := bytes.Index(rest, wordStart); next >= 0 {
		rest = rest[:min(len(rest), next+3)] // another word, or the end of this one: "=?="
	}
	end := bytes.Index(rest, []byte("?="))
	if end < 0 {
		return w, false
	}
	w.text = rest[:end]
	w.coding = codingOf(label)
	w.size = len(wordStart) + n + 3 + end + 2
	return w, true
}

// append appends the bytes that the word stands for.
func (w *encodedWord) append(dst []byte) []byte {
	if w.base64 {
		dst, _, _ = appendBase64(dst, w.text, 0, 0)
		return dst
	}
	for i := 0; i < len(w.text); i++ {
		c := w.text[i]
		switch {
		case c == '_':
			c = ' '
		case c == '=' && i+2 < len(w.text) && unhex(w.text[i+1]) >= 0 && unhex(w.text[i+2]) >= 0:
			c = byte(unhex(w.text[i+1])<<4 | unhex(w.text[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// scratch is the memory of one decoding.
type scratch struct {
	text []byte
	out  [512]byte

	coding  *coding // of decoder
	decoder *encoding.Decoder
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// decode appends a text in some charset as UTF-8.
func (s *scratch) decode(dst, text []byte, c *coding) []byte {
	switch {
	case c.plain || c.ascii && isASCII(text):
		return appendUTF8(dst, text)
	case c.table != nil:
		return appendTable(dst, text, c.table)
	case s.coding != c:
		s.coding, s.decoder = c, c.enc.NewDecoder()
	}
	s.decoder.Reset()
	for {
		n, k, err := s.decoder.Transform(s.out[:], text, true)
		dst = append(dst, s.out[:n]...)
		text = text[k:]
		if err != transform.ErrShortDst {
			return dst
		}
	}
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// DecodeExtended appends the value of a parameter whose name ends in * (RFC 2231
// §4: charset'language'text with percent signs) as UTF-8.
func DecodeExtended(dst, value []byte) []byte {
	label, rest, ok := bytes.Cut(value, []byte("'"))
	text := value
	c := plainCoding
	if ok {
		if _, t, ok := bytes.Cut(rest, []byte("'")); ok {
			text = t
			if known := codingOf(label); known != nil {
				c = known
			}
		}
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b := s.text[:0]
	for i := 0; i < len(text); i++ {
		x := text[i]
		if x == '%' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0 {
			x = byte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
		}
		b = append(b, x)
	}
	if cap(b) <= windowSize {
		s.text = b
	}
	return s.decode(dst, b, c)
}
