package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// sample is one measurement of a row.
type sample struct{ wall, cpu time.Duration }

// contender is a server under measurement.
type contender struct {
	label      string
	srv        *peer.Server
	lib        *library // all its mailboxes are made of
	samples    map[string][]sample
	answers    map[string]answer
	logins     []float64
	one        []float64
	pss        []float64 // KiB per idle connection
	indexBytes []float64
	indexTime  []float64 // seconds
}

// forget begins a table.
func (c *contender) forget(lib *library) {
	*c = contender{label: c.label, srv: c.srv, lib: lib, samples: map[string][]sample{}, answers: map[string]answer{}}
}

// measureRows measures every wanted row once. In the end the mailboxes are gone, but for one of the first run.
func (c *contender) measureRows(run int) error {
	s := &session{contender: c, run: run, messages: c.lib.messages, addr: c.srv.Addr}
	defer s.end()
	for i := range rows {
		r := &rows[i]
		if !wanted(r) {
			continue
		}
		err := s.begin(r)
		if errors.Is(err, errNoIndex) {
			fmt.Fprintf(os.Stderr, "%s: %s: %v\n", c.label, r.name, err)
			continue
		}
		if err == nil {
			err = s.measureRow(r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	s.end()
	return s.clear(run == 0)
}

func (s *session) measureRow(r *row) error {
	count := r.count
	if r.plain > 0 && s.srv.Name == "dovecot" {
		count = r.plain
	}
	s.k.keep = r.answer
	defer func() { s.k.keep = false }()
	sm, err := s.measure(func() error {
		for i := range count {
			if err := r.run(s, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.answer {
		a := parseAnswer(s.k.kept)
		if before, ok := s.answers[r.name]; ok && before != a {
			return fmt.Errorf("%d numbers, and %d in another run", a.count, before.count)
		}
		s.answers[r.name] = a
	}
	n := time.Duration(count)
	s.samples[r.name] = append(s.samples[r.name], sample{sm.wall / n, sm.cpu / n})
	return nil
}

func (c *contender) measure(f func() error) (sample, error) {
	before, err := cpu(c.srv.PID())
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	if err := f(); err != nil {
		return sample{}, err
	}
	wall := time.Since(begin)
	time.Sleep(20 * time.Millisecond) // what the server does after its answer is its cost as well
	after, err := cpu(c.srv.PID())
	return sample{wall, after - before}, err
}

func (c *contender) countLogins() error {
	if *loginFor == 0 {
		return nil
	}
	users := make([]string, 64)
	for i := range users {
		users[i] = fmt.Sprintf("u%d", i)
	}
	one, err := logins(c.srv.Addr, users, 1, *loginFor/2)
	if err != nil {
		return fmt.Errorf("%s: logins: %w", c.label, err)
	}
	many, err := logins(c.srv.Addr, users, 8, *loginFor)
	if err != nil {
		return fmt.Errorf("%s: logins: %w", c.label, err)
	}
	c.one, c.logins = append(c.one, one), append(c.logins, many)
	return nil
}

// memory opens all the connections on one user's mailbox of full size.
func (c *contender) memory() error {
	if *idlers == 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "memory: %s\n", c.label)
	if err := c.srv.Restart(); err != nil {
		return err
	}
	user := userOf(0, 0)
	if _, err := os.Stat(c.srv.MailDir(user)); err != nil { // no row had a mailbox
		if err := c.lib.clone(c.srv.MailDir(user), c.srv.UID); err != nil {
			return err
		}
	}
	return idle(c.srv.Addr, []string{user}, *idlers, func() error {
		kib, _, err := pss(c.srv.PID())
		c.pss = append(c.pss, float64(kib)/float64(*idlers))
		return err
	})
}

// answer is what a search, sort or thread command found.
type answer struct {
	count int // numbers in it
	text  string
}

// parseAnswer takes the last answer's untagged line. SEARCH may name messages in any order, and both servers
// do so in ascending one.
func parseAnswer(kept []byte) answer {
	for line := range strings.Lines(string(kept)) {
		f := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ()\r\n", r) })
		if len(f) > 1 && f[0] == "*" && (f[1] == "SEARCH" || f[1] == "SORT" || f[1] == "THREAD") {
			return answer{len(f) - 2, strings.TrimRight(line, " \r\n")}
		}
	}
	return answer{}
}

// compare fails when two servers found different numbers of messages, and tells of another order.
func compare(a, b *contender) error {
	var errs []error
	for _, r := range rows {
		x, in := a.answers[r.name]
		y, too := b.answers[r.name]
		switch {
		case !in || !too || x == y:
		case x.count != y.count:
			errs = append(errs, fmt.Errorf("%s: %s found %d, %s %d", r.name, a.label, x.count, b.label, y.count))
		default:
			fmt.Fprintf(os.Stderr, "%s: as many messages, but not the same answer\n", r.name)
		}
	}
	return errors.Join(errs...)
}
