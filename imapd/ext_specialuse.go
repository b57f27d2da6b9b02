package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// specialUses are the attributes of RFC 6154 and RFC 8457, by lower-case name.
var specialUses = func() map[string]imap.MailboxAttr {
	m := map[string]imap.MailboxAttr{}
	for _, a := range []imap.MailboxAttr{
		imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrFlagged,
		imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash, imap.MailboxAttrImportant,
	} {
		m[strings.ToLower(string(a))] = a
	}
	return m
}()

// extSpecialUse is RFC 6154: attributes in every LIST, and CREATE's USE parameter.
var extSpecialUse = extension{
	after: []imap.Cap{imap.CapSpecialUse, imap.CapCreateSpecialUse},
	listSelects: []listOption{
		{"SPECIAL-USE", func(_ *wire.Decoder, _ *session, a *listAction) { a.onlySpecial = true }},
	},
	listReturns: []listOption{{"SPECIAL-USE", func(*wire.Decoder, *session, *listAction) {}}},
	createParams: []createParam{{"USE", func(d *wire.Decoder, a *createAction) {
		d.SP()
		d.List(func() {
			name := string(d.Flag())
			use, ok := specialUses[strings.ToLower(name)]
			if !ok || use == imap.MailboxAttrAll || use == imap.MailboxAttrFlagged { // those are views, not mailboxes
				a.unknown = name
				return
			}
			a.use = append(a.use, use)
		})
	}}},
}
