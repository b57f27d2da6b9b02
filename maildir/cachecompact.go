package maildir

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// cacheLoose is how much of the file may belong to nobody whatever its size.
const cacheLoose = 4 << 20

// cacheBloated tells that less than half of the file can still be of use:
// records of messages that are gone, and those that others with more sections
// have taken the place of. A file that was found tight is not looked at again as long
// as the index, which tells of new records and of expunges, is what it was.
func (m *Mailbox) cacheBloated() bool {
	m.mu.RLock()
	used, index, tight := m.state.cached, m.seen.index, m.cache.tight
	m.mu.RUnlock()
	if index == tight && index != (fileID{}) {
		return false
	}
	id, err := idNow(m.own, cacheName)
	if err == nil && id.size >= cacheLoose && used < id.size/2 {
		return true
	}
	if err == nil {
		m.mu.Lock()
		m.cache.tight = index
		m.mu.Unlock()
	}
	return false
}

// compactCache copies the records of the messages that are there into a new file,
// in order of UIDs and under no lock, and under the lock those that have been added
// meanwhile; then it puts the file in the old one's place. Whoever reads the old one
// goes on doing so until a place does not fit, and finds the same sections in both.
// The index learns the new places before the lock is given back: who reads its old
// ones until then finds nothing there that has the right UID and checksum.
func (m *Mailbox) compactCache(ctx context.Context) error {
	c := &cacheCompaction{beside: beside{m: m, name: cacheName}, from: Reader{m: m}}
	return c.run(ctx, c)
}

type cacheCompaction struct {
	beside
	from  Reader
	ino   uint64 // of the old file
	moved []movedRecord
}

// movedRecord is where a message's record was and where its copy is.
type movedRecord struct {
	uid      imap.UID
	was, now cachePlace
}

func (c *cacheCompaction) begin(*txn) (bool, error) {
	id, err := idNow(c.m.own, cacheName)
	c.ino = id.ino
	c.buf = append(c.buf, cacheHeader(c.m.state.validity)...)
	return id != (fileID{}), err
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
		for steps := 0; e != nil && n < len(some) && steps < storeSlice; e = w.next() {
			steps++
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
		start := len(c.buf)
		c.buf = appendCacheRecord(c.buf, r.uid, &s)
		r.now = cachePlace{c.size + int64(start), uint32(len(c.buf) - start), s.kinds}
	}
	c.moved = append(c.moved, r)
	if len(c.buf) < cacheWrite {
		return nil
	}
	return c.write()
}

// finish copies what has been added meanwhile, and tells memory and the index the new
// places, some at a time.
func (c *cacheCompaction) finish(t *txn) error {
	m := c.m
	id, err := idNow(m.own, cacheName)
	if err != nil || id.ino != c.ino {
		return err
	}
	if err = c.added(); err != nil {
		return err
	}
	if err = c.write(); err != nil {
		return err
	}
	if err = c.replace(); err != nil {
		return err
	}
	m.cache.mu.Lock()
	m.cache.drop()
	m.cache.mu.Unlock()
	for left := c.moved; len(left) > 0; {
		some := left[:min(len(left), storeSlice)]
		if left = left[len(some):]; len(t.rec) > 0 && !t.anew() {
			t.writeIndex()
			t.rec = t.rec[:0]
		}
		c.publish(t, some)
	}
	return nil
}

// publish tells the new places of some messages.
func (c *cacheCompaction) publish(t *txn, moved []movedRecord) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	s := &c.m.state
	known := make([]*entry, 0, len(moved))
	for _, r := range moved {
		if e := s.find(r.uid); e != nil {
			s.setPlace(e, r.now)
			known = append(known, e)
		}
	}
	if !t.anew() {
		t.rec = appendBatch(t.rec, recFacts, len(known), func(b []byte, i int) []byte { return appendFacts(b, known[i]) })
	}
}

// added copies the records whose places are others than they were.
func (c *cacheCompaction) added() error {
	var news []movedRecord
	k, was := 0, c.moved
	c.m.eachChunk(func(list []entry) {
		for i := range list {
			e := &list[i]
			for k < len(was) && was[k].uid < e.uid {
				k++
			}
			if p := e.place(); p.kinds != 0 && (k == len(was) || was[k].uid != e.uid || was[k].was != p) {
				news = append(news, movedRecord{uid: e.uid, was: p})
			}
		}
	})
	c.m.cache.replaced() // so that the file that has the name is read
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
