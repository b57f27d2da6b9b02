package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"
)

// dovecotIdle bounds the connections that Dovecot has to bear: it has a process for each.
const dovecotIdle = 1000

// memory opens connections on one user's mailbox of full size, step by step, and measures after each step.
func (c *contender) memory() error {
	if len(idleSizes) == 0 || !wanted(memoryRow) {
		return nil
	}
	for _, kind := range []struct {
		name string
		w    way
	}{
		{"plain", way{addr: c.srv.Addr}},
		{"TLS", way{addr: c.srv.TLSAddr, tls: true}},
		{"COMPRESS", way{addr: c.srv.Addr, compress: true}},
	} {
		if kind.w.compress && !c.ours() { // would take plugins, which cost each process their start
			continue
		}
		if err := c.memoryOf(kind.name, kind.w); err != nil {
			return fmt.Errorf("idle connections, %s: %w", kind.name, err)
		}
	}
	return nil
}

func (c *contender) memoryOf(kind string, w way) error {
	fmt.Fprintf(os.Stderr, "memory: %s, %s\n", c.label, kind)
	if err := c.srv.Restart(); err != nil {
		return err
	}
	user := userOf(0, 0)
	if _, err := os.Stat(c.srv.MailDir(user)); errors.Is(err, fs.ErrNotExist) { // no row had a mailbox
		err = c.lib.clone(c.srv.MailDir(user), c.srv.UID)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	var ks []*client
	defer func() {
		for _, k := range ks {
			k.drop()
		}
	}()
	was, had := 0, 0
	for _, n := range c.steps(idleSizes) {
		for len(ks) < n {
			w.from = net.IPv4(127, 0, 1, byte(1+len(ks)/5000)) // no address runs out of ports
			k, err := w.login(user)
			if err != nil {
				return fmt.Errorf("connection %d: %w", len(ks)+1, err)
			}
			k.shrink(4096)
			ks = append(ks, k)
			if err := k.do("SELECT INBOX"); err != nil {
				return fmt.Errorf("connection %d: %w", len(ks), err)
			}
		}
		time.Sleep(5 * time.Second)
		kib, _, err := pss(c.srv.PID())
		if err != nil {
			return err
		}
		if slices.Contains(idleSizes, n) {
			c.note(fmt.Sprintf("%s, INBOX selected, %s, %d connections", memoryRow, kind, n), "%.1f", float64(kib)/float64(n))
			c.note(fmt.Sprintf("%s more, %s, from %d to %d", memoryRow, kind, had, n), "%.1f", float64(kib-was)/float64(n-had))
		}
		was, had = kib, n
	}
	return nil
}

// steps begin below the smallest number, so that what one connection more costs is known for it as well.
func (c *contender) steps(sizes []int) []int {
	steps := slices.Sorted(slices.Values(sizes))
	if !c.ours() {
		steps = slices.DeleteFunc(steps, func(n int) bool { return n > dovecotIdle })
	}
	if len(steps) == 0 {
		return nil
	}
	return append([]int{max(1, steps[0]/10)}, steps...)
}
