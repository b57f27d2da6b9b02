package auth

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/stringprep"
	"golang.org/x/crypto/bcrypt"
)

// bcryptCost is what a new bcrypt line costs: some 50 ms once per five minutes
// and client. Tests lower it.
var bcryptCost = 10

// Edit is what SetPassword and Remove did, for the tool to tell.
type Edit struct {
	Created bool     // the user had no line
	Written []string // kinds of the lines now there
	Dropped []string // kinds of lines that held the old password and could not be kept
}

// CheckPassword reports why a password cannot be set, nil when it can. The bounds are
// bcrypt's 72 bytes and what SASLprep allows, so that every mechanism takes the
// same passwords.
func CheckPassword(password string) error {
	if password == "" {
		return errors.New("password is empty")
	}
	if len(password) > 72 {
		return errors.New("password is longer than 72 bytes, of which bcrypt reads no more; choose a shorter one")
	}
	if strings.ContainsAny(password, "\x00\r\n") {
		return errors.New("password contains a line end or a NUL byte")
	}
	if _, err := stringprep.SASLprep.Prepare(password); err != nil {
		return errors.New("password contains characters that SASL does not allow (RFC 4013), such as control characters or invalid UTF-8")
	}
	return nil
}

// SetPassword returns a password file's content with new verifiers for one user: bcrypt and
// SCRAM-SHA-256, and CRAM-MD5 with cram or where the user has it already. The user's
// other lines are replaced or dropped, as they would still let the old password in;
// every other byte is kept.
func SetPassword(content []byte, name, password string, cram bool) ([]byte, Edit, error) {
	var edit Edit
	if err := checkWritable(name); err != nil {
		return nil, edit, err
	}
	if err := CheckPassword(password); err != nil {
		return nil, edit, err
	}
	kinds := []string{"bcrypt", "SCRAM-SHA-256"}
	lines := splitLines(content)
	var own []int
	for i, l := range lines {
		if lineUser(l) != name {
			continue
		}
		own = append(own, i)
		switch kind := lineKind(l); kind {
		case "CRAM-MD5":
			cram = true
		case "SCRAM-SHA-1":
			kinds = append(kinds, kind)
		}
	}
	edit.Created = len(own) == 0
	if cram {
		kinds = append(kinds, "CRAM-MD5")
	}
	secrets, err := makeSecrets(kinds, password)
	if err != nil {
		return nil, edit, err
	}
	edit.place(lines, own, kinds, secrets)
	last := len(lines) - 1
	if len(own) > 0 {
		last = own[len(own)-1]
	}
	lines = edit.append(lines, last, name, kinds, secrets)
	return bytes.Join(lines, nil), edit, nil
}

// checkWritable refuses names that a line cannot have.
func checkWritable(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if strings.TrimSpace(name) != name || strings.ContainsAny(name, ":") || name[0] == '#' {
		return fmt.Errorf("%w: it has blanks around it, a ':' in it or '#' before it", ErrBadName)
	}
	return nil
}

// place puts new secrets into the user's lines that can take them: each kind into the
// first line of its own, bcrypt else into one of another kind. Lines that are left hold an
// old password and go, unless they have further fields: these get a secret that has
// no line yet, or bcrypt once more. Placed secrets leave the map.
func (e *Edit) place(lines [][]byte, own []int, kinds []string, secrets map[string]string) {
	bcryptSecret := secrets["bcrypt"]
	put := func(i int, kind string) {
		lines[i] = replaceSecret(lines[i], secrets[kind])
		e.Written = append(e.Written, kind)
		delete(secrets, kind)
	}
	var homeless []int
	for _, i := range own {
		if kind := lineKind(lines[i]); secrets[kind] != "" {
			put(i, kind)
		} else {
			homeless = append(homeless, i)
			if kind != "" {
				e.Dropped = append(e.Dropped, kind)
			}
		}
	}
	for _, i := range homeless {
		hasFields := bytes.Count(lines[i], []byte(":")) > 1
		free := slices.IndexFunc(kinds, func(kind string) bool { return secrets[kind] != "" })
		switch {
		case secrets["bcrypt"] != "":
			put(i, "bcrypt")
		case hasFields && free >= 0:
			put(i, kinds[free])
		case hasFields:
			lines[i] = replaceSecret(lines[i], bcryptSecret)
		default:
			lines[i] = nil
		}
	}
}

// append adds the secrets still in the map as lines of their own after line i, with the
// line end used there.
func (e *Edit) append(lines [][]byte, i int, name string, kinds []string, secrets map[string]string) [][]byte {
	eol := "\n"
	for j := i; j >= 0; j-- {
		if bytes.HasSuffix(lines[j], []byte("\n")) {
			if bytes.HasSuffix(lines[j], []byte("\r\n")) {
				eol = "\r\n"
			}
			break
		}
	}
	var added []byte
	for _, kind := range kinds {
		if secret := secrets[kind]; secret != "" {
			added = append(added, name+":"+secret+eol...)
			e.Written = append(e.Written, kind)
		}
	}
	if len(added) == 0 {
		return lines
	}
	if i >= 0 && len(lines[i]) > 0 && !bytes.HasSuffix(lines[i], []byte("\n")) {
		added = append([]byte(eol), added...)
	}
	out := append([][]byte(nil), lines[:i+1]...)
	out = append(out, added)
	return append(out, lines[i+1:]...)
}

// Remove returns a password file's content without the lines of one user, and their
// number.
func Remove(content []byte, name string) ([]byte, int) {
	lines := splitLines(content)
	n := 0
	for i, l := range lines {
		if lineUser(l) == name {
			lines[i] = nil
			n++
		}
	}
	return bytes.Join(lines, nil), n
}

func splitLines(content []byte) [][]byte {
	var lines [][]byte
	for l := range bytes.Lines(content) {
		lines = append(lines, l)
	}
	return lines
}

// lineUser is the name that a line is about, also where the rest of it is wrong.
func lineUser(line []byte) string {
	s := trimEOL(string(line))
	if isComment(s) {
		return ""
	}
	name, _, ok := strings.Cut(s, ":")
	if !ok {
		return ""
	}
	return name
}

// lineKind is the kind of secret a line has, "unknown" for what cannot be used.
func lineKind(line []byte) string {
	_, rest, _ := strings.Cut(trimEOL(string(line)), ":")
	secret, _, _ := strings.Cut(rest, ":")
	v, err := parseSecret(secret)
	switch {
	case secret == "":
		return "" // nothing that could be lost
	case err != nil:
		return "unknown"
	}
	return v.kind()
}

// replaceSecret exchanges the second field and keeps all else.
func replaceSecret(line []byte, secret string) []byte {
	start := bytes.IndexByte(line, ':') + 1
	end := len(trimEOL(string(line)))
	if i := bytes.IndexByte(line[start:end], ':'); i >= 0 {
		end = start + i
	}
	out := append([]byte(nil), line[:start]...)
	out = append(out, secret...)
	return append(out, line[end:]...)
}

// makeSecrets makes a fresh verifier of each kind.
func makeSecrets(kinds []string, password string) (map[string]string, error) {
	secrets := make(map[string]string)
	for _, kind := range kinds {
		switch kind {
		case "bcrypt":
			b, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
			if err != nil {
				return nil, fmt.Errorf("bcrypt: %w", err)
			}
			// Apache's and Dovecot's name for what Go calls 2a; the hash is the same.
			secrets[kind] = "$2y$" + strings.TrimPrefix(string(b), "$2a$")
		case "CRAM-MD5":
			secrets[kind] = "{CRAM-MD5}" + newCRAM(password).hex()
		case "SCRAM-SHA-1", "SCRAM-SHA-256":
			h := scramSHA256
			if kind == scramSHA1.name {
				h = scramSHA1
			}
			var salt [scramSaltLen]byte
			rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
			v, err := deriveSCRAM(h, prepare(password), string(salt[:]), scramIterations)
			if err != nil {
				return nil, err
			}
			secrets[kind] = "{" + kind + "}" + v.data()
		}
	}
	return secrets, nil
}
