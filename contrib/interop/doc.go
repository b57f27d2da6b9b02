// Package interop drives the daemon with the mail clients people use, and
// replays the protocol transcripts against Dovecot. It has tests only; run
// them with `make interop`, or with -server dovecot to tell a fault of a
// script from one of the daemon.
//
// Searches go to both servers over the same mailboxes: mail made up in many
// charsets and forms, and the corpus of test mail where it lies beside the
// project. What one server finds and the other does not stands in
// testdata/search-differences.txt with the RFC that decides it, or fails.
//
// Rights: the same dovecot-acl files, some by hand and more that are made up, give everybody the same rights. The
// answers about those by hand are on record in maildir/acl/testdata, and the daemon gives them too. SETACL changes files alike, and Courier's files
// give what Courier's own tool computes.
//
// The tours show that a tree can be taken over and given back: mbsync and
// offlineimap keep their state while Dovecot, or Courier, and we serve the same
// tree one after the other, and fetch no message twice.
package interop
