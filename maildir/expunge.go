package maildir

import (
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
	if err := h.writable(RightExpunge); err != nil {
		return 0, opError("expunge", h.loc.name, err)
	}
	h.m.mu.RLock()
	none := h.m.state.deleted == 0
	h.m.mu.RUnlock()
	if none {
		return 0, nil
	}
	quota := h.loc.quota.peek()
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return 0, opError("expunge", h.loc.name, err)
	}
	var freed amount
	if quota != nil {
		t.freed = &freed
	}
	n, err = t.expunge(uids, false)
	t.end(err)
	quota.record(ctx, freed.negative())
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
func (t *txn) expunge(uids imap.UIDSet, force bool) (int, error) {
	m := t.m
	if uids == nil {
		uids = imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
	}
	var list []victim
	var names []byte
	m.mu.RLock()
	s := &m.state
	forRange(s, uids, t.by.view.maxUID, func(e *entry) {
		if force || e.flags&Deleted != 0 {
			list = append(list, victim{uid: e.uid, dir: dirOf(e.bits), at: len(names)})
			names = s.appendFileName(names, e)
		}
	})
	m.mu.RUnlock()
	if len(list) == 0 {
		return 0, nil
	}
	all := string(names)
	for i := range list {
		end := len(all)
		if i+1 < len(list) {
			end = list[i+1].at
		}
		list[i].name = all[list[i].at:end]
	}
	gone, err := t.unlinkAll(list, force)
	t.publishGone(gone)
	if err == nil {
		err = t.trimList()
	}
	return len(gone), err
}

// unlinkAll removes files by the names that carry the T, so that a message
// that another program undeletes meanwhile stays.
func (t *txn) unlinkAll(list []victim, force bool) (gone []imap.UID, err error) {
	m := t.m
	resume := t.expectBulk(len(list))
	defer resume()
	gone = make([]imap.UID, 0, len(list))
	for _, v := range list {
		for tries := 0; ; tries++ {
			t.touch(v.dir)
			if err = t.unlink(m.sub(v.dir), v.name); err == nil {
				gone = append(gone, v.uid)
				break
			}
			if !errors.Is(err, fs.ErrNotExist) || tries == 5 {
				return gone, err
			}
			var there bool
			if there, err = t.relocate(v.uid); err != nil {
				return gone, err
			}
			if !there {
				gone = append(gone, v.uid)
				break
			}
			m.mu.RLock()
			e := m.state.find(v.uid)
			keep := e == nil || !force && e.flags&Deleted == 0
			if !keep {
				v.dir, v.name = dirOf(e.bits), string(m.state.appendFileName(nil, e))
			}
			m.mu.RUnlock()
			if keep {
				break
			}
		}
	}
	return gone, t.syncAlways(dirNew, dirCur)
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
