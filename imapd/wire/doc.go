// Package wire turns bytes into IMAP requests and responses into bytes. It
// knows the grammar of RFC 9051 §9 and RFC 3501 §9 and nothing of sessions,
// mailboxes or logs.
//
// # Decoder
//
// A Decoder reads one command at a time from a *bufio.Reader. Its methods are
// named after the rules of the formal syntax, so that a parse function reads
// like the ABNF it obeys:
//
//	d.SP(); name := d.Mailbox(); d.SP(); d.List(func() { item := d.Keyword() }); d.CRLF()
//	if err := d.Err(); err != nil { … }
//
// The first error sticks: from then on every method returns its zero value
// without reading, so a parse function asks for the error once, at its end.
// Errors are *SyntaxError (the client broke the grammar; Msg is for the
// client), *LimitError (the client asked for more than a budget allows; Msg
// names the limit), or whatever the reader returned. After a syntax or limit
// error DiscardLine finds the start of the next command.
//
// Everything a client can make grow has a budget in Limits. Tokens may be
// longer than the reader's buffer.
//
// # Encoder
//
// An Encoder writes tokens to a *bufio.Writer. Calls chain, the first error
// sticks, and no token allocates. Strings choose their own form: quoted where
// the grammar allows, else literal.
//
// # Invariants
//
//   - No input makes this package panic, nor hold more than Limits.Arguments
//     plus one line in memory.
//   - NUL is accepted and sent in literal8 only.
//   - Nothing past the line end of the current command is read.
//   - What the Encoder writes, the Decoder reads back as the same value.
//
// # Concurrency
//
// A Decoder or Encoder belongs to one goroutine. The package has no mutable
// global state but the two default Limits, which are set before use.
package wire
