// Package webmail drives Debian's Roundcube in a headless Chromium against the
// daemon (`make webmail`): what a person sees of sorting, threads, search in
// any charset, attachments, flags, drafts and rights to a folder. It has a test only.
//
// The test starts the daemon, PHP's own web server and, through browse.py,
// chromedriver, all on loopback and all below one temporary directory, and
// ends just these. browse.py works the pages with the mouse and the keyboard,
// takes a screenshot at every step and reports what the pages show, as JSON;
// the test compares that with what the letters of mail_test.go must give, with
// the Maildir, and with Roundcube's log of the IMAP commands: SORT, THREAD and
// SEARCH have to be the server's work.
//
// SCREENSHOTS (of make, or of the environment) names the directory for the pictures;
// without it they go with the temporary directory, and stay where the test
// fails.
package webmail
