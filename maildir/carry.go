package maildir

import (
	"strings"

	"maildir-imapd/maildir/fsx"
)

// carried is what an index has and no other file: keywords past the letters, and
// save dates. A repair that sets the index aside takes it along, by the messages'
// base names, which are no other message's in any life of a mailbox.
type carried struct {
	keys [64]string
	of   map[string]carriedMessage
}

type carriedMessage struct {
	keywords uint64 // without the letters
	saved    uint32
}

// carry reads what is to be kept of an index; nil where there is nothing.
func carry(d *fsx.Dir) *carried {
	m := &Mailbox{boxDirs: together(d)}
	m.index.m = m
	b, _, err := d.ReadFile(indexName, indexLimit)
	if err != nil {
		return nil
	}
	m.index.apply(b, true) // as far as it can be read
	s := &m.state
	c := &carried{keys: s.keys, of: make(map[string]carriedMessage, s.list.len())}
	for e := range s.list.all() {
		c.of[string(s.base(e))] = carriedMessage{e.keywords &^ (1<<maxLetters - 1), e.saved}
	}
	return c
}

// bring gives them to the messages that are there.
func (c *carried) bring(t *txn) {
	t.publish(func(s *state, l *changeLog) {
		bits := c.places(s)
		for e := range s.list.all() {
			old, ok := c.of[string(s.base(e))]
			if !ok {
				continue
			}
			if old.saved != 0 {
				e.saved = old.saved
			}
			var add uint64
			for k := maxLetters; k < len(bits); k++ {
				if old.keywords>>k&1 != 0 {
					add |= bits[k]
				}
			}
			if add&^e.keywords == 0 {
				continue
			}
			modseq := t.next(s)
			s.change(e, func(e *entry) { e.keywords, e.modseq = e.keywords|add, modseq })
			l.flags(e.uid, nil, false)
		}
	})
}

// places finds or makes room for the keywords' names: the bit of each, 0 where
// there is no room.
func (c *carried) places(s *state) (bits [64]uint64) {
	for k := maxLetters; k < len(c.keys); k++ {
		if c.keys[k] == "" {
			continue
		}
		free := -1
		for i := len(s.keys) - 1; i >= maxLetters; i-- {
			switch {
			case strings.EqualFold(s.keys[i], c.keys[k]):
				bits[k] = 1 << i
			case s.keys[i] == "":
				free = i
			}
		}
		if bits[k] == 0 && free >= 0 {
			s.keys[free], bits[k] = c.keys[k], 1<<free
			s.keysGen++
		}
	}
	return bits
}
