// Command stress lets real processes fight over one Maildir and holds all of
// them to what was promised (`make stress`, STRESSTIME=180s).
//
// The scenarios, one after the other, each in a directory of its own:
//
//	mix     two daemons and some -preauth processes with a dozen clients, while delivery agents (go-maildir's and a
//	        shell with mv), a mail reader that renames without a lock, a synchroniser that adds files and somebody
//	        who unlinks work in the same directories; processes are killed with SIGKILL and started again
//	kills   a daemon killed with SIGKILL 200 times, each time 20 to 150 ms after the first command that it has
//	        answered with OK
//	beside  two of our daemons and Debian's Dovecot serve the same Maildir at the same time, with delivery agents
//	        and an mbsync through each kind of server: all who take the lock. (A renamer without one beside Dovecot
//	        is Dovecot's own trouble and shows nothing.)
//	full    a file system without room or without inodes under the daemon
//	broken  what the daemon asks for is refused: descriptors (sessions and mailboxes beyond RLIMIT_NOFILE), rights
//	        (directories of another mode, in the midst of work), disk (strace makes system calls fail with EIO and
//	        EROFS), readonly (the mail is on a read-only file system); each can be named alone
//
// What cannot be tried on a machine (no root, no mounts, no Dovecot) is told and left out; where $CI is set that
// is a failure.
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
//  8. Every message is, byte for byte, what its writer wrote: whenever a client
//     reads it, and at rest all of them, from the servers and from the files.
//  9. A NO has a code where something is wrong with the system, and a mailbox
//     that is there is never said not to be.
//  10. No command is answered BAD, none hangs, no log has a panic, descriptors
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
