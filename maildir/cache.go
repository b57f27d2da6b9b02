package maildir

import (
	"context"
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// cacheFile is maildir-imapd.cache: what parsing a message has yielded, one
// record a message, found by the offset in the message's entry. It may be
// deleted or damaged at any moment: a record counts only if its UID and its
// checksum are right, and messages do not change. Readers take no lock; new
// records wait in memory and go to disk in batches under the dotlock.
type cacheFile struct {
	m *Mailbox

	mu      sync.Mutex
	f       *os.File // for reading
	id      fileID
	refused bool // cannot be opened or is no cache: not tried again before the next flush
	waiting map[imap.UID][]byte
	bytes   int
	facts   uidRanges // messages whose size or date has become known
}

const (
	cacheName   = "maildir-imapd.cache"
	cacheMagic  = "MDIRIMC1"
	cacheHead   = 16       // magic, UIDVALIDITY, zero
	cacheRecord = 12       // length of what follows, checksum, UID
	cacheBatch  = 64 << 10 // waiting bytes that are worth a write
	cacheFacts  = 64       // waiting messages that are
	cacheMost   = 8 << 20  // waiting bytes when they cannot be written
	windowMost  = 64 << 10
)

// cached returns a message's record, through h's window of the file. The bytes
// are valid until the next call.
func (h *Handle) cached(uid imap.UID) []byte {
	m := h.m
	c := &m.cache
	c.mu.Lock()
	if b := c.waiting[uid]; b != nil {
		c.mu.Unlock()
		return b[cacheRecord:]
	}
	c.mu.Unlock()
	m.mu.RLock()
	e := m.state.find(uid)
	if e == nil || e.cacheOff == 0 || e.cacheLen <= cacheRecord {
		m.mu.RUnlock()
		return nil
	}
	off, size, validity := e.cacheOff, int(e.cacheLen), m.state.validity
	m.mu.RUnlock()
	for range 2 {
		b := h.readCache(off, size, validity)
		if len(b) == size && le.Uint32(b[8:]) == uint32(uid) && int(le.Uint32(b)) == size-8 && crc32.Checksum(b[8:], castagnoli) == le.Uint32(b[4:]) {
			return b[cacheRecord:]
		}
		h.window = h.window[:0]
		if !c.replaced() {
			break
		}
	}
	m.mu.Lock()
	if e := m.state.find(uid); e != nil && e.cacheOff == off {
		e.cacheOff, e.cacheLen = 0, 0
	}
	m.mu.Unlock()
	return nil
}

// readCache returns bytes of the file. Records read in order come out of one
// window that grows as they keep coming: a FETCH of all envelopes is a read
// every 64 KiB.
func (h *Handle) readCache(off int64, size int, validity uint32) []byte {
	if i := off - h.winAt; i >= 0 && i+int64(size) <= int64(len(h.window)) {
		return h.window[i : i+int64(size)]
	}
	want := size
	if end := h.winAt + int64(len(h.window)); len(h.window) > 0 && off >= h.winAt && off <= end+windowMost {
		want = max(size, min(windowMost, 4*cap(h.window)))
	}
	if cap(h.window) < want {
		h.window = make([]byte, 0, want)
	}
	b := h.window[:want]
	c := &h.m.cache
	c.mu.Lock()
	f := c.open(validity)
	n := 0
	if f != nil {
		// The descriptor is closed only under mu.
		n, _ = f.ReadAt(b, off)
	}
	c.mu.Unlock()
	h.window, h.winAt = b[:n], off
	return b[:min(n, size)]
}

// open returns the file for reading, nil if there is none to be had. mu is held.
func (c *cacheFile) open(validity uint32) *os.File {
	if c.f != nil || c.refused {
		return c.f
	}
	f, st, err := c.m.dir.OpenStat(cacheName)
	if err == nil {
		var head [cacheHead]byte
		if _, err = f.ReadAt(head[:], 0); err == nil && (string(head[:8]) != cacheMagic || le.Uint32(head[8:]) != validity) {
			err = ErrCorrupt
		}
		if err != nil {
			f.Close()
		}
	}
	if err != nil {
		c.refused = true
		return nil
	}
	c.f, c.id = f, idOf(st)
	return f
}

// replaced drops the open file if the name is another one's by now.
func (c *cacheFile) replaced() bool {
	id, err := idNow(c.m.dir, cacheName)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || id.ino == c.id.ino {
		return false
	}
	c.drop()
	return true
}

func (c *cacheFile) drop() {
	if c.f != nil {
		c.f.Close()
	}
	c.f, c.id, c.refused = nil, fileID{}, false
}

func (c *cacheFile) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	c.waiting, c.facts, c.bytes = nil, nil, 0
}

// remember keeps a parsed message until the next flush, and its size for good.
func (c *cacheFile) remember(uid imap.UID, p *message.Message) {
	m := c.m
	b := p.AppendBinary(make([]byte, cacheRecord, 1024))
	le.PutUint32(b, uint32(len(b)-8))
	le.PutUint32(b[8:], uint32(uid))
	le.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	c.mu.Lock()
	if c.waiting == nil {
		c.waiting = make(map[imap.UID][]byte)
	}
	if c.bytes < cacheMost && c.waiting[uid] == nil {
		c.waiting[uid] = slices.Clip(b)
		c.bytes += len(b)
	}
	c.mu.Unlock()
	m.know(uid, p.Size, noDate)
}

// know notes a message's true size (-1: not known) and date.
func (m *Mailbox) know(uid imap.UID, size, date int64) {
	m.mu.Lock()
	e := m.state.find(uid)
	news := false
	if e != nil {
		news = size >= 0 && e.bits&verified == 0 || date != noDate && e.date != date
		m.state.change(e, func(e *entry) {
			if size >= 0 {
				e.size, e.bits = size, e.bits|verified
			}
			if date != noDate {
				e.date = date
			}
		})
	}
	m.mu.Unlock()
	if news {
		m.cache.mu.Lock()
		m.cache.facts.add(uid)
		m.cache.mu.Unlock()
	}
}

// FlushCache ends a FETCH: what it has learnt goes to disk if it is worth a
// write, and the window is given back.
func (h *Handle) FlushCache() {
	h.window = nil
	h.m.flushCache(h.closed)
}

// flushCache writes what waits; a little is kept for later unless all is asked for.
func (m *Mailbox) flushCache(all bool) {
	c := &m.cache
	c.mu.Lock()
	n := len(c.facts)
	least, batch := cacheFacts, cacheBatch
	if all {
		least, batch = 1, 1
	}
	worth := c.bytes >= batch || n > 0 && c.facts.count() >= least
	c.mu.Unlock()
	if !worth || m.dead.Load() || m.frozen.Load() {
		return
	}
	t, err := m.begin(context.Background(), nil, false)
	if err != nil {
		return
	}
	if t.lock != nil {
		err = t.flushCache()
	}
	t.end(err)
	if err != nil && !errors.Is(err, fsx.ErrCrash) {
		m.once("cache", "cannot write the cache", "err", err)
	}
}

func (t *txn) flushCache() error {
	m := t.m
	c := &m.cache
	c.mu.Lock()
	waiting, facts := c.waiting, c.facts
	c.waiting, c.facts, c.bytes = nil, nil, 0
	c.mu.Unlock()
	uids := make([]imap.UID, 0, len(waiting))
	for uid := range waiting {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	var b []byte
	offs := make([]int64, len(uids))
	for i, uid := range uids {
		offs[i] = int64(len(b))
		b = append(b, waiting[uid]...)
		facts.add(uid)
	}
	var start int64
	if len(b) > 0 {
		var err error
		if start, err = t.appendCache(b); err != nil {
			return err
		}
	}
	m.mu.Lock()
	s := &m.state
	for i, uid := range uids {
		if e := s.find(uid); e != nil {
			e.cacheOff, e.cacheLen = start+offs[i], uint32(len(waiting[uid]))
		}
	}
	var known []*entry
	for _, r := range facts {
		for i := s.pos(r.lo); i < len(s.list) && s.list[i].uid <= r.hi; i++ {
			known = append(known, &s.list[i])
		}
	}
	t.rec = appendBatch(t.rec, recFacts, len(known), func(b []byte, i int) []byte { return appendFacts(b, known[i]) })
	m.mu.Unlock()
	return nil
}

// appendCache adds records to the file, which is made, or begun anew when it is
// another mailbox's life or mostly of messages that are gone.
func (t *txn) appendCache(b []byte) (start int64, err error) {
	m := t.m
	c := &m.cache
	c.mu.Lock()
	f := c.open(m.state.validity)
	id := c.id
	c.mu.Unlock()
	now, err := idNow(m.dir, cacheName)
	if err != nil {
		return 0, err
	}
	if f != nil && now.ino == id.ino && now.size >= cacheHead && !t.cacheBloated(now.size) {
		st, err := m.dir.Append(cacheName, b, false)
		return st.Size - int64(len(b)), err
	}
	c.mu.Lock()
	c.drop()
	c.mu.Unlock()
	m.mu.Lock()
	for i := range m.state.list {
		m.state.list[i].cacheOff, m.state.list[i].cacheLen = 0, 0
	}
	m.mu.Unlock()
	head := append(make([]byte, 0, cacheHead+len(b)), cacheMagic...)
	head = le.AppendUint32(head, m.state.validity)
	head = le.AppendUint32(head, 0)
	return cacheHead, m.dir.WriteFile(cacheName, append(head, b...), 0, false)
}

// cacheBloated tells that less than half of the file can still be of use. A
// cache is cheaper begun anew than sorted: parsing fills it as it is used.
func (t *txn) cacheBloated(size int64) bool {
	if size < 4<<20 {
		return false
	}
	var live int64
	t.m.mu.RLock()
	for i := range t.m.state.list {
		live += int64(t.m.state.list[i].cacheLen)
	}
	t.m.mu.RUnlock()
	return live < size/2
}
