package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// selection is the selected mailbox of a session.
type selection struct {
	*maildir.Handle
	name     string      // as the client knows it
	examined bool        // opened by EXAMINE: nothing is changed, whatever the rights
	mark     readMark    // of the window that was fetched last
	decoded  decodeMark  // of the BINARY window that was fetched last
	saved    savedSet    // what "$" stands for (RFC 5182)
	keywords []imap.Flag // as the last FLAGS response told them; the index is the bit
}

// A flag that has a bit, and the bit. $Forwarded is among them: a letter on disk, a keyword to IMAP.
type systemFlag struct {
	bit  maildir.SystemFlags
	name imap.Flag
}

// systemFlags are in the order of RFC 9051 §2.3.2.
var systemFlags = []systemFlag{
	{maildir.Answered, imap.FlagAnswered}, {maildir.Flagged, imap.FlagFlagged}, {maildir.Deleted, imap.FlagDeleted},
	{maildir.Seen, imap.FlagSeen}, {maildir.Draft, imap.FlagDraft}, {maildir.Passed, imap.FlagForwarded},
}

// keywordsGrew looks for keywords that the client has not been told of.
func (sel *selection) keywordsGrew() bool {
	now := sel.Handle.Keywords()
	for i, k := range now {
		if k != "" && (i >= len(sel.keywords) || sel.keywords[i] != k) {
			return true
		}
	}
	return false
}

// keywordBit finds the bit of a keyword, 0 when the mailbox has none of that name.
func (sel *selection) keywordBit(name imap.Flag) uint64 {
	for i, k := range sel.Handle.Keywords() {
		if k != "" && strings.EqualFold(string(k), string(name)) {
			return 1 << i
		}
	}
	return 0
}

// writeFlags is the FLAGS response and PERMANENTFLAGS (RFC 9051 §7.3.5, §7.1). The latter are those that the user
// has the right to change (RFC 4314 §5.1.1).
func (s *session) writeFlags(w *responder) {
	s.sel.keywords = s.sel.Handle.Keywords()
	flags := make([]imap.Flag, 0, len(systemFlags)+len(s.sel.keywords)+1)
	for _, f := range systemFlags {
		flags = append(flags, f.name)
	}
	for _, k := range s.sel.keywords {
		if k != "" && maildir.SystemFlag(k) == 0 {
			flags = append(flags, k)
		}
	}
	w.untagged().Raw("FLAGS ")
	w.flagList(flags)
	w.CRLF()
	w.untagged().Raw("OK [PERMANENTFLAGS ")
	if flags = s.sel.changeable(flags); len(flags) == 0 {
		w.Raw("()] No flag can be changed")
	} else {
		w.flagList(flags)
		w.Raw("] Flags that last")
	}
	w.CRLF()
}

// changeable is what is left of flags without those that the user may not change, and "\*" where keywords may be added.
func (sel *selection) changeable(flags []imap.Flag) []imap.Flag {
	seen, trash, others := sel.May(maildir.DeedSeen) == nil, sel.May(maildir.DeedTrash) == nil, sel.May(maildir.DeedFlag) == nil
	flags = slices.DeleteFunc(flags, func(f imap.Flag) bool {
		switch f {
		case imap.FlagSeen:
			return !seen
		case imap.FlagDeleted:
			return !trash
		}
		return !others
	})
	if sel.CanAddKeywords() {
		flags = append(flags, imap.FlagWildcard)
	}
	return flags
}

// writeMessageFlags writes the flags of one message without allocating.
func (s *session) writeMessageFlags(w *responder, m *maildir.Message) {
	w.Special('(')
	sep := false
	for _, f := range systemFlags {
		if m.Flags.System&f.bit != 0 {
			spaced(w, &sep).Raw(string(f.name))
		}
	}
	if m.Recent {
		spaced(w, &sep).Raw(`\Recent`)
	}
	for i, name := range s.sel.keywords {
		// $Forwarded may be kept as a letter of its own, as a keyword, or both.
		if m.Flags.Keywords&(1<<i) != 0 && name != "" && m.Flags.System&maildir.SystemFlag(name) == 0 {
			spaced(w, &sep).Flag(name)
		}
	}
	w.Special(')')
}
