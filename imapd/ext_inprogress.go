package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extInProgress is RFC 9585.
var extInProgress = extension{
	after: []imap.Cap{imap.CapInProgress},
	progress: func(w *responder, tag string, done, goal uint32) {
		w.untagged().Raw("OK [INPROGRESS (").String(tag).SP().Number(done).SP()
		if goal > done { // RFC 9585 §4: the goal is what is not reached yet
			w.Number(goal)
		} else {
			w.NIL()
		}
		w.Raw(")] Still at work").CRLF()
	},
}
