package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

const (
	readersRow = "one more reader of a public folder"
	// readersTimed is how many readers at the end of each step are measured.
	readersTimed = 10
)

// readerSizes are the steps of the row.
var readerSizes []int

func readerOf(i int) string { return fmt.Sprintf("reader%d", i) }

// readers measures what one more reader of a public folder costs whose \Seen is their own: all have the folder
// selected, and have marked one message as read. It is a server of its own, Dovecot's with INDEXPVT.
func (c *contender) readers() error {
	steps := c.steps(readerSizes)
	if len(steps) == 0 || !wanted(readersRow) {
		return nil
	}
	if err := c.readersOf(steps); err != nil {
		return fmt.Errorf("%s: %w", readersRow, err)
	}
	return nil
}

func (c *contender) readersOf(steps []int) (err error) {
	dir := filepath.Join(c.srv.Dir, "readers")
	root := filepath.Join(dir, "public")
	most := slices.Max(steps)
	o := peer.Options{Dir: dir, Users: map[string]string{"first": password}, Limit: most + 200}
	for i := range most {
		o.Users[readerOf(i)] = password
	}
	box := filepath.Join(root, ".News")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := c.lib.clone(box, c.srv.UID); err != nil {
		return err
	}
	if err := os.Chown(root, c.srv.UID, c.srv.UID); err != nil {
		return err
	}
	s, err := c.startPublic(o, public{root: root, layout: "maildir++", extra: daemonLimits(), keys: "acl = anyone lrs\n", private: ":INDEXPVT=~/pvt"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(), os.RemoveAll(dir)) }()
	r := &readers{contender: &contender{label: c.label, srv: s}, messages: c.lib.messages}
	defer func() {
		for _, k := range r.ks {
			k.drop()
		}
	}()
	// Whoever comes first numbers the messages; what that took is no reader's memory.
	first, err := r.first()
	if err != nil {
		return err
	}
	first.close()
	if err := s.Restart(); err != nil {
		return err
	}
	if first, err = r.first(); err != nil {
		return err
	}
	defer first.close()
	if err := r.grow(c, steps); err != nil {
		return fmt.Errorf("%w\n%s", err, s.Log())
	}
	return r.alone(first)
}

// grow goes from step to step, and notes the figures of each.
func (r *readers) grow(to *contender, steps []int) error {
	had := 0
	was, _, err := pss(r.srv.PID())
	if err != nil {
		return err
	}
	for _, n := range steps {
		fmt.Fprintf(os.Stderr, "%d readers: %s\n", n, r.label)
		figures, err := r.upTo(n)
		if err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
		kib, _, err := pss(r.srv.PID())
		if err != nil {
			return err
		}
		for _, f := range figures {
			to.note(fmt.Sprintf("%s, %s, with %d", readersRow, f.name, n), f.format, f.value)
		}
		to.note(fmt.Sprintf("%s, KiB of memory, from %d to %d", readersRow, had, n), "%.1f", float64(kib-was)/float64(n-had))
		was, had = kib, n
	}
	return nil
}

// readers are the connections of one run, in the order of their users.
type readers struct {
	*contender
	messages int
	ks       []*client
}

// first is somebody who has the folder selected before all readers.
func (r *readers) first() (*client, error) {
	k, err := login(r.srv.Addr, "first")
	if err != nil {
		return nil, err
	}
	return k, errors.Join(k.do("SELECT Public/News"), r.settle())
}

// readersFigure is something measured of a step.
type readersFigure struct {
	name, format string
	value        float64
}

// upTo has so many read, and measures the last of them.
func (r *readers) upTo(n int) ([]readersFigure, error) {
	timed := min(readersTimed, n-len(r.ks))
	for len(r.ks) < n-timed {
		i, err := r.enter()
		if err == nil {
			err = errors.Join(r.pick(i), r.mark(i))
		}
		if err != nil {
			return nil, err
		}
	}
	from := len(r.ks)
	for len(r.ks) < n {
		if _, err := r.enter(); err != nil {
			return nil, err
		}
	}
	disk, err := r.disk(from, n)
	if err != nil {
		return nil, err
	}
	var out []readersFigure
	for _, x := range []struct {
		name string
		do   func(i int) error
	}{{"SELECT", r.pick}, {`STORE \Seen`, r.mark}} {
		if err := r.settle(); err != nil {
			return nil, err
		}
		sm, err := r.measure(func() error {
			for i := from; i < n; i++ {
				if err := x.do(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		each := 1000 / float64(timed)
		out = append(out, readersFigure{x.name + ", ms", "%.2f", sm.wall.Seconds() * each}, readersFigure{x.name + ", CPU ms", "%.2f", sm.cpu.Seconds() * each})
	}
	after, err := r.disk(from, n)
	return append(out, readersFigure{"KiB on disk", "%.0f", float64(after-disk) / 1024 / float64(timed)}), err
}

// enter logs the next reader in.
func (r *readers) enter() (int, error) {
	i := len(r.ks)
	k, err := way{addr: r.srv.Addr, from: net.IPv4(127, 0, 1, byte(1+i/5000))}.login(readerOf(i)) // no address runs out of ports
	if err != nil {
		return i, fmt.Errorf("reader %d: %w", i+1, err)
	}
	k.shrink(4096)
	r.ks = append(r.ks, k)
	return i, nil
}

func (r *readers) pick(i int) error { return r.ks[i].do("SELECT Public/News") }

// message is the one that a reader marks: neighbours mark others.
func (r *readers) message(i int) int { return 1 + i*7919%r.messages }

func (r *readers) mark(i int) error {
	return r.ks[i].do(fmt.Sprintf(`STORE %d +FLAGS (\Seen)`, r.message(i)))
}

// alone fails if a mark is not its reader's, and nobody else's.
func (r *readers) alone(other *client) error {
	r.ks[0].keep, other.keep = true, true
	ask := fmt.Sprintf("FETCH %d (FLAGS)", r.message(0))
	seen := []byte(`\Seen`)
	if err := errors.Join(r.ks[0].do(ask), other.do(ask)); err != nil {
		return err
	}
	if !bytes.Contains(r.ks[0].kept, seen) || bytes.Contains(other.kept, seen) {
		return fmt.Errorf("read marks are not private: %q, and another's %q", r.ks[0].kept, other.kept)
	}
	return nil
}

// disk is how much lies in some readers' own directories.
func (r *readers) disk(from, to int) (sum int64, err error) {
	for i := from; i < to; i++ {
		err = errors.Join(err, filepath.Walk(r.srv.MailDir(readerOf(i)), func(_ string, st os.FileInfo, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			sum += st.Sys().(*syscall.Stat_t).Blocks * 512
			return nil
		}))
	}
	return sum, err
}

// public is a public namespace, Public/.
type public struct {
	root, layout string
	extra        string // configuration before it, ours
	keys         string // of its section, ours
	plugins      string // configuration before it, Dovecot's
	private      string // the end of its location, Dovecot's
}

// startPublic starts another server of the contender's kind, with a public namespace.
func (c *contender) startPublic(o peer.Options, p public) (*peer.Server, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	if c.ours() {
		o.Extra = p.extra + fmt.Sprintf("[namespace \"public\"]\nprefix = Public/\npath = %s\nlayout = %s\n", p.root, p.layout) + p.keys
		return peer.StartDaemon(o)
	}
	location := "maildir:" + p.root
	if p.layout == "fs" {
		location += ":LAYOUT=fs"
	}
	o.Best = true
	o.Extra = p.plugins + fmt.Sprintf("namespace public {\n  type = public\n  separator = /\n  prefix = Public/\n  location = %s\n  subscriptions = no\n}\n", location+p.private)
	return peer.StartDovecot(o)
}
