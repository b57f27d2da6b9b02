package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const password = "secret"

var (
	messages = flag.String("messages", "10000", "messages in the mailbox; 10000,100000 makes two tables")
	growth   = flag.String("growth", "", "sizes for the table of what must not grow, as 1000,10000,100000,1000000; empty leaves it out")
	runs     = flag.Int("runs", 5, "runs of every row; the median counts")
	only     = flag.String("rows", "", "regular expression: only these rows are measured, of all tables")
	idlers   = flag.String("idle", "1000", "idle connections for the memory rows, as 1000,10000; empty leaves them out")
	reading  = flag.String("readers", "1000", "readers of a public folder, each with read marks of their own, as 1000,10000; empty leaves them out")
	loginFor = flag.Duration("logins", 2*time.Second, "how long logins are counted in each run; 0 leaves them out")
	mixedFor = flag.Duration("mixed", 5*time.Second, "how long mixed commands are counted in each run; 0 leaves them out")
	watchers = flag.Int("watchers", 1000, "sessions in IDLE that an arrival is told to; 0 leaves it out")
	seed     = flag.Uint64("seed", 1, "seed of the messages")
	mailDir  = flag.String("mail", filepath.Join(os.TempDir(), "maildir-imapd-bench"), "directory for the messages, which are made once, and for the servers' files")
	out      = flag.String("o", "", "append the tables to this file")
	against  = flag.String("against", "both", "both, ours or dovecot")
)

// huge mailboxes are of small messages, and ours alone.
const huge = 500_000

func main() {
	flag.Parse()
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var wantedRows *regexp.Regexp

func wanted(name string) bool { return wantedRows.MatchString(name) }

func bench() (err error) {
	sizes, err := parseSizes("messages", *messages)
	if err != nil {
		return err
	}
	grown, err := parseSizes("growth", *growth)
	if err != nil {
		return err
	}
	if idleSizes, err = parseSizes("idle", *idlers); err != nil {
		return err
	}
	if readerSizes, err = parseSizes("readers", *reading); err != nil {
		return err
	}
	if wantedRows, err = regexp.Compile(*only); err != nil {
		return err
	}
	if err := os.MkdirAll(*mailDir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*mailDir, "run-") // beside the messages: hard links cannot leave a file system
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Dovecot's own users must get through
		return err
	}
	cs, stock, err := start(dir)
	defer func() {
		for _, c := range append(cs, stock) {
			if c != nil {
				err = errors.Join(err, c.srv.Stop())
			}
		}
	}()
	if err != nil {
		return err
	}
	for i, n := range sizes {
		t := table{cs: cs, size: n}
		if n >= huge {
			t.cs = slices.DeleteFunc(slices.Clone(cs), func(c *contender) bool { return !c.ours() })
		} else if i == 0 {
			t.stock, t.first = stock, true
		}
		if len(t.cs) == 0 {
			continue
		}
		if err := t.measure(); err != nil {
			return err
		}
	}
	if len(grown) > 0 && cs[0].ours() {
		return grows(cs[0], grown)
	}
	return nil
}

func parseSizes(name, list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var sizes []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 10 {
			return nil, fmt.Errorf("-%s %s: 10 at least, or several such numbers with commas", name, list)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// table is what is measured with mailboxes of one size.
type table struct {
	cs    []*contender
	stock *contender // Dovecot as shipped, for the logins
	size  int
	first bool // with the figures that do not depend on the mailbox
}

func (t *table) measure() error {
	for _, c := range t.cs {
		lib, err := openLibrary(*mailDir, t.size, *seed, c.srv.UID, t.size >= huge)
		if err != nil {
			return err
		}
		c.forget(lib)
	}
	for run := range *runs {
		for i := range t.cs {
			c := t.cs[(i+run)%len(t.cs)] // who goes first changes
			fmt.Fprintf(os.Stderr, "%d messages, run %d of %d: %s\n", t.size, run+1, *runs, c.label)
			if err := errors.Join(c.measureRows(run), t.loads(c)); err != nil {
				return fmt.Errorf("%s: %w\n%s", c.label, err, c.srv.Log())
			}
		}
		if t.stock != nil {
			if err := t.stock.countLogins(); err != nil {
				return err
			}
		}
	}
	for _, c := range t.cs {
		if err := errors.Join(t.rested(c), c.readers(), c.memory()); err != nil {
			return fmt.Errorf("%s: %w\n%s", c.label, err, c.srv.Log())
		}
		if err := os.RemoveAll(c.srv.MailDir(userOf(0, 0))); err != nil {
			return err
		}
	}
	if err := report(t.cs, t.stock); err != nil {
		return err
	}
	if len(t.cs) == 2 {
		return compare(t.cs[0], t.cs[1])
	}
	return nil
}

// loads are measured in every run, with the first size.
func (t *table) loads(c *contender) error {
	if !t.first {
		return nil
	}
	return errors.Join(c.countLogins(), c.mixed())
}

// rested is measured once: it has many samples.
func (t *table) rested(c *contender) error {
	if !t.first {
		return nil
	}
	return errors.Join(c.latency(), c.folders())
}
