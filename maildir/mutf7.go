package maildir

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Modified UTF-7, RFC 3501 §5.1.3, as file names of mailboxes have it. The
// decoder takes the one encoding that the rules allow and no other, so that
// two different directories never decode to the same name.

var errMUTF7 = errors.New("not modified UTF-7")

var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// encodeMUTF7 encodes valid UTF-8.
func encodeMUTF7(s string) string {
	if isPlainMUTF7(s) && strings.IndexByte(s, '&') < 0 {
		return s
	}
	var out []byte
	var units []byte // UTF-16, big endian
	flush := func() {
		if len(units) > 0 {
			out = append(out, '&')
			out = mutf7.AppendEncode(out, units)
			out = append(out, '-')
			units = units[:0]
		}
	}
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			flush()
			if out = append(out, byte(r)); r == '&' {
				out = append(out, '-')
			}
			continue
		}
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			units = append(units, byte(r1>>8), byte(r1), byte(r2>>8), byte(r2))
		} else {
			units = append(units, byte(r>>8), byte(r))
		}
	}
	flush()
	return string(out)
}

// isPlainMUTF7 tells whether s holds printable ASCII only.
func isPlainMUTF7(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// decodeMUTF7 decodes to UTF-8.
func decodeMUTF7(s string) (string, error) {
	if !isPlainMUTF7(s) {
		return "", errMUTF7
	}
	if strings.IndexByte(s, '&') < 0 {
		return s, nil
	}
	var out strings.Builder
	shifted := false // the last thing read was a base64 run, which no other may follow
	for s != "" {
		if s[0] != '&' {
			out.WriteByte(s[0])
			s, shifted = s[1:], false
			continue
		}
		run, rest, ok := strings.Cut(s[1:], "-")
		if !ok {
			return "", errMUTF7
		}
		s = rest
		if run == "" {
			out.WriteByte('&')
			shifted = false
			continue
		}
		if shifted {
			return "", errMUTF7
		}
		if err := decodeRun(&out, run); err != nil {
			return "", err
		}
		shifted = true
	}
	return out.String(), nil
}

func decodeRun(out *strings.Builder, run string) error {
	if strings.ContainsAny(run, "\r\n") {
		return errMUTF7 // the decoder would skip them
	}
	units, err := mutf7.DecodeString(run)
	if err != nil || len(units)%2 != 0 {
		return errMUTF7
	}
	for i := 0; i < len(units); i += 2 {
		r := rune(units[i])<<8 | rune(units[i+1])
		switch {
		case r >= ' ' && r <= '~':
			return errMUTF7 // must stand for itself
		case utf16.IsSurrogate(r):
			if i += 2; i >= len(units) {
				return errMUTF7
			}
			if r = utf16.DecodeRune(r, rune(units[i])<<8|rune(units[i+1])); r == utf8.RuneError {
				return errMUTF7
			}
		}
		out.WriteRune(r)
	}
	return nil
}
