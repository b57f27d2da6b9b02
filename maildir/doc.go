// Package maildir is the store: mailboxes on disk, the tree of one user's
// mailboxes, and what a session sees of them. It owns every byte below a mail
// root; nobody else opens, renames or names a file there.
//
// # Whose directories these are
//
// Not ours alone. Delivery agents rename into new/ at any moment; mutt renames
// and unlinks in cur/ and takes no lock; Dovecot or a second daemon of ours may
// serve the same mailbox. So nothing in memory is believed longer than the
// directories' times agree with it, and no file is believed to be gone because
// it was not seen once.
//
// # Files
//
// Foreign formats, read and written as their owners do: the message files
// (name.go), dovecot-uidlist (uidlist.go), dovecot-keywords (keywords.go),
// dovecot-uidvalidity (uidvalidity.go), subscriptions, maildirsize (quota.go; how it
// is counted and what a crash leaves: quota_root.go). Ours, per mailbox:
//
// maildir-imapd.index: the 8 bytes "MDIRIMX1", then records: length (4 bytes,
// little-endian as all numbers), CRC-32C of what follows (4), kind (1), body.
//
//	H  UIDVALIDITY(4) next UID(4) MODSEQ(8) ceiling(8) history from(8) GUID(16) boot
//	M  messages: UID(4) flags(1) bits(1) name length(1) info length(1) saved(4)
//	   keywords(8) MODSEQ(8) size(8) date(8) cache place(12) name info
//	F  changed flags: UID(4) flags(1) bits(1) info length(1) zero(1) keywords(8) MODSEQ(8) info
//	S  facts: UID(4) bits(1) zero(3) size(8) date(8) cache place(12)
//	X  expunged: MODSEQ(8), then ranges of UIDs (4, 4)
//	K  keywords without a letter: bit(1) length(1) name
//	D  the disk: next UID(4) MODSEQ(8) highest UID(4), for new and cur time(8) looked at(8)
//	   own(1), for the uidlist and the keywords inode(8) size(8) time(8)
//	N  what follows, to make room: messages(8) bytes of names(8)
//	L  the uidlist's lines without a message: its inode(8) size(8) time(8) flags(1,
//	   bit 0: all of them, else some more) lines(4) header length(2) header, then
//	   UID(4) name length(1) name
//
// The first record is an H. Records are appended by whoever holds the dotlock;
// a reader takes what checks and ignores the rest; the next writer cuts off a
// torn end. Unknown kinds are skipped. When most of the file is history it is
// written anew (as maildir-imapd.index.new) and renamed over; other processes see the inode change, for they keep
// the file that they have read open, and its number is given to no other until they
// close it. Before what has been appended is read, the end that was known is compared. info is
// present where a file's name is not what the flags would make it. The file is
// not synced: numbers given before the machine stopped may be missing from
// it, so a boot other than the one named in H goes on from the ceiling, below
// which all MODSEQs are. One thing is in no other file, the keywords past the 26th.
// A STORE that changes them fails when they cannot be written here, and with fsync =
// always syncs the file; APPEND and COPY that bring them always sync it, and a file
// written anew that has any is synced before it takes the old one's name. MODSEQs begin at the clock (milliseconds times 64), so
// that they do not go back even if the file is deleted.
//
// A cache place is offset(7), kinds(1) and length(4) of the message's record there;
// the kinds say, a bit each, what the record has. Without a bit there is no record.
//
// maildir-imapd.cache: "MDIRIMC2", UIDVALIDITY(4), zero(4), then records: length of
// what follows the checksum(4), CRC-32C of UID and table(4), UID(4), kinds(1),
// zero(3), the table, with length(4) and CRC-32C(4) of each section in the order of
// their bits, and the sections:
//
//	0  envelope: message.Envelope.AppendBinary
//	1  structure: message.Message.AppendBinary
//	2  BODYSTRUCTURE as it is sent, the engine's
//	3  header fields that clients list mail by: version(1), or that with bit 7 set
//	   for "too long", then fields as message.HeaderFields gives them
//	4  preview, the engine's
//
// A section is there once somebody has wanted it; who adds one appends the record
// anew with all of them. The index knows the places; a record or section whose UID
// or checksum is wrong is none, and its place is forgotten. Records are appended
// under the dotlock and need no order; a torn end is a record that nobody knows. At
// the end of a selection a file of 4 MiB or more is compacted if more than half of
// it is of no use: the records in use are copied in order of UIDs (to
// maildir-imapd.cache.new) and the copy is renamed over it. Other processes see the inode change when a place does not fit. Disposable at any
// moment; one of another version or UIDVALIDITY is begun anew.
//
// maildir-imapd.text: "MDIRIMT1", UIDVALIDITY(4), message.TextVersion(4), then
// records: length of what follows the checksum(4) CRC-32C(4) UID(4) CRC-32C of the
// base name(4) and a fulltext filter, together at most a seventh of the message's
// text; a filter has 64 KiB at most. A record counts if UID and name are a
// message's. There is no table of it in memory or on disk: a search reads it front
// to back. A reader stops at the first record that does not check; a writer, under
// the dotlock, cuts off what is from there on, leaves out UIDs that are there, and begins the file anew
// when its head is another's. It is written anew when most of it is of expunged
// messages. A message without a record is read by every search. Disposable at any
// moment.
//
// maildir-imapd.seen, in the root of a user's own mail: the user's read marks in mailboxes where each user has a
// \Seen of their own (TreeOptions.Access). "MDIRSEN1", 8 random bytes that tell one file from the next, then
// records as in the index:
//
//	B  boot
//	M  a mailbox: number(4) GUID(16) UIDVALIDITY(4) base(8), then its place: inode(8) gone since(4, seconds, 0: it
//	   is not) bits(1, bit 0: \Seen is everybody's there) path; files of before there were places end behind base
//	P  its steps: number(4), then pairs at(8) sum(8)
//	C  a change: number(4) at(8) sum(8) seen(1), then ranges of UIDs (4, 4)
//	R  its marks, in a file written anew: number(4), then runs first UID(4) last(4) seen(1) MODSEQ(8)
//
// A mailbox's number is for this file. Steps and base make the user's MODSEQs of the mailbox's (marks_steps.go):
// messages count as changed at base where theirs are smaller. Records are appended under the dotlock
// maildir-imapd.seen.lock, synced with fsync = always only, as a STORE is; a torn end is cut off by the next writer.
// The file is read in pieces, and there are at most 32 MiB of marks in memory for a user, beyond which a STORE fails.
// When the file is twice as long as it need be it is written anew, synced unless there was nothing in it, and renamed over; others see another
// inode or size at their next command, or when the kernel tells of it while a session waits (marks_watch.go), and tell their sessions. In such a mailbox the letter S of file
// names is neither shown nor written. Marks are of a GUID and a UIDVALIDITY, and of a place where there are twins of
// these (marks_place.go): they stay when the mailbox is renamed, and of those that are gone for more than a year
// none are left. If the file, or a part of it, is lost, or an older one
// put back, a session that knows of it, or who begins anew, goes on above all MODSEQs that were told, and
// clients that ask for changes are told of every message. After another boot MODSEQs go on above those that were
// told; marks of the last moments before a power cut may be gone as a STORE may.
//
// Courier's (courier.go), read and never written: courierimapuiddb, courierimapkeywords,
// courierimapsubscribed. maildir-imapd.courier is "1 <time> <size> <time>" of the first
// two, written once their UIDs and keywords are in the files above: another time or
// size means that Courier has served the mailbox since. Whoever looks at such a
// mailbox takes it over, EXAMINE and STATUS too: files get the letters of the keywords
// that they have already.
//
// A tree may keep lists and indices apart from its mail, in directories of their own for
// each mailbox (apart.go): then dovecot-uidlist, dovecot-keywords and their locks lie in
// the one for lists, with subscriptions, dovecot-uidvalidity and maildirsize in its root,
// and our index, cache and text in the one for indices. maildir-imapd.moving beside the
// tree's lists notes a rename that has not reached all of them.
//
// Ours, per tree, outside of it: the third copy (thirdcopy.go) of UIDVALIDITY,
// next UID and GUID in the daemon's state directory. It is asked when a mailbox
// comes into memory; a line is written and synced before UIDs are given, one for
// a thousand of them.
//
// # Who wins
//
// UIDVALIDITY: a well-formed uidlist, else the index, else the third copy, else
// Courier's list, else the header of a damaged uidlist, else dovecot-uidvalidity,
// else the clock, and always above the last one that is known. That last resort is
// a loss, and said (Handle.Renumbered), where files show that the mailbox was
// served before. Next UID: the greatest of all. A UID: the uidlist; a message that
// only the index knows keeps its UID and gets its line back. A uidlist that makes
// no sense is renamed aside, and its good lines count; one with bad lines is linked
// aside before it is written anew. An index with something after what makes no sense
// (a torn end has nothing) is renamed aside, too, and written anew: only expunge
// history, save dates and keywords past the 26th go. A file that the disk does not
// give fails the command and stays as it is.
// dovecot-keywords with lines that nobody wrote is renamed aside; its good lines
// count, and for the other letters what memory knows, where the mailbox is in use.
//
// # Races
//
// A rename during readdir may hide a file, from a reader without the lock and
// from one with it when the renamer takes none: what a pass does not see is
// looked for in a second pass over both directories before it is said to be
// expunged, and a file that a command cannot find under its name is searched
// for by base name.
//
// A directory's time does not change twice within a tick of the clock. A look
// that was made within a tick of the last change is repeated at the next
// command; where times are whole seconds, as on some file systems, once more when
// a second has passed, or two. Our own changes are no looks and need none: under the
// lock the time before them is compared with the one remembered and the time after
// them is remembered; what somebody without the lock did in between is found by
// a look a second later, or, in large mailboxes, by a watch that begins before our
// change. It stays for two minutes after the last one; when it ends, all events have
// been read and memory explains their names, the index says that the directories have
// been looked at (settle.go).
//
// A base name that comes back after its message was expunged is a new message:
// UIDs only grow, and a message below the highest UID of the mailbox cannot be
// put into running sessions' numbering. For the same reason UIDs that another
// program has just given are taken in before a newcomer gets the next one.
//
// Two files of one base name are one file when they are the same inode, and
// otherwise two messages, the second of which gets a new name. Renames of ours
// never replace a file (RENAME_NOREPLACE).
//
// Expunge unlinks the name that carries the T: if somebody has taken the T away
// meanwhile, the unlink fails and the message stays.
//
// APPEND writes and syncs in tmp/ under no lock; then, under the lock, rename
// into cur/, sync of cur/, line in the uidlist, sync of that. The file comes
// before its UID: a crash in between leaves an unnumbered message, which the
// next look numbers. MOVE links first and unlinks then, never with both
// mailboxes locked.
//
// maildirsize is changed under no lock: lines are appended in one step each, after
// the change they tell of and after all locks of it have been given back. A crash in
// between leaves the sum off by that change until the mail is counted anew. MOVE
// within one tree is no change. No mail is refused, delayed or lost for the file's
// sake; what cannot be written is logged and counted again.
//
// # Power cuts
//
// A disk keeps a file's bytes up to its last sync and a directory's names up to its
// last one, and of what came later any part in any order, bytes as zeros included. A
// rename is one step, between directories too, and durable once either is synced:
// ext4, xfs and btrfs have it so. With fsync = yes a STORE or EXPUNGE that was
// answered may be lost: the old flags are back, or the message, which then has a new
// UID if the index knew it to be gone. Nothing else that was answered is, and with
// fsync = always that is not either. What the index remembers of the directories'
// times and of MODSEQs is not believed after the machine has stopped. TestPowerCut
// cuts the power after every operation of every command.
//
// # Locks and goroutines
//
// Order: tree, Marks.writer and the dotlock maildir-imapd.seen.lock, Mailbox.writer, the dotlock dovecot-uidlist.lock, the third copy of
// the tree (treeFile.mu and its dotlock, with the disk), Mailbox.mu
// ("state"), Marks.mu, then the small ones (cacheFile.mu, textFile.mu, background.mu,
// attached.mu, notes.mu, waiters.mu, watcher.mu, marksWatched.mu), which are held for moments. writer goes with
// the disk; mu guards memory and is never held over a system call, so a stuck disk or a foreign lock stops writers and
// not those who read flags. Whoever changes the list of messages holds both.
// Readers of the disk wait a third of a second for a foreign lock and then show
// what is known.
//
// A Handle belongs to one goroutine. Its view is a cursor in the mailbox's
// change log and two range lists; publishers may fold them under mu. A Reader
// belongs to one goroutine too; of a mailbox there may be many, and they share only
// what waits to be written to the cache (cacheFile.mu) and the open cache file,
// which is closed under readers: they then look again. What a message's entry, its
// Message, or an old cache file says of the cache is never wrong, only out of date.
//
// Readers.Run has goroutines of its own, which end before it returns; each holds
// one of the process's tokens for some files at a time (16 at most), and tokens go
// to those who asked first. Nobody asks for a token while holding one. There are two
// a processor, 16 at most, and one on a single processor. Handle.Learn and LearnBy
// run on them to fill cache sections before a serial walk. A panic in one of them
// is raised in the caller once all have ended, and keeps no token.
//
// What layers above derive from a mailbox's messages hangs on the Mailbox
// (Handle.Attach), shared by its handles and dropped with it: when it is no longer
// among the idle ones that are kept warm, or gets another UIDVALIDITY. It guards
// itself.
//
// Four goroutines of this package outlive a call. fsx.Watcher's, one a process, is
// alive while some directory is watched; it takes neither writer nor the dotlock nor
// mu, notes names and wakes. Names that memory explains are our own doing and cost no
// look; a look that began after an event serves all who were woken by it. The
// watcher's own is alive while a mailbox or a user's marks are watched or polled: it polls, asks the
// kernel again, also where that has ended a watch (rewatch.go), and ends watches; it
// may wait for a disk, and events do not.
// The text index's is alive while there is one to be made that was asked for
// (Handle.IndexText) and others have the mailbox open; it makes one index after the
// other, reads 16 messages for each token of Readers, appends 512 messages' records
// at a time like any writer, and is joined by Store.Close. The compactor's is alive
// while there is a file to be written anew that some command has found too large
// (compactor.go): it writes the index and the cache beside commands, which wait for
// what has been added meanwhile and the rename, the uidlist like any writer, and is
// joined by Store.Close, which has it leave off.
//
// # Rights
//
// A tree with TreeOptions.Access is used by somebody who may not do everything. Who may do what with a mailbox says
// dovecot-acl in its directory, else courierimapacl; where that says nothing of somebody, in trees without an INBOX,
// dovecot-acl in the root; and Access.Default where there is neither. May judges, and has the one table of what needs
// which right (rights.go). The files are looked at when they are used and read when they look different
// (aclcache.go): by name at each command, by Handle.Recheck where a mailbox is selected, all at LIST. A bad file gives
// nobody anything, but for a process that has read a good version before, which goes on with that. SetACL writes
// dovecot-acl under its dotlock and in one step; a new mailbox has the list of the next one above it; RENAME takes a
// list along and DELETE removes it. No link is followed to a list, nor is one read outside of the root and Follow.
// Store.Lists reads all lists of a user's own tree without opening it (lists.go): who is let in nowhere need not.
//
// # Memory
//
// Sessions of one user share their tree's listing (tree_shared.go). Mailboxes that
// nobody has open any more stay in memory within a number and within half of
// Store.SetMemory's bytes, and go when memory is short (warm.go).
//
// The sessions of one user share the user's read marks (Marks): 24 bytes a run of neighbours that were marked
// together, in all mailboxes that have any, and 16 a change; some thousand runs of a mailbox are joined when the
// file is written anew. A session that is behind another one of the same user has ranges of UIDs, and
// nobody else's sessions know of either.
//
// A mailbox in memory is an entry a message and the names, both in chunks of a thousand
// messages (entries.go), so that no arrival and no expunge moves more; the change log, what is
// attached, and the cache sections that are not written yet: they are written in the
// middle of a command at 2 MiB, and dropped beyond 8 MiB where they cannot be. A
// Reader has a window of 64 KiB on the cache and the parser's, and neither grows
// with messages; what a huge message has left in it is given back after the walk.
//
// # Invariants
//
// Check verifies, for a mailbox at rest:
//
//  1. dovecot-uidlist is well-formed: ascending UIDs below the next one, no
//     unreadable or unfinished line, no base name twice, a GUID.
//  2. No base name is in new/ and cur/ together, or twice in one.
//  3. Nobody's lock is left behind.
//  4. The index names the uidlist's UIDVALIDITY and GUID.
//  5. No base name has one UID in the index and another in the uidlist.
//  6. No message's MODSEQ is above the mailbox's.
//  7. A size that the index calls verified is the file's size with CRLF.
//  8. A cache record that checks has the sections that the index says; they decode,
//     and the structure has that size.
//  9. No two records of the text index that check are of one message.
//
// Tree.Check does so under the mailboxes' locks, and verifies further, for the
// tree and each mailbox:
//
//  10. The index can be read to its end, but for a record that a writer left torn.
//  11. dovecot-keywords has no damaged lines, and a keyword for each letter in use.
//  12. The lines of the third copy check, and no mailbox is behind the next UID there.
//  13. subscriptions can be read.
//  14. One empty file in the root names the tree's last UIDVALIDITY.
//  15. Each line of maildir-imapd.props is a word and its value.
//  16. The sum of maildirsize, where it is, is what the mailboxes hold.
//  17. Nothing is left of work that was cut short: files in tmp/ for 36 hours,
//     unfinished files of ours, mailboxes deleted or renamed but for a part.
//  18. What is in a mailbox belongs to the directory's owner, or to its group where
//     that may write, who may read and write it.
//  19. No two directories have one mailbox name.
//  20. A mailbox that was served has a uidlist.
//  21. maildir-imapd.seen can be read to its end, but for a record that a writer left torn; no mark in it has a
//     MODSEQ above its mailbox's. (Check verifies this too.)
//  22. A list of rights, dovecot-acl or else courierimapacl, can be used.
//
// Tree.Repair restores what a program can, all but 15, 18, 19 and 22, with the means
// by which the mailbox would heal itself; what it replaces is renamed aside.
package maildir
