package imapd

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extListStatus is RFC 5819.
var extListStatus = extension{
	after: []imap.Cap{imap.CapListStatus},
	listReturns: []listOption{{"STATUS", func(d *wire.Decoder, s *session, a *listAction) {
		d.SP()
		a.status = parseStatusItems(d, s.srv.index)
	}}},
}
