package maildir

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// CacheDue tells whether FlushCache has something to write. It may then be called
// when the answer is out: nobody need wait for it.
func (h *Handle) CacheDue() bool { return h.m.cache.worthwhile(false, h.m.store.now()) }

// FlushCache ends a FETCH: what it has learnt goes to disk if it is worth a
// write, and the window is given back.
func (h *Handle) FlushCache() {
	h.Reader.Release()
	h.m.flushCache(h.closed)
}

// flushCache writes what waits; a little is kept for later unless all is asked
// for, at the end of a selection. Then the file is compacted too, soon, if it should be.
func (m *Mailbox) flushCache(all bool) {
	c := &m.cache
	if m.dead.Load() || m.frozen.Load() {
		return
	}
	if all {
		defer func() {
			if m.cacheBloated() {
				m.wantChore(choreCache)
			}
		}()
	}
	if !c.worthwhile(all, m.store.now()) {
		return
	}
	t, err := m.begin(context.Background(), nil, false)
	if err == nil {
		if t.lock != nil {
			err = t.flushCache()
		}
		t.end(err)
	}
	var retry time.Time
	if err != nil {
		retry = m.store.now().Add(cacheRetry)
	}
	c.mu.Lock()
	c.retry = retry
	c.mu.Unlock()
	if err != nil && !errors.Is(err, fsx.ErrCrash) && !errors.Is(err, fsx.ErrLocked) {
		m.store.cacheErrors.Add(1)
		m.once("cache", "cannot write the cache", "err", err)
	}
}

// worthwhile tells whether enough waits to take the lock for it.
func (c *cacheFile) worthwhile(all bool, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all {
		return c.bytes > 0 || len(c.facts) > 0
	}
	return (c.bytes >= cacheBatch || len(c.facts) > 0 && c.facts.count() >= cacheFacts) && now.After(c.retry)
}

// flushCache writes the records of what waits, with the sections that are on disk
// already, and tells the index of them.
func (t *txn) flushCache() error {
	m := t.m
	m.cache.replaced() // the places that the index has just told are in the file that has the name now
	uids, writing, facts := m.cache.take()
	defer m.cache.written()
	pooled := cacheBuffers.Get().(*[]byte)
	defer cacheBuffers.Put(pooled)
	w := cacheWriter{t: t, old: Reader{m: m}, b: (*pooled)[:0]}
	for _, uid := range uids {
		facts.add(uid)
		if err := w.add(uid, writing[uid]); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	var known []*entry
	for _, r := range facts {
		for e := range s.list.between(r.lo, r.hi) {
			known = append(known, e)
		}
	}
	t.rec = appendBatch(t.rec, recFacts, len(known), func(b []byte, i int) []byte { return appendFacts(b, known[i]) })
	return nil
}

// cacheBuffers hold records that are gathered; some more than cacheWrite, for the
// last one.
var cacheBuffers = sync.Pool{New: func() any { b := make([]byte, 0, cacheWrite+cacheWrite/8); return &b }}

// cacheWriter gathers records and appends them to the file in pieces.
type cacheWriter struct {
	t    *txn
	old  Reader
	b    []byte
	uids []imap.UID
	at   []cachePlace // relative to b
}

// add gathers the record of a message. It was read from the file if some of its
// sections are there.
func (w *cacheWriter) add(uid imap.UID, s *sections) error {
	if p := w.t.m.place(uid); p.kinds&^s.kinds != 0 {
		both := *s
		w.old.sections(uid, p, p.kinds&^s.kinds, &both)
		s = &both
	}
	start := len(w.b)
	w.b = appendCacheRecord(w.b, uid, s)
	if n := len(w.b) - start; n > recordMost {
		w.b = w.b[:start]
		return nil
	}
	w.uids = append(w.uids, uid)
	w.at = append(w.at, cachePlace{int64(start), uint32(len(w.b) - start), s.kinds})
	if len(w.b) >= cacheWrite {
		return w.flush()
	}
	return nil
}

// flush appends what has been gathered and publishes the places.
func (w *cacheWriter) flush() error {
	if len(w.b) == 0 {
		return nil
	}
	start, err := w.t.appendCache(w.b)
	if err != nil {
		return err
	}
	m := w.t.m
	m.mu.Lock()
	for i, uid := range w.uids {
		if e := m.state.find(uid); e != nil {
			p := w.at[i]
			p.off += start
			m.state.setPlace(e, p)
		}
	}
	m.mu.Unlock()
	w.b, w.uids, w.at = w.b[:0], w.uids[:0], w.at[:0]
	return nil
}

// appendCache adds records to the file, which is made, or begun anew when it is
// of another mailbox's life or no cache of this version.
func (t *txn) appendCache(b []byte) (start int64, err error) {
	m := t.m
	c := &m.cache
	now, err := idNow(m.own, cacheName)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	if c.f == nil || now.ino != c.id.ino {
		c.drop()
	}
	ours := c.open(m.state.validity) != nil && now.size >= cacheHead
	c.mu.Unlock()
	if ours {
		st, err := m.own.Append(cacheName, b, false)
		return st.Size - int64(len(b)), err
	}
	m.mu.Lock()
	for e := range m.state.list.all() {
		m.state.setPlace(e, cachePlace{})
	}
	m.mu.Unlock()
	err = m.own.WriteFile(cacheName, append(cacheHeader(m.state.validity), b...), 0, false)
	c.mu.Lock()
	c.drop()
	c.mu.Unlock()
	return cacheHead, err
}

// cacheHeader is how the file begins.
func cacheHeader(validity uint32) []byte {
	b := append(make([]byte, 0, cacheHead), cacheMagic...)
	return le.AppendUint32(le.AppendUint32(b, validity), 0)
}
