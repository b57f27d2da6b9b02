package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// session is one run against one server: a mailbox, and connections to it. It goes on to the next mailbox
// whenever a row wants one that the server has not seen.
type session struct {
	*contender
	run      int
	boxes    int // used so far in this run
	messages int
	addr     string
	user     string // who owns the mailbox
	k        *client
	side     *client         // has no mailbox selected
	ran      map[string]bool // what this mailbox has been asked
	searched time.Time       // when its text was first searched
	// indexKnown: this run has told how large the index is and how long it took.
	indexKnown bool
}

// boxesPerRun bounds the rows that want a fresh mailbox.
const boxesPerRun = 8

func userOf(run, box int) string { return fmt.Sprintf("run%d-%d", run, box) }

// begin brings the session to where a row starts.
func (s *session) begin(r *row) error {
	if r.box != same || s.k == nil {
		if err := s.open(r.box == unopened); err != nil {
			return err
		}
	}
	for _, c := range r.warm {
		if !s.ran[c] {
			if err := s.do(c); err != nil {
				return err
			}
		}
	}
	if r.prepare != nil {
		return r.prepare(s)
	}
	return nil
}

func (s *session) open(loginOnly bool) error {
	s.end()
	if s.boxes++; s.boxes > boxesPerRun {
		return fmt.Errorf("more than %d fresh mailboxes in one run", boxesPerRun)
	}
	s.user, s.ran, s.searched = userOf(s.run, s.boxes-1), map[string]bool{}, time.Time{}
	if err := s.lib.clone(s.srv.MailDir(s.user), s.srv.UID); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	var err error
	if s.k, err = login(s.addr, s.user); err != nil || loginOnly {
		return err
	}
	return s.do("SELECT INBOX")
}

func (s *session) do(c string) error {
	s.ran[c] = true
	err := s.k.do(c)
	if s.searched.IsZero() && readsText(c) {
		s.searched = time.Now()
	}
	return err
}

// clear removes the run's mailboxes; the first may stay, for who measures memory.
func (s *session) clear(keepFirst bool) error {
	for i := range s.boxes {
		if i == 0 && keepFirst {
			continue
		}
		if err := os.RemoveAll(s.srv.MailDir(userOf(s.run, i))); err != nil {
			return err
		}
	}
	return s.settle()
}

// second opens the other connection.
func (s *session) second() (err error) {
	if s.side == nil {
		s.side, err = login(s.addr, s.user)
	}
	return err
}

// restarted starts the server again; the connection is a new one.
func (s *session) restarted() error {
	s.end()
	if err := s.srv.Restart(); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	var err error
	s.k, err = login(s.addr, s.user)
	return err
}

// arrives has another program deliver a message and asks until the server tells of it.
func (s *session) arrives(int) error {
	s.k.keep = true
	defer func() { s.k.keep = false }()
	if err := s.deliver(s.srv.MailDir(s.user)); err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		if err := s.do("NOOP"); err != nil {
			return err
		}
		if bytes.Contains(s.k.kept, []byte(" EXISTS\r\n")) {
			return nil
		}
	}
	return errors.New("no EXISTS within a minute of a delivery")
}

// deliver puts one message into new/ as an MDA does, unsynced.
func (c *contender) deliver(box string) error {
	c.delivered++
	name := fmt.Sprintf("%d.M%dP%d.bench", time.Now().Unix(), c.delivered, os.Getpid())
	tmp := filepath.Join(box, "tmp", name)
	if err := os.WriteFile(tmp, []byte(strings.ReplaceAll(appended, "\r\n", "\n")), 0o600); err != nil {
		return err
	}
	if err := os.Chown(tmp, c.srv.UID, c.srv.UID); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(box, "new", name))
}

// arrival brings one message and lets the server tell of it.
func (s *session) arrival() error {
	if err := s.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(appended), appended)); err != nil {
		return err
	}
	return s.do("NOOP")
}

func (s *session) end() {
	for _, k := range []*client{s.k, s.side} {
		if k != nil {
			k.close()
		}
	}
	s.k, s.side = nil, nil
}

// settle waits until the server rests: what it still does for an earlier row is not the next one's cost.
func (c *contender) settle() error {
	const rest, patience = 150 * time.Millisecond, 2 * time.Minute
	before, err := cpu(c.srv.PID())
	for begin := time.Now(); err == nil && time.Since(begin) < patience; {
		time.Sleep(rest)
		var now time.Duration
		if now, err = cpu(c.srv.PID()); err == nil && now-before <= tick {
			return nil
		}
		before = now
	}
	if err == nil {
		err = fmt.Errorf("%s does not come to rest in %v", c.label, patience)
	}
	return err
}
