// Command stress lets real processes fight over one Maildir and holds all of
// them to what was promised (`make stress`, STRESSTIME=60s).
//
// Three scenarios, one after the other, each in a directory of its own:
//
//	mix     two daemons and some -preauth processes with a dozen clients, while a delivery agent, a mail
//	        reader that renames without a lock, a synchroniser that adds files and somebody who unlinks work in
//	        the same directories; processes are killed with SIGKILL and started again
//	beside  our daemon and Debian's Dovecot serve the same Maildir at the same time
//	full    a file system without room or without inodes under the daemon
//
// # What is held
//
// The ledger (ledger.go) records, across all sessions and restarts, which
// message each UID has named and which messages somebody may have removed.
//
//  1. Every APPEND, COPY and MOVE with a tagged OK is there under the UID that
//     was announced, unless somebody marked it \Deleted, moved or unlinked it.
//  2. No UID names two messages; a message has no more UIDs than it was put
//     into the mailbox times.
//  3. UIDVALIDITY stays; UIDs ascend in every view; EXISTS never shrinks.
//  4. No client is told of an EXPUNGE of a message that nobody removed, and
//     nothing that was said to be expunged comes back.
//  5. After a MOVE, or \Deleted and UID EXPUNGE, answered OK the message is gone.
//  6. Flags last written with an OK, where nobody else writes, are there.
//  7. At rest all sessions, a new process, the directories and a private
//     Dovecot agree, and maildir.Check finds nothing.
//  8. No command is answered BAD, none hangs, no log has a panic, descriptors
//     and goroutines do not pile up.
//
// A command whose answer was cut off by a kill may or may not have happened;
// even then a message is never in no mailbox at all.
//
// # Processes and goroutines
//
// Only processes started here are ever killed, by process id. Each client is a
// goroutine with its connection, each foreign program is a goroutine; all end
// with the time given. The seed is printed: -seed repeats the choices, though
// not the kernel's.
package main
