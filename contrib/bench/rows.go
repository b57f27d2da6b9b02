package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// row is one line of the table. run does the thing count times; only run is measured.
type row struct {
	name    string
	count   int // the figures are divided by it
	prepare func(s *session) error
	run     func(s *session) error
}

// session is one run against one server: a fresh mailbox, and connections to it.
type session struct {
	addr, user string
	messages   int
	k          *client // has the mailbox selected, once the row SELECT was run
	side       *client // has not
}

func each(count int, command string) func(*session) error {
	return func(s *session) error {
		for range count {
			if err := s.k.do(command); err != nil {
				return err
			}
		}
		return nil
	}
}

func atOnce(commands ...string) func(*session) error {
	return func(s *session) error {
		for _, c := range commands {
			if err := s.k.do(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// rows in the order in which they must run: what fills a cache comes before what uses it, what changes the
// mailbox last.
var rows = []row{
	{name: "SELECT, never opened before", count: 1,
		prepare: func(s *session) (err error) { s.k, err = login(s.addr, s.user); return err },
		run:     atOnce("SELECT INBOX")},
	{name: "SELECT again", count: 50, run: each(50, "SELECT INBOX")},
	{name: "SELECT by a new session", count: 20, run: func(s *session) error {
		for range 20 {
			k, err := login(s.addr, s.user)
			if err != nil {
				return err
			}
			if err := k.do("SELECT INBOX"); err != nil {
				return err
			}
			k.close()
		}
		return nil
	}},
	{name: "STATUS", count: 200,
		prepare: func(s *session) (err error) { s.side, err = login(s.addr, s.user); return err },
		run: func(s *session) error {
			for range 200 {
				if err := s.side.do("STATUS INBOX (MESSAGES UIDNEXT UNSEEN UIDVALIDITY)"); err != nil {
					return err
				}
			}
			return nil
		}},
	{name: "FETCH FLAGS of all", count: 5, run: each(5, "FETCH 1:* (UID FLAGS)")},
	{name: "FETCH ENVELOPE of all, nothing cached", count: 1, run: each(1, "FETCH 1:* (ENVELOPE)")},
	{name: "FETCH ENVELOPE of all, cached", count: 3, run: each(3, "FETCH 1:* (ENVELOPE)")},
	{name: "FETCH BODYSTRUCTURE of all, first time", count: 1, run: each(1, "FETCH 1:* (BODYSTRUCTURE)")},
	{name: "FETCH BODYSTRUCTURE of all, again", count: 3, run: each(3, "FETCH 1:* (BODYSTRUCTURE)")},
	{name: "FETCH BODY.PEEK[] of all", count: 1, run: each(1, "FETCH 1:* (BODY.PEEK[])")},
	{name: "FETCH of one message", count: 300, run: func(s *session) error {
		for i := range 300 {
			if err := s.k.do(fmt.Sprintf("UID FETCH %d (FLAGS BODY.PEEK[])", 1+i*s.messages/300)); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "SEARCH FLAGGED", count: 50, run: each(50, "SEARCH FLAGGED")},
	{name: "SEARCH SUBJECT", count: 3, run: each(3, "SEARCH SUBJECT invoice")},
	{name: "SEARCH BODY", count: 1, run: each(1, "SEARCH BODY "+needle)},
	{name: "STORE on all", count: 2, run: atOnce(`STORE 1:* +FLAGS.SILENT (\Answered)`, `STORE 1:* -FLAGS.SILENT (\Answered)`)},
	{name: "STORE on one", count: 200, run: func(s *session) error {
		for i := range 200 {
			if err := s.k.do(fmt.Sprintf(`STORE %d +FLAGS (\Flagged)`, 1+i*s.messages/200)); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "APPEND of 8 KiB", count: 100, run: appends},
	{name: "COPY of a tenth", count: 1, prepare: func(s *session) error { return s.k.do("CREATE Copies") },
		run: func(s *session) error { return s.k.do(fmt.Sprintf("COPY 1:%d Copies", s.messages/10)) }},
	{name: "EXPUNGE of a tenth", count: 1,
		prepare: func(s *session) error {
			return s.k.do(fmt.Sprintf(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, s.messages/10))
		},
		run: atOnce("EXPUNGE")},
}

// appends sends what clients with LITERAL+ send.
func appends(s *session) error {
	m := "From: a@example.org\r\nSubject: appended\r\n\r\n" + strings.Repeat("All work and no play makes Jack a dull boy. Indeed it does.\r\n", 135)
	for range 100 {
		if err := s.k.do(fmt.Sprintf("APPEND INBOX (\\Seen) {%d+}\r\n%s", len(m), m)); err != nil {
			return err
		}
	}
	return nil
}

// logins counts connect, LOGIN, LOGOUT, so many at once for so long.
func logins(addr string, users []string, atOnce int, long time.Duration) (perSecond float64, err error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, atOnce)
	begin := time.Now()
	end := begin.Add(long)
	for w := range atOnce {
		wg.Go(func() {
			for i := w; time.Now().Before(end); i += atOnce {
				k, err := login(addr, users[i%len(users)])
				if err != nil {
					failed <- err
					return
				}
				k.close()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}

// idle opens n sessions with the mailbox selected, lets them rest, and calls measure.
func idle(addr string, users []string, n int, measure func() error) error {
	var ks []*client
	defer func() {
		for _, k := range ks {
			_ = k.c.Close()
		}
	}()
	for i := range n {
		k, err := login(addr, users[i%len(users)])
		if err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		k.buf = nil
		ks = append(ks, k)
		k.buf = make([]byte, 4096)
		if err := k.do("SELECT INBOX"); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	time.Sleep(5 * time.Second)
	return measure()
}
