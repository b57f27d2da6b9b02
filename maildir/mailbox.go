package maildir

import (
	"container/list"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/maildir/fsx"
)

// Mailbox is one open mailbox, shared by all its handles.
//
// writer is held by whoever works on the disk, together with the dotlock; mu
// ("state") guards the memory and is never held over a system call. Only a
// holder of writer changes the list of messages, so it may read the list
// without mu; sizes, dates and cache offsets are changed under mu alone.
type Mailbox struct {
	store *Store
	root  string // of the tree
	lists string // where the tree's own lists are: root, unless they lie apart

	key     string        // location.key; store.mu
	dirPath string        // store.mu
	rel     string        // below root; store.mu
	users   int           // store.mu
	idle    *list.Element // store.mu
	warm    int64         // store.mu: bytes of memory, as of when it became idle

	boxDirs
	newDir, curDir *fsx.Dir

	writer      turn
	list        listFile  // writer
	courierRead bool      // writer: Courier's UIDs are in list
	index       indexFile // writer
	third       recalled  // writer

	mu    sync.RWMutex
	state state
	log   changeLog
	seen  seen

	cache    cacheFile
	text     textFile
	attached attached

	ready   atomic.Bool // memory has agreed with the disk once
	agreed  atomic.Bool // and sessions may have seen it
	dead    atomic.Bool // removed, or its UIDVALIDITY has changed
	frozen  atomic.Bool // the directory cannot be written
	waiting waiters
	looked  looked
	courier atomic.Bool // Courier has left something that was not taken over yet
	// renumbered: a new UIDVALIDITY had to be taken in this process's life.
	renumbered atomic.Bool
	// heralded is the last UID that a session which can change the mailbox has been told of. Messages
	// with the bit placed above it are recent to the next one.
	heralded atomic.Uint32
	noted    notes
	chores   housekeeping
	told     onceLog
}

// seen is what the disk looked like when memory last agreed with it.
type seen struct {
	dirs  [2]dirLook // new, cur
	list  fileID     // dovecot-uidlist
	keys  fileID     // dovecot-keywords
	index fileID     // maildir-imapd.index
}

// fileID tells versions of a file apart: replaced or grown.
type fileID struct {
	ino   uint64
	size  int64
	mtime int64
}

func idOf(st fsx.Stat) fileID { return fileID{st.Ino, st.Size, st.Mtime} }

// idNow is the identity of a name in d, zero when there is none.
func idNow(d *fsx.Dir, name string) (fileID, error) {
	st, err := d.StatName(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fileID{}, nil
	}
	return idOf(st), err
}

// The two directories of messages, as indices and as bits.
const (
	dirNew = iota
	dirCur

	lookNew  looks = 1 << dirNew
	lookCur  looks = 1 << dirCur
	lookList looks = 4
	lookTail looks = 8 // the index has grown
)

type looks uint8

// dirLook is the last look at one directory.
type dirLook struct {
	mtime int64 // of the directory, before the look
	at    int64 // when it was
	own   bool  // the last change was ours, and not looked at since
}

const (
	tick   = int64(20 * time.Millisecond) // coarser than any kernel's clock for files
	second = int64(time.Second)
)

// granularity is how far apart two changes must be to leave different times. A time
// with a part of a second comes from a file system that does not count in seconds;
// of the others FAT counts in twos.
func granularity(mtime int64) int64 {
	switch {
	case mtime%second != 0:
		return tick
	case mtime%(2*second) != 0:
		return second
	}
	return 2 * second
}

// proves tells whether a directory that has this time is as it was at the look. The
// same time does not prove it by itself: a change within the clock's granularity of
// the look leaves no trace (FORMATS §5.9, 7). A time in the future of the look is of
// a clock that has been set back since.
func (l dirLook) proves(mtime int64) bool {
	age := l.at - l.mtime // at the time of the look
	return mtime == l.mtime && !l.own && (age >= granularity(mtime) || age < -2*second)
}

// proves tells it of both directories.
func (s *seen) proves(mtimes [2]int64) bool {
	return s.dirs[dirNew].proves(mtimes[dirNew]) && s.dirs[dirCur].proves(mtimes[dirCur])
}

// stale tells whether the directory must be looked at again. A look that came too
// soon after the change to prove anything is repeated: at once when it was within a
// tick, and once more when the clock has moved on. What others did while we changed
// the directory ourselves is found a second later, with a look. While watched,
// events tell all this.
func (l dirLook) stale(mtime, now int64, watched bool) bool {
	switch {
	case mtime != l.mtime:
		return true
	case watched, l.proves(mtime):
		return false
	case !l.own && l.at-l.mtime < tick:
		return true
	}
	return now-l.mtime >= max(granularity(mtime), second)
}

// newMailbox opens the directories. A directory that lacks cur, new or tmp
// gets them if that is permitted.
func newMailbox(ctx context.Context, s *Store, loc *location) (*Mailbox, error) {
	b, err := loc.place(ctx, s.fs)
	if err != nil {
		return nil, err
	}
	d := b.dir
	m := &Mailbox{store: s, root: loc.root, lists: loc.apart.lists(loc.root), key: loc.key(), dirPath: filepath.Clean(loc.dir), rel: loc.rel, boxDirs: b, writer: newTurn()}
	m.cache.m = m
	m.index.m = m
	if m.newDir, err = openSub(d, "new"); err == nil {
		m.curDir, err = openSub(d, "cur")
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func openSub(d *fsx.Dir, name string) (*fsx.Dir, error) {
	s, err := d.Sub(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if merr := d.Mkdir(name, 0); merr != nil && !errors.Is(merr, fs.ErrExist) {
		return nil, err
	}
	// What is synced in there later would be lost with the directory's own name.
	if err := d.Sync(); err != nil {
		return nil, err
	}
	return d.Sub(name)
}

func (m *Mailbox) sub(dir int) *fsx.Dir {
	if dir == dirNew {
		return m.newDir
	}
	return m.curDir
}

// current tells whether the directories at this place are still those that are
// open. One look is enough where there is one directory and no link lies between the
// tree's root and it; else the way is gone again, which says whether it may be.
func (m *Mailbox) current(loc *location) (bool, error) {
	if m.dead.Load() {
		return false, nil
	}
	if loc.found(m.store.fs, m.dir.Identity()) {
		return true, nil
	}
	b, err := loc.openAll(m.store.fs)
	if m.isBare() && (isGone(err) || cannotWrite(err)) {
		return m.stillBare(loc)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer b.close()
	return b.sameAs(&m.boxDirs), nil
}

// removed tells whether another program has removed the mailbox's directory. A
// count of links is no proof: some file systems give directories none.
func (m *Mailbox) removed() bool {
	st, err := m.store.fs.Stat(m.path())
	return errors.Is(err, fs.ErrNotExist) || err == nil && !st.SameFile(m.dir.Identity())
}

// replaced tells whether new/ or cur/ is another directory by now, or none.
func (m *Mailbox) replaced(dir int) bool {
	st, err := m.store.fs.Stat(m.path() + [...]string{dirNew: "/new", dirCur: "/cur"}[dir])
	return errors.Is(err, fs.ErrNotExist) || err == nil && !st.SameFile(m.sub(dir).Identity())
}

func (m *Mailbox) alive() error {
	if m.dead.Load() {
		return ErrNotExist
	}
	return nil
}

// kill ends the mailbox for all its sessions.
func (m *Mailbox) kill() {
	m.dead.Store(true)
	m.poke()
}

func (m *Mailbox) close() {
	m.store.watch.forget(m)
	m.giveBack()
	m.cache.close()
	m.index.close()
	for _, d := range []*fsx.Dir{m.newDir, m.curDir} {
		if d != nil {
			d.Close()
		}
	}
	m.boxDirs.close()
}

// onceLog remembers what has been said already.
type onceLog struct {
	mu   sync.Mutex
	said map[string]bool
}

// once logs a line about this mailbox the first time it is called with key.
func (m *Mailbox) once(key, msg string, args ...any) {
	m.told.mu.Lock()
	if m.told.said == nil {
		m.told.said = make(map[string]bool)
	}
	said := m.told.said[key]
	if len(m.told.said) < 1000 {
		m.told.said[key] = true
	}
	m.told.mu.Unlock()
	if !said {
		m.store.log.Warn(msg, append([]any{"mailbox", m.dir.Path()}, args...)...)
	}
}
