package maildir

import (
	"cmp"
	"errors"
	"io/fs"

	"github.com/emersion/go-imap/v2"
)

// Two files of one base name are either one file with two names (a program
// died between link and unlink, or a rename was seen twice by readdir), or two
// messages, of which the later one then gets a base name of its own, as with
// Dovecot. Nothing is removed unless it is the same inode.

// doubled deals with second files of messages that memory has.
func (t *txn) doubled(p *findings) (fresh []arrival, err error) {
	for _, x := range p.doubles {
		t.m.mu.RLock()
		var served arrival
		if e := t.m.state.byName(p.base(x)); e != nil {
			served = arrival{base: string(p.base(x)), info: t.m.state.info(e), where: e.bits & inNew}
		}
		t.m.mu.RUnlock()
		if served.base == "" {
			continue
		}
		second := arrival{base: served.base, info: string(p.info(x)), where: x.where}
		if f, ok := t.separate(served, second); ok {
			fresh = append(fresh, f)
		}
	}
	return fresh, nil
}

func dirOf(where entryBits) int {
	if where&inNew != 0 {
		return dirNew
	}
	return dirCur
}

// separate decides what the second of two files of one base name is; ok: a
// message, under the name returned.
func (t *txn) separate(a, b arrival) (fresh arrival, ok bool) {
	m := t.m
	if a.where == b.where && a.info == b.info {
		return arrival{}, false
	}
	first, err := m.sub(dirOf(a.where)).StatName(a.base + a.info)
	second, err2 := m.sub(dirOf(b.where)).StatName(b.base + b.info)
	switch {
	case errors.Is(err, fs.ErrNotExist) && err2 == nil:
		t.followed(b)
		return arrival{}, false
	case err != nil || err2 != nil:
		return arrival{}, false // the pass has seen a rename's two ends
	case t.lock == nil:
		m.once("double "+b.base, "two files of one name; one is not shown", "name", b.base)
		return arrival{}, false
	case first.SameFile(second):
		t.touch(dirOf(b.where))
		if err := m.sub(dirOf(b.where)).Remove(b.base + b.info); err == nil {
			m.once("double "+b.base, "removed a second link to a message", "name", b.base+b.info)
		}
		return arrival{}, false
	}
	return t.newName(b)
}

// followed notes that a message now has the other name.
func (t *txn) followed(b arrival) {
	t.publish(func(s *state, log *changeLog) {
		if e := s.byName([]byte(b.base)); e != nil && t.foreign(s, log, e, b.where, b.info) {
			t.recordFlags(s, []imap.UID{e.uid})
		}
	})
}

// rename gives a file whose name the uidlist cannot hold another one.
func (t *txn) rename(p *findings, x sighting) (arrival, bool) {
	old := p.name(x)
	if t.lock == nil {
		t.m.once("odd "+old, "file name cannot be listed; message not shown", "name", old)
		return arrival{}, false
	}
	return t.newName(arrival{base: string(p.base(x)), info: string(p.info(x)), where: x.where})
}

func (t *txn) newName(a arrival) (arrival, bool) {
	m := t.m
	b := arrival{base: newBaseName(m.store.now()), where: a.where}
	sys, letters, _ := parseInfo(a.info)
	if cmp.Or(uint32(sys), letters) != 0 || a.info != "" && a.where == 0 {
		b.info = string(appendInfo(nil, sys, letters, ""))
	}
	d := m.sub(dirOf(a.where))
	t.touch(dirOf(a.where))
	if err := d.RenameNew(a.base+a.info, d, b.base+b.info); err != nil {
		m.once("odd "+a.base, "cannot rename a message file; not shown", "name", a.base+a.info, "err", err)
		return arrival{}, false
	}
	m.store.log.Warn("renamed a message file whose name was taken or cannot be listed", "mailbox", m.dir.Path(), "name", a.base+a.info, "to", b.base)
	return b, true
}
