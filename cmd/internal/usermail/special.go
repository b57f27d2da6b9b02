package usermail

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/config"
)

// attributes are the special uses of RFC 6154 and RFC 8457 by the keys of [special].
var attributes = map[string]imap.MailboxAttr{
	"sent": imap.MailboxAttrSent, "drafts": imap.MailboxAttrDrafts, "junk": imap.MailboxAttrJunk,
	"trash": imap.MailboxAttrTrash, "archive": imap.MailboxAttrArchive, "all": imap.MailboxAttrAll,
	"flagged": imap.MailboxAttrFlagged, "important": imap.MailboxAttrImportant,
}

// chosenUses is specialUse where no use has more than one name, as by default: a login then looks at no folder.
func chosenUses(s *config.Special) (uses map[string]imap.MailboxAttr, certain bool) {
	for _, u := range s.Uses() {
		if len(u.Names) > 1 {
			return nil, false
		}
	}
	return specialUse(s, nil), true
}

// specialUse gives each use to one folder: the first of its names that exists, else the first, which gets it
// when a client creates it.
func specialUse(s *config.Special, exists func(string) (bool, error)) map[string]imap.MailboxAttr {
	uses := map[string]imap.MailboxAttr{}
	for _, u := range s.Uses() {
		if len(u.Names) == 0 {
			continue
		}
		chosen := u.Names[0]
		if len(u.Names) > 1 {
			for _, name := range u.Names {
				if ok, err := exists(name); err == nil && ok {
					chosen = name
					break
				}
			}
		}
		uses[chosen] = attributes[u.Use]
	}
	return uses
}
