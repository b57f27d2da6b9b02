package imapd

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// extAppendLimit is RFC 7889: one limit for all mailboxes.
var extAppendLimit = extension{
	valued: func(o *Options) imap.Cap { return imap.Cap(fmt.Sprintf("APPENDLIMIT=%d", o.Limits.Append)) },
	statusItems: []statusItem{{"APPENDLIMIT", func(_ context.Context, s *session, _ *maildir.Handle, _ maildir.Counts) (int64, error) {
		return s.srv.opts().Limits.Append, nil
	}}},
}
