package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extUIDPlus is RFC 4315: UID EXPUNGE; APPENDUID and COPYUID are the core's.
var extUIDPlus = extension{
	after:    []imap.Cap{imap.CapUIDPlus},
	commands: []command[*session]{{name: "UID EXPUNGE", in: selected, parse: parseUIDExpunge}},
}

func parseUIDExpunge(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	set := numSet(d, true)
	d.CRLF()
	return actionFunc[*session](func(ctx context.Context, s *session, _ *responder) error {
		if err := s.writable(); err != nil {
			return err
		}
		uids, err := s.uids(set)
		if err != nil || len(uids) == 0 {
			return err
		}
		return s.expunge(ctx, uids)
	}), nil
}
