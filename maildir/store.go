package maildir

import (
	"container/list"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Store is the process's registry of open mailboxes: one Mailbox for each
// directory, however many sessions look at it.
type Store struct {
	o   StoreOptions
	fs  *fsx.FS
	log *slog.Logger
	now func() time.Time
	// boot is thisBoot; tests of power cuts change it.
	boot string

	mu     sync.Mutex
	boxes  map[string]*Mailbox // by location.key
	idle   *list.List          // of *Mailbox nobody has open, the longest idle first
	closed bool

	trees   treeRegistry
	acls    aclCaches
	marks   marksRegistry
	memory  atomic.Int64 // SetMemory
	watch   watcher
	third   treeFiles
	readers *Readers
	text    background // makes text indices
	compact background // writes anew what has become too large
	tools   sync.Pool  // of *readTool

	resets, indexErrors, cacheErrors atomic.Int64 // Stats
}

// NewStore makes a store. Nothing is read before a mailbox is opened.
func NewStore(o StoreOptions) (*Store, error) {
	if o.LockWait == 0 {
		o.LockWait = 10 * time.Second
	}
	if o.Warm == 0 {
		o.Warm = 64
	}
	o.Warm = warmWithin(o.Warm)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{o: o, log: o.Log, now: o.Now, boot: thisBoot(), boxes: make(map[string]*Mailbox), idle: list.New(),
		text: textBuilder(), compact: compactor()}
	s.fs = &s.o.FS
	s.memory.Store(o.Memory)
	s.watch.init(s)
	s.third.init(s)
	s.readers = newReaders()
	return s, nil
}

// Close lets go of all mailboxes. Handles must have been closed before.
func (s *Store) Close() error {
	s.text.close()
	s.watch.close()
	s.compact.close()
	s.mu.Lock()
	s.closed = true
	boxes := make([]*Mailbox, 0, len(s.boxes))
	for _, m := range s.boxes {
		boxes = append(boxes, m)
	}
	clear(s.boxes)
	s.idle.Init()
	s.mu.Unlock()
	for _, m := range boxes {
		m.close()
	}
	return nil
}

// open opens a mailbox for one selection.
func (s *Store) open(ctx context.Context, loc location, mode Mode) (*Handle, error) {
	h, err := s.openHandle(ctx, loc, mode)
	for try := 0; try < shedTries && err != nil && s.shed(err); try++ {
		h, err = s.openHandle(ctx, loc, mode)
	}
	return h, opError("open", loc.name, err)
}

func (s *Store) openHandle(ctx context.Context, loc location, mode Mode) (*Handle, error) {
	m, err := s.mailbox(ctx, &loc)
	if err != nil {
		return nil, err
	}
	h := &Handle{Reader: Reader{m: m, name: loc.name}, store: s, mode: mode, loc: loc}
	if err := m.load(ctx); err != nil {
		s.release(m)
		return nil, err
	}
	m.mu.Lock()
	m.log.attach(h)
	m.mu.Unlock()
	if mode != Target {
		if err := m.refresh(ctx, h); err != nil {
			h.Close()
			return nil, err
		}
	}
	if err := h.joinMarks(ctx); err != nil {
		h.Close()
		return nil, err
	}
	var d Delta
	h.Sync(true, &d)
	return h, nil
}

// mailbox finds or makes the Mailbox of a directory and counts its user.
func (s *Store) mailbox(ctx context.Context, loc *location) (*Mailbox, error) {
	key := loc.key()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	m := s.boxes[key]
	if m != nil {
		s.use(m)
	}
	s.mu.Unlock()
	if m != nil {
		same, err := m.current(loc)
		if err != nil { // nothing is known: whoever has it open goes on
			s.release(m)
			return nil, err
		}
		if same {
			return m, nil
		}
		// The directory has been replaced behind our back.
		s.forget(key, m)
		s.release(m)
	}
	fresh, err := newMailbox(ctx, s, loc)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if other := s.boxes[key]; other != nil || s.closed {
		closed := s.closed
		if other != nil {
			s.use(other)
		}
		s.mu.Unlock()
		fresh.close()
		if closed {
			return nil, errClosed
		}
		return other, nil
	}
	fresh.users = 1
	s.boxes[key] = fresh
	s.mu.Unlock()
	return fresh, nil
}

// use counts one more user of a mailbox. mu is held.
func (s *Store) use(m *Mailbox) {
	s.notIdle(m)
	m.users++
}

// notIdle takes a mailbox off the list of those that nobody has open, and tells
// whether it was there. mu is held.
func (s *Store) notIdle(m *Mailbox) bool {
	if m.idle == nil {
		return false
	}
	s.idle.Remove(m.idle)
	m.idle = nil
	return true
}

// release takes back what mailbox gave. The last user leaves the mailbox warm
// in memory; the one that has been idle longest makes room for it.
func (s *Store) release(m *Mailbox) {
	var victims []*Mailbox
	size := s.sizeOf(m)
	s.mu.Lock()
	m.users--
	if m.users == 0 {
		switch {
		case s.boxes[m.key] != m || s.closed:
			victims = append(victims, m)
		case m.isBare():
			delete(s.boxes, m.key)
			victims = append(victims, m)
		default:
			m.idle, m.warm = s.idle.PushBack(m), size
			victims = s.coolest(max(s.idle.Len()-s.o.Warm, s.tooWarm()))
		}
	}
	s.mu.Unlock()
	for _, v := range victims {
		v.settle()
		v.close()
	}
}

// moved tells that a mailbox's directory has another name now: sessions that
// have it selected go on.
func (s *Store) moved(a *apart, x *move) {
	oldKey, newKey := a.key(x.fromDir, x.from), a.key(x.toDir, x.to)
	s.mu.Lock()
	m := s.boxes[oldKey]
	if m == nil {
		s.mu.Unlock()
		return
	}
	delete(s.boxes, oldKey)
	if s.boxes[newKey] != nil {
		s.mu.Unlock()
		m.kill()
		return
	}
	m.key, m.dirPath, m.rel = newKey, filepath.Clean(x.toDir), x.to
	s.boxes[newKey] = m
	s.mu.Unlock()
	s.watch.moved(m)
}

// removed tells that a mailbox is no more: its sessions see ErrNotExist.
func (s *Store) removed(key string) {
	s.mu.Lock()
	m := s.boxes[key]
	s.mu.Unlock()
	s.forget(key, m)
}

// forget ends a mailbox, unless the directory is another one's by now.
func (s *Store) forget(key string, m *Mailbox) {
	s.mu.Lock()
	last := false
	if m != nil && s.boxes[key] == m {
		delete(s.boxes, key)
		s.watch.forget(m)
		last = s.notIdle(m)
		m.kill()
	}
	s.mu.Unlock()
	if last {
		m.close()
	}
}
