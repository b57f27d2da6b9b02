package wire

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Modified UTF-7 (RFC 3501 §5.1.3): printable ASCII stands for itself, "&" is
// "&-", everything else is UTF-16 in base64, with "," for "/" and no padding,
// between "&" and "-". Each string has exactly one encoding and the decoder
// takes no other, or one mailbox would have several names.

var (
	errMUTF7Byte      = errors.New("a character that must be encoded is not")
	errMUTF7Shift     = errors.New(`"&" is not followed by an encoded character and "-" (a plain "&" is written "&-")`)
	errMUTF7Bits      = errors.New("incomplete encoded character")
	errMUTF7Surrogate = errors.New("unpaired surrogate")
	errMUTF7ASCII     = errors.New("an ASCII character is encoded that must not be")
	errMUTF7Adjacent  = errors.New(`two encoded sequences without a character between them`)
)

const mutf7Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,"

var mutf7Values = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range len(mutf7Alphabet) {
		t[mutf7Alphabet[i]] = int8(i)
	}
	return t
}()

func mutf7Direct(c byte) bool { return ' ' <= c && c <= '~' }

// EncodeMUTF7 returns a UTF-8 name in modified UTF-7. Bytes that are not UTF-8
// become U+FFFD.
func EncodeMUTF7(s string) string {
	if mutf7Plain(s) {
		return s
	}
	return string(appendMUTF7(make([]byte, 0, len(s)+16), s))
}

// mutf7Plain reports whether s is its own encoding.
func mutf7Plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if !mutf7Direct(s[i]) || s[i] == '&' {
			return false
		}
	}
	return true
}

func appendMUTF7(b []byte, s string) []byte {
	var bits uint32 // not yet written
	var n uint      // how many
	shifted := false
	put := func(unit uint16) {
		bits, n = bits<<16|uint32(unit), n+16
		for ; n >= 6; n -= 6 {
			b = append(b, mutf7Alphabet[bits>>(n-6)&63])
		}
	}
	unshift := func() {
		if !shifted {
			return
		}
		if n > 0 {
			b = append(b, mutf7Alphabet[bits<<(6-n)&63])
		}
		b = append(b, '-')
		bits, n, shifted = 0, 0, false
	}
	for _, r := range s {
		if r < utf8.RuneSelf && mutf7Direct(byte(r)) {
			unshift()
			b = append(b, byte(r))
			if r == '&' {
				b = append(b, '-')
			}
			continue
		}
		if !shifted {
			b, shifted = append(b, '&'), true
		}
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			put(uint16(r1))
			put(uint16(r2))
		} else {
			put(uint16(r))
		}
	}
	unshift()
	return b
}

// DecodeMUTF7 returns the UTF-8 of a name in modified UTF-7, or an error whose
// text may be sent to the client.
func DecodeMUTF7(s string) (string, error) {
	if mutf7Plain(s) {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c := s[i]
		if !mutf7Direct(c) {
			return "", errMUTF7Byte
		}
		i++
		if c != '&' {
			b = append(b, c)
			continue
		}
		end := strings.IndexByte(s[i:], '-')
		if end < 0 {
			return "", errMUTF7Shift
		}
		if end == 0 {
			b = append(b, '&')
			i++
			continue
		}
		var err error
		if b, err = appendUTF16(b, s[i:i+end]); err != nil {
			return "", err
		}
		i += end + 1
		if strings.HasPrefix(s[i:], "&") && !strings.HasPrefix(s[i:], "&-") {
			return "", errMUTF7Adjacent
		}
	}
	return string(b), nil
}

// appendUTF16 decodes one base64 run.
func appendUTF16(b []byte, s string) ([]byte, error) {
	var bits uint32
	var n uint
	var high rune // a high surrogate that waits for its low one
	for i := 0; i < len(s); i++ {
		v := mutf7Values[s[i]]
		if v < 0 {
			return nil, errMUTF7Shift
		}
		bits, n = bits<<6|uint32(v), n+6
		if n < 16 {
			continue
		}
		n -= 16
		r := rune(bits >> n & 0xffff)
		switch {
		case high != 0:
			if r = utf16.DecodeRune(high, r); r == utf8.RuneError {
				return nil, errMUTF7Surrogate
			}
			high = 0
		case 0xd800 <= r && r < 0xdc00:
			high = r
			continue
		case 0xdc00 <= r && r < 0xe000:
			return nil, errMUTF7Surrogate
		case r < utf8.RuneSelf && mutf7Direct(byte(r)):
			return nil, errMUTF7ASCII
		}
		b = utf8.AppendRune(b, r)
	}
	if high != 0 {
		return nil, errMUTF7Surrogate
	}
	if n >= 6 || bits&(1<<n-1) != 0 {
		return nil, errMUTF7Bits
	}
	return b, nil
}
