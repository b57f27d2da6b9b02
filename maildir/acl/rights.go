package acl

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
