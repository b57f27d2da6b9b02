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
	label     string
	srv       *peer.Server
	lib       *library // all its mailboxes are made of
	samples   map[string][]sample
	answers   map[string]answer
	delivered int             // messages, by the bench
	furnished map[string]bool // users who have a mailbox for the mixed load

	figures map[string][]float64 // beside the table
	named   []figure             // in the order in which they came
}

// figure is a line beside the table.
type figure struct{ name, format string }

// note takes in one more measurement.
func (c *contender) note(name, format string, v float64) {
	if c.figures == nil {
		c.figures = map[string][]float64{}
	}
	if c.figures[name] == nil {
		c.named = append(c.named, figure{name, format})
	}
	c.figures[name] = append(c.figures[name], v)
}

// ours tells our daemon from Dovecot.
func (c *contender) ours() bool { return c.srv.Name != "dovecot" }

// forget begins a table.
func (c *contender) forget(lib *library) {
	*c = contender{label: c.label, srv: c.srv, lib: lib, delivered: c.delivered, samples: map[string][]sample{}, answers: map[string]answer{}, furnished: map[string]bool{}}
}

// measureRows measures every wanted row once. In the end the mailboxes are gone, but for one of the first run.
func (c *contender) measureRows(run int) error {
	s := &session{contender: c, run: run, messages: c.lib.messages, addr: c.srv.Addr}
	defer s.end()
	for i := range rows {
		r := &rows[i]
		if !s.has(r) {
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

// has tells whether the row belongs to the table.
func (c *contender) has(r *row) bool {
	return wanted(r.name) && (c.lib.messages < huge || r.huge)
}

func (s *session) measureRow(r *row) error {
	count := r.count
	if r.plain > 0 && !s.ours() {
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
