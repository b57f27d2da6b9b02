package maildir

import (
	"cmp"
	"context"
	"errors"
	"io/fs"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// Expunge removes the messages marked \Deleted: all of the view, or those of a
// set. It returns how many; which, the next Sync(true) tells, to this session
// as to others.
func (h *Handle) Expunge(ctx context.Context, uids imap.UIDSet) (n int, err error) {
	if err := cmp.Or(h.m.alive(), h.may(DeedExpunge)); err != nil {
		return 0, opError("expunge", h.loc.name, err)
	}
	h.m.mu.RLock()
	none := h.m.state.deleted == 0
	h.m.mu.RUnlock()
	if none {
		return 0, nil
	}
	quota := h.loc.quota.peek()
	defer quota.close()
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return 0, opError("expunge", h.loc.name, err)
	}
	var freed amount
	if quota.counts() {
		t.freed = &freed
	}
	n, err = t.expunge(uids, false)
	t.end(err)
	if n > 0 || freed.count > 0 {
		quota.record(ctx, freed.negative())
	}
	return n, opError("expunge", h.loc.name, err)
}

type victim struct {
	uid  imap.UID
	dir  int
	at   int
	name string
}

// expunge unlinks messages: with force those of the set whatever their flags
// (MOVE), else the \Deleted ones. It returns how many are gone.
func (t *txn) expunge(uids imap.UIDSet, force bool) (n int, err error) {
	m := t.m
	if uids == nil {
		uids = imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
	}
	todo := resolve(uids, t.by.view.maxUID)
	most := 0
	if force {
		most = m.holds(todo)
	} else {
		m.mu.RLock() // sizes that are learnt take messages out of the sums and back
		most = m.state.deleted
		m.mu.RUnlock()
	}
	return t.remove(todo, most, force)
}

// remove is expunge by ranges, of which most is how many messages may go.
func (t *txn) remove(todo uidRanges, most int, force bool) (n int, err error) {
	defer t.expectBulk(most)()
	w := unlinking{t: t, force: force}
	for len(todo) > 0 && err == nil {
		todo = w.gather(todo)
		err = w.unlinkAll()
	}
	if err == nil {
		err = t.syncAlways(dirNew, dirCur)
	}
	if err == nil {
		err = t.trimList()
	}
	return w.n, err
}

// unlinking is the work of one EXPUNGE.
type unlinking struct {
	t     *txn
	force bool
	list  []victim
	names []byte
	n     int // how many are gone
}

// gather notes some victims and returns where there may be more.
func (w *unlinking) gather(todo uidRanges) uidRanges {
	w.list, w.names = w.list[:0], w.names[:0]
	m := w.t.m
	m.mu.RLock()
	s := &m.state
	todo = forSome(s, todo, storeSlice, func(e *entry) {
		if w.force || e.flags&Deleted != 0 {
			w.list = append(w.list, victim{uid: e.uid, dir: dirOf(e.bits), at: len(w.names)})
			w.names = s.appendFileName(w.names, e)
		}
	})
	m.mu.RUnlock()
	all := string(w.names)
	for i := range w.list {
		end := len(all)
		if i+1 < len(w.list) {
			end = w.list[i+1].at
		}
		w.list[i].name = all[w.list[i].at:end]
	}
	return todo
}

// unlinkAll removes files by the names that carry the T, so that a message
// that another program undeletes meanwhile stays.
func (w *unlinking) unlinkAll() (err error) {
	t := w.t
	var gone []imap.UID
	// What has been done is published whatever happens then, and before the
	// directories are looked at.
	publish := func() {
		w.n += len(gone)
		t.publishGone(gone)
		gone = nil
	}
	defer func() { publish() }()
	for _, v := range w.list {
		there := !t.searched || w.renew(&v)
		for tries := 0; there; tries++ {
			t.touch(v.dir)
			if err = t.unlink(t.m.sub(v.dir), v.name); err == nil {
				gone = append(gone, v.uid)
				break
			}
			if !errors.Is(err, fs.ErrNotExist) || tries == 5 {
				return err
			}
			publish()
			if err = t.relocate(v.uid, v.dir, v.name); err != nil {
				return err
			}
			there = w.renew(&v)
		}
	}
	return nil
}

// renew tells whether a message is there, still to be removed, and under which name.
func (w *unlinking) renew(v *victim) bool {
	m := w.t.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.state.find(v.uid)
	if e == nil {
		w.n++ // by somebody else
		return false
	}
	if !w.force && e.flags&Deleted == 0 {
		return false
	}
	v.dir, v.name = dirOf(e.bits), string(m.state.appendFileName(nil, e))
	return true
}

// unlink removes one message file, and counts it where somebody wants to know.
// What other programs remove is theirs to subtract.
func (t *txn) unlink(d *fsx.Dir, name string) error {
	var size amount
	if t.freed != nil {
		var err error
		if size, err = fileAmount(d, name); err != nil {
			return err
		}
	}
	err := d.Remove(name)
	if err == nil && t.freed != nil {
		*t.freed = t.freed.plus(size)
	}
	return err
}
