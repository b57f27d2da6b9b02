package imapd

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// extSaveDate is RFC 8514. Every mailbox has save dates, so SAVEDATESUPPORTED is all messages; it has no STATUS
// item.
var extSaveDate = extension{
	after: []imap.Cap{imap.CapSaveDate},
	fetchItems: []fetchItem{simple("SAVEDATE", 0, func(_ *session, w *responder, m *msgData) {
		if m.SaveDate == 0 {
			w.NIL()
			return
		}
		w.DateTime(time.Unix(m.SaveDate, 0))
	})},
	searchKeys: []searchKey{
		savedKey("SAVEDBEFORE", before), savedKey("SAVEDON", on), savedKey("SAVEDSINCE", since),
		stateKeyOf("SAVEDATESUPPORTED", func(*maildir.Message) bool { return true }),
	},
}

// savedKey compares the day a message was saved, by the internal date where that is not known.
func savedKey(name string, ok func(message, asked int) bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		asked := dayNumber(p.d.Date())
		return savedNode(func(day int) bool { return ok(day, asked) })
	}}
}

// savedNode looks at the day in memory, and deeper where it is not there.
type savedNode func(day int) bool

func (savedNode) cost() cost        { return costAttrs }
func (savedNode) bind(r *searchRun) { r.attrs = true }

func (f savedNode) match(_ context.Context, c *candidate) (verdict, error) {
	switch {
	case c.SaveDate != 0:
		return verdictOf(f(dayNumber(time.Unix(c.SaveDate, 0)))), nil
	case c.depth < costAttrs:
		return open, nil
	}
	return verdictOf(f(dayNumber(c.InternalDate))), nil
}
