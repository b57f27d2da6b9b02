package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// grows measures our daemon on mailboxes of small messages, with what must cost the same in each.
func grows(c *contender, sizes []int) error {
	found := make([]map[string][]sample, len(sizes))
	var rest []*row
	for i := range rows {
		if rows[i].grows && wanted(rows[i].name) {
			rest = append(rest, &rows[i])
		}
	}
	if len(rest) == 0 {
		return nil
	}
	for i, n := range sizes {
		lib, err := openLibrary(*mailDir, n, *seed, c.srv.UID, true)
		if err != nil {
			return err
		}
		c.forget(lib)
		fmt.Fprintf(os.Stderr, "growth: %d messages\n", n)
		s := &session{contender: c, messages: n, addr: c.srv.Addr}
		err = s.repeat(rest)
		s.end()
		if err == nil {
			err = s.clear(false)
		}
		if err != nil {
			return fmt.Errorf("growth, %d messages: %w\n%s", n, err, c.srv.Log())
		}
		found[i] = c.samples
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s: what must not grow, %d runs\n\n%s\n\n", time.Now().UTC().Format("2006-01-02"), *runs, conditions())
	b.WriteString("Medians of one operation by the number of messages, 1 KiB each; maildir-imapd.\n\n| operation |")
	rule := "\n| --- |"
	for _, n := range sizes {
		fmt.Fprintf(&b, " %d: wall | CPU |", n)
		rule += " ---: | ---: |"
	}
	b.WriteString(rule + "\n")
	for _, r := range rest {
		fmt.Fprintf(&b, "| %s |", r.name)
		for i := range sizes {
			m := medians(found[i][r.name])
			fmt.Fprintf(&b, " %s | %s |", show(m.wall), show(m.cpu))
		}
		b.WriteByte('\n')
	}
	return publish(b.String())
}

// repeat measures the rows again and again on one mailbox, after one run that does not count.
func (s *session) repeat(rest []*row) error {
	for run := -1; run < *runs; run++ {
		if run == 0 {
			if err := s.settle(); err != nil {
				return err
			}
			s.samples = map[string][]sample{}
		}
		for _, r := range rest {
			err := s.begin(r)
			if err == nil {
				err = s.measureRow(r)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	return nil
}
