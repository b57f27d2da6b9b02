// Package transcript parses and plays IMAP dialogues written down as text.
//
// A transcript is one file of testdata/imap: a header, a blank line, and
// steps. It is played against anything that speaks IMAP, through a dial
// func: our engine in a test, our daemon, or Dovecot.
//
//	# Free text: what is shown, and the RFC section that says so.
//	state: selected
//	maildir: three
//	dovecot: same
//
//	1 C: a STORE 2 +FLAGS (\Flagged)
//	1 S: * 2 FETCH (FLAGS (\Flagged))
//	1 S: a OK
//
// Header
//
//	state:        notauth | auth | selected [MAILBOX] | examined [MAILBOX]; the player brings every
//	              connection there itself. Default auth. greeting: the greeting is the first line to
//	              read, and connections after the first are made by open.
//	connections:  how many, default 1. Lines begin with the number of the connection.
//	maildir:      the fixture (fixture.go), default empty.
//	caps:         capabilities the server must announce after login, default none. Our server fails
//	              without them; Dovecot is not asked.
//	dovecot:      same (default) | skip REASON | differs RFC nnnn §n: REASON. A difference must cite
//	              the section that decides it.
//	users:        who the connections from the second on log in as, instead of the one user; needs: users.
//	variants:     no-onebyte no-compress no-observer: variants that make no sense here.
//	needs:        what a Server may lack: tls, restart, lock, fault, public, users, or a name it offers.
//
// Steps
//
//	1 C: line      send; CRLF is added. <<text>> is a synchronising literal (the player waits for "+"),
//	               <<+text>> a non-synchronising one, <<~text>> literal8; \r \n \t \\ \xHH work within,
//	               and <<@NAME>> is the text of a fixture's message.
//	1 R: "go"      send these bytes, written as a Go string, and nothing else.
//	1 S: line      the next response must match.
//	1 U: * line    a run of U lines: untagged responses in any order, none more, none less.
//	1 X: 2,4       EXPUNGE responses, in whatever order, that remove the messages with these numbers.
//	1 ?: * line    part of a run: may come any number of times or not at all.
//	1 EOF          the server closes the connection.
//	1 starttls | deflate | open | close       what the client does with its end.
//	1 quiet 300ms  nothing arrives for that long.
//	deliver MAILBOX MESSAGE [FLAGS] [age=DUR]  another program delivers; FLAGS puts it into cur/.
//	flag MAILBOX N +S-T       another program renames the N-th delivered message.
//	unlink MAILBOX N | move MAILBOX N MAILBOX  another program removes or moves it.
//	mkdir MAILBOX | rmdir MAILBOX             another program makes or removes a mailbox.
//	acl MAILBOX [LINE; LINE]  another program writes dovecot-acl, or removes it; "/" is the root.
//	lock MAILBOX | unlock     another program holds dovecot-uidlist.lock.
//	fault ENOSPC | fault none every change of the disk fails from here on; EMFILE: every opening.
//	restart | clock 2s | wait 1s
//
// Everything is strict: an untagged response that no line lists fails, and so does one left over at the end.
//
// Matching is by meaning: flags, attributes, capabilities and SEARCH numbers are sets; FETCH and STATUS
// items come in any order; quoted and literal are one. "..." allows more of a list, ?name
// may be in a set or not. $name binds a value at
// first sight (also inside a word: 1:$n) and compares afterwards, $_ matches anything. Human text is
// never compared. A tagged line without a response code accepts any; "[]" demands none. OK|NO lists
// alternatives.
//
// Variants: every transcript also runs with one byte per write, with COMPRESS on, and with a second,
// observing session whose picture of the mailbox, kept only from what it was told, must agree in the end
// with that of a session that just arrived.
//
// Concurrency: one goroutine plays; one reader goroutine per connection, joined when the run ends.
package transcript
