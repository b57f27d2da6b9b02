// Command rfc keeps the list of the standards that maildir-imapd implements.
//
// rfcs.txt is the one list: a line per document, with the capabilities it brings and how much of it is
// there. From it comes the table in README.md, between two comment lines:
//
//	go run ./contrib/rfc -write     renew the table
//	go run ./contrib/rfc            say what is wrong, exit 1 if anything is
//
// Wrong is: a table that is not what the list makes; a capability that the server's code names and the
// list does not, or that the list calls served and the code does not name; a file named by the list that is
// not there.
package main
