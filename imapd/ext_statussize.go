package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// extStatusSize is RFC 8438.
var extStatusSize = extension{
	after: []imap.Cap{imap.CapStatusSize},
	statusItems: []statusItem{{"SIZE", func(ctx context.Context, _ *session, h *maildir.Handle, _ maildir.Counts) (int64, error) {
		size, _, err := h.TotalSize(ctx)
		return size, err
	}}},
}
