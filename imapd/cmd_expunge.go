package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// runExpunge is EXPUNGE (RFC 9051 §6.4.3). The EXPUNGE lines are written as the loop settles the command.
func runExpunge(ctx context.Context, s *session, _ *responder) error {
	if err := s.writable(); err != nil {
		return err
	}
	return s.expunge(ctx, nil)
}

func (s *session) expunge(ctx context.Context, uids imap.UIDSet) error {
	n, err := s.sel.Expunge(ctx, uids)
	s.count.expunged += int64(n)
	return err
}
