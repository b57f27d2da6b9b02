package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extMove is RFC 6851. MOVE by number sends EXPUNGE as EXPUNGE does, so it holds none back.
var extMove = extension{
	after: []imap.Cap{imap.CapMove},
	commands: []command[*session]{
		{name: "MOVE", in: selected, parse: parseCopyOrMove(false, true)},
		{name: "UID MOVE", in: selected, parse: parseCopyOrMove(true, true)},
	},
}
