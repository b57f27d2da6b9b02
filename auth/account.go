package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// Account is what a password file says of one user, without the secrets.
type Account struct {
	User       User
	Lines      []int    // their numbers
	Kinds      []string // of the secrets in those lines: "bcrypt", "SCRAM-SHA-256", "{PLAIN}"
	Mechanisms []string // by which the user could log in, were all allowed; best first, without channel binding
	Never      bool     // nologin
	Nets       string   // allow_nets: where logins may come from; empty: anywhere
}

// Accounts lists the users, by name.
func (f *File) Accounts() []Account {
	all := make([]Account, 0, len(f.users))
	for _, a := range f.users {
		all = append(all, a.describe())
	}
	slices.SortFunc(all, func(a, b Account) int { return strings.Compare(a.User.Name, b.User.Name) })
	return all
}

// Account is what the file says of one user.
func (f *File) Account(name string) (Account, bool) {
	a := f.users[name]
	if a == nil {
		return Account{}, false
	}
	return a.describe(), true
}

func (a *account) describe() Account {
	d := Account{User: a.user, Never: a.from.never, Nets: a.user.Extra["allow_nets"]}
	for _, v := range a.verifiers {
		d.Lines = append(d.Lines, v.line)
		d.Kinds = append(d.Kinds, v.kind())
	}
	for _, m := range a.proofs("") {
		d.Mechanisms = append(d.Mechanisms, m.Mechanism)
	}
	return d
}

// Proof tells whether a password would do for one mechanism.
type Proof struct {
	Mechanism string
	OK        bool
}

// Prove tries a password against whatever each mechanism would use of a user's lines, which may hold different
// passwords. For a user who is not there it works as long on another's secret, and the error is ErrNoUser or why the name
// cannot be one. Where the user may come from and what the daemon allows is not looked at.
func (f *File) Prove(name, password string) ([]Proof, error) {
	a, err := f.lookup(name)
	if a == nil {
		tryAll(f.model, password)
		return nil, err
	}
	if len(password) > maxPassword || strings.ContainsRune(password, 0) { // as password refuses them
		password = ""
	}
	return a.proofs(password), nil
}

// proofs goes through the mechanisms that the user has something for, in the table's order. An empty password does for
// none and costs nothing.
func (a *account) proofs(password string) []Proof {
	var all []Proof
	add := func(mechanism string, check func() bool) {
		all = append(all, Proof{Mechanism: mechanism, OK: password != "" && check()})
	}
	for _, h := range []*scramHash{scramSHA256, scramSHA1} {
		stored, plain := a.forSCRAM(h)
		if stored != nil {
			add(h.name, func() bool { return stored.matches(prepare(password)) })
		} else if plain != nil {
			add(h.name, func() bool { return same(prepare(password), prepare(*plain)) })
		}
	}
	if c := a.forCRAM(); c != nil {
		add("CRAM-MD5", func() bool { return subtle.ConstantTimeCompare(newCRAM(password)[:], c[:]) == 1 })
	}
	add("PLAIN", func() bool { return tryAll(a.forPlain(), password) })
	all = append(all, Proof{Mechanism: "LOGIN", OK: all[len(all)-1].OK})
	return all
}

// tryAll tells whether the password is right for one of them.
func tryAll(all []*verifier, password string) bool {
	return slices.ContainsFunc(all, func(v *verifier) bool { return v.check(password) })
}

// same compares without telling by its time how much is alike.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
