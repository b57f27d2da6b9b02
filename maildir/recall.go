package maildir

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
)

// recalled is a mailbox's part of the third copy: what it said when the mailbox
// was opened, and what it says now. It belongs to the holder of Mailbox.writer.
type recalled struct {
	asked bool
	id    *identity // nil: it did not know the mailbox, or that has been made use of
	twin  bool      // another mailbox has the GUID: a rename has left the line behind
	high  uint32    // the greatest UIDVALIDITY that it knows of the tree
	noted identity  // what we know to be there
	claim imap.UID  // we give UIDs below this one; 0: none
	later time.Time // before that nothing is written: it could not be
}

const recallAgain = 10 * time.Second

// recall asks the third copy, once.
func (m *Mailbox) recall() *recalled {
	r := &m.third
	if r.asked {
		return r
	}
	r.asked = true
	rel := m.below()
	m.store.third.look(m.root, func(c *treeCopy) {
		r.high = c.high
		id := c.boxes[rel]
		if id == nil {
			return
		}
		r.twin = id.guid != "" && c.twin(rel, id.guid)
		r.id = &identity{validity: id.validity, guid: id.guid, next: id.least(processAlive), claims: map[string]imap.UID{"": id.most()}} // "": of all
		r.noted = identity{validity: id.validity, guid: id.guid, next: id.next}
	})
	return r
}

// below is the mailbox's path below the root.
func (m *Mailbox) below() string {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	return m.rel
}

// goOn sees to it that a mailbox that was put back from a backup, list of UIDs
// and index alike, does not give UIDs again that have been given since. True:
// the next UID has grown.
func (m *Mailbox) goOn() bool {
	r := m.recall()
	if r.id == nil || r.id.validity != m.state.validity {
		return false
	}
	next := r.id.next
	r.id = nil // once: from here on memory knows better
	if next <= m.state.next {
		return false
	}
	m.store.log.Warn("the mailbox has gone back behind UIDs that were given; going on above them",
		"mailbox", m.dir.Path(), "next", m.state.next, "from", next)
	m.mu.Lock()
	m.state.next = next
	m.mu.Unlock()
	m.list.rewrite = true // Dovecot must not give them again either
	return true
}

// promise makes sure that the third copy will never say less than next, if it can be
// written at all.
func (t *txn) promise(next imap.UID) {
	m := t.m
	r := m.recall()
	s := &m.state
	if r.noted.validity != s.validity {
		r.claim = 0
	}
	now := m.store.now()
	if next <= r.claim || m.store.third.state == "" || now.Before(r.later) {
		return
	}
	rel := m.below()
	l := treeLine{kind: lineClaim, validity: s.validity, next: imap.UID(min(uint64(next)+claimAhead, maxUID)), process: self, guid: s.guid, rel: rel}
	err := m.store.third.add(context.WithoutCancel(t.ctx), m.root, func(*treeCopy) ([]treeLine, bool) { return []treeLine{l}, true })
	if err != nil { // the message is taken: the other copies tell of it
		r.later = now.Add(recallAgain)
		return
	}
	r.claim = l.next
	r.noted.validity, r.noted.guid = s.validity, s.guid
}

// note brings the third copy up to date with what others have done. It is not
// synced: it tells what the other copies tell.
func (t *txn) note() {
	m := t.m
	s, r := &m.state, &m.third
	if t.lock == nil || s.validity == 0 || m.store.third.state == "" {
		return
	}
	m.recall()
	if r.noted.validity == s.validity && r.noted.guid == s.guid && s.next <= max(r.noted.next, r.claim) {
		return
	}
	l := treeLine{kind: lineFound, validity: s.validity, next: s.next, guid: s.guid, rel: m.below()}
	now := m.store.now()
	if now.Before(r.later) {
		return
	}
	if m.store.third.add(context.WithoutCancel(t.ctx), m.root, func(*treeCopy) ([]treeLine, bool) { return []treeLine{l}, false }) != nil {
		r.later = now.Add(recallAgain)
		return
	}
	if r.noted.validity != s.validity {
		r.claim = 0
	}
	r.noted = identity{validity: s.validity, guid: s.guid, next: s.next}
}

// moved follows a renaming in the tree at root, of a mailbox and what lies in
// directories below it.
func (c *treeFiles) moved(ctx context.Context, root string, moves []move) {
	_ = c.add(ctx, root, func(t *treeCopy) (lines []treeLine, sync bool) { // the mailboxes tell
		for _, m := range moves {
			lines = append(lines, t.moved(m.from, m.to)...)
		}
		return lines, true
	})
}

// deleted forgets a mailbox, but for its UIDVALIDITY.
func (c *treeFiles) deleted(ctx context.Context, root, rel string) {
	_ = c.add(ctx, root, func(t *treeCopy) ([]treeLine, bool) {
		id := t.boxes[rel]
		if id == nil {
			return nil, false
		}
		return []treeLine{{kind: lineDeleted, validity: id.validity, next: id.next, guid: id.guid, rel: rel}}, true
	})
}

// giveBack tells the exact next UID when the mailbox leaves memory. Nobody else
// has the mailbox any more.
func (m *Mailbox) giveBack() {
	r := &m.third
	if r.claim == 0 || m.dead.Load() || m.state.validity != r.noted.validity {
		return
	}
	l := treeLine{kind: lineBack, validity: m.state.validity, next: m.state.next, process: self, guid: m.state.guid, rel: m.below()}
	_ = m.store.third.add(context.Background(), m.root, func(*treeCopy) ([]treeLine, bool) { return []treeLine{l}, false })
	r.claim = 0
}
