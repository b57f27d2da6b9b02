package maildir

import (
	"errors"
	"io/fs"
)

// find follows the original to the name that another program has given it.
func (n *newcomer) find() error {
	where, info, err := n.by.locate(n)
	if err != nil {
		return err
	}
	n.tmp, n.old = n.by.src.sub(dirOf(where)), n.base+info
	sys, letters, rest := parseInfo(info)
	if n.by.own != nil {
		sys = sys&^Seen | n.flags.System&Seen
	}
	n.flags.System, n.rest = sys, rest
	n.flags.Keywords = n.flags.Keywords&^(1<<maxLetters-1) | uint64(letters)
	return nil
}

// sighted is where a message's file has been seen.
type sighted struct {
	where entryBits
	info  string
}

// locate tells where an original lies that is not in its place. Whoever renamed it
// has renamed others: the first time all of them are looked for, and only one that
// is missed again is searched for by itself. No lock of the source is asked for, as
// the destination's may be held.
func (c *copying) locate(n *newcomer) (where entryBits, info string, err error) {
	if c.found == nil {
		c.found = make(map[string]sighted)
		wanted := make(map[string]bool, len(c.list))
		for i := range c.list {
			wanted[c.list[i].base] = true
		}
		l := &sweep{}
		for dir := range c.src.seen.dirs {
			if err := l.read(c.src.sub(dir), dir, func() bool {
				for _, x := range l.list {
					if wanted[string(l.base(x))] {
						c.found[string(l.base(x))] = sighted{x.where, string(l.info(x))}
					}
				}
				return true
			}); err != nil {
				return 0, "", err
			}
		}
	}
	if f, ok := c.found[n.base]; ok {
		delete(c.found, n.base)
		return f.where, f.info, nil
	}
	where, info, ok, err := c.src.findFile(n.base)
	if err == nil && !ok {
		err = ErrExpunged
	}
	return where, info, err
}

// reach does something to the original, wherever it is by now.
func (n *newcomer) reach(f func() error) error {
	err := f()
	for range 5 {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err := n.find(); err != nil {
			return err
		}
		err = f()
	}
	return err
}
