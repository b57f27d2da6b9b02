// Bench measures our daemon against Dovecot: the same messages, the same
// machine, one run, alternating.
//
//	go run ./contrib/bench [-messages 10000] [-runs 3] [-o contrib/bench/RESULTS.md]
//
// It starts both servers itself, on loopback and in temporary directories,
// and ends them. It wants root, because Dovecot does. Dovecot runs twice:
// as Debian ships it, and with processes that serve many clients
// (service imap { service_count = 1000 }, service imap-login {
// service_count = 0 }), its best; every row but the logins is against the
// best. Both servers keep the same durability: a message is synced, flags
// are not.
//
// The client writes commands to a socket and reads until the tagged line; it
// parses nothing, so that it is not what is measured. CPU is user and system
// time of all of the server's processes, those included that ended meanwhile.
// Memory is the proportional set size of all of them, divided by the number
// of connections: nothing is subtracted for the server itself.
package main
