package pubroot

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"maildir-imapd/maildir"
)

const (
	// lookShare: all users' mailboxes are looked at for LIST in one part of the time out of so many at most.
	lookShare = 20
	// shareAge is for how long at most it is believed what a look found: Dovecot's own time for lists.
	shareAge = 30 * time.Second
	// apartFrom is how many owners are worth a second goroutine.
	apartFrom = 64
)

// Sharing is what a process knows of who lets others in, for LIST. To find out, all mailboxes of all users are looked
// at: where that took a millisecond it is believed for twenty, and never for more than half a minute. Who is asked for
// by name is asked at once, and so are rights; what a list says that this process has changed, or whose mailboxes there
// are after a reload, holds at once as well. The memory is for the lists that there are, not for users or mailboxes.
// The zero value is ready, and safe for concurrent use.
type Sharing struct {
	Now func() time.Time // nil: time.Now

	once sync.Once
	turn chan struct{} // who has a place in it looks

	mu        sync.Mutex // not held over a system call
	last      *survey
	forgotten map[string]int // owners to be looked at again, and how often that was said
}

// survey is what a look found. It is not changed once it is made.
type survey struct {
	generation uint64
	at         time.Time // it was over
	took       time.Duration
	sharers    []sharer // sorted
}

// sharer is an owner who has lists.
type sharer struct {
	owner string
	root  string // where they lie
	lists *maildir.Lists
}

// Forget has an owner looked at again: a list of theirs has changed.
func (s *Sharing) Forget(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgotten == nil {
		s.forgotten = make(map[string]int)
	}
	s.forgotten[owner]++
}

// sharers are the owners who may let somebody in. One at a time looks, and others wait only where what is known already
// will not do.
func (s *Sharing) sharers(ctx context.Context, o *UsersOptions) ([]sharer, error) {
	s.once.Do(func() { s.turn = make(chan struct{}, 1) })
	known, fresh := s.known(o.generation())
	if fresh {
		return known.sharers, nil
	}
	if known != nil {
		select {
		case s.turn <- struct{}{}:
		default:
			return known.sharers, nil
		}
	} else {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-s.turn }()
	generation := o.generation()
	if known, fresh = s.known(generation); fresh { // somebody else has looked meanwhile
		return known.sharers, nil
	}
	return s.look(ctx, o, generation)
}

// known is what the last look found, nil where something has changed since that must be seen; fresh where nobody need
// look again.
func (s *Sharing) known(generation uint64) (v *survey, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v = s.last; v == nil || v.generation != generation || len(s.forgotten) > 0 {
		return nil, false
	}
	return v, v.holds(s.now())
}

// holds tells whether a survey is to be believed still.
func (v *survey) holds(now time.Time) bool {
	age := now.Sub(v.at)
	return age >= 0 && age < min(lookShare*v.took, shareAge)
}

// look looks at everybody, or at those only of whom something is known to have changed.
func (s *Sharing) look(ctx context.Context, o *UsersOptions, generation uint64) ([]sharer, error) {
	begin := s.now()
	s.mu.Lock()
	last, again := s.last, make(map[string]int, len(s.forgotten))
	for owner, n := range s.forgotten {
		again[owner] = n
	}
	s.mu.Unlock()
	next := &survey{generation: generation}
	var err error
	if last != nil && last.generation == generation && last.holds(begin) {
		next.at, next.took = last.at, last.took
		next.sharers, err = last.renewed(ctx, o, again)
	} else {
		next.sharers, err = last.all(ctx, o)
		next.at = s.now()
		next.took = next.at.Sub(begin)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = next
	for owner, n := range again {
		if s.forgotten[owner] == n {
			delete(s.forgotten, owner)
		}
	}
	return next.sharers, nil
}

// all looks at everybody. It is nearly all system calls, in directories that have nothing to do with each other: two
// goroutines take half of them each.
func (v *survey) all(ctx context.Context, o *UsersOptions) (found []sharer, err error) {
	var was []sharer
	if v != nil {
		was = v.sharers
	}
	users := o.Users()
	half := 0
	if len(users) >= apartFrom {
		half = len(users) / 2
	}
	first := make(chan lookedAt, 1)
	go func() { first <- o.lookApart(ctx, users[:half], was) }()
	defer func() {
		x := <-first // also where this half panics: nothing runs on
		if x.panicked != nil {
			panic(x.panicked)
		}
		found, err = append(x.found, found...), cmp.Or(x.err, err)
	}()
	return o.lookAll(ctx, users[half:], was)
}

// lookedAt is what a goroutine has found out.
type lookedAt struct {
	found    []sharer
	err      error
	panicked any
}

// lookApart is lookAll in a goroutine of its own. A panic is the caller's to have: there somebody recovers.
func (o *UsersOptions) lookApart(ctx context.Context, users []string, was []sharer) (x lookedAt) {
	defer func() {
		if p := recover(); p != nil {
			x.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	x.found, x.err = o.lookAll(ctx, users, was)
	return x
}

// lookAll looks at some, of whom it was known what was found before.
func (o *UsersOptions) lookAll(ctx context.Context, users []string, was []sharer) (found []sharer, err error) {
	for _, owner := range users {
		for len(was) > 0 && was[0].owner < owner {
			was = was[1:]
		}
		var had sharer
		if len(was) > 0 && was[0].owner == owner {
			had = was[0]
		}
		if found, err = o.look(ctx, found, owner, had); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// renewed looks at some.
func (v *survey) renewed(ctx context.Context, o *UsersOptions, again map[string]int) (found []sharer, err error) {
	found = make([]sharer, 0, len(v.sharers)+len(again))
	for _, x := range v.sharers {
		if again[x.owner] == 0 {
			found = append(found, x)
		}
	}
	users := o.Users()
	for owner := range again {
		if _, is := slices.BinarySearch(users, owner); !is {
			continue
		}
		if found, err = o.look(ctx, found, owner, sharer{}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b sharer) int { return cmp.Compare(a.owner, b.owner) })
	return found, nil
}

// look looks at one owner, and adds who has lists, or may have. An error is the end of the look at all.
func (o *UsersOptions) look(ctx context.Context, to []sharer, owner string, had sharer) ([]sharer, error) {
	place, err := o.Place(owner)
	x := sharer{owner: owner, root: place.Root}
	if err == nil {
		if had.root != x.root {
			had.lists = nil
		}
		x.lists, err = o.Store.Lists(ctx, &place, had.lists)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !unreadable(err):
		x.lists = maildir.UnknownLists() // who opens the tree is told why
	}
	if x.lists == nil {
		return to, nil
	}
	return append(to, x), nil
}

func (s *Sharing) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
