package auth

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// scheme is one {SCHEME} of the file.
type scheme struct {
	encoding string // of the data when the name has no suffix: "", "base64" or "hex"
	size     int    // bytes of the decoded data; 0 when it varies
	parse    func(name, data string) (*verifier, error)
}

// schemes is keyed by upper-cased name. Aliases are Dovecot's.
var schemes = map[string]scheme{
	"PLAIN":         {parse: parsePlain},
	"CLEAR":         {parse: parsePlain},
	"CLEARTEXT":     {parse: parsePlain},
	"CRAM-MD5":      {encoding: "hex", parse: parseCRAM},
	"HMAC-MD5":      {encoding: "hex", parse: parseCRAM},
	"SCRAM-SHA-1":   {parse: parseSCRAM},
	"SCRAM-SHA-256": {parse: parseSCRAM},
	"SHA":           digest(sha1.New, false),
	"SHA1":          digest(sha1.New, false),
	"SHA256":        digest(sha256.New, false),
	"SHA512":        digest(sha512.New, false),
	"SSHA":          digest(sha1.New, true),
	"SSHA256":       digest(sha256.New, true),
	"SSHA512":       digest(sha512.New, true),
	"CRYPT":         crypts(),
	"BLF-CRYPT":     crypts("$2a$", "$2b$", "$2y$"),
	"MD5-CRYPT":     crypts("$1$"),
	"SHA256-CRYPT":  crypts("$5$"),
	"SHA512-CRYPT":  crypts("$6$"),
	"ARGON2":        crypts("$argon2id$", "$argon2i$"),
	"ARGON2I":       crypts("$argon2i$"),
	"ARGON2ID":      crypts("$argon2id$"),
}

// parseScheme reads {name}data. The name may carry the encoding of the data:
// .b64, .base64 or .hex.
func parseScheme(name, data string) (*verifier, error) {
	base, enc, suffixed := strings.Cut(strings.ToUpper(name), ".")
	if base == "DES-CRYPT" {
		return nil, errDES
	}
	s, ok := schemes[base]
	if !ok {
		return nil, fmt.Errorf("scheme {%s} is not supported; set the password anew with maildir-imapctl passwd", printable(name))
	}
	if !suffixed {
		enc = s.encoding
		// Dovecot takes the hex form of a fixed-length digest without being told.
		if s.size > 0 && len(data) == 2*s.size {
			enc = "hex"
		}
	}
	decoded, err := decode(enc, data)
	if err != nil {
		return nil, fmt.Errorf("{%s} %w", base, err)
	}
	if decoded == "" {
		return nil, fmt.Errorf("{%s} is followed by nothing; a user without a password cannot log in: put # before the line", base)
	}
	v, err := s.parse(base, decoded)
	if err != nil {
		return nil, fmt.Errorf("{%s} %w", base, err)
	}
	v.scheme = "{" + base + "}"
	return v, nil
}

// printable is a scheme's name for a message. Whoever forgot the form may have put
// the password there, so only names known to be in use elsewhere are shown.
func printable(name string) string {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if slices.Contains(foreign, base) {
		return base
	}
	return "..."
}

// foreign is the schemes and $id$s in use elsewhere that are refused here.
var foreign = []string{
	"MD5", "SMD5", "LDAP-MD5", "PLAIN-MD5", "PLAIN-MD4", "PLAIN-TRUNC", "PBKDF2", "DIGEST-MD5", "OTP", "SKEY",
	"RPA", "NTLM", "LANMAN", "LM", "NT", "ARGON2D", "SCRAM-SHA-512", "SCRYPT",
	"2", "2X", "3", "8", "9", "GY", "SHA1", "PBKDF2-SHA256", "PBKDF2-SHA512",
}

func decode(encoding, data string) (string, error) {
	var b []byte
	var err error
	switch strings.ToLower(encoding) {
	case "":
		return data, nil
	case "b64", "base64":
		// Dovecot writes padding and htpasswd does too; some generators do not.
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(data, "="))
		if err != nil {
			return "", fmt.Errorf("is not followed by base64; the line may have been cut")
		}
	case "hex":
		b, err = hex.DecodeString(data)
		if err != nil {
			return "", fmt.Errorf("is not followed by hexadecimal digits; the line may have been cut")
		}
	default:
		return "", fmt.Errorf("has an unknown encoding suffix; use .b64 or .hex")
	}
	return string(b), nil
}

// parsePlain keeps the password itself. It is compared by digest, so that the time
// does not tell its length.
func parsePlain(_, password string) (*verifier, error) {
	if strings.ContainsRune(password, 0) || len(password) > maxPassword {
		return nil, fmt.Errorf("holds a password no client can send (NUL, or more than %d bytes)", maxPassword)
	}
	want := sha256.Sum256([]byte(password))
	return &verifier{
		cost:  0.001,
		plain: &password,
		check: func(given string) bool {
			got := sha256.Sum256([]byte(given))
			return subtle.ConstantTimeCompare(got[:], want[:]) == 1
		},
	}, nil
}

// digest is the family {SHA}, {SSHA} and so on: base64(hash(password, salt), salt).
func digest(newHash func() hash.Hash, salted bool) scheme {
	size := newHash().Size()
	s := scheme{encoding: "base64", size: size}
	if salted {
		s.size = 0
	}
	s.parse = func(_, data string) (*verifier, error) {
		if len(data) < size || (!salted && len(data) != size) {
			return nil, fmt.Errorf("is followed by %d bytes instead of %d; the line may have been cut", len(data), size)
		}
		want, salt := []byte(data[:size]), data[size:]
		return &verifier{cost: 0.002, check: func(given string) bool {
			h := newHash()
			h.Write([]byte(given))
			h.Write([]byte(salt))
			return subtle.ConstantTimeCompare(h.Sum(nil), want) == 1
		}}, nil
	}
	return s
}

// crypts is a scheme whose data is a $id$ hash with one of the given prefixes; none
// given allows all of them.
func crypts(prefixes ...string) scheme {
	return scheme{parse: func(_, data string) (*verifier, error) {
		if len(prefixes) == 0 {
			if looksDES(data) {
				return nil, errDES
			}
			return parseCrypt(data)
		}
		for _, p := range prefixes {
			if strings.HasPrefix(data, p) {
				return parseCrypt(data)
			}
		}
		return nil, fmt.Errorf("must be followed by %s", strings.Join(prefixes, " or "))
	}}
}
