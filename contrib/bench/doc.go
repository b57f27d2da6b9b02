// Bench measures our daemon against Dovecot: the same messages, the same
// machine, one run, alternating.
//
//	go run ./contrib/bench [flags]
//
//	-messages 10000,100000   one table for each size; from half a million on of ours alone, of 1 KiB messages
//	-growth 1000,...,1000000 sizes for the table of what must cost the same in all of them; ours alone
//	-runs 5                  the median of so many runs counts
//	-rows REGEXP             only these rows, of all tables: to look at one thing
//	-against ours            or dovecot, or both
//	-mail DIR                where the messages are kept from run to run, and everything else meanwhile
//	-idle 1000,10000         idle connections of the memory rows
//	-readers 1000,10000      readers of a public folder
//	-watchers 1000           sessions that an arrival is told to
//	-idle "" -readers "" -logins 0 -mixed 0 -watchers 0   leave those rows out
//	-seed 1                  other messages
//	-o contrib/bench/RESULTS.md
//
// A whole make bench (Makefile: BENCHFLAGS) takes about three quarters of an hour on two processors that have
// nothing else to do, and 20 GB below DIR, a third of which stay: the messages. Some minutes of the first run
// go into making them. -messages 1000 -runs 1 -idle 200 -readers 100 -watchers 100 is over in two minutes.
//
// It starts both servers itself, on loopback and in directories of their own,
// and ends them. It wants root, because Dovecot does. Dovecot runs twice:
// as Debian ships it, and with processes that serve many clients
// (service imap { service_count = 1000 }, service imap-login {
// service_count = 0 }), its best; every row but the logins is against the
// best. Both servers keep the same durability: a message is synced, flags
// are not.
//
// The messages are made once into DIR; every mailbox is hard links to them.
// A row that says "nothing cached" has a mailbox that its server has never
// seen; one that says "cached" has run before on the same mailbox, unmeasured.
// The text searches "without index" find structures cached and no index: the
// first of them makes our daemon build one. Before "index built" the bench
// waits until the file no longer grows and the daemon rests, and reports how
// long that took; Dovecot has no such index and scans again. Where servers
// answer with numbers of messages, their answers are compared: another count
// fails the bench, another order is told.
//
// The client writes commands to a socket and reads until the tagged line; it
// parses nothing, so that it is not what is measured. CPU is user and system
// time of all of the server's processes, read from their own clocks; of those
// that ended meanwhile in the 10 ms of proc(5).
// A row that names 2,000 messages has a fifth of them where the mailbox has
// fewer than 10,000.
//
// Memory is the proportional set size of all of them, divided by the number
// of connections: nothing is subtracted for the server itself. Beside it is
// what each connection more costs, from one step to the next. Dovecot has a
// process for each connection and is asked for a thousand at most. Logins,
// mixed commands and arrivals are measured with the first size only: they
// do not depend on it. The mixed clients have a mailbox of a thousand messages
// each; so has the one that all watch. Latency is from before the file is
// written to when the client has read its EXISTS: the work of a thousand
// readers in the bench is in it, for both servers. Between rows
// that change the mailbox under test the bench waits until the server rests.
//
// LIST of 10,000 public folders is of servers of its own, Dovecot's with its
// plugin for lists of rights: every tenth folder has a list, and the root has
// one for the others.
//
// One more reader of a public folder is measured with each size, on servers of
// their own: all readers have the folder selected and have marked one message
// as read, which nobody else sees (Dovecot: INDEXPVT). The times are of the last
// ten of each step, the memory is what the server's grew by since the step before,
// and on disk is what SELECT and STORE left in a reader's own directory. Dovecot
// is asked for a thousand at most here, too.
//
// The parser alone: go test -run xxx -bench Parse ./maildir/message, with the
// corpus of test mail beside the project.
package main
