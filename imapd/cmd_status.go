package imapd

import (
	"context"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// statusItem is one item of STATUS (RFC 9051 §6.3.11).
type statusItem struct {
	name string
	// value may cost a look at every message the first time only (SIZE).
	value func(ctx context.Context, s *session, h *maildir.Handle, c maildir.Counts) (int64, error)
}

var coreStatusItems = []statusItem{
	countItem("MESSAGES", func(c maildir.Counts) uint32 { return c.Messages }),
	countItem("RECENT", func(c maildir.Counts) uint32 { return c.Recent }),
	handleItem("UIDNEXT", func(h *maildir.Handle) uint32 { return uint32(h.UIDNext()) }),
	handleItem("UIDVALIDITY", (*maildir.Handle).UIDValidity),
	countItem("UNSEEN", func(c maildir.Counts) uint32 { return c.Unseen }),
	countItem("DELETED", func(c maildir.Counts) uint32 { return c.Deleted }),
}

func countItem(name string, of func(maildir.Counts) uint32) statusItem {
	return statusItem{name, func(_ context.Context, _ *session, _ *maildir.Handle, c maildir.Counts) (int64, error) {
		return int64(of(c)), nil
	}}
}

func handleItem(name string, of func(*maildir.Handle) uint32) statusItem {
	return statusItem{name, func(_ context.Context, _ *session, h *maildir.Handle, _ maildir.Counts) (int64, error) {
		return int64(of(h)), nil
	}}
}

// parseStatusItems reads "(" items ")".
func parseStatusItems(d *wire.Decoder, x *index) []*statusItem {
	var items []*statusItem
	d.List(func() {
		name := d.Keyword()
		item := x.statusItems[name]
		if item == nil {
			d.Fail("unknown STATUS item %s", name)
			return
		}
		items = append(items, item)
	})
	if len(items) == 0 {
		d.Fail("STATUS needs at least one item")
	}
	return items
}

func parseStatus(d *wire.Decoder, s *session) (action[*session], error) {
	d.SP()
	mailbox := d.Mailbox()
	d.SP()
	items := parseStatusItems(d, s.srv.index)
	d.CRLF()
	return actionFunc[*session](func(ctx context.Context, s *session, w *responder) error {
		return s.writeStatusOf(ctx, w, mailbox, items)
	}), nil
}

// writeStatusOf answers STATUS for one mailbox. The values are computed before the first byte is written.
func (s *session) writeStatusOf(ctx context.Context, w *responder, mailbox string, items []*statusItem) error {
	h, err := s.open(ctx, mailbox, maildir.Peek)
	if err != nil {
		return err
	}
	defer h.Close()
	counts, err := h.Counts(ctx)
	if err != nil {
		return err
	}
	values := make([]int64, len(items))
	for i, item := range items {
		if values[i], err = item.value(ctx, s, h, counts); err != nil {
			return err
		}
	}
	w.untagged().Raw("STATUS ").Mailbox(mailbox).SP()
	w.list(len(items), func(i int) { w.Raw(items[i].name).SP().Number64(values[i]) })
	w.CRLF()
	return nil
}
