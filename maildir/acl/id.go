package acl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/xdg-go/stringprep"
)

// Kind is what an identifier is about. The order is that of evaluation: later ones override.
type Kind uint8

// The kinds of identifiers.
const (
	Anyone Kind = iota
	Authenticated
	Group
	Owner
	User
	GroupOverride
)

// ID is an identifier: whom a line of a list is about. Name is empty but for Group, User and GroupOverride.
type ID struct {
	Kind Kind
	Name string
}

// words are the identifiers as files spell them; those that end with = have a name behind it.
var words = [...]string{
	Anyone: "anyone", Authenticated: "authenticated", Group: "group=", Owner: "owner", User: "user=", GroupOverride: "group-override=",
}

func (k Kind) named() bool { return k == Group || k == User || k == GroupOverride }

// ParseID reads an identifier as files and tools spell it, in quotes or not, without the dash of a negative line.
// It is stricter than files are: names are not empty and have no control characters.
func ParseID(s string) (ID, error) {
	text := s
	if strings.HasPrefix(s, `"`) {
		inner, rest, err := unquote(s)
		if err != nil || rest != "" {
			return ID{}, fmt.Errorf("identifier %s: the quote does not end where it should", s)
		}
		text = inner
	}
	id, ok := spelled(text)
	if !ok {
		return ID{}, fmt.Errorf("unknown identifier %q: anyone, authenticated, owner, user=NAME, group=NAME or group-override=NAME", s)
	}
	if err := id.check(); err != nil {
		return ID{}, fmt.Errorf("identifier %q: %w", s, err)
	}
	return id, nil
}

// spelled finds the kind of an identifier. Any name will do.
func spelled(s string) (ID, bool) {
	if s == "anonymous" { // Dovecot's and Courier's other word
		return ID{Kind: Anyone}, true
	}
	for k, word := range words {
		kind := Kind(k)
		if !kind.named() && s == word {
			return ID{Kind: kind}, true
		}
		if name, ok := strings.CutPrefix(s, word); ok && kind.named() {
			return ID{Kind: kind, Name: name}, true
		}
	}
	return ID{}, false
}

// check tells what a name may not be that comes from somebody who types it.
func (id ID) check() error {
	switch {
	case !id.Kind.named() && id.Name != "":
		return errors.New("it has no name")
	case id.Kind.named() && id.Name == "":
		return errors.New("the name is empty")
	case strings.ContainsFunc(id.Name, control):
		return errors.New("the name has a control character")
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// String is the identifier as a file spells it.
func (id ID) String() string { return string(id.append(nil, false)) }

// append writes the identifier, with a dash when it is negative, in quotes where the file needs them.
func (id ID) append(b []byte, negative bool) []byte {
	quoted := strings.ContainsAny(id.Name, " \t\r")
	if quoted {
		b = append(b, '"')
	}
	if negative {
		b = append(b, '-')
	}
	b = append(b, words[id.Kind]...)
	if !quoted {
		return append(b, id.Name...)
	}
	for _, c := range []byte(id.Name) {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// The protocol has the special identifiers bare and users by their names (RFC 4314 §2); groups are Dovecot's $NAME
// and !$NAME. A user called as one of these cannot be named there.
const (
	groupMark    = "$"
	overrideMark = "!$"
)

// ParseIMAPID reads an identifier of the protocol; a dash in front makes it negative (RFC 4314 §2). Names are
// prepared with SASLprep, as §3 has it, so that two spellings do not make two users.
func ParseIMAPID(s string) (id ID, negative bool, err error) {
	bare, negative := strings.CutPrefix(s, "-")
	switch {
	case bare == words[Anyone], bare == words[Authenticated], bare == words[Owner]:
		id, _ = spelled(bare)
		return id, negative, nil
	case strings.HasPrefix(bare, "#"):
		return ID{}, false, errors.New("the administrator's own entries are not set here")
	case strings.HasPrefix(bare, groupMark):
		id = ID{Kind: Group, Name: bare[len(groupMark):]}
	case strings.HasPrefix(bare, overrideMark):
		id = ID{Kind: GroupOverride, Name: bare[len(overrideMark):]}
	default:
		id = ID{Kind: User, Name: bare}
	}
	if id.Name, err = stringprep.SASLprep.Prepare(id.Name); err != nil {
		return ID{}, false, errors.New("the identifier has characters that no name has")
	}
	if err := id.check(); err != nil {
		return ID{}, false, err
	}
	return id, negative, nil
}

// IMAP is the identifier as the protocol spells it.
func (id ID) IMAP() string {
	switch id.Kind {
	case Group:
		return groupMark + id.Name
	case GroupOverride:
		return overrideMark + id.Name
	case User:
		return id.Name
	}
	return words[id.Kind]
}
