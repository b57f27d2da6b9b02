// Package imapd is the protocol engine: it speaks IMAP (RFC 3501, the grammar of RFC 9051) on connections
// that the gate has accepted, over mailboxes that maildir keeps. It knows no path, no file name and no
// password file.
//
// # A connection
//
// A connection is a front until somebody has logged in and a session afterwards. The front sees credentials
// and no mailbox, the session mailboxes and no credentials; what passes between them is a Login. Both are
// run by one loop (loop.go): read a line, find the row of the command table, parse the whole command, gate
// it by state, run it, settle what the client must learn of the mailbox, write the tagged line.
//
// An extension is one file that declares its commands, capabilities and hooks in an extension value, and one
// word in the table of extensions.go. The engine never asks for an extension by name: policy follows from a
// row's states and effects. Parse functions and hooks read the table through the server's index only, and
// per-session state of an extension is kept under a stateKey of its own; both keep the package's
// initialization free of cycles.
//
// # Goroutines and locks
//
// One goroutine owns a connection and everything of its session. A second exists while IDLE waits for the
// client's next byte, where it touches nothing but the conn's reading side, and beside a search that has taken
// longer than a second, where it asks the kernel whether the client is still there (hangup.go); it is joined
// before the command returns. The files that a search must read are read on goroutines of the store's Readers,
// each with a candidate of its own, which Readers.Run joins.
// The locks of this package are Server.mu (registry of connections and sessions) and conn.mu (the shutdown
// flag); neither is held over a system call that can block, and no lock of the store is held while this
// package writes to the network.
//
// # Memory
//
// Read and write buffers, decoder, encoder and message batches come from pools and go back before the
// connection waits for its next command. An idle session is its goroutine's stack, the session value, and its
// place in the mailbox's change log.
//
// # Invariants
//
//  1. Every tagged line is written by the loop; every unsolicited line about the mailbox by session.update.
//  2. No EXPUNGE is written while a command with sequence numbers runs (effect holdsExpunge), nor outside a
//     command, IDLE excepted (RFC 9051 §7.5.1).
//  3. A literal's announced length is what follows it, or the connection is closed (errBrokenAnswer).
//  4. A syntax error leaves the stream at the beginning of the next command, or ends the connection.
//  5. Text for the client never holds a path or a secret; mapError is the only place where errors become
//     answers.
//  6. Whatever was read in clear is dropped before TLS or compression begins: a client that pipelines across
//     the switch is disconnected.
package imapd
