package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extListStatus is RFC 5819.
var extListStatus = extension{
	after: []imap.Cap{imap.CapListStatus},
	listReturns: []listOption{{"STATUS", func(d *wire.Decoder, s *session, a *listAction) {
		d.SP()
		items := parseStatusItems(d, s.srv.index)
		a.tell(listDetail{"STATUS", func(ctx context.Context, s *session, w *responder, e *listed) error {
			return s.writeStatusOf(ctx, w, e.name, items)
		}})
	}}},
}
