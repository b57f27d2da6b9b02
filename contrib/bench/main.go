package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

const password = "secret"

var (
	messages = flag.Int("messages", 10000, "messages in the mailbox")
	runs     = flag.Int("runs", 5, "runs of every row; the median counts")
	idlers   = flag.Int("idle", 1000, "idle connections for the memory row; 0 leaves it out")
	seed     = flag.Uint64("seed", 1, "seed of the messages")
	only     = flag.String("only", "", "regular expression: only these rows are shown (those before still run)")
	out      = flag.String("o", "", "append the table to this file")
	against  = flag.String("against", "both", "both, ours or dovecot")
	loginFor = flag.Duration("logins", 4*time.Second, "how long logins are counted; 0 leaves them out")
)

// sample is one measurement of a row.
type sample struct{ wall, cpu time.Duration }

// contender is a server under measurement.
type contender struct {
	label   string
	srv     *peer.Server
	samples map[string][]sample
	logins  []float64
	one     []float64
	pss     []float64 // KiB per idle connection
	master  string    // the Maildir all mailboxes are linked from
}

func main() {
	flag.Parse()
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() (err error) {
	dir, err := os.MkdirTemp("", "bench-")
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
	for run := range *runs {
		for i := range cs {
			c := cs[(i+run)%len(cs)] // who goes first changes
			fmt.Fprintf(os.Stderr, "run %d of %d: %s\n", run+1, *runs, c.label)
			if err := c.run(run); err != nil {
				return fmt.Errorf("%s: %w\n%s", c.label, err, c.srv.Log())
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
	}
	return report(cs, stock)
}

// start starts who is to be measured. stock is Dovecot as shipped, for the logins.
func start(dir string) (cs []*contender, stock *contender, err error) {
	users := map[string]string{}
	for i := range 1000 {
		users[fmt.Sprintf("u%d", i)] = password
	}
	for i := range *runs {
		users[fmt.Sprintf("run%d", i)] = password
	}
	add := func(label, sub string, o peer.Options, f func(peer.Options) (*peer.Server, error)) (*contender, error) {
		o.Dir, o.Users, o.Limit = filepath.Join(dir, sub), users, *idlers+200
		s, err := f(o)
		if err != nil {
			return nil, err
		}
		c := &contender{label: label, srv: s, samples: map[string][]sample{}, master: filepath.Join(o.Dir, "master")}
		return c, box(c.master, *messages, *seed)
	}
	if *against != "dovecot" {
		c, err := add("maildir-imapd", "ours", peer.Options{Extra: daemonLimits()}, peer.StartDaemon)
		if c != nil {
			cs = append(cs, c)
		}
		if err != nil {
			return cs, nil, err
		}
	}
	if *against != "ours" {
		c, err := add("Dovecot, best settings", "best", peer.Options{Best: true}, peer.StartDovecot)
		if c != nil {
			cs = append(cs, c)
		}
		if err != nil {
			return cs, nil, err
		}
		if *loginFor > 0 {
			stock, err = add("Dovecot, default", "stock", peer.Options{}, peer.StartDovecot)
			if err != nil {
				return cs, stock, err
			}
		}
	}
	return cs, stock, nil
}

// daemonLimits lets one address open as many connections as the memory row does.
func daemonLimits() string {
	return fmt.Sprintf("max_connections = %d\nper_user = %d\nper_ip = %d\n", *idlers+200, *idlers+200, *idlers+200)
}

// run measures every row once, on a mailbox that was never opened.
func (c *contender) run(n int) error {
	user := fmt.Sprintf("run%d", n)
	if err := cloneBox(c.master, c.srv.MailDir(user), c.srv.UID); err != nil {
		return err
	}
	s := &session{addr: c.srv.Addr, user: user, messages: *messages}
	defer func() {
		for _, k := range []*client{s.k, s.side} {
			if k != nil {
				k.close()
			}
		}
	}()
	for _, r := range rows {
		if r.prepare != nil {
			if err := r.prepare(s); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		sm, err := c.measure(func() error { return r.run(s) })
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		n := time.Duration(r.count)
		c.samples[r.name] = append(c.samples[r.name], sample{sm.wall / n, sm.cpu / n})
	}
	return c.countLogins()
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
	return idle(c.srv.Addr, []string{"run0"}, *idlers, func() error {
		kib, _, err := pss(c.srv.PID())
		c.pss = append(c.pss, float64(kib)/float64(*idlers))
		return err
	})
}

func median[T float64 | time.Duration](v []T) T {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func report(cs []*contender, stock *contender) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s: %d messages, %d runs\n\n", time.Now().UTC().Format("2006-01-02"), *messages, *runs)
	fmt.Fprintf(&b, "%s. %s, Dovecot %s. `%s`\n\n", machine(), runtime.Version(), peer.DovecotVersion(), strings.Join(command(), " "))
	table(&b, cs)
	extras(&b, cs, stock)
	fmt.Print(b.String())
	if *out == "" {
		return nil
	}
	f, err := os.OpenFile(*out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(b.String()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func command() []string { return append([]string{"go run ./contrib/bench"}, os.Args[1:]...) }

func table(b *strings.Builder, cs []*contender) {
	want := regexp.MustCompile(*only)
	b.WriteString("Medians of one operation. Ratio: ours to Dovecot's, below 1 is faster.\n\n| operation |")
	rule := "\n| --- |"
	for _, c := range cs {
		fmt.Fprintf(b, " %s: wall | CPU |", c.label)
		rule += " ---: | ---: |"
	}
	if len(cs) == 2 {
		b.WriteString(" wall ratio | CPU ratio |")
		rule += " ---: | ---: |"
	}
	b.WriteString(rule + "\n")
	for _, r := range rows {
		if !want.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(b, "| %s |", r.name)
		var m []sample
		for _, c := range cs {
			var walls, cpus []time.Duration
			for _, s := range c.samples[r.name] {
				walls, cpus = append(walls, s.wall), append(cpus, s.cpu)
			}
			m = append(m, sample{median(walls), median(cpus)})
			fmt.Fprintf(b, " %s | %s |", show(median(walls)), show(median(cpus)))
		}
		if len(cs) == 2 {
			fmt.Fprintf(b, " %s | %s |", ratio(float64(m[0].wall), float64(m[1].wall)), ratio(float64(m[0].cpu), float64(m[1].cpu)))
		}
		b.WriteByte('\n')
	}
}

// ratio of figures below the clock's tick means nothing.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func show(d time.Duration) string {
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

func extras(b *strings.Builder, cs []*contender, stock *contender) {
	b.WriteString("\n| |")
	all := cs
	if stock != nil {
		all = append(slices.Clone(cs), stock)
	}
	for _, c := range all {
		fmt.Fprintf(b, " %s |", c.label)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(all)) + "\n")
	line := func(name, format string, of func(*contender) []float64) {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range all {
			if v := median(of(c)); v > 0 {
				fmt.Fprintf(b, format, v)
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteByte('\n')
	}
	line("logins a second, one at a time", " %.0f |", func(c *contender) []float64 { return c.one })
	line("logins a second, 8 at once", " %.0f |", func(c *contender) []float64 { return c.logins })
	line(fmt.Sprintf("KiB per idle connection, mailbox selected, %d connections", *idlers), " %.1f |", func(c *contender) []float64 { return c.pss })
}
