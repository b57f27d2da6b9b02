package auth

import (
	"fmt"
	"strings"
)

// verifier is one secret of the password file: what it can check, and how much
// that costs.
type verifier struct {
	scheme string // as the manual page names it; safe to print
	raw    string // the secret as in the file: identity for the cache, never printed
	line   int
	cost   float64 // one check in milliseconds, by rule of thumb; queueing and the model go by it

	check func(password string) bool // serves PLAIN and LOGIN
	plain *string                    // {PLAIN}: serves every mechanism
	cram  *cramContexts              // {CRAM-MD5}
	scram *scramVerifier             // {SCRAM-SHA-1}, {SCRAM-SHA-256}
}

// queued is the cost in milliseconds from which a check waits for a worker.
const queued = 0.05

func (v *verifier) String() string { return v.scheme }

// kind is the scheme as a person calls it: what SetPassword writes has a name of its own.
func (v *verifier) kind() string {
	switch {
	case v.cram != nil:
		return "CRAM-MD5"
	case v.scram != nil:
		return v.scram.hash.name
	case strings.HasPrefix(v.raw, "$2"), strings.Contains(v.raw, "}$2"):
		return "bcrypt"
	}
	return v.scheme
}

// GoString keeps %#v from printing the secret.
func (v *verifier) GoString() string { return v.scheme }

// parseSecret identifies a secret, in this order: {SCHEME}, $id$, DES crypt's
// shape, anything else. The last two are refused: a hash that is not recognised
// must never become a password that works.
func parseSecret(secret string) (*verifier, error) {
	v, err := identify(secret)
	if err != nil {
		return nil, err
	}
	v.raw = secret
	return v, nil
}

func identify(secret string) (*verifier, error) {
	switch {
	case secret == "":
		return nil, fmt.Errorf("no secret after the user name; set one with maildir-imapctl passwd, or put # before the line")
	case secret[0] == '{':
		name, data, ok := strings.Cut(secret[1:], "}")
		if !ok {
			return nil, fmt.Errorf("secret begins with '{' but has no '}'; write {SCHEME}data")
		}
		return parseScheme(name, data)
	case secret[0] == '$':
		return parseCrypt(secret)
	case looksDES(secret):
		return nil, errDES
	case secret[0] == '!' || secret[0] == '*':
		return nil, fmt.Errorf("secret is locked by '%c'; put # before the line to keep the user out", secret[0])
	}
	return nil, fmt.Errorf("secret is in no known form; set it anew with maildir-imapctl passwd, or write {PLAIN} before it if it is the password itself")
}

var errDES = fmt.Errorf("DES crypt is not supported (it reads 8 characters and is broken); set the password anew with maildir-imapctl passwd")

// looksDES tells the 13 characters of DES crypt, and the 20 of its extended form.
func looksDES(s string) bool {
	if len(s) == 20 && s[0] == '_' {
		return isCrypt64(s[1:])
	}
	return len(s) == 13 && isCrypt64(s)
}

func isCrypt64(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '.' && c != '/' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
