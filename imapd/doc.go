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
// client's next byte, where it touches nothing but the conn's reading side, and beside a SEARCH, SORT or THREAD
// that has taken longer than a second, where it asks the kernel whether the client is still there (hangup.go);
// it is joined before the command returns. A FETCH that learns of messages has one more, which
// prepares the next batch while the session's writes this one (besides, in batch.go); in one that sends whole
// messages the two do both, and take turns at the connection (bodyahead.go). What a command must read of many files
// is read on goroutines of the store's Readers, each with a candidate (searches) or msgData (FETCH) of its own, which Readers.Run joins.
//
// The locks of this package are Server.mu (registry of connections and sessions), conn.mu (what ends a wait for input: shutdown,
// and something to say, alert.go)
// and sortTable.mu (memory only); none is held over a system call that can block, and no lock of the store is
// held while this package writes to the network. One more thing is waited for: sortTable.building, the turn of
// the session that reads a batch for a mailbox's sort table, and with it for the client's going away.
//
// # Names and rights
//
// A client's name goes through aliases and the tilde to a namespace and a name in its tree (session.resolve). What
// somebody may do is maildir.May's to say, in one table: trees ask it of the mailboxes that they are told of by name,
// handles of those that are open, and the engine declares nothing for a command. At the beginning of each
// command the rights to the selected mailbox are asked for anew (session.admit), so that one command sees one
// answer. Who may not know of a mailbox is told what is told of one that is not there (RFC 4314 §6). Which command needs
// what is written down in the test of that name (acltable_test.go), which makes the dialogues that show it.
//
// # Searches
//
// A program (program.go) is a tree of keys, each of which knows from what depth on it has every answer: memory,
// size and date, what the cache has, the file. A batch of messages is asked at one depth before those that are
// still open are asked at the next; a verdict has three values, so that NOT and OR end as early as they can.
// Before the first message the keys that look into files ask the text index (Handle.Without) which messages
// cannot have their texts: there they fail without a look. The index gives no other verdict, and the files of
// all other messages are read. A search that had to read worthIndexing files asks for the index
// (Handle.IndexText) when it is done. Messages are told in ascending order of UIDs, those that wait behind an
// open one included; ESEARCH does all that for one mailbox after the other, opened by Peek, and SORT and THREAD
// take from it what they sort. The file phase is cut into pieces of about a quarter second; between two the
// client hears how far the command is.
//
// # Sort tables
//
// What messages are sorted and threaded by is kept with the mailbox (Handle.Attach, sorttable.go) as columns of
// numbers: dates and sizes as they are, texts and message ids numbered, with their order made when it is asked
// for. All sessions share it; it is in memory alone, goes with the mailbox, and costs what sorttable.go says.
// Rows of expunged messages are dropped when they are most of the table. Orders and threads themselves are
// package order's.
//
// # Cached answers
//
// Of a message's cache record two sections are this package's: BODYSTRUCTURE as it is sent (cachedbody.go), for
// sessions without UTF8=ACCEPT, and the preview (ext_preview.go). Each begins with a version byte; another
// version is no section. Where a file has another length than the cached structure was made of, sections
// are cut by one made anew (msgData.reparse), so that no literal promises what is not there; envelope, size and
// BODYSTRUCTURE go on telling what the message was.
//
// # Memory
//
// Read and write buffers, decoder, encoder and message batches come from pools and go back before the
// connection waits for its next command. An idle session is its goroutine's stack, of which the wait for input uses
// little enough for 4 KiB whatever layers the connection has (package park) and in IDLE as well, whose frames are left
// while it waits (errPaused), the session value, its place
// in the mailbox's change log, and the UIDs of a saved search result as ranges. A search holds at most mostKept
// messages that wait, four bytes for each that was found, and for each reader a candidate, whose buffers do not
// grow with messages. A FETCH of whole messages holds two rooms of bodySpace: one that is sent, from where the files
// lie in it (gather.go), and one that is filled with the next files meanwhile (bodyahead.go).
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
