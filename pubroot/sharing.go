package pubroot

import (
	"sync"
	"time"
)

// shareAge is for how long it is believed who shares something: Dovecot's own time for lists.
const shareAge = 30 * time.Second

// Sharing is what a process knows of who shares mail with others, for LIST: to find out, all mailboxes of all users
// are looked at. Who is asked for by name is asked at once, and so are rights; only a new share that another process
// has made may be missing from LIST for half a minute. The zero value is ready, and safe for concurrent use.
type Sharing struct {
	Now func() time.Time // nil: time.Now

	mu     sync.Mutex
	owners map[string]sharer
}

// sharer is what is known of one owner.
type sharer struct {
	shares  bool
	known   bool
	looking bool // somebody is finding it out
	at      time.Time
	turn    int // times that it was forgotten
}

// Forget has an owner looked at again: a list of theirs has changed.
func (s *Sharing) Forget(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.owners[owner]
	s.put(owner, sharer{turn: x.turn + 1})
}

// ask tells whether an owner shares something, as far as is known, and whether the caller is to find out and say so
// by tell. Only one is told so at a time where something is known, the others go by that meanwhile.
func (s *Sharing) ask(owner string) (shares, look bool, turn int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.owners[owner]
	if x.known && (x.looking || s.now().Sub(x.at) < shareAge) {
		return x.shares, false, x.turn
	}
	x.looking = true
	s.put(owner, x)
	return x.shares, true, x.turn
}

// tell says what has been found out; not known is what could not be.
func (s *Sharing) tell(owner string, shares, known bool, turn int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.owners[owner]
	if x.turn == turn {
		s.put(owner, sharer{shares: shares, known: known, at: s.now(), turn: turn})
	}
}

func (s *Sharing) put(owner string, x sharer) {
	if s.owners == nil {
		s.owners = make(map[string]sharer)
	}
	s.owners[owner] = x
}

func (s *Sharing) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
