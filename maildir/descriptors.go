package maildir

import (
	"errors"
	"syscall"
)

// Each mailbox that is open, warm ones too, holds descriptors: its directories, index and cache. A process that may
// have few of them must not spend them all on mailboxes that nobody looks at: accept(2) and every other open would
// fail until a restart. So their number is bounded by the limit as well, and when an open fails for want of a
// descriptor, some of them go and it is tried again.

// warmShare is how many descriptors there must be for each mailbox kept warm: it holds up to six, or eight where lists
// and indices lie apart from the mail, and more than half of all are for what is in use.
const warmShare = 16

// shedTries is how often an open is tried again: each time half of those that are idle have gone.
const shedTries = 8

// warmWithin is how many mailboxes may stay warm where so many are wanted.
func warmWithin(want int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return want
	}
	return int(min(uint64(max(want, 0)), max(l.Cur/warmShare, 1)))
}

// shed lets go of the older half of the mailboxes that nobody has open, where err is for want of descriptors, and
// tells whether there were any.
func (s *Store) shed(err error) bool {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return false
	}
	s.mu.Lock()
	victims := s.coolest((s.idle.Len() + 1) / 2)
	s.mu.Unlock()
	for _, m := range victims {
		m.close()
	}
	return len(victims) > 0
}

// coolest takes so many mailboxes, the longest idle first, out of the registry; the caller closes them. mu is held.
func (s *Store) coolest(n int) (victims []*Mailbox) {
	for range min(n, s.idle.Len()) {
		m := s.idle.Remove(s.idle.Front()).(*Mailbox)
		m.idle = nil
		if s.boxes[m.key] == m {
			delete(s.boxes, m.key)
		}
		victims = append(victims, m)
	}
	return victims
}
