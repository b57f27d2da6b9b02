// Bench measures our daemon against Dovecot: the same messages, the same
// machine, one run, alternating.
//
//	go run ./contrib/bench [flags]
//
//	-messages 10000,100000   one table for each size
//	-runs 5                  the median of so many runs counts
//	-rows REGEXP             only these rows, without logins and memory: to look at one thing
//	-against ours            or dovecot, or both
//	-mail DIR                where the messages are kept from run to run, and everything else meanwhile
//	-idle 0 -logins 0        leave the memory and the login rows out
//	-seed 1                  other messages
//	-o contrib/bench/RESULTS.md
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
// time of all of the server's processes, those included that ended meanwhile.
// Memory is the proportional set size of all of them, divided by the number
// of connections: nothing is subtracted for the server itself. Between rows
// that change the mailbox under test the bench waits until the server rests.
//
// The parser alone: go test -run xxx -bench Parse ./maildir/message, with the
// corpus of test mail beside the project.
package main
