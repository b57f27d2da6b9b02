package fsx

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// File is a regular file open for reading: a descriptor, and nothing that the
// garbage collector or the poller must know of. Mail is read by the hundred
// thousand files; what os.File does beyond the four system calls costs as much
// as they do. It must be closed, once, by its owner; ReadAt may be called by
// several goroutines before that.
type File struct {
	dir  *Dir
	name string
	fd   int
	off  int64
	st   Stat
}

// OpenRead opens a regular file as OpenStat does. It leaves the time of the last
// access alone where that is allowed, to the owner of a file: noting it would be a
// write, through the journal, for each message that is read the first time.
func (d *Dir) OpenRead(name string) (File, error) {
	if err := d.begin("open", name); err != nil {
		return File{}, err
	}
	const flags = unix.O_RDONLY | unix.O_NONBLOCK
	fd, err := -1, error(unix.EPERM)
	if !d.others.Load() {
		fd, _, err = d.openat(name, flags|unix.O_NOATIME, 0)
	}
	if err == unix.EPERM {
		d.others.Store(true)
		fd, _, err = d.openat(name, flags, 0)
	}
	if err != nil {
		return File{}, pathError("open", d.path, name, err)
	}
	st, err := regular(fd)
	if err != nil {
		return File{}, pathError("open", d.path, name, err)
	}
	return File{dir: d, name: name, fd: fd, st: st}, nil
}

// regular tells the state of what has been opened, or closes it when it is no
// regular file.
func regular(fd int) (Stat, error) {
	var st unix.Stat_t
	err := eintr(func() error { return unix.Fstat(fd, &st) })
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		unix.Close(fd)
		return Stat{}, err
	}
	return newStat(&st), nil
}

// Stat is the file's state when it was opened.
func (f *File) Stat() Stat { return f.st }

// Read reads on. With the last byte that the file had when it was opened comes
// io.EOF, which saves the call that would say so.
func (f *File) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, f.off)
	f.off += int64(n)
	if err == nil && f.off >= f.st.Size {
		err = io.EOF
	}
	return n, err
}

// ReadAt reads at an offset.
func (f *File) ReadAt(b []byte, off int64) (n int, err error) {
	if err := f.dir.fs.check("read", f.dir.path, f.name); err != nil {
		return 0, err
	}
	for again := false; n < len(b); {
		if n > 0 && off+int64(n) >= f.st.Size {
			return n, io.EOF
		}
		var k int
		err := f.dir.fs.system("pread", f.dir.path, f.name, func() (err error) {
			k, err = unix.Pread(f.fd, b[n:], off+int64(n))
			return err
		})
		if err == unix.ESTALE && !again {
			again = true
			f.reopen()
			continue
		}
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: join(f.dir.path, f.name), Err: err}
		}
		if k == 0 {
			return n, io.EOF
		}
		n += k
	}
	return n, nil
}

// reopen renews a stale handle if the name still leads to the same file.
func (f *File) reopen() {
	fd, _, err := f.dir.openat(f.name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	if st, err := regular(fd); err == nil {
		if st.SameFile(f.st) {
			unix.Dup3(fd, f.fd, unix.O_CLOEXEC)
		}
		unix.Close(fd)
	}
}

// Close gives the descriptor back.
func (f *File) Close() error {
	if f.fd < 0 {
		return fs.ErrClosed
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}
