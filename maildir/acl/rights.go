package acl

import (
	"fmt"
	"strings"
)

// Rights are RFC 4314's, one bit each.
type Rights uint16

// The rights, by their letters l r s w i p k x t e a (RFC 4314 §2.1).
const (
	RightLookup Rights = 1 << iota
	RightRead
	RightSeen
	RightWrite
	RightInsert
	RightPost
	RightCreate
	RightDeleteMailbox
	RightDeleteMessages
	RightExpunge
	RightAdmin

	RightsAll      Rights = 1<<iota - 1
	RightsReadOnly        = RightLookup | RightRead
)

const rightLetters = "lrswipkxtea"

// Has tells whether all of want are there.
func (r Rights) Has(want Rights) bool { return r&want == want }

func (r Rights) String() string {
	var b [len(rightLetters)]byte
	s := b[:0]
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			s = append(s, rightLetters[i])
		}
	}
	return string(s)
}

// The letters of RFC 2086 are for more than one right (RFC 4314 §2.1.1). Which ones is the server's choice, and these
// are Dovecot's.
const (
	rightsOfC = RightCreate | RightDeleteMailbox
	rightsOfD = RightDeleteMessages | RightExpunge
)

// ParseRights reads letters as the protocol has them, with c and d. Any other letter is an error (RFC 4314 §3.1).
func ParseRights(s string) (Rights, error) {
	var r Rights
	for _, c := range s {
		switch one := letter(c); {
		case one != 0:
			r |= one
		case c == 'c':
			r |= rightsOfC
		case c == 'd':
			r |= rightsOfD
		default:
			return 0, fmt.Errorf("unknown right %q", c)
		}
	}
	return r, nil
}

// letter is the right that a letter stands for, 0 for none.
func letter(c rune) Rights {
	if i := strings.IndexRune(rightLetters, c); i >= 0 {
		return 1 << i
	}
	return 0
}

// IMAP is the letters for the protocol: c and d follow where the client has some of what they are (§2.1.1).
func (r Rights) IMAP() string {
	s := r.String()
	if r&rightsOfC != 0 {
		s += "c"
	}
	if r&rightsOfD != 0 {
		s += "d"
	}
	return s
}

// names are Dovecot's words for the rights, in the order of the letters.
var names = [len(rightLetters)]string{"lookup", "read", "write-seen", "write", "insert", "post", "create", "delete", "write-deleted", "expunge", "admin"}

// named is the right that a word stands for, 0 for none.
func named(word string) Rights {
	for i, name := range names {
		if name == word {
			return 1 << i
		}
	}
	return 0
}
