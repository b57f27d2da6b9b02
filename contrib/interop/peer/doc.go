// Package peer starts the servers that the bench, the interop run and the
// replay of transcripts talk to: our daemon and Debian's Dovecot, each a
// private instance on loopback with every file below one directory.
//
// It owns the child processes it starts and ends them by process id; it
// never looks for others. A Server is used by one goroutine at a time.
package peer
