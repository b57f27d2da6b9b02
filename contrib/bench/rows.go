package main

import (
	"fmt"
	"strings"
)

// mailbox says what a row begins with.
type mailbox int

const (
	same     mailbox = iota // the one the row before had; a fresh one if there is none
	fresh                   // one that the server has never seen, just selected by a new connection
	unopened                // one that the server has never seen; the connection has logged in
)

// row is one line of the table. Only run is measured.
type row struct {
	name    string
	box     mailbox
	warm    []string // commands that must have run on this mailbox before
	prepare func(s *session) error
	count   int // how often run is called; the figures are divided by it
	plain   int // how often where a command is slow: by a server without a text index. 0: count
	run     func(s *session, i int) error
	answer  bool // both servers must answer with the same numbers
}

func command(c string) func(*session, int) error {
	return func(s *session, _ int) error { return s.do(c) }
}

const (
	envelopes  = "FETCH 1:* (ENVELOPE)"
	structures = "FETCH 1:* (BODYSTRUCTURE)"
	// What Thunderbird asks of new mail in a folder.
	thunderbird = "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"

	searchSubject = "SEARCH SUBJECT invoice"
	sortSubject   = "SORT (SUBJECT) UTF-8 ALL"
	sortDate      = "SORT (DATE) UTF-8 ALL"
	thread        = "THREAD REFERENCES UTF-8 ALL"
)

// rows in the order in which they run: what changes the mailbox comes last.
var rows = []row{
	{name: "SELECT, never opened before", box: unopened, count: 1, run: command("SELECT INBOX")},
	{name: "SELECT again", count: 50, run: command("SELECT INBOX")},
	{name: "SELECT by a new session", count: 20, run: selectAnew},
	{name: "STATUS", prepare: (*session).second, count: 200, run: func(s *session, _ int) error {
		return s.side.do("STATUS INBOX (MESSAGES UIDNEXT UNSEEN UIDVALIDITY)")
	}},
	{name: "FETCH FLAGS of all", count: 5, run: command("FETCH 1:* (UID FLAGS)")},

	{name: "FETCH ENVELOPE of all, nothing cached", box: fresh, count: 1, run: command(envelopes)},
	{name: "FETCH ENVELOPE of all, cached", warm: []string{envelopes}, count: 3, run: command(envelopes)},
	{name: "FETCH BODYSTRUCTURE of all, nothing cached", box: fresh, count: 1, run: command(structures)},
	{name: "FETCH BODYSTRUCTURE of all, cached", warm: []string{structures}, count: 3, run: command(structures)},
	{name: "Thunderbird's headers of all, nothing cached", box: fresh, count: 1, run: command(thunderbird)},
	{name: "Thunderbird's headers of all, cached", warm: []string{thunderbird}, count: 3, run: command(thunderbird)},

	{name: "FETCH BODY.PEEK[] of all", count: 1, run: command("FETCH 1:* (BODY.PEEK[])")},
	{name: "FETCH of one message", count: 300, run: func(s *session, i int) error {
		return s.do(fmt.Sprintf("UID FETCH %d (FLAGS BODY.PEEK[])", 1+i*s.messages/300))
	}},
	{name: "SEARCH FLAGGED", count: 50, run: command("SEARCH FLAGGED"), answer: true},
	{name: "SEARCH SUBJECT, cached", warm: []string{envelopes, searchSubject}, count: 5, run: command(searchSubject), answer: true},
	{name: "SORT SUBJECT, cached", warm: []string{envelopes, sortSubject}, count: 5, run: command(sortSubject), answer: true},
	{name: "SORT DATE, cached", warm: []string{envelopes, sortDate}, count: 5, run: command(sortDate), answer: true},
	{name: "THREAD REFERENCES, cached", warm: []string{envelopes, thread}, count: 5, run: command(thread), answer: true},
	{name: "THREAD REFERENCES after an arrival", warm: []string{envelopes, thread}, prepare: (*session).arrival, count: 1, run: command(thread)},

	{name: "SEARCH BODY, without index", box: fresh, warm: []string{envelopes, structures}, count: 1, run: command("SEARCH BODY " + needle), answer: true},
	{name: "SEARCH TEXT, without index", box: fresh, warm: []string{envelopes, structures}, count: 1, run: command("SEARCH TEXT " + needle), answer: true},
	{name: "SEARCH BODY, index built", warm: []string{envelopes, structures}, prepare: (*session).indexed, count: 10, plain: 1, run: command("SEARCH BODY " + needle), answer: true},
	{name: "SEARCH TEXT of a rare word, index built", warm: []string{envelopes, structures}, prepare: (*session).indexed, count: 10, plain: 1, run: command("SEARCH TEXT " + rareWord), answer: true},

	{name: "STORE on all", count: 2, run: func(s *session, i int) error {
		return s.do([]string{`STORE 1:* +FLAGS.SILENT (\Answered)`, `STORE 1:* -FLAGS.SILENT (\Answered)`}[i])
	}},
	{name: "STORE on one", count: 200, run: func(s *session, i int) error {
		return s.do(fmt.Sprintf(`STORE %d +FLAGS (\Flagged)`, 1+i*s.messages/200))
	}},
	// As clients with LITERAL+ send it.
	{name: "APPEND of 8 KiB", count: 100, run: func(s *session, _ int) error {
		return s.do(fmt.Sprintf("APPEND INBOX (\\Seen) {%d+}\r\n%s", len(appended), appended))
	}},
	{name: "COPY of a tenth", prepare: func(s *session) error { return s.do("CREATE Copies") }, count: 1,
		run: func(s *session, _ int) error { return s.do(fmt.Sprintf("COPY 1:%d Copies", s.messages/10)) }},
	{name: "EXPUNGE of a tenth", prepare: func(s *session) error {
		return s.do(fmt.Sprintf(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, s.messages/10))
	}, count: 1, run: command("EXPUNGE")},
}

var appended = "From: a@example.org\r\nSubject: appended\r\n\r\n" + strings.Repeat("All work and no play makes Jack a dull boy. Indeed it does.\r\n", 135)

func selectAnew(s *session, _ int) error {
	k, err := login(s.addr, s.user)
	if err != nil {
		return err
	}
	defer k.close()
	return k.do("SELECT INBOX")
}
