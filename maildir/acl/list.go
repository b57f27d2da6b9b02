package acl

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

// Entry is a line of a list.
type Entry struct {
	ID       ID
	Negative bool // takes Rights away
	Rights   Rights
	Named    []string // rights by name, which are other programs' own
	Line     int      // in the file, from 1; 0 when it comes from none
}

// List is one mailbox's access control list. It is not changed once it is made.
type List struct {
	Entries []Entry
	Union   bool // all lines that match add up, as in Courier's files
}
