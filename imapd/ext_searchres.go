package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extSearchRes is RFC 5182. The option itself says and keeps nothing; what "$" stands for lies in the
// selection, as UIDs: what is expunged is no longer found by them.
var extSearchRes = extension{
	after: []imap.Cap{imap.CapSearchRes},
	searchReturns: []searchReturn{{
		name: "SAVE", does: savesResult,
		option: plainOption{func(*responder, *searchResult) {}, keepsNone},
	}},
}
