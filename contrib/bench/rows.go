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
	huge    bool // also with a million messages
	grows   bool // also in the table by size: it must cost the same in all
}

func command(c string) func(*session, int) error {
	return func(s *session, _ int) error { return s.do(c) }
}

const (
	sizes      = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)"
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
	{name: "SELECT, never opened before", box: unopened, count: 1, huge: true, run: command("SELECT INBOX")},
	{name: "SELECT, the first after a start of the server", prepare: (*session).restarted, count: 1, huge: true, run: command("SELECT INBOX")},
	{name: "SELECT again", count: 50, huge: true, run: command("SELECT INBOX")},
	{name: "UNSELECT and SELECT", count: 20, huge: true, grows: true, run: func(s *session, _ int) error {
		if err := s.do("UNSELECT"); err != nil {
			return err
		}
		return s.do("SELECT INBOX")
	}},
	{name: "SELECT by a new session", count: 20, run: selectAnew},
	{name: "STATUS", prepare: (*session).second, count: 50, huge: true, grows: true, run: func(s *session, _ int) error {
		return s.side.do("STATUS INBOX (MESSAGES UIDNEXT UNSEEN UIDVALIDITY)")
	}},
	{name: "NOOP", count: 200, huge: true, grows: true, run: command("NOOP")},
	{name: "FETCH FLAGS of all", count: 5, huge: true, run: command("FETCH 1:* (UID FLAGS)")},
	{name: "FETCH FLAGS, INTERNALDATE, RFC822.SIZE of all", warm: []string{sizes}, count: 3, huge: true, run: command(sizes)},

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
	{name: "FETCH ENVELOPE of one message", warm: []string{envelopes}, count: 2000, huge: true, run: func(s *session, i int) error {
		return s.do(fmt.Sprintf("FETCH %d (UID FLAGS ENVELOPE)", 1+i*s.messages/2000))
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
	// Each command changes a message: 250 get a flag, and then they lose it.
	{name: "STORE on one", count: 500, huge: true, grows: true, run: func(s *session, i int) error {
		return s.do(fmt.Sprintf(`STORE %d %cFLAGS (\Answered)`, 1+i%250*s.messages/250, "+-"[i/250]))
	}},
	{name: "STORE on one, taken back at once", count: 20, huge: true, grows: true, run: func(s *session, i int) error {
		return s.do(fmt.Sprintf(`STORE %d %cFLAGS (\Answered)`, 1+i/2*s.messages/20, "+-"[i%2]))
	}},
	{name: "arrival of one, NOOP", count: 20, huge: true, grows: true, run: (*session).arrives},
	// As clients with LITERAL+ send it.
	{name: "APPEND of 8 KiB", count: 300, huge: true, run: func(s *session, _ int) error {
		return s.do(fmt.Sprintf("APPEND INBOX (\\Seen) {%d+}\r\n%s", len(appended), appended))
	}},
	{name: "COPY of 2,000", prepare: func(s *session) error { return s.do("CREATE Copies") }, count: 1, huge: true,
		run: func(s *session, _ int) error { return s.do(fmt.Sprintf("COPY 1:%d Copies", s.many())) }},
	{name: "MOVE of 2,000", prepare: func(s *session) error { return s.do("CREATE Moved") }, count: 1, huge: true,
		run: func(s *session, _ int) error { return s.do(fmt.Sprintf("MOVE 1:%d Moved", s.many())) }},
	{name: "EXPUNGE of 2,000", prepare: func(s *session) error {
		return s.do(fmt.Sprintf(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, s.many()))
	}, count: 1, huge: true, run: command("EXPUNGE")},
}

// many is 2,000 messages, and in a small mailbox a fifth of it.
func (s *session) many() int { return min(2000, s.messages/5) }

var appended = "From: a@example.org\r\nSubject: appended\r\n\r\n" + strings.Repeat("All work and no play makes Jack a dull boy. Indeed it does.\r\n", 135)

func selectAnew(s *session, _ int) error {
	k, err := login(s.addr, s.user)
	if err != nil {
		return err
	}
	defer k.close()
	return k.do("SELECT INBOX")
}
