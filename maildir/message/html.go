package message

import (
	"bytes"
	"html"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// stripper makes of HTML in UTF-8, as it comes in pieces, the text that a person
// sees: tags and comments gone, scripts and styles with what they hold, character
// references decoded, a space where a tag that is not inline stood. It is for
// searching and forgives what browsers forgive, one byte at a time.
type stripper struct {
	state stripState
	quote byte   // stripQuoted: which
	raw   string // stripRaw: the element whose end is looked for
	name  [32]byte
	n     int // bytes of name: of a tag, a reference, or what may end a comment
}

type stripState uint8

const (
	stripText      stripState = iota
	stripOpen                 // after <
	stripName                 // in the name of a tag
	stripTag                  // in a tag, after its name
	stripQuoted               // in the value of an attribute
	stripMarkup               // after <! or <?
	stripComment              // in a comment
	stripReference            // after &
	stripRaw                  // in a script or style
	stripRawEnd               // there, after <
)

func (s *stripper) reset() { *s = stripper{} }

// append appends what is seen of the next piece.
func (s *stripper) append(dst, src []byte) []byte {
	for len(src) > 0 {
		var n int
		switch s.state {
		case stripText:
			dst, n = s.text(dst, src)
		case stripReference:
			dst, n = s.reference(dst, src)
		case stripOpen, stripName:
			dst, n = s.tagName(dst, src)
		case stripTag, stripMarkup:
			n = s.inTag(src)
		case stripQuoted:
			if n = bytes.IndexByte(src, s.quote) + 1; n == 0 {
				return dst
			}
			s.state = stripTag
		case stripComment:
			n = s.comment(src)
		case stripRaw:
			if n = bytes.IndexByte(src, '<') + 1; n == 0 {
				return dst
			}
			s.state, s.n = stripRawEnd, 0
		case stripRawEnd:
			n = s.rawEnd(src[0])
		}
		src = src[n:]
	}
	return dst
}

// finish ends the text.
func (s *stripper) finish(dst []byte) []byte {
	switch s.state {
	case stripOpen:
		dst = append(dst, '<')
	case stripReference:
		dst = appendReference(dst, s.name[:s.n])
	}
	s.reset()
	return dst
}

// text takes what comes before the next tag or reference, some bytes at a time: where
// there are many of the one, the other is not searched for to the end each time.
func (s *stripper) text(dst, src []byte) ([]byte, int) {
	b := src[:min(len(src), 256)]
	if n := bytes.IndexByte(b, '<'); n >= 0 {
		b = b[:n]
	}
	if n := bytes.IndexByte(b, '&'); n >= 0 {
		b = b[:n]
	}
	n := len(b)
	dst = append(dst, b...)
	if n < len(src) {
		switch src[n] {
		case '<':
			s.state, s.n = stripOpen, 0
			n++
		case '&':
			s.state, s.n = stripReference, 0
			n++
		}
	}
	return dst, n
}

// reference gathers a character reference.
func (s *stripper) reference(dst, src []byte) ([]byte, int) {
	for i, c := range src {
		word := c|0x20 >= 'a' && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '#' && s.n == 0
		if word && s.n < len(s.name) {
			s.name[s.n] = c
			s.n++
			continue
		}
		s.state = stripText
		if c == ';' && s.n < len(s.name) {
			s.name[s.n] = c
			return appendReference(dst, s.name[:s.n+1]), i + 1
		}
		return appendReference(dst, s.name[:s.n]), i
	}
	return dst, len(src)
}

// tagName reads what follows a <.
func (s *stripper) tagName(dst, src []byte) ([]byte, int) {
	c := src[0]
	letter := c|0x20 >= 'a' && c|0x20 <= 'z'
	if s.state == stripOpen {
		switch {
		case letter, c == '/':
			s.state = stripName
			s.name[0], s.n = lower(c), 1
			return dst, 1
		case c == '!', c == '?':
			s.state, s.n = stripMarkup, 0
			return dst, 1
		}
		s.state = stripText
		return append(dst, '<'), 0
	}
	if c > ' ' && c != '>' && (c != '/' || s.n == 0) {
		if s.n < len(s.name) {
			s.name[s.n] = lower(c)
			s.n++
		}
		return dst, 1
	}
	name := s.name[:s.n]
	s.raw = ""
	switch string(name) {
	case "script":
		s.raw = "script"
	case "style":
		s.raw = "style"
	}
	if name[0] == '/' {
		name = name[1:]
	}
	if !inline[string(name)] {
		dst = append(dst, ' ')
	}
	s.state = stripTag
	return dst, 0
}

// inTag looks for the end of a tag, a declaration or the beginning of a comment.
func (s *stripper) inTag(src []byte) int {
	for i, c := range src {
		switch {
		case s.state == stripMarkup && c == '-' && s.n < 2:
			if s.n++; s.n == 2 {
				s.state, s.n = stripComment, 2
				return i + 1
			}
			continue
		case c == '>':
			s.state = stripText
			if s.raw != "" {
				s.state = stripRaw
			}
			return i + 1
		case s.state == stripTag && (c == '"' || c == '\''):
			s.state, s.quote = stripQuoted, c
			return i + 1
		}
		s.n = 3 // no comment any more
	}
	return len(src)
}

// comment looks for --> or --!>; <!--> is a whole one. n counts the dashes.
func (s *stripper) comment(src []byte) int {
	for i, c := range src {
		switch {
		case c == '-':
			s.n = min(s.n+1, 2)
		case c == '>' && s.n == 2:
			s.state, s.raw = stripText, ""
			return i + 1
		case c == '!' && s.n == 2:
		default:
			s.n = 0
			if j := bytes.IndexByte(src[i:], '-'); j > 0 {
				return i + j
			}
			return len(src)
		}
	}
	return len(src)
}

// rawEnd compares what follows a < in a script with its end tag.
func (s *stripper) rawEnd(c byte) int {
	switch {
	case s.n == 0 && c == '/', s.n > 0 && s.n <= len(s.raw) && lower(c) == s.raw[s.n-1]:
		s.n++
		return 1
	case s.n == len(s.raw)+1 && (c <= ' ' || c == '>' || c == '/'):
		s.state, s.raw = stripTag, ""
		return 0
	}
	s.state = stripRaw
	return 0
}

// inline are the elements that do not part the words around them.
var inline = func() map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq("a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb ruby s samp small span strike strong sub sup time tt u var wbr o:p") {
		m[w] = true
	}
	return m
}()

// references are the names that mail uses most.
var references = sync.OnceValue(func() map[string]string {
	m := make(map[string]string)
	for w := range strings.FieldsSeq(`amp lt gt quot apos nbsp iexcl cent pound yen sect uml copy laquo raquo shy reg deg acute micro para middot cedil
		Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml Ntilde Ograve Oacute Ocirc Otilde Ouml
		Oslash Ugrave Uacute Ucirc Uuml szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml
		ntilde ograve oacute ocirc otilde ouml oslash ugrave uacute ucirc uuml yuml euro ndash mdash lsquo rsquo ldquo rdquo bdquo sbquo hellip bull
		trade zwnj zwj ensp emsp thinsp times rarr larr`) {
		m[w+";"] = html.UnescapeString("&" + w + ";")
	}
	return m
})

// appendReference appends the character that a reference, without its &, stands
// for, or the reference itself where it stands for none.
func appendReference(dst, name []byte) []byte {
	if len(name) < 2 { // the shortest have two letters
		return append(append(dst, '&'), name...)
	}
	if s, ok := references()[string(name)]; ok {
		return append(dst, s...)
	}
	if name[0] == '#' {
		digits, base := name[1:], 10
		if digits[0]|0x20 == 'x' {
			digits, base = digits[1:], 16
		}
		digits = bytes.TrimSuffix(digits, []byte(";"))
		if n, err := strconv.ParseUint(string(digits), base, 32); err == nil {
			r := rune(min(n, utf8.RuneError))
			if n <= utf8.MaxRune {
				r = rune(n)
			}
			if 0x80 <= r && r <= 0x9f {
				r = windows1252(byte(r))
			}
			if r == 0 {
				r = utf8.RuneError
			}
			return utf8.AppendRune(dst, r)
		}
	}
	return append(dst, html.UnescapeString("&"+string(name))...)
}
