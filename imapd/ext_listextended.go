package imapd

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extListExtended is RFC 5258, and RFC 3348 with it: children are always said.
var extListExtended = extension{
	after: []imap.Cap{imap.CapChildren, imap.CapListExtended},
	listSelects: []listOption{
		{"SUBSCRIBED", func(_ *wire.Decoder, _ *session, a *listAction) { a.onlySubscribed = true }},
		{"RECURSIVEMATCH", func(_ *wire.Decoder, _ *session, a *listAction) { a.recursive = true }},
		{"REMOTE", func(*wire.Decoder, *session, *listAction) {}}, // there are none
	},
	listReturns: []listOption{
		{"SUBSCRIBED", func(_ *wire.Decoder, _ *session, a *listAction) { a.returnSubscribed = true }},
		{"CHILDREN", func(*wire.Decoder, *session, *listAction) {}},
	},
}
