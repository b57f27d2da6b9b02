package imapd

import "github.com/emersion/go-imap/v2"

// extUTF8 is RFC 6855, and RFC 9755, which replaces it: after ENABLE UTF8=ACCEPT mailbox names and quoted
// strings are UTF-8 in both directions, "&" in a name is an ampersand, and SEARCH names no charset any more.
//
// A message/global part (RFC 6532 §3.7) is shown as the message it is, with envelope and body structure, and
// HEADER, TEXT and the parts below it can be fetched: RFC 9051, of which the extension is a part, has both
// subtypes in §9, media-message, and clients that know the subtype read it so. To a session that has not enabled
// UTF-8 it stays the opaque part that it is in RFC 3501, whose grammar knows RFC822 alone.
//
// APPEND takes a message as a literal, as RFC 9755 has it, and as UTF8 (~{n}...), as RFC 6855 §4 had it; the
// latter is NO without ENABLE. What we do not do is refuse a plain APPEND for 8-bit bytes in its header because
// the session has not enabled UTF-8 (§4 of both): people move decades of such mail between servers with programs
// that know nothing of this, nothing about it depends on the session, and refusing it would lose it.
//
// UTF8=ONLY is not offered: it shuts out every client that does not ENABLE.
var extUTF8 = extension{
	after:      []imap.Cap{imap.CapUTF8Accept},
	enables:    []enable{{string(imap.CapUTF8Accept), func(s *session) { s.speakUTF8() }}},
	appendData: []appendData{{"UTF8", checkUTF8Append}},
}

// checkUTF8Append refuses what the client has not enabled (RFC 6855 §4).
func checkUTF8Append(s *session) error {
	if !s.utf8 {
		return no(imap.ResponseCodeCannot, "UTF8 needs ENABLE UTF8=ACCEPT first")
	}
	return nil
}
