package maildir

import (
	"context"
	"os"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
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

// cacheCompact is the cache that is being written beside the one in use. As with the
// index's, only who holds the dotlock makes the name and takes it away.
const cacheCompact = cacheName + ".new"

// compactCache copies the records of the messages that are there into a new file,
// in order of UIDs and under no lock, and under the lock those that have been added
// meanwhile; then it puts the file in the old one's place. Whoever reads the old one
// goes on doing so until a place does not fit, and finds the same sections in both.
// The index learns the new places with the end of the transaction: who reads its old
// ones until then finds nothing there that has the right UID and checksum.
func (m *Mailbox) compactCache(ctx context.Context) error {
	c := &cacheCompaction{m: m, from: Reader{m: m}}
	if err := c.begin(ctx); err != nil || c.f == nil {
		return err
	}
	err := c.copy(ctx)
	if err == nil {
		err = c.finish(ctx)
	}
	c.f.Close()
	if !c.done {
		m.dir.Remove(cacheCompact) // another process's, perhaps, which then does without
	}
	return err
}

type cacheCompaction struct {
	m     *Mailbox
	from  Reader
	f     *os.File // the new file
	size  int64    // of it, with what is in b
	b     []byte
	ino   uint64 // of the old file
	moved []movedRecord
	done  bool
}

// movedRecord is where a message's record was and where its copy is.
type movedRecord struct {
	uid      imap.UID
	was, now cachePlace
}

// begin makes the new file.
func (c *cacheCompaction) begin(ctx context.Context) error {
	m := c.m
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	defer func() { t.end(err) }()
	id, err := idNow(m.dir, cacheName)
	if t.lock == nil || err != nil || id == (fileID{}) {
		return err
	}
	c.ino = id.ino
	if err = m.dir.Remove(cacheCompact); err != nil && !isGone(err) {
		return err
	}
	if c.f, err = m.dir.OpenFile(cacheCompact, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0); err == nil {
		c.b = append(c.b, cacheHeader(m.state.validity)...)
		c.size = int64(len(c.b))
	}
	return err
}

// copy copies what there is.
func (c *cacheCompaction) copy(ctx context.Context) error {
	m := c.m
	var some [256]movedRecord
	for after := imap.UID(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 0
		m.mu.RLock()
		s := &m.state
		w := s.list.from(after + 1)
		e := w.next()
		for ; e != nil && n < len(some); e = w.next() {
			if e.kinds != 0 {
				some[n] = movedRecord{uid: e.uid, was: e.place()}
				n++
			}
			after = e.uid
		}
		end := e == nil
		m.mu.RUnlock()
		for _, r := range some[:n] {
			if err := c.record(r); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

// record copies one record, if it is one.
func (c *cacheCompaction) record(r movedRecord) error {
	var s sections
	c.from.sections(r.uid, r.was, r.was.kinds, &s)
	if s.kinds == 0 {
		if err := c.m.cache.unreadable(); err != nil {
			return err // that it cannot be read now is no reason to throw it away
		}
	} else {
		start := len(c.b)
		c.b = appendCacheRecord(c.b, r.uid, &s)
		r.now = cachePlace{c.size, uint32(len(c.b) - start), s.kinds}
		c.size += int64(len(c.b) - start)
	}
	c.moved = append(c.moved, r)
	if len(c.b) < cacheWrite {
		return nil
	}
	return c.write()
}

func (c *cacheCompaction) write() error {
	err := c.m.dir.WriteAll(c.f, c.b)
	c.b = c.b[:0]
	return err
}

// finish copies what has been added and puts the new file in place, if the old one
// is still there.
func (c *cacheCompaction) finish(ctx context.Context) error {
	m := c.m
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	defer func() { t.end(err) }()
	id, err := idNow(m.dir, cacheName)
	if err != nil {
		return err
	}
	st, serr := m.dir.StatName(cacheCompact)
	ours, ferr := fsx.FileStat(c.f)
	if t.lock == nil || id.ino != c.ino || serr != nil || ferr != nil || st.Ino != ours.Ino {
		return nil
	}
	if err = c.added(); err != nil {
		return err
	}
	if err = c.write(); err != nil {
		return err
	}
	if err = m.dir.Rename(cacheCompact, m.dir, cacheName); err != nil {
		return err
	}
	c.done = true
	m.cache.mu.Lock()
	m.cache.drop()
	m.cache.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	t.rec = appendBatch(t.rec, recFacts, len(c.moved), func(b []byte, i int) []byte {
		e := s.find(c.moved[i].uid)
		if e == nil {
			return b
		}
		s.setPlace(e, c.moved[i].now)
		return appendFacts(b, e)
	})
	return nil
}

// added copies the records whose places are others than they were.
func (c *cacheCompaction) added() error {
	m := c.m
	var news []movedRecord
	m.mu.RLock()
	s, k := &m.state, 0
	for e := range s.list.all() {
		for k < len(c.moved) && c.moved[k].uid < e.uid {
			k++
		}
		if p := e.place(); k == len(c.moved) || c.moved[k].uid != e.uid || c.moved[k].was != p {
			if p.kinds != 0 {
				news = append(news, movedRecord{uid: e.uid, was: p})
			}
		}
	}
	m.mu.RUnlock()
	m.cache.replaced() // so that the file that has the name is read
	for _, r := range news {
		if err := c.record(r); err != nil {
			return err
		}
	}
	return nil
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
