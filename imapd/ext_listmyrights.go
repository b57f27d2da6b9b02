package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extListMyRights is RFC 8440: MYRIGHTS of each mailbox that LIST answers.
var extListMyRights = extension{
	after: []imap.Cap{imap.CapListMyRights},
	listReturns: []listOption{{"MYRIGHTS", func(_ *wire.Decoder, _ *session, a *listAction) {
		a.tell(listDetail{"MYRIGHTS", listMyRights})
	}}},
}

// listMyRights writes the rights that the listing came with, or asks. Where there are none to tell there is no line.
func listMyRights(ctx context.Context, s *session, w *responder, e *listed) error {
	r := e.rights
	if r == 0 {
		box, err := s.aclBox(e.name)
		if err != nil {
			return err
		}
		if r, err = box.tree.Rights(ctx, box.inner); err != nil {
			return err
		}
	}
	writeMyRights(w, e.name, r)
	return nil
}
