package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

func median[T float64 | time.Duration](v []T) T {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func report(cs []*contender, stock *contender) error {
	lib := cs[0].lib
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s: %d messages, %d runs\n\n%s %d MB of mail, %d MB without attachments.\n\n",
		time.Now().UTC().Format("2006-01-02"), lib.messages, *runs, conditions(), lib.Bytes>>20, lib.Text>>20)
	lines(&b, cs)
	all := slices.Clone(cs)
	if stock != nil {
		all = append(all, stock)
	}
	extras(&b, all)
	return publish(b.String())
}

// conditions are the machine, the programs and the command line.
func conditions() string {
	return fmt.Sprintf("%s. %s, Dovecot %s. `%s`.", machine(), runtime.Version(), peer.DovecotVersion(),
		strings.Join(append([]string{"go run ./contrib/bench"}, os.Args[1:]...), " "))
}

// publish prints a table, and keeps it where that was asked for.
func publish(text string) error {
	fmt.Print(text)
	if *out == "" {
		return nil
	}
	f, err := os.OpenFile(*out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func medians(samples []sample) sample {
	var walls, cpus []time.Duration
	for _, s := range samples {
		walls, cpus = append(walls, s.wall), append(cpus, s.cpu)
	}
	return sample{median(walls), median(cpus)}
}

func lines(b *strings.Builder, cs []*contender) {
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
	for i := range rows {
		if !slices.ContainsFunc(cs, func(c *contender) bool { return len(c.samples[rows[i].name]) > 0 }) {
			continue
		}
		fmt.Fprintf(b, "| %s |", rows[i].name)
		var m []sample
		for _, c := range cs {
			m = append(m, medians(c.samples[rows[i].name]))
			fmt.Fprintf(b, " %s | %s |", show(m[len(m)-1].wall), show(m[len(m)-1].cpu))
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
	return fmt.Sprintf("%.3f", a/b)
}

func show(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

// extras is the table of what has no operation to be divided by.
func extras(b *strings.Builder, all []*contender) {
	var named []figure
	for _, c := range all {
		for _, f := range c.named {
			if !slices.Contains(named, f) {
				named = append(named, f)
			}
		}
	}
	if len(named) == 0 {
		return
	}
	b.WriteString("\n| |")
	for _, c := range all {
		fmt.Fprintf(b, " %s |", c.label)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(all)) + "\n")
	for _, f := range named {
		fmt.Fprintf(b, "| %s |", f.name)
		for _, c := range all {
			if v := c.figures[f.name]; len(v) > 0 {
				fmt.Fprintf(b, " "+f.format+" |", median(v))
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteByte('\n')
	}
}
