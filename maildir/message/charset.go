package message

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// ErrUnknownCharset: a charset label that no library knows. SEARCH answers it
// with BADCHARSET (RFC 9051 §6.4.4).
var ErrUnknownCharset = errors.New("unknown charset")

// coding is one charset.
type coding struct {
	enc encoding.Encoding
	// plain: UTF-8 and US-ASCII, which Folder and appendUTF8 read as they are;
	// other bytes among them are windows-1252, the usual lie.
	plain bool
	ascii bool       // ASCII characters stand for themselves, outside of longer ones
	table *[256]rune // of a charset of single bytes
}

var (
	plainCoding = &coding{enc: encoding.Nop, plain: true, ascii: true}

	// Labels that the indices lack or, like browsers for their own purposes,
	// read differently. GB 18030 has all of GBK and GB 2312.
	ownLabels = map[string]encoding.Encoding{
		"utf-7": utf7{}, "utf7": utf7{}, "unicode-1-1-utf-7": utf7{}, "csutf7": utf7{}, "x-unicode-2-0-utf-7": utf7{},
		"utf-16": utf16, "utf16": utf16, "csutf16": utf16, "ucs-2": utf16, "iso-10646-ucs-2": utf16, "unicode": utf16,
		"utf16be": utf16be, "utf-16be": utf16be, "utf16le": utf16le, "utf-16le": utf16le,
		"utf-32": utf32any, "utf32": utf32any, "csutf32": utf32any, "iso-10646-ucs-4": utf32any, "ucs-4": utf32any,
		"utf-32be": utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), "utf-32le": utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
		"gb2312": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030, "cp936": simplifiedchinese.GB18030,
		"ms936": simplifiedchinese.GB18030, "euc-cn": simplifiedchinese.GB18030, "cn-gb": simplifiedchinese.GB18030,
		"x-gbk": simplifiedchinese.GB18030, "gb_2312-80": simplifiedchinese.GB18030, "windows-936": simplifiedchinese.GB18030,
		"hz": simplifiedchinese.HZGB2312, "hz-gb-2312": simplifiedchinese.HZGB2312,
		"cp949": korean.EUCKR, "ms949": korean.EUCKR, "uhc": korean.EUCKR,
		"cp950": traditionalchinese.Big5, "big5hkscs": traditionalchinese.Big5, "x-windows-950": traditionalchinese.Big5,
		"cp932": japanese.ShiftJIS, "x-ms-cp932": japanese.ShiftJIS, "windows-932": japanese.ShiftJIS,
		"iso-2022-jp-1": japanese.ISO2022JP, "iso-2022-jp-2": japanese.ISO2022JP, "iso-2022-jp-ms": japanese.ISO2022JP,
		"cp50220": japanese.ISO2022JP, "cp50221": japanese.ISO2022JP, "eucjp": japanese.EUCJP, "euckr": korean.EUCKR,
		"x-mac-cyrillic": charmap.MacintoshCyrillic, "macroman": charmap.Macintosh, "cp10000": charmap.Macintosh,
		"ansi_x3.110-1983": charmap.Windows1252, "latin-1": charmap.Windows1252, "iso-8859-1-windows-3.1-latin-1": charmap.Windows1252,
		"win-1251": charmap.Windows1251, "windows1251": charmap.Windows1251, "win1251": charmap.Windows1251,
	}
	utf16    = unicode.UTF16(unicode.BigEndian, unicode.UseBOM) // RFC 2781 §4.3
	utf16be  = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	utf16le  = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf32any = utf32.UTF32(utf32.BigEndian, utf32.UseBOM)

	codings struct {
		sync.RWMutex
		known map[string]*coding // by label in lower case; labels that nobody knows are not kept
	}
)

// codingOf finds a charset by its label, nil if there is none such.
func codingOf(label []byte) *coding {
	label = trimSpace(label)
	if equalFold(label, "utf-8") || equalFold(label, "us-ascii") {
		return plainCoding
	}
	var lowered [64]byte
	if len(label) > len(lowered) {
		return nil
	}
	for i, c := range label {
		lowered[i] = lower(c)
	}
	key := lowered[:len(label)]
	codings.RLock()
	c := codings.known[string(key)]
	codings.RUnlock()
	if c != nil {
		return c
	}
	name := string(key)
	if c = makeCoding(name); c == nil {
		return nil
	}
	codings.Lock()
	if codings.known == nil {
		codings.known = make(map[string]*coding)
	}
	codings.known[name] = c
	codings.Unlock()
	return c
}

func makeCoding(name string) *coding {
	enc := findEncoding(name)
	switch name {
	case "ascii", "utf8", "x-utf_8j", "ansi_x3.4-1968", "iso646-us", "646", "utf8mb4", "utf_8":
		return plainCoding
	}
	if enc == nil {
		return nil
	}
	if enc == unicode.UTF8 {
		return plainCoding
	}
	c := &coding{enc: enc}
	if m, ok := enc.(*charmap.Charmap); ok {
		c.table = new([256]rune)
		for i := range c.table {
			c.table[i] = m.DecodeByte(byte(i))
		}
	}
	all := make([]byte, utf8.RuneSelf, utf8.RuneSelf+8)
	for i := range all {
		all[i] = byte(i)
	}
	all = append(all, "~{+AGE-"...) // what begins something else in HZ and in UTF-7
	got, err := enc.NewDecoder().Bytes(all)
	c.ascii = err == nil && string(got) == string(all)
	return c
}

// findEncoding asks the indices as browsers do first (WHATWG Encoding: what calls
// itself ISO 8859-1 is windows-1252), then IANA's.
func findEncoding(name string) encoding.Encoding {
	if enc := ownLabels[name]; enc != nil {
		return enc
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != nil && enc != encoding.Replacement && enc != charmap.XUserDefined {
		return enc
	}
	for _, x := range []*ianaindex.Index{ianaindex.MIME, ianaindex.IANA, ianaindex.MIB} {
		for _, n := range []string{name, "cs" + name} {
			if enc, err := x.Encoding(n); err == nil && enc != nil {
				return enc
			}
		}
	}
	// cp850, ibm-850, iso8859_15, iso_8859-15 and the like.
	if digits, ok := strings.CutPrefix(name, "ibm-"); ok {
		return findEncoding("ibm" + digits)
	}
	if strings.HasPrefix(name, "iso") && strings.Contains(name, "_") {
		return findEncoding(strings.ReplaceAll(strings.Replace(name, "iso_", "iso-", 1), "_", "-"))
	}
	return nil
}

// Charsets lists the charsets under the names that MIME prefers, in order.
func Charsets() []string {
	names := []string{"US-ASCII", "UTF-7", "UTF-32", "UTF-32BE", "UTF-32LE", "ISO-8859-6-E", "ISO-8859-6-I", "ISO-8859-8-E", "ISO-8859-8-I", "x-mac-cyrillic"}
	for _, list := range [][]encoding.Encoding{charmap.All, japanese.All, korean.All, simplifiedchinese.All, traditionalchinese.All, unicode.All} {
		for _, enc := range list {
			if name, err := ianaindex.MIME.Name(enc); err == nil && codingOf([]byte(name)) != nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CharsetReader reads a text in the charset of this label as UTF-8. What the
// charset has no character for becomes U+FFFD, or in UTF-8 and US-ASCII what it
// is in windows-1252.
func CharsetReader(label string, r io.Reader) (io.Reader, error) {
	c := codingOf([]byte(label))
	if c == nil {
		return nil, ErrUnknownCharset
	}
	if c.plain {
		return transform.NewReader(r, plainText{}), nil
	}
	return transform.NewReader(r, c.enc.NewDecoder()), nil
}

// plainText makes UTF-8 of what should be it.
type plainText struct{ transform.NopResetter }

// Transform copies characters; bytes that are none are windows-1252.
func (plainText) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r = windows1252(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}

// appendUTF8 appends b, which should be UTF-8, as UTF-8.
func appendUTF8(dst, b []byte) []byte {
	for {
		if utf8.Valid(b) {
			return append(dst, b...)
		}
		i := 0
		for {
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				break
			}
			i += n
		}
		dst = append(dst, b[:i]...)
		dst = utf8.AppendRune(dst, windows1252(b[i]))
		b = b[i+1:]
	}
}

// windows1252 is the character of a byte; the five that have none are controls.
func windows1252(c byte) rune {
	if c-0x80 < 0x20 {
		return windows1252High[c-0x80]
	}
	return rune(c)
}

var windows1252High = func() (t [32]rune) {
	for i := range t {
		if t[i] = charmap.Windows1252.DecodeByte(0x80 + byte(i)); t[i] == utf8.RuneError {
			t[i] = 0x80 + rune(i)
		}
	}
	return t
}()

// appendTable appends b, in a charset of single bytes, as UTF-8.
func appendTable(dst, b []byte, table *[256]rune) []byte {
	for _, c := range b {
		if r := table[c]; r < utf8.RuneSelf {
			dst = append(dst, byte(r))
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
