package auth

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Bounds on a password file. A line of the longest sensible kind is below 2 KiB.
const (
	maxFile = 64 << 20
	maxLine = 64 << 10
)

// File is a password file as read at one moment. It is immutable.
type File struct {
	users map[string]*account

	hasPlain bool // some user has {PLAIN}
	serves   map[string]bool
	model    []*verifier // those of the user whose check costs most: what unknown users are checked against
	shapes   map[*scramHash][]scramShape
	sum      [sha256.Size]byte
}

// account is all lines of one user.
type account struct {
	user      User
	verifiers []*verifier // as the lines stand
	byCost    []*verifier // the same, the cheapest first
	from      restriction
}

// User is who logged in, with the further fields of the file.
type User struct {
	Name      string
	Home      string
	UID, GID  string            // as written: numbers or names
	Extra     map[string]string // key=value fields after the shell
	Mechanism string            // "PLAIN", ..., or "LOGIN" also for the LOGIN command
	Anonymous bool              // did not say who it is: ANONYMOUS
}

// Sum is the SHA-256 of the bytes that were read: it tells whether another reading found the same.
func (f *File) Sum() [sha256.Size]byte { return f.sum }

// Users lists the users by name, without what a login says of them.
func (f *File) Users() []User {
	list := make([]User, 0, len(f.users))
	for _, a := range f.users {
		list = append(list, a.user)
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Len is the number of users.
func (f *File) Len() int { return len(f.users) }

// String keeps %v from walking into the secrets.
func (f *File) String() string { return fmt.Sprintf("password file of %d users", len(f.users)) }

// GoString is String, for %#v.
func (f *File) GoString() string { return f.String() }

// LoadFile reads a password file. The error joins one *LineError for every bad
// line; a file with any is not used at all.
func LoadFile(path string) (*File, error) {
	b, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, b)
}

// ReadFile reads a password file's bytes.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold the daemon up
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("password file %s: is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("password file %s: is larger than %d MiB; name another file", path, maxFile>>20)
	}
	return b, nil
}

// Parse reads a password file's content; name stands before the line numbers of
// its errors.
func Parse(name string, content []byte) (*File, error) {
	f, bad := ParseGood(name, content)
	if len(bad) > 0 {
		errs := make([]error, len(bad))
		for i, e := range bad {
			errs[i] = e
		}
		return nil, errors.Join(errs...)
	}
	return f, nil
}

// ParseGood is Parse for a tool that shows what there is: lines that a daemon would refuse the file for are passed over
// and returned.
func ParseGood(name string, content []byte) (*File, []*LineError) {
	f := &File{users: make(map[string]*account), serves: make(map[string]bool), shapes: make(map[*scramHash][]scramShape)}
	var bad []*LineError
	number := 0
	for line := range bytes.Lines(content) {
		number++
		e, err := parseLine(line)
		if err != nil {
			bad = append(bad, &LineError{Path: name, Line: number, User: lineUser(line), Msg: err.Error()})
			continue
		}
		if e == nil {
			continue
		}
		e.verifier.line = number
		f.add(e)
	}
	f.index()
	f.sum = sha256.Sum256(content)
	return f, bad
}

// entry is one line that names a user.
type entry struct {
	user     User
	verifier *verifier
}

// parseLine reads one line; comments and blank lines give nil.
func parseLine(raw []byte) (*entry, error) {
	if len(raw) > maxLine {
		return nil, fmt.Errorf("line is longer than %d KiB; is this a password file?", maxLine>>10)
	}
	line := trimEOL(string(raw))
	if isComment(line) {
		return nil, nil
	}
	if strings.HasPrefix(line, "\ufeff") {
		return nil, errors.New("file begins with a byte order mark; save it as UTF-8 without one")
	}
	if strings.ContainsRune(line, 0) {
		return nil, errors.New("line contains a NUL byte; the file is damaged, restore the line")
	}
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return nil, errors.New("line has no ':'; write user:secret, or put # before it")
	}
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("%w; use another name", err)
	}
	if strings.TrimSpace(name) != name {
		return nil, errors.New("user name has blanks around it; remove them")
	}
	fields := strings.SplitN(rest, ":", 7)
	v, err := parseSecret(fields[0])
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	e := &entry{verifier: v, user: User{Name: name}}
	e.user.fill(fields[1:])
	if _, err := newRestriction(e.user.Extra); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if _, err := ParseQuota(e.user.Extra); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if _, err := ParseUserGroups(e.user.Extra); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	// A password with ':' would be cut there without a word. What follows it is
	// seldom a number, and a uid that matters to anyone is.
	if v.plain != nil && e.user.UID != "" && !isNumber(e.user.UID) {
		return nil, fmt.Errorf("user %q: what follows the password is no uid; if the password contains ':', write it as {PLAIN.b64} in base64", name)
	}
	return e, nil
}

// fill takes uid, gid, gecos, home, shell and the extra fields (FORMATS: Dovecot's
// passwd-file). htpasswd's readers ignore everything after the second colon.
func (u *User) fill(fields []string) {
	at := func(i int) string {
		if i < len(fields) {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	u.UID, u.GID, u.Home = at(0), at(1), at(3)
	for _, kv := range strings.Fields(at(5)) {
		k, v, _ := strings.Cut(kv, "=")
		if u.Extra == nil {
			u.Extra = make(map[string]string)
		}
		u.Extra[k] = v
	}
}

func trimEOL(line string) string {
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return line == "" || line[0] == '#'
}

// add joins a line to the earlier ones of its user: verifiers in order, and for
// every other field the first line that has it.
func (f *File) add(e *entry) {
	a := f.users[e.user.Name]
	if a == nil {
		f.users[e.user.Name] = &account{user: e.user, verifiers: []*verifier{e.verifier}}
		return
	}
	a.verifiers = append(a.verifiers, e.verifier)
	first := func(dst *string, src string) {
		if *dst == "" {
			*dst = src
		}
	}
	first(&a.user.UID, e.user.UID)
	first(&a.user.GID, e.user.GID)
	first(&a.user.Home, e.user.Home)
	for k, v := range e.user.Extra {
		if _, ok := a.user.Extra[k]; ok {
			continue
		}
		if a.user.Extra == nil {
			a.user.Extra = make(map[string]string)
		}
		a.user.Extra[k] = v
	}
}

func totalCost(all []*verifier) (sum float64) {
	for _, v := range all {
		sum += v.cost
	}
	return sum
}

// index computes once what the file as a whole can serve.
func (f *File) index() {
	seen := make(map[*scramHash]map[scramShape]bool)
	note := func(h *scramHash, s scramShape) {
		if seen[h] == nil {
			seen[h] = make(map[scramShape]bool)
		}
		if !seen[h][s] {
			seen[h][s] = true
			f.shapes[h] = append(f.shapes[h], s)
		}
	}
	for _, a := range f.users {
		a.from, _ = newRestriction(a.user.Extra) // each line's was good
		a.byCost = slices.SortedStableFunc(slices.Values(a.verifiers), func(v, w *verifier) int { return cmp.Compare(v.cost, w.cost) })
		if totalCost(a.byCost) > totalCost(f.model) {
			f.model = a.byCost
		}
		for _, v := range a.verifiers {
			if v.plain != nil {
				f.hasPlain = true
			}
			if v.cram != nil || v.plain != nil {
				f.serves["CRAM-MD5"] = true
			}
			if v.scram != nil {
				f.serves[v.scram.hash.name] = true
				note(v.scram.hash, scramShape{v.scram.iterations, len(v.scram.salt)})
			}
		}
	}
	for _, h := range []*scramHash{scramSHA1, scramSHA256} {
		if f.hasPlain {
			f.serves[h.name] = true
			note(h, scramShape{scramPlain, scramSaltLen})
		}
		// The order of a map must not decide which shape a fake exchange shows.
		slices.SortFunc(f.shapes[h], func(a, b scramShape) int {
			if a.iterations != b.iterations {
				return a.iterations - b.iterations
			}
			return a.saltLen - b.saltLen
		})
	}
}

// forPlain are the verifiers of PLAIN and LOGIN: those of all lines, as every kind can check a password that is given,
// the cheapest first. A password that SetPassword has set so costs the check of its SCRAM line: some milliseconds, where
// bcrypt takes fifty, and after a restart everybody comes at once.
func (a *account) forPlain() []*verifier { return a.byCost }

// forCRAM is the first verifier that CRAM-MD5 can use.
func (a *account) forCRAM() *cramContexts {
	for _, v := range a.verifiers {
		if v.cram != nil {
			return v.cram
		}
		if v.plain != nil {
			return newCRAM(*v.plain)
		}
	}
	return nil
}

// forSCRAM is the first verifier that SCRAM with h can use: either a stored one or a
// password to derive one from.
func (a *account) forSCRAM(h *scramHash) (stored *scramVerifier, password *string) {
	for _, v := range a.verifiers {
		if v.scram != nil && v.scram.hash == h {
			return v.scram, nil
		}
		if v.plain != nil {
			return nil, v.plain
		}
	}
	return nil, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}
