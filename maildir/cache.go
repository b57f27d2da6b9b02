package maildir

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
)

// cacheFile is maildir-imapd.cache: what reading a message has yielded, one
// record a message, found by the place in the message's entry, with a section for
// each thing that somebody has wanted to know. It may be deleted or damaged at
// any moment: a section counts only if UID and checksums are right, and messages
// do not change. Readers take no lock but for what waits; new sections wait in
// memory and go to disk in batches under the dotlock.
type cacheFile struct {
	m *Mailbox

	pending atomic.Int32 // messages in waiting and writing
	tight   fileID       // Mailbox.mu: the index when the file was last found to be worth its size

	mu      sync.Mutex
	f       *os.File // for reading
	id      fileID   // f's: while it is open, no other file is given its inode number
	refused error    // why it cannot be opened or is no cache: not tried again before the next flush
	waiting map[imap.UID]*sections
	writing map[imap.UID]*sections // being written: waiting's predecessor
	slab    []sections             // for those that come next
	bytes   int                    // that wait
	facts   uidRanges              // messages whose size or date has become known
	retry   time.Time              // before that nothing is written: it could not be
}

const (
	cacheName  = "maildir-imapd.cache"
	cacheMagic = "MDIRIMC2"
	cacheHead  = 16        // magic, UIDVALIDITY, zero
	cacheBatch = 64 << 10  // waiting bytes that are worth a write
	cacheFacts = 64        // waiting messages that are
	cacheFull  = 2 << 20   // waiting bytes that are written in the middle of a command
	cacheMost  = 8 << 20   // waiting bytes when they cannot be written
	cacheWrite = 256 << 10 // bytes written at a time
	cacheRetry = 10 * time.Second
)

// waits finds a section that is not on disk yet.
func (c *cacheFile) waits(uid imap.UID, k Kind) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, list := range [...]map[imap.UID]*sections{c.waiting, c.writing} {
		if s := list[uid]; s != nil && s.kinds.has(k) {
			return s.b[k]
		}
	}
	return nil
}

// remember keeps sections until they are flushed. It owns their bytes from then on.
func (c *cacheFile) remember(uid imap.UID, s *sections) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes >= cacheMost {
		return
	}
	if c.waiting == nil {
		c.waiting = make(map[imap.UID]*sections, len(c.writing))
	}
	was := c.waiting[uid]
	if was == nil {
		if len(c.slab) == 0 {
			c.slab = make([]sections, 64)
		}
		was, c.slab = &c.slab[0], c.slab[1:]
		*was = *s
		c.waiting[uid] = was
		c.bytes += s.bytes()
		c.pending.Add(1)
		return
	}
	c.bytes -= was.bytes()
	was.add(s)
	c.bytes += was.bytes()
}

// full tells that what waits should be written before more comes.
func (c *cacheFile) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes >= cacheFull
}

// reading returns the file for reading, nil if there is none to be had. It may be
// closed meanwhile; reading then fails.
func (c *cacheFile) reading(validity uint32) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open(validity)
}

// open is reading with mu held.
func (c *cacheFile) open(validity uint32) *os.File {
	if c.f != nil || c.refused != nil {
		return c.f
	}
	f, st, err := c.m.own.OpenStat(cacheName)
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
		c.refused = err
		return nil
	}
	c.f, c.id = f, idOf(st)
	return f
}

// unreadable is why there is nothing to be read of a file that is there, and a cache.
func (c *cacheFile) unreadable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.refused, ErrCorrupt) || isGone(c.refused) {
		return nil
	}
	return c.refused
}

// replaced drops the open file if the name is another one's by now.
func (c *cacheFile) replaced() bool {
	id, err := idNow(c.m.own, cacheName)
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
	c.f, c.id, c.refused = nil, fileID{}, nil
}

func (c *cacheFile) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	c.waiting, c.writing, c.slab, c.facts, c.bytes = nil, nil, nil, nil, 0
	c.pending.Store(0)
}

// take hands out what waits, in order of UIDs, to be written; it stays visible until
// written.
func (c *cacheFile) take() (uids []imap.UID, writing map[imap.UID]*sections, facts uidRanges) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing, facts = c.waiting, c.facts
	c.waiting, c.facts, c.bytes = nil, nil, 0
	uids = make([]imap.UID, 0, len(c.writing))
	for uid := range c.writing {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids, c.writing, facts
}

// written forgets what take has given.
func (c *cacheFile) written() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending.Add(-int32(len(c.writing)))
	c.writing = nil
}

// place is where the message's record lies by now.
func (m *Mailbox) place(uid imap.UID) cachePlace {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.state.find(uid); e != nil {
		return e.place()
	}
	return cachePlace{}
}

// unplace forgets that there is a section of this kind at a place where none was
// found.
func (m *Mailbox) unplace(uid imap.UID, p cachePlace, k Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.state.find(uid); e != nil && e.place() == p {
		if p.kinds &^= setOf(k); p.kinds == 0 {
			p = cachePlace{}
		}
		m.state.setPlace(e, p)
	}
}

// know notes a message's true size (-1: not known) and date.
func (m *Mailbox) know(uid imap.UID, size, date int64) {
	m.mu.RLock()
	e := m.state.find(uid)
	news := e != nil && (size >= 0 && e.bits&verified == 0 || date != noDate && e.date != date)
	m.mu.RUnlock()
	if !news {
		return
	}
	m.mu.Lock()
	if e := m.state.find(uid); e != nil {
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
	m.cache.mu.Lock()
	m.cache.facts.add(uid)
	m.cache.mu.Unlock()
}
