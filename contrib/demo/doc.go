// Command demo is what `make demo` runs: it makes a directory with a Maildir of some dozen messages, a
// password file and an ini, starts the daemon on it, visits it once as a mail program would, printing what
// that program sees, and then serves until Ctrl-C. With -once it ends after the visit; the exit status says
// whether all went as it should.
//
// The mail is written by go-maildir, a library that knows nothing of the daemon, as an MTA would. The people
// and the messages are invented. Everything lies in one temporary directory that goes away at the end.
package main
