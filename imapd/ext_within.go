package imapd

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// extWithin is RFC 5032: ages in seconds, by the internal date.
var extWithin = extension{
	after: []imap.Cap{imap.CapWithin},
	searchKeys: []searchKey{
		withinKey("OLDER", func(age, asked time.Duration) bool { return age >= asked }),
		withinKey("YOUNGER", func(age, asked time.Duration) bool { return age <= asked }),
	},
}

func withinKey(name string, ok func(age, asked time.Duration) bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		asked := time.Duration(p.d.NZNumber()) * time.Second
		now := time.Now()
		return attrsNode(func(m *maildir.Message) bool { return ok(now.Sub(m.InternalDate), asked) })
	}}
}
