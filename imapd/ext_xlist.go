package imapd

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// xlistNames are Google's words for the special uses, from before RFC 6154. \Archive had none.
var xlistNames = map[imap.MailboxAttr]imap.MailboxAttr{
	imap.MailboxAttrAll: `\AllMail`, imap.MailboxAttrFlagged: `\Starred`, imap.MailboxAttrImportant: `\Important`,
	imap.MailboxAttrSent: `\Sent`, imap.MailboxAttrDrafts: `\Drafts`, imap.MailboxAttrJunk: `\Spam`,
	imap.MailboxAttrTrash: `\Trash`,
}

// extXList is XLIST, which Outlook 2013 and 2016 and old Apple clients ask for: LIST with the older words,
// answered by lines of its own name.
var extXList = extension{
	after:    []imap.Cap{"XLIST"},
	commands: []command[*session]{{name: "XLIST", in: anyState, parse: parseXList}},
}

func parseXList(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	a := &listAction{verb: "XLIST", reference: d.Mailbox(), attributes: xlistAttributes}
	d.SP()
	a.patterns = []string{d.ListMailbox()}
	d.CRLF()
	return a, nil
}

func xlistAttributes(e *listed) []imap.MailboxAttr {
	if e.name == "INBOX" {
		return []imap.MailboxAttr{`\Inbox`}
	}
	var names []imap.MailboxAttr
	for _, use := range e.uses {
		if x, ok := xlistNames[use]; ok {
			names = append(names, x)
		}
	}
	return names
}
