package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Repair does what the findings of Check say that it does. Of mailboxes it
// mostly has done what a daemon does that opens them, after it has put aside
// what that would believe. No message is ever removed, and whatever is replaced
// is kept as NAME.damaged-TIME. A daemon may be serving the tree meanwhile.
// Check tells afterwards what is left.
func (t *Tree) Repair(ctx context.Context, found []Finding) error {
	root, err := t.open()
	if err != nil {
		return opError("repair", "", err)
	}
	defer root.Close()
	l, err := t.listing(root)
	if err != nil {
		return opError("repair", "", err)
	}
	var errs []error
	for _, b := range l.boxes {
		var path string
		err := t.inMailbox(root, b.rel, func(d boxDirs) error {
			path = d.dir.Path()
			if todo := wants(found, path); todo != nil {
				return t.repairBox(ctx, &d, b, todo)
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	err = t.inLists(root, func(lists *fsx.Dir) (err error) {
		for _, step := range []func(context.Context, *fsx.Dir, []Finding) error{t.repairRoot, t.repairSubscriptions, t.repairThird, t.repairQuota, t.repairMarks} {
			err = errors.Join(err, step(ctx, lists, found))
		}
		return err
	})
	if err != nil {
		errs = append(errs, err)
	}
	return opError("repair", "", errors.Join(errs...))
}

// wants is which invariants do not hold in directories, of those that a program
// can restore; nil for none.
func wants(found []Finding, dirs ...string) (todo map[int]bool) {
	for i := range found {
		if f := &found[i]; slices.Contains(dirs, f.Mailbox) && !f.ByHand {
			if todo == nil {
				todo = make(map[int]bool)
			}
			todo[f.Invariant] = true
		}
	}
	return todo
}

// has tells whether something is to be done about an invariant anywhere.
func has(found []Finding, invariant int) bool {
	for i := range found {
		if found[i].Invariant == invariant && !found[i].ByHand {
			return true
		}
	}
	return false
}

func (t *Tree) repairBox(ctx context.Context, d *boxDirs, b box, todo map[int]bool) error {
	if todo[invLeft] {
		err := t.abandoned(d, func(in *fsx.Dir, name string) {
			if err := removeTree(in, name, nil); err != nil {
				t.store.log.Warn("cannot remove what was left behind", "path", in.Path()+"/"+name, "err", err)
			}
		})
		if err != nil {
			return err
		}
	}
	kept, err := t.putAside(ctx, d, todo)
	if err != nil {
		return err
	}
	h, err := t.Open(ctx, b.name, Peek)
	if err != nil {
		return err
	}
	defer h.Close()
	x, err := h.m.begin(ctx, h, true)
	if err != nil {
		return err
	}
	err = x.restore(todo, kept)
	x.end(err)
	return err
}

// putAside takes away, under the lock, what opening the mailbox would believe.
// What opening itself puts aside, for it makes no sense at all, is left to that.
// Of the index it returns what nothing else has.
func (t *Tree) putAside(ctx context.Context, d *boxDirs, todo map[int]bool) (kept *carried, err error) {
	if d.control == nil {
		return nil, nil // nobody has served it
	}
	lock, err := d.control.Lock(ctx, uidlistFile, fsx.LockOptions{Wait: t.store.o.LockWait, Stale: lockStale})
	if err != nil {
		return nil, err
	}
	var files []string
	if todo[invIndexID] || todo[invIndexUIDs] {
		kept = carry(d.own)
		files = append(files, indexName)
	}
	if todo[invCache] {
		files = append(files, cacheName)
	}
	if todo[invText] {
		files = append(files, textName)
	}
	for _, name := range files {
		if _, aerr := setAside(d.own, name, t.store.now()); aerr != nil && !isGone(aerr) {
			err = errors.Join(err, aerr)
		}
	}
	if b, _, rerr := d.control.ReadFile(uidlistFile, listLimit); rerr == nil && todo[invList] {
		if u, perr := parseUIDList(b); perr == nil && u.bad == 0 { // those with bad lines are kept by the reader
			err = errors.Join(err, d.control.Link(uidlistFile, d.control, asideName(uidlistFile, t.store.now())))
		}
	}
	return kept, errors.Join(err, lock.Unlock())
}

// restore writes list and index anew from what is known and what the
// directories hold.
func (t *txn) restore(todo map[int]bool, kept *carried) error {
	m := t.m
	if err := t.readList(true); err != nil {
		return err
	}
	if todo[invSize] {
		m.mu.Lock()
		for e := range m.state.list.all() {
			if e.bits&verified != 0 {
				m.state.change(e, func(e *entry) { e.size, e.bits = -1, e.bits&^verified })
			}
		}
		m.mu.Unlock()
	}
	m.list.rewrite = m.list.rewrite || todo[invList] || todo[invNoList] || todo[invThird]
	if todo[invMODSEQ] {
		m.mu.Lock()
		for e := range m.state.list.all() {
			m.state.modseq = max(m.state.modseq, e.modseq)
		}
		m.mu.Unlock()
	}
	m.index.broken = true
	if err := t.scan(lookNew | lookCur); err != nil {
		return err
	}
	if kept != nil {
		kept.bring(t)
	}
	return nil
}

// repairRoot makes the tree's last UIDVALIDITY be known, and removes what a
// deletion left. A lock whose process is gone goes with it.
func (t *Tree) repairRoot(ctx context.Context, lists *fsx.Dir, found []Finding) error {
	todo := wants(found, append(t.apart.roots(), t.root)...)
	if !todo[invSentinel] && !todo[invLeft] && !todo[invLock] {
		return nil
	}
	root, lock, err := t.change(ctx) // ends what has been noted
	if err != nil {
		return err
	}
	defer t.unlock(root, lock)
	if st, err := root.StatName(trashDir); err == nil && t.old(st, time.Minute) {
		if err := removeTree(root, trashDir, lock.Touch); err != nil {
			return err
		}
	}
	last, others, err := validitySentinels(lists)
	if err != nil || !todo[invSentinel] {
		return err
	}
	for _, old := range others {
		if err := lists.Remove(sentinel(old)); err != nil && !isGone(err) {
			return err
		}
	}
	if last != 0 {
		return nil
	}
	high, err := t.highest(root, lists)
	if err != nil {
		return err
	}
	f, err := lists.OpenFile(sentinel(high), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return writeUIDValidity(lists, high)
}

// highest is the greatest UIDVALIDITY that anything in the tree knows.
func (t *Tree) highest(root, lists *fsx.Dir) (high uint32, err error) {
	t.store.third.look(t.root, func(c *treeCopy) { high = c.high })
	if b, _, err := lists.ReadFile(validityFile, 64); err == nil {
		var n uint32
		if _, err := fmt.Sscanf(string(b), "%08x", &n); err == nil {
			high = max(high, n)
		}
	}
	l, err := t.listing(root)
	if err != nil {
		return 0, err
	}
	for _, b := range l.boxes {
		err := t.inMailbox(root, b.rel, func(d boxDirs) error {
			if d.control == nil {
				return nil
			}
			if b, _, err := d.control.ReadFile(uidlistFile, listLimit); err == nil {
				if u, err := parseUIDList(b); err == nil {
					high = max(high, u.validity)
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return high, nil
}

func (t *Tree) repairSubscriptions(ctx context.Context, lists *fsx.Dir, found []Finding) error {
	if !has(found, invSubscribe) {
		return nil
	}
	lock, err := lists.Lock(ctx, subscriptionsFile, fsx.LockOptions{Wait: t.store.o.LockWait, Stale: lockStale})
	if err != nil {
		return err
	}
	good := &subscriptions{}
	if b, _, rerr := lists.ReadFile(subscriptionsFile, maxSubscriptions); rerr == nil {
		if s, perr := parseSubscriptions(b, t.names.layout); perr == nil {
			for _, line := range s.lines {
				if strings.IndexByte(line, 0) < 0 {
					good.lines = append(good.lines, line)
				}
			}
		}
	}
	if _, err = setAside(lists, subscriptionsFile, t.store.now()); err == nil || isGone(err) {
		err = lists.WriteFile(subscriptionsFile, good.encode(nil), 0, true)
	}
	return errors.Join(err, lock.Unlock())
}

// repairThird has the file written anew, which the next line does.
func (t *Tree) repairThird(ctx context.Context, _ *fsx.Dir, found []Finding) error {
	if !has(found, invThird) {
		return nil
	}
	return t.store.third.add(ctx, t.root, func(c *treeCopy) ([]treeLine, bool) {
		for rel, id := range c.boxes {
			return []treeLine{{kind: lineFound, validity: id.validity, next: id.next, guid: id.guid, rel: rel}}, true
		}
		return []treeLine{{kind: lineDeleted, validity: max(c.high, 1), next: 1}}, true
	})
}

// repairQuota counts the mail anew. Limits that nobody has told this tree of are kept
// as the file has them: who opens it with other ones writes them there (find).
func (t *Tree) repairQuota(ctx context.Context, lists *fsx.Dir, found []Finding) error {
	if !has(found, invQuota) || t.quota == nil {
		return nil
	}
	q := t.quota.configured()
	if f, st, err := readQuota(lists); err == nil && !q.Set {
		if f.unknown {
			t.quota.damaged(lists, st)
			return nil
		}
		q.Storage, q.Messages = f.limits.Storage, f.limits.Messages
	}
	l, err := t.quota.count(ctx, lists, q)
	l.close()
	return err
}
