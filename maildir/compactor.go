package maildir

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// chores are what a mailbox's files need when nobody waits for it.
type chores uint8

const (
	choreIndex chores = 1 << iota // is mostly history: write it anew
	choreCache                    // is mostly of no use: likewise
	choreList                     // many lines have no message: likewise
)

// choreAgain is how long after a failure the next attempt is made.
const choreAgain = time.Minute

// housekeeping is what a mailbox waits for.
type housekeeping struct {
	due   atomic.Uint32 // chores
	later atomic.Int64  // no attempt before this time
}

// compactor writes files anew that have become too large, one at a time and in the
// background: no command is as slow as the mailbox is large because it happened to
// be the one that found the file so. What can be written beside the file is written
// under no lock; then, under the lock, what has been added to the file meanwhile,
// and the rename. One may be asked for again while it is at work.
func compactor() background { return background{do: compact, twice: true} }

// wantChore has a chore done soon. Any lock may be held.
func (m *Mailbox) wantChore(what chores) {
	if m.chores.due.Load()&uint32(what) != 0 || m.store.now().UnixNano() < m.chores.later.Load() {
		return
	}
	m.chores.due.Or(uint32(what))
	if !m.store.compact.ask(m) {
		m.chores.due.Store(0)
	}
}

func compact(ctx context.Context, m *Mailbox) {
	if !m.store.keep(m) {
		m.chores.due.Store(0)
		return
	}
	defer m.store.release(m)
	err := m.doChores(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	m.chores.later.Store(m.store.now().Add(choreAgain).UnixNano())
	if !errors.Is(err, fsx.ErrCrash) && !errors.Is(err, fsx.ErrLocked) {
		m.once("compact", "cannot write a file anew that has become too large", "err", err)
	}
}

// keep counts one more user of a mailbox, be it idle. False: it is not open any more.
func (s *Store) keep(m *Mailbox) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || m.dead.Load() || s.boxes[m.key] != m {
		return false
	}
	s.use(m)
	return true
}

func (m *Mailbox) doChores(ctx context.Context) (err error) {
	due := chores(m.chores.due.Load())
	if due&choreList != 0 {
		err = m.compactList(ctx, false)
	}
	if due&choreCache != 0 && m.cacheBloated() {
		err = errors.Join(err, m.compactCache(ctx))
	}
	if due&choreIndex != 0 {
		err = errors.Join(err, m.compactIndex(ctx, false))
	}
	m.chores.due.And(^uint32(due))
	return err
}

// compactList rewrites the uidlist without the lines of messages that are gone, if
// they are many or in any case.
func (m *Mailbox) compactList(ctx context.Context, always bool) error {
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	if t.lock != nil && (always || m.list.wasteful(&m.state)) {
		err = t.rewriteList(nil)
	}
	t.end(err)
	return err
}
