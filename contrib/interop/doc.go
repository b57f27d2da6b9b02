// Package interop drives the daemon with the mail clients people use, and
// replays the protocol transcripts against Dovecot. It has tests only; run
// them with `make interop`, or with -server dovecot to tell a fault of a
// script from one of the daemon.
package interop
