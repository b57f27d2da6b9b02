package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// FS is the file system as the store sees it. The zero value is the real one.
type FS struct {
	// Fault is called before every operation with the operation's name ("open",
	// "rename", ...) and the path it is about. An error fails the operation
	// before it has had any effect; ErrCrash and ErrTorn end all further ones.
	Fault func(op, path string) error
	// System may answer in the place of a system call: with an errno that the call
	// would have given, and which retries and fall-backs see. Nil makes the call.
	System func(op, path string) error
	// Done is told of every change that has succeeded, in order as far as one
	// goroutine goes; a test makes from it what a power cut leaves.
	Done func(Event)
	// Warn is told of what went wrong without failing anything, such as a
	// group that could not be kept. Nil drops it.
	Warn func(op, path string, err error)
	// BreakPause is how long, and as much again at random, one who has removed a stale
	// lock lets others who judged it so too remove it by name; 100 ms when zero. A test
	// in which nobody else does need not wait.
	BreakPause time.Duration

	dead uint32 // atomic; a word, not an atomic.Bool, so that FS may be copied before use
}

// Errors of this package; everything else wraps the errno, so that errors.Is
// works with fs.ErrNotExist, syscall.ENOSPC and the like.
var (
	ErrName       = errors.New("not a plain file name")
	ErrLocked     = errors.New("locked by another program")
	ErrOverridden = errors.New("lock was overridden by another program")
	ErrNotRegular = errors.New("not a regular file")
	// ErrCrash, returned by a fault hook, stands for the end of the process:
	// this operation and every later one does nothing.
	ErrCrash = errors.New("crashed here (fault injection)")
	// ErrTorn is ErrCrash in the middle of a write: half of the bytes get out.
	ErrTorn = fmt.Errorf("torn write: %w", ErrCrash)
)

// LinkError is a symbolic link that leads where Dir.Follow does not allow.
type LinkError struct {
	Link, Target string
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("refused to follow the link %s to %s", e.Link, e.Target)
}

// Unwrap makes a refused link a permission error.
func (e *LinkError) Unwrap() error { return fs.ErrPermission }

// check runs the fault hook. The path is put together only when there is one.
func (f *FS) check(op, dir, name string) error {
	if f.Fault == nil {
		return nil
	}
	path := join(dir, name)
	if atomic.LoadUint32(&f.dead) != 0 {
		return &fs.PathError{Op: op, Path: path, Err: ErrCrash}
	}
	if err := f.Fault(op, path); err != nil {
		if errors.Is(err, ErrCrash) {
			atomic.StoreUint32(&f.dead, 1)
		}
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

func (f *FS) warn(op, path string, err error) {
	if f.Warn != nil {
		f.Warn(op, path, err)
	}
}

// Count returns a hook that counts the operations into n and lets them pass.
func Count(n *int64) func(op, path string) error {
	return func(string, string) error {
		atomic.AddInt64(n, 1)
		return nil
	}
}

// CrashAt returns a hook that lets n operations pass and crashes before the
// next one; with torn, a write at that place gets half of its bytes out.
func CrashAt(n int64, torn bool) func(op, path string) error {
	return func(op, _ string) error {
		switch left := atomic.AddInt64(&n, -1); {
		case left >= 0:
			return nil
		case left == -1 && torn && op == "write":
			return ErrTorn
		}
		return ErrCrash
	}
}

// FailFrom returns a hook that lets n operations pass and fails all from then on
// with err, those named ops or, without names, every one: a full disk, a table of
// files that stays full.
func FailFrom(n int64, err error, ops ...string) func(op, path string) error {
	return func(op, _ string) error {
		if len(ops) > 0 && !slices.Contains(ops, op) || atomic.AddInt64(&n, -1) >= 0 {
			return nil
		}
		return err
	}
}

// FailAt returns a hook that fails the operation after n others with err, once.
func FailAt(n int64, err error) func(op, path string) error {
	return func(string, string) error {
		if atomic.AddInt64(&n, -1) == -1 {
			return err
		}
		return nil
	}
}

func join(dir, name string) string {
	switch {
	case name == "":
		return dir
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}

func validName(name string) bool {
	return name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}

// eintr repeats a call that a signal interrupted (network file systems do).
func eintr(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func pathError(op, dir, name string, err error) error {
	return &fs.PathError{Op: op, Path: join(dir, name), Err: err}
}

// Stat is what the store wants to know of a file: plain numbers, comparable.
type Stat struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds since 1970
	Mode         uint32
	Uid, Gid     uint32
	Nlink        uint64
}

// IsDir tells whether it is a directory.
func (s Stat) IsDir() bool { return s.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular tells whether it is a file with content.
func (s Stat) IsRegular() bool { return s.Mode&unix.S_IFMT == unix.S_IFREG }

// IsLink tells whether it is a symbolic link.
func (s Stat) IsLink() bool { return s.Mode&unix.S_IFMT == unix.S_IFLNK }

// SameFile tells whether both are one inode.
func (s Stat) SameFile(o Stat) bool { return s.Dev == o.Dev && s.Ino == o.Ino }

func newStat(st *unix.Stat_t) Stat {
	return Stat{Dev: uint64(st.Dev), Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		Mode: st.Mode, Uid: st.Uid, Gid: st.Gid, Nlink: uint64(st.Nlink)}
}
