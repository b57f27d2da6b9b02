// Package message reads one mail message and says what is where in it: the
// header and body of every MIME part as byte ranges of the file, the content
// fields of RFC 2045, 2183 and 3282, and the envelope of RFC 9051 §7.5.2.
//
// It owns no file and does no I/O of its own; it reads from an io.Reader once,
// front to back, through one window of 64 KiB. No input is an error: mail is
// what it is, and the only errors of [Parser.Parse] are those of its reader.
//
// # Line ends
//
// A file in a Maildir has LF, CRLF or both; IMAP sends CRLF. Ranges count the
// bytes as they lie on disk; sizes and lines count what is sent, that is after
// every bare LF became CRLF. A bare CR is a byte like any other and ends no
// line. [CopyCRLF] is the one place where the difference is made, and what it
// writes for a range is exactly the Size of that range's [Extent].
//
// # Structure
//
// [Message.Parts] is the tree in preorder, flat, so that it can be cached and
// walked without recursion. The line end before a boundary line belongs to the
// boundary (RFC 2046 §5.1.1), also where that is the blank line after the header of
// a part without a body: such a header ends with its last field. For every
// part Header.End == Body.Start; children lie inside their parent's body in
// order, and what lies between them are boundary lines, preamble and epilogue.
// A multipart in which no boundary line was found has one child of no bytes at
// its end; a message/rfc822 always has one, the message inside.
//
// One line end is not the boundary's: that of an attached message/rfc822 which ends
// in a closing boundary line of its own, in an empty part, or in its header. A
// message consists of lines (RFC 5322 §2.1, §3.5: every field ends in CRLF), mail
// software that attaches one writes it as it was, and Dovecot reads it so. The line
// end is then in the body of the message/rfc822 part, and in the body of the
// multipart inside; but a message without a body still ends with its last field,
// so that BODY[n] can be one line end longer than BODY[n.HEADER] and BODY[n.TEXT]
// together. A message/global is opaque in IMAP4rev1 and has no such line end; its
// parts are numbered as those of a message/rfc822.
//
// A line is a boundary line if it begins with -- and the boundary, whatever follows;
// of several open ones the longest counts, of equal ones the innermost. A
// Content-Type that is no type/subtype is the default (RFC 2045 §5.2); text gets a
// charset where it names none. Where broken mail can be read in more than one way we
// read what its sender meant if that is plain, else what Dovecot reads;
// testdata/golden-differences.txt lists the messages of the corpus where
// that is not the same.
//
// # Text
//
// [DecodeWords] and [DecodeExtended] read header values, [SearchText] hands out all
// that SEARCH compares, [Preview] the beginning of what the writer says. Charsets are
// those of golang.org/x/text under the labels of its indices and some that mail has
// besides, and UTF-7; where a label lies, text is read as browsers read it
// (us-ascii and iso-8859-1 are windows-1252), and UTF-8 that is none, a byte at a
// time, as windows-1252. Text in a charset that nobody knows is read like text that
// names none. [Fold] is the form in which texts are compared, whoever compares
// them; what it does beyond RFC 5051 only makes more texts equal.
//
// A [Decoder] takes the transfer encoding away, as far as it is asked, and goes on at
// a [Mark]: windows of a large part are decoded once.
//
// What SearchText hands out is kept in derived form (the text index of package
// maildir): who changes it raises textVersion.
//
// # Limits
//
// Work is linear in the size of the file; boundary lines are matched by a
// rolling hash once the nesting is deep, and of boundaries longer than RFC 2046
// allows the first 80 bytes are compared. Past [MaxDepth] or [MaxParts] a part is
// opaque: a multipart or message there is shown as application/octet-stream.
// Of the fields of one name in a header at most [MaxField] bytes are looked at, of
// content fields [MaxContentField]; all of them are in the header's range, and
// [SelectFields] gives them whole. Memory is the window, a few times the longest
// field and the result.
//
// # Concurrency
//
// A [Parser], [SearchText], [Folder], [Needle] or [Decoder] is used by one goroutine
// at a time. A [Message] is not changed after Parse and can be shared. Charsets that
// have been met are kept in a table for all, under a lock of its own.
//
// # Cache records
//
// A message has two: Envelope.AppendBinary writes its envelope with References,
// Message.AppendBinary all the rest, the envelopes of attached messages
// included. Each begins with a version byte; numbers are varints, texts follow
// their length. A record from another version is an error, and so is any other
// bytes: the caller parses the file again. [Parser.ParseHeader] finds the first
// of them without reading further than the header.
package message
