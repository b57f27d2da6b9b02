package fsx

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LockOptions are the patience of a locker. Zero values mean 10 s and 120 s.
type LockOptions struct {
	Wait  time.Duration // for the lock to become free
	Stale time.Duration // after which a lock that nobody touches is broken
	// Record says that others lock this file by a record lock (fcntl) and take one
	// that nobody has locked so for a leftover: reclock.go.
	Record bool
}

const (
	touchEvery   = 10 * time.Second // as Dovecot's holders do
	settle       = 2 * time.Second  // how long a lock is watched before its age counts against it
	firstPause   = 2 * time.Millisecond
	longestPause = 200 * time.Millisecond
	breakPause   = 100 * time.Millisecond // FS.BreakPause
)

// Lock is a held dotlock.
type Lock struct {
	dir   *Dir
	name  string // of the lock file
	key   lockKey
	mine  Stat // the lock file as we made or last touched it
	since time.Time
	freed bool

	record bool
	fd     int // holds the record lock, -1 without one
}

// Lock takes the dotlock of the file name in d: name.lock, holding
// "pid:host" (a name that already ends so is taken as it stands). Other
// goroutines of this process wait like other processes do. When o.Wait is over
// the error is ErrLocked; when ctx ends, its error.
//
// A lock is broken when its process is gone from this host, when it carries
// our own process number (we do not hold it, so it is a leftover of an earlier
// life: containers reuse numbers), or when neither it nor the file it guards
// has changed for o.Stale.
func (d *Dir) Lock(ctx context.Context, name string, o LockOptions) (*Lock, error) {
	if o.Wait <= 0 {
		o.Wait = 10 * time.Second
	}
	if o.Stale <= 0 {
		o.Stale = 120 * time.Second
	}
	name = strings.TrimSuffix(name, ".lock")
	if !validName(name) {
		return nil, &fs.PathError{Op: "lock", Path: join(d.path, name), Err: ErrName}
	}
	limit := time.Now().Add(o.Wait)
	key := lockKey{d.opend.Dev, d.opend.Ino, name}
	if err := held.take(ctx, key, limit); err != nil {
		return nil, &fs.PathError{Op: "lock", Path: join(d.path, name), Err: err}
	}
	l := &Lock{dir: d, name: name + ".lock", key: key, record: o.Record, fd: -1}
	if err := l.acquire(ctx, name, limit, o.Stale); err != nil {
		held.drop(key)
		return nil, err
	}
	return l, nil
}

func (l *Lock) acquire(ctx context.Context, guarded string, limit time.Time, stale time.Duration) error {
	d := l.dir
	pause := firstPause
	for free := true; ; {
		if free {
			st, fd, err := d.makeLock(l.name, l.record)
			if err == nil {
				l.mine, l.since, l.fd = st, time.Now(), fd
				watched.forget(l.key)
				return nil
			}
			if !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		var broken bool
		var err error
		if free, broken, err = l.look(guarded, stale); err != nil {
			return err
		}
		wait := pause/2 + rand.N(pause)
		if broken {
			// Somebody else may just have judged the same lock stale and be
			// about to remove it by name: let that happen before ours is there.
			most := cmp.Or(d.fs.BreakPause, breakPause)
			wait = most + rand.N(most)
		} else if pause *= 2; pause > longestPause {
			pause = longestPause
		}
		left := time.Until(limit)
		if left <= 0 {
			return &fs.PathError{Op: "lock", Path: join(d.path, l.name), Err: ErrLocked}
		}
		select {
		case <-ctx.Done():
			return &fs.PathError{Op: "lock", Path: join(d.path, l.name), Err: ctx.Err()}
		case <-time.After(min(wait, left)):
		}
	}
}

var (
	hostname, _ = os.Hostname()
	lockText    = []byte(strconv.Itoa(os.Getpid()) + ":" + hostname)
)

// makeLock makes the lock file with its content in one step, as far as others
// see: an unnamed file that is then linked. A crash thus never leaves a lock
// that does not say whose it is. With record the descriptor, which holds the
// record lock, is kept; else it is -1.
func (d *Dir) makeLock(name string, record bool) (st Stat, fd int, err error) {
	if err := d.begin("lock", name); err != nil {
		return Stat{}, -1, err
	}
	mode := d.filePerm(0)
	if fd, err = d.linkLock(name, mode, record); err != nil {
		return Stat{}, -1, pathError("lock", d.path, name, err)
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		unix.Close(fd)
		return Stat{}, -1, pathError("lock", d.path, name, err)
	}
	if !record {
		unix.Close(fd)
		fd = -1
	}
	return newStat(&s), fd, nil
}

// linkLock makes the lock file, or where there are no unnamed files, or no /proc to
// link them by, creates it under its name. Its rights are right before others see it:
// a program of another user must be able to open it for its record lock.
func (d *Dir) linkLock(name string, mode uint32, record bool) (fd int, err error) {
	err = d.call("tmpfile", name, func() (err error) {
		fd, err = unix.Openat(d.fd, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil && !noTmpfile(err) {
		return -1, err
	}
	if err == nil {
		linked := false
		d.adopt(fd, name, mode)
		if err = fillLock(fd, false, record); err == nil {
			proc := "/proc/self/fd/" + strconv.Itoa(fd)
			err = d.call("linklock", name, func() error { return unix.Linkat(unix.AT_FDCWD, proc, d.fd, name, unix.AT_SYMLINK_FOLLOW) })
			linked = err == nil
			if err != nil && err != unix.EEXIST {
				err = nil // no /proc here
			}
		}
		if linked {
			return fd, nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
	}
	if fd, err = d.openLock(name, mode); err != nil {
		return -1, err
	}
	d.adopt(fd, name, mode)
	if err = fillLock(fd, true, record); err == nil {
		return fd, nil
	}
	if err == unix.EAGAIN || err == unix.ENOENT { // somebody was faster, and removes it
		err = unix.EEXIST
	} else {
		unix.Unlinkat(d.fd, name, 0)
	}
	unix.Close(fd)
	return -1, err
}

// noTmpfile tells that the file system has no unnamed files.
func noTmpfile(err error) bool {
	return err == unix.EOPNOTSUPP || err == unix.EISDIR || err == unix.EINVAL || err == unix.ENOENT
}

// fillLock locks the file if it is to be, and says whose it is. ENOENT: it was taken
// for a leftover and removed before it was locked; an unnamed file has no links yet.
func fillLock(fd int, named, record bool) error {
	if record {
		if err := recordLock(fd); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); named && (err != nil || st.Nlink == 0) {
			return unix.ENOENT
		}
	}
	return writeLock(fd)
}

func (d *Dir) openLock(name string, mode uint32) (fd int, err error) {
	err = d.call("openlock", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

func writeLock(fd int) error {
	n := 0
	err := eintr(func() (err error) {
		n, err = unix.Write(fd, lockText)
		return err
	})
	if err == nil && n < len(lockText) {
		err = unix.ENOSPC
	}
	return err
}

// look tells whether the lock file is gone, and removes it if its owner cannot
// be at work any more.
func (l *Lock) look(guarded string, stale time.Duration) (free, broken bool, err error) {
	d := l.dir
	st, err := d.stat(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		watched.forget(l.key)
		return true, false, nil
	}
	if err != nil {
		return false, false, err
	}
	file, err := d.stat(guarded)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, false, err
	}
	if l.record {
		if fd, left := d.unheld(l.name, st); !left {
			return false, false, nil
		} else if fd >= 0 {
			defer unix.Close(fd) // and gives the record lock back once the name is gone
		}
	}
	unchanged := watched.since(l.key, st, file)
	if !d.ownerGone(l.name) && !(l.record && st.Size == 0) {
		newest := time.Unix(0, max(st.Mtime, st.Ctime, file.Mtime, file.Ctime))
		old := unchanged >= settle && time.Since(newest) >= stale
		if !old && unchanged < stale {
			return false, false, nil
		}
	}
	// Is it still the one that was judged?
	if now, err := d.stat(l.name); err != nil || now != st {
		return false, false, nil
	}
	if err := d.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, false, err
	}
	d.fs.warn("lock", join(d.path, l.name), errStale)
	watched.forget(l.key)
	return true, true, nil
}

var errStale = errors.New("a stale lock was removed")

// ownerGone tells whether the lock says that it is of this host and its
// process does not run any more, or is us, who do not hold it.
func (d *Dir) ownerGone(name string) bool {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var buf [256]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil || n <= 0 {
		return false
	}
	number, host, ok := strings.Cut(string(buf[:n]), ":")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || pid <= 0 || strings.TrimRight(host, "\n") != hostname {
		return false
	}
	return pid == os.Getpid() || unix.Kill(pid, 0) == unix.ESRCH
}

// Touch tells waiters that the holder is alive. It may be called at will and
// does something every 10 s only. ErrOverridden: the lock is not ours any more.
func (l *Lock) Touch() error {
	if time.Since(l.since) < touchEvery {
		return nil
	}
	if err := l.dir.begin("touch", l.name); err != nil {
		return err
	}
	if err := l.stillMine(); err != nil {
		return err
	}
	now := time.Now()
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	if err := unix.UtimesNanoAt(l.dir.fd, l.name, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return pathError("touch", l.dir.path, l.name, err)
	}
	st, err := l.dir.stat(l.name)
	if err != nil {
		return err
	}
	l.mine, l.since = st, now
	return nil
}

// stillMine compares the modification time too: inode numbers are reused.
func (l *Lock) stillMine() error {
	st, err := l.dir.stat(l.name)
	if err == nil && (!st.SameFile(l.mine) || st.Mtime != l.mine.Mtime) || errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "lock", Path: join(l.dir.path, l.name), Err: ErrOverridden}
	}
	return err
}

// Unlock gives the lock back. ErrOverridden says that somebody took it away
// meanwhile; then nothing is removed. The second call does nothing.
func (l *Lock) Unlock() error {
	if l.freed {
		return nil
	}
	l.freed = true
	defer held.drop(l.key) // last: the next goroutine must find the file gone
	defer l.giveRecord()   // after the name: who waits for the record lock must find it gone
	if err := l.dir.begin("unlock", l.name); err != nil {
		return err
	}
	if err := l.stillMine(); err != nil {
		return err
	}
	if err := l.dir.call("unlock", l.name, func() error { return unix.Unlinkat(l.dir.fd, l.name, 0) }); err != nil {
		return pathError("unlock", l.dir.path, l.name, err)
	}
	return nil
}
