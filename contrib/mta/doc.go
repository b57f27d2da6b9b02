// Package mta holds recipes for Postfix and Exim.
//
// By postfix-virtual.cf and exim-virtual.conf they deliver into the Maildirs of users that only the mail server knows,
// by postfix-home.cf into ~/Maildir of the system's users. contrib/systemd/test tries each with the real program.
//
// By postfix.cf and exim.conf they deliver into public folders, for those only who have the
// right p there (RFC 4314 §2.1: send mail to the address of the mailbox). The daemon never asks for p: mail that comes
// by an address does not come by IMAP.
//
// The program maildir-public asks `maildir-imapctl acl explain -may p` and delivers; postfix.cf and exim.conf call it.
// Who sends is the name under which they logged in to the mail server, and nobody where they did not: an envelope
// sender is whatever somebody writes. So `anyone p` lets the whole world post to a folder, `authenticated p` or
// `group=staff p` those who submit mail with their password. Without a line with p nobody can.
//
// The tests run maildir-public against a real maildir-imapctl.
package mta
