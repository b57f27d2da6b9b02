package fsx

import (
	"io"

	"golang.org/x/sys/unix"
)

// Dovecot locks a tree of mailboxes by the file mailboxes.lock in its root, and not
// as a dotlock: it opens the file that is there or links one of its own, takes a
// write lock on all of it (lock_method, fcntl by default), makes sure that the name
// still leads to that file, and removes it while it holds the lock. A file that
// nobody has locked stands in nobody's way, whatever is written in it, and is
// removed by whoever comes next.
//
// So a lock with LockOptions.Record is both: a dotlock, by which processes of ours
// know each other, and a record lock on the same file, which Dovecot waits for. The
// record lock is one of the open file (OFD), not of the process: those conflict with
// Dovecot's like any other, but closing another descriptor of the file in this
// process does not give them up.

// recordLock takes the write lock on all of a file, or fails with EAGAIN. Where the
// file system has no record locks, nobody else can have one either.
func recordLock(fd int) error {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := eintr(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l) })
	switch err {
	case unix.EACCES:
		return unix.EAGAIN
	case unix.ENOLCK, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS:
		return nil
	}
	return err
}

// unheld tells whether nobody has the record lock of the lock file seen as st; if
// so, and it could be opened, the descriptor holds it now. A file of Dovecot's is
// then a leftover at once: it is linked with the lock on it. One of ours says whose
// it is, and may be of a process that knows dotlocks only.
func (d *Dir) unheld(name string, st Stat) (fd int, left bool) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, true // another user's: its age decides
	}
	var now unix.Stat_t
	if unix.Fstat(fd, &now) != nil || !newStat(&now).SameFile(st) || recordLock(fd) != nil {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// giveRecord ends the record lock.
func (l *Lock) giveRecord() {
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}
