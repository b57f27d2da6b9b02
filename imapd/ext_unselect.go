package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// extUnselect is RFC 3691.
var extUnselect = extension{
	after: []imap.Cap{imap.CapUnselect},
	commands: []command[*session]{{name: "UNSELECT", in: selected, does: opensMailbox,
		parse: noArgs(func(_ context.Context, s *session, _ *responder) error {
			s.deselect()
			return nil
		})}},
}
