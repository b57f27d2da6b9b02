package maildir

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// SystemFlags are the flags that have a capital letter in a file name.
type SystemFlags uint8

// The letters are in the names' order, which is also the order of the bits:
// D F P R S T. Passed ($Forwarded) is a keyword to IMAP and a letter to Maildir.
const (
	Draft SystemFlags = 1 << iota
	Flagged
	Passed
	Answered
	Seen
	Deleted

	systemAll = 1<<iota - 1
)

const systemLetters = "DFPRST"

// Flags are all flags of a message: system flags, and one bit for each of the
// mailbox's keywords.
type Flags struct {
	System   SystemFlags
	Keywords uint64
}

var systemNames = [...]imap.Flag{imap.FlagDraft, imap.FlagFlagged, imap.FlagForwarded, imap.FlagAnswered, imap.FlagSeen, imap.FlagDeleted}

// SystemFlag finds the bit of a flag's name, in any case; 0 for a keyword.
// $Forwarded has one.
func SystemFlag(name imap.Flag) SystemFlags {
	for i, n := range systemNames {
		if strings.EqualFold(string(n), string(name)) {
			return 1 << i
		}
	}
	return 0
}

// AppendNames appends the names of the flags in f, $Forwarded among them.
func (f SystemFlags) AppendNames(dst []imap.Flag) []imap.Flag {
	for i, n := range systemNames {
		if f&(1<<i) != 0 {
			dst = append(dst, n)
		}
	}
	return dst
}

// letterFlag maps a letter of a file name's info to its flag, 0 if it has none.
func letterFlag(c byte) SystemFlags {
	if i := strings.IndexByte(systemLetters, c); i >= 0 {
		return 1 << i
	}
	return 0
}
