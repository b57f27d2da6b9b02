package maildir

import (
	"context"
	"errors"

	"maildir-imapd/maildir/fsx"
)

// stale tells what has changed on disk since the last look: four stats when
// nothing has.
func (m *Mailbox) stale() (looks, error) {
	mtimes, err := m.times()
	if err != nil {
		return 0, err
	}
	list, err := idNow(m.dir, uidlistFile)
	if err != nil {
		return 0, err
	}
	index, err := idNow(m.dir, indexName)
	if err != nil {
		return 0, err
	}
	now := m.store.now().UnixNano()
	watched := m.store.watch.covers(m)
	l := m.noted.pending(m)
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

// load reads what the index tells, so that a mailbox that nobody has touched
// since costs no readdir.
func (m *Mailbox) load(ctx context.Context) error {
	if m.ready.Load() {
		return nil
	}
	if err := m.lockWriter(ctx); err != nil {
		return err
	}
	defer m.unlockWriter()
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

// refresh makes memory agree with the disk.
func (m *Mailbox) refresh(ctx context.Context, h *Handle) error {
	if err := m.alive(); err != nil {
		return err
	}
	look, err := m.stale()
	if err != nil {
		return err
	}
	if look == 0 && m.ready.Load() && !m.claims(h) && !m.courier.Load() {
		m.agreed.Store(true)
		return nil
	}
	if look == lookTail && m.agreed.Load() && !m.claims(h) {
		// Another process has learnt something that shows in no directory.
		if err := m.lockWriter(ctx); err != nil {
			return err
		}
		defer m.unlockWriter()
		return m.index.catchUp()
	}
	t, err := m.begin(ctx, h, false)
	if errors.Is(err, fsx.ErrLocked) && m.ready.Load() {
		return nil // what is known is shown; the next look may be luckier
	}
	if err != nil {
		return err
	}
	defer func() { t.end(err) }()
	// Somebody else may have looked while we waited.
	if look, err = m.stale(); err != nil {
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

// claims tells that this session is to move new mail to cur/.
func (m *Mailbox) claims(h *Handle) bool {
	if h == nil || h.mode != Select || h.loc.readOnly || m.frozen.Load() {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.fresh > 0
}
