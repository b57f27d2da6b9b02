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
	fmt.Fprintf(&b, "\n## %s: %d messages, %d runs\n\n", time.Now().UTC().Format("2006-01-02"), lib.messages, *runs)
	fmt.Fprintf(&b, "%s. %s, Dovecot %s. %d MB of mail, %d MB without attachments. `%s`\n\n", machine(), runtime.Version(), peer.DovecotVersion(),
		lib.Bytes>>20, lib.Text>>20, strings.Join(append([]string{"go run ./contrib/bench"}, os.Args[1:]...), " "))
	table(&b, cs)
	extras(&b, lib, cs, stock)
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

func table(b *strings.Builder, cs []*contender) {
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
		if !wanted(&rows[i]) {
			continue
		}
		fmt.Fprintf(b, "| %s |", rows[i].name)
		var m []sample
		for _, c := range cs {
			var walls, cpus []time.Duration
			for _, s := range c.samples[rows[i].name] {
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
	return fmt.Sprintf("%.3f", a/b)
}

func show(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

func extras(b *strings.Builder, lib *library, cs []*contender, stock *contender) {
	all := slices.Clone(cs)
	if stock != nil {
		all = append(all, stock)
	}
	var lines strings.Builder
	line := func(name, format string, of func(*contender) float64) {
		seen := false
		var l strings.Builder
		for _, c := range all {
			v := of(c)
			if v == 0 {
				l.WriteString(" - |")
				continue
			}
			seen = true
			fmt.Fprintf(&l, format, v)
		}
		if seen {
			fmt.Fprintf(&lines, "| %s |%s\n", name, l.String())
		}
	}
	line("logins a second, one at a time", " %.0f |", func(c *contender) float64 { return median(c.one) })
	line("logins a second, 8 at once", " %.0f |", func(c *contender) float64 { return median(c.logins) })
	line(fmt.Sprintf("KiB per idle connection, mailbox selected, %d connections", *idlers), " %.1f |", func(c *contender) float64 { return median(c.pss) })
	line("text index complete, seconds after the first search", " %.2f |", func(c *contender) float64 { return median(c.indexTime) })
	line("text index, % of the mail without attachments", " %.1f |", func(c *contender) float64 { return 100 * median(c.indexBytes) / float64(lib.Text) })
	line("text index, % of the mail", " %.1f |", func(c *contender) float64 { return 100 * median(c.indexBytes) / float64(lib.Bytes) })
	if lines.Len() == 0 {
		return
	}
	b.WriteString("\n| |")
	for _, c := range all {
		fmt.Fprintf(b, " %s |", c.label)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(all)) + "\n" + lines.String())
}
