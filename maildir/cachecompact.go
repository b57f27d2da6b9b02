package maildir

import (
	"os"

	"github.com/emersion/go-imap/v2"
)

// cacheLoose is how much of the file may belong to nobody whatever its size.
const cacheLoose = 4 << 20

// cacheBloated tells that less than half of the file can still be of use:
// records of messages that are gone, and those that others with more sections
// have taken the place of.
func (m *Mailbox) cacheBloated() bool {
	id, err := idNow(m.dir, cacheName)
	if err != nil || id.size < cacheLoose {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.cached < id.size/2
}

// compactCache copies the records of the messages that are there into a new file,
// in order of UIDs, and puts it in the old one's place. Whoever reads the old one
// goes on doing so until a place does not fit, and finds the same sections in both.
// The index learns the new places with the end of the command: who reads its old
// ones until then finds nothing there that has the right UID and checksum.
func (t *txn) compactCache() error {
	m := t.m
	c := &m.cache
	const tmp = cacheName + ".tmp"
	if err := m.dir.Remove(tmp); err != nil && !isGone(err) {
		return err
	}
	f, err := m.dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return err
	}
	moved, err := t.copyCache(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = m.dir.Rename(tmp, m.dir, cacheName)
	}
	if err != nil {
		m.dir.Remove(tmp)
		return err
	}
	c.mu.Lock()
	c.drop()
	c.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	for i, p := range moved {
		s.setPlace(&s.list[i], p)
	}
	t.rec = appendBatch(t.rec, recFacts, len(moved), func(b []byte, i int) []byte { return appendFacts(b, &s.list[i]) })
	return nil
}

// copyCache writes the live records to f and tells where they lie there, for each
// message of the list, which does not change while writer is held.
func (t *txn) copyCache(f *os.File) ([]cachePlace, error) {
	m := t.m
	old := Reader{m: m}
	moved := make([]cachePlace, len(m.state.list))
	b := cacheHeader(m.state.validity)
	var written int64
	for i := range m.state.list {
		uid := m.state.list[i].uid
		p := m.place(uid)
		if p.kinds == 0 {
			continue
		}
		var s sections
		if old.sections(uid, p, p.kinds, &s); s.kinds == 0 {
			continue
		}
		start := len(b)
		b = appendCacheRecord(b, uid, &s)
		moved[i] = cachePlace{written + int64(start), uint32(len(b) - start), s.kinds}
		if len(b) >= cacheWrite {
			if err := m.dir.WriteAll(f, b); err != nil {
				return nil, err
			}
			written += int64(len(b))
			b = b[:0]
		}
	}
	return moved, m.dir.WriteAll(f, b)
}

// kinds tells what is known of a message, on disk or waiting.
func (c *cacheFile) kinds(uid imap.UID) (k kindSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, list := range [...]map[imap.UID]*sections{c.waiting, c.writing} {
		if s := list[uid]; s != nil {
			k |= s.kinds
		}
	}
	return k
}
