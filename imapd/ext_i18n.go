package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extI18N is level 1 of RFC 5255 §4: SEARCH, SORT and THREAD compare by i;unicode-casemap (RFC 5051), which
// message.Fold is, in all mailboxes and charsets. Level 2 is the COMPARATOR command; there is one comparator
// here, and so nothing to choose.
var extI18N = extension{after: []imap.Cap{"I18NLEVEL=1"}}
