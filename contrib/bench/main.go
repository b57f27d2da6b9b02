package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

const password = "secret"

var (
	messages = flag.String("messages", "10000", "messages in the mailbox; 10000,100000 makes two tables")
	runs     = flag.Int("runs", 5, "runs of every row; the median counts")
	only     = flag.String("rows", "", "regular expression: only these rows are measured; without logins and memory")
	idlers   = flag.Int("idle", 1000, "idle connections for the memory row; 0 leaves it out")
	loginFor = flag.Duration("logins", 2*time.Second, "how long logins are counted in each run; 0 leaves them out")
	seed     = flag.Uint64("seed", 1, "seed of the messages")
	mailDir  = flag.String("mail", filepath.Join(os.TempDir(), "maildir-imapd-bench"), "directory for the messages, which are made once, and for the servers' files")
	out      = flag.String("o", "", "append the tables to this file")
	against  = flag.String("against", "both", "both, ours or dovecot")
)

func main() {
	flag.Parse()
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var wantedRows *regexp.Regexp

func wanted(r *row) bool { return wantedRows.MatchString(r.name) }

func bench() (err error) {
	sizes, err := parseSizes(*messages)
	if err != nil {
		return err
	}
	if wantedRows, err = regexp.Compile(*only); err != nil {
		return err
	}
	if *only != "" {
		*idlers, *loginFor = 0, 0
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
	logins := stock
	for _, n := range sizes {
		if err := measureSize(n, cs, logins); err != nil {
			return err
		}
		logins, *loginFor = nil, 0 // they do not depend on the mailbox
	}
	return nil
}

func parseSizes(list string) ([]int, error) {
	var sizes []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 10 {
			return nil, fmt.Errorf("-messages %s: 10 at least, or several such numbers with commas", list)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// measureSize makes one table.
func measureSize(n int, cs []*contender, stock *contender) error {
	for _, c := range cs {
		lib, err := openLibrary(*mailDir, n, *seed, c.srv.UID)
		if err != nil {
			return err
		}
		c.forget(lib)
	}
	for run := range *runs {
		for i := range cs {
			c := cs[(i+run)%len(cs)] // who goes first changes
			fmt.Fprintf(os.Stderr, "%d messages, run %d of %d: %s\n", n, run+1, *runs, c.label)
			if err := c.measureRows(run); err != nil {
				return fmt.Errorf("%s: %w\n%s", c.label, err, c.srv.Log())
			}
			if err := c.countLogins(); err != nil {
				return err
			}
		}
		if stock != nil {
			if err := stock.countLogins(); err != nil {
				return err
			}
		}
	}
	for _, c := range cs {
		if err := c.memory(); err != nil {
			return fmt.Errorf("%s: %w\n%s", c.label, err, c.srv.Log())
		}
		if err := os.RemoveAll(c.srv.MailDir(userOf(0, 0))); err != nil {
			return err
		}
	}
	if err := report(cs, stock); err != nil {
		return err
	}
	if len(cs) == 2 {
		return compare(cs[0], cs[1])
	}
	return nil
}

// start starts who is to be measured. stock is Dovecot as shipped, for the logins.
func start(dir string) (cs []*contender, stock *contender, err error) {
	users := map[string]string{}
	for i := range 1000 {
		users[fmt.Sprintf("u%d", i)] = password
	}
	for run := range *runs {
		for box := range boxesPerRun {
			users[userOf(run, box)] = password
		}
	}
	add := func(label, sub string, o peer.Options, f func(peer.Options) (*peer.Server, error)) (*contender, error) {
		o.Dir, o.Users, o.Limit = filepath.Join(dir, sub), users, *idlers+200
		s, err := f(o)
		if err != nil {
			return nil, err
		}
		return &contender{label: label, srv: s}, nil
	}
	if *against != "dovecot" {
		c, err := add("maildir-imapd", "ours", peer.Options{Extra: daemonLimits()}, peer.StartDaemon)
		if err != nil {
			return cs, nil, err
		}
		cs = append(cs, c)
	}
	if *against != "ours" {
		c, err := add("Dovecot, best settings", "best", peer.Options{Best: true}, peer.StartDovecot)
		if err != nil {
			return cs, nil, err
		}
		cs = append(cs, c)
		if *loginFor > 0 {
			stock, err = add("Dovecot, default", "stock", peer.Options{}, peer.StartDovecot)
			if err != nil {
				return cs, nil, err
			}
		}
	}
	return cs, stock, nil
}

// daemonLimits lets one address open as many connections as the memory row does.
func daemonLimits() string {
	return fmt.Sprintf("max_connections = %d\nper_user = %d\nper_ip = %d\n", *idlers+200, *idlers+200, *idlers+200)
}
