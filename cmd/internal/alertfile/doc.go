// Package alertfile keeps what the administrator has to say to users: maildir-imapctl writes it, the daemon reads it
// and tells.
//
// An alert is a file in the directory alerts below [server] state, named after the time at which it was made:
//
//	user: ann
//	until: 2026-11-23T13:05:01Z
//
//	The text.
//
// Without the first line it is for everybody, without the second it stands until it is removed. A file is written under
// another name and renamed, so a reader sees whole ones; it is never changed. What another hand has put there and
// cannot be read is an error that names the file, and the others count.
package alertfile
