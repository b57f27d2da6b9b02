package maildir

import (
	"context"
	"errors"
	"sync/atomic"

	"maildir-imapd/maildir/fsx"
)

// stale tells what has changed on disk since the last look: four stats when
// nothing has.
func (m *Mailbox) stale() (looks, error) {
	mtimes, err := m.times()
	if err != nil {
		return 0, err
	}
	list, err := idNow(m.control, uidlistFile)
	if err != nil {
		return 0, err
	}
	index, err := idNow(m.own, indexName)
	if err != nil {
		return 0, err
	}
	now := m.store.now().UnixNano()
	watched := m.store.watch.covers(m)
	l := m.heard(now)
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, mt := range mtimes {
		if m.seen.dirs[i].stale(mt, now, watched) {
			l |= 1 << i
		}
	}
	if list != m.seen.list {
		l |= lookList
	}
	if index.ino != m.seen.index.ino || index.size != m.seen.index.size {
		l |= lookTail
	}
	return l, nil
}

// heard tells which directories have changed by others, as far as events have told. Those
// of our own changes come in one by one: of a message whose flag was set and taken away
// again the first event that comes may say what was true in between. So when memory does
// not explain them just after a change of ours, they are let come in to the end.
func (m *Mailbox) heard(now int64) looks {
	l := m.noted.pending(m)
	if l == 0 {
		return 0
	}
	m.mu.RLock()
	ours := false
	for _, d := range m.seen.dirs {
		ours = ours || d.own && now-d.at < second
	}
	m.mu.RUnlock()
	if ours && m.store.watch.events.Drain(drainWait) {
		l = m.noted.pending(m)
	}
	return l
}

// load reads what the index tells, so that a mailbox that nobody has touched
// since costs no readdir.
func (m *Mailbox) load(ctx context.Context) error {
	if m.ready.Load() {
		return nil
	}
	if err := m.writer.take(ctx); err != nil {
		return err
	}
	defer m.writer.give()
	if m.ready.Load() {
		return nil
	}
	pending, err := courierPending(m.dir)
	if err != nil {
		return err
	}
	m.courier.Store(pending)
	t := &txn{m: m, ctx: ctx}
	if err := t.readKeys(); err != nil {
		return err
	}
	if err := m.index.catchUp(); err != nil {
		return err
	}
	grown := m.state.validity != 0 && m.goOn()
	m.ready.Store(!grown && !t.keysBad && !m.index.broken && m.state.validity != 0 && m.index.boot == m.store.boot)
	return nil
}

// looked counts the looks at the disk, by whomever: one that began after somebody
// wanted to know serves him as well as his own. A delivery to a mailbox that a
// thousand sessions wait for is one look, and not a thousand locks.
type looked struct{ begun, done atomic.Uint64 }

// refresh makes memory agree with the disk.
func (m *Mailbox) refresh(ctx context.Context, h *Handle) error {
	if err := m.alive(); err != nil {
		return err
	}
	came := m.looked.begun.Load()
	look, err := m.stale()
	if err != nil {
		return err
	}
	if look == 0 && m.ready.Load() && !m.wants(h) {
		m.agreed.Store(true)
		return nil
	}
	return m.look(ctx, h, came)
}

// woken is refresh after a signal. While events tell of all changes, and memory
// explains those that they have told of, there is nothing to look at.
func (m *Mailbox) woken(ctx context.Context, h *Handle) error {
	if err := m.alive(); err != nil {
		return err
	}
	if !m.ready.Load() || !m.agreed.Load() || !m.noted.on.Load() {
		return m.refresh(ctx, h)
	}
	came := m.looked.begun.Load()
	if m.noted.pending(m) == 0 && !m.wants(h) {
		return nil
	}
	return m.look(ctx, h, came)
}

// look takes the disk and looks, unless somebody has while it waited.
func (m *Mailbox) look(ctx context.Context, h *Handle, came uint64) error {
	if err := m.writer.take(ctx); err != nil {
		return err
	}
	if m.looked.done.Load() > came && m.ready.Load() && !m.wants(h) {
		m.writer.give()
		return nil
	}
	err := m.lookLocked(ctx, h, m.looked.begun.Add(1))
	if err != nil && m.alive() == nil {
		m.store.watch.again(m)
	}
	return err
}

// lookLocked makes a look, the turn-th. It gives writer back, and tells before that
// it has looked.
func (m *Mailbox) lookLocked(ctx context.Context, h *Handle, turn uint64) error {
	look, err := m.stale() // others may have looked or changed something meanwhile
	switch {
	case err != nil:
	case look == 0 && m.ready.Load() && !m.wants(h):
		m.agreed.Store(true)
	case look == lookTail && m.agreed.Load() && !m.wants(h):
		// Another process has learnt something that shows in no directory.
		err = m.index.catchUp()
	default:
		return m.lookAtDisk(ctx, h, turn)
	}
	if err == nil {
		m.looked.done.Store(turn)
	}
	m.writer.give()
	return err
}

// lookAtDisk takes the dotlock and reads the directories that must be read. It gives
// writer back.
func (m *Mailbox) lookAtDisk(ctx context.Context, h *Handle, turn uint64) error {
	t, err := m.beginLocked(ctx, h, false)
	if errors.Is(err, fsx.ErrLocked) && m.ready.Load() {
		m.looked.done.Store(turn)
		m.store.watch.again(m)
		return nil // what is known is shown; the next look may be luckier
	}
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			m.looked.done.Store(turn)
		}
		t.end(err)
	}()
	// What other processes have written down is in memory now, and explains what they did.
	look, err := m.stale()
	if err != nil {
		return err
	}
	if err = t.scan(look | t.looks); err != nil {
		return err
	}
	if m.courier.Load() {
		t.takeCourier()
	}
	m.ready.Store(true)
	m.agreed.Store(true)
	if m.claims(h) && t.lock != nil {
		err = t.claim(h)
	}
	return err
}

// wants tells that there is something to do under the lock, whatever has changed.
func (m *Mailbox) wants(h *Handle) bool { return m.courier.Load() || m.claims(h) }

// claims tells that this session is to move new mail to cur/.
func (m *Mailbox) claims(h *Handle) bool {
	if h == nil || !h.places() || m.frozen.Load() {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.fresh > 0
}
