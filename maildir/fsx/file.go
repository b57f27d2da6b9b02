package fsx

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens a regular file for reading.
func (d *Dir) Open(name string) (*os.File, error) {
	f, _, err := d.OpenStat(name)
	return f, err
}

// OpenStat opens a regular file for reading and tells its state. Pipes,
// devices and sockets are refused (ErrNotRegular): reading them could block
// for ever; links are refused by the system (ELOOP).
func (d *Dir) OpenStat(name string) (*os.File, Stat, error) {
	if err := d.begin("open", name); err != nil {
		return nil, Stat{}, err
	}
	fd, _, err := d.openat(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, Stat{}, pathError("open", d.path, name, err)
	}
	st, err := regular(fd)
	if err != nil {
		return nil, Stat{}, pathError("open", d.path, name, err)
	}
	return os.NewFile(uintptr(fd), join(d.path, name)), st, nil
}

// OpenFile opens with the flags of package os. With perm 0 a new file gets its
// mode and group from the directory.
func (d *Dir) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := d.begin(op, name); err != nil {
		return nil, err
	}
	mode := d.filePerm(perm)
	fd, made, err := d.openat(name, flag, mode)
	if err != nil {
		return nil, pathError(op, d.path, name, err)
	}
	if made {
		d.adopt(fd, name, mode)
		d.told("create", name)
	}
	return os.NewFile(uintptr(fd), join(d.path, name)), nil
}

// openat also tells whether the file is new, which takes a second call only
// for O_CREATE without O_EXCL.
func (d *Dir) openat(name string, flag int, mode uint32) (fd int, made bool, err error) {
	flag |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	try := func(flag int) error {
		return d.call("open", name, func() (err error) {
			fd, err = unix.Openat(d.fd, name, flag, mode)
			return err
		})
	}
	if flag&os.O_CREATE == 0 || flag&os.O_EXCL != 0 {
		err = try(flag)
		return fd, flag&os.O_CREATE != 0, err
	}
	for {
		if err = try(flag &^ os.O_CREATE); err != unix.ENOENT {
			return fd, false, err
		}
		if err = try(flag | os.O_EXCL); err != unix.EEXIST {
			return fd, true, err
		}
	}
}

// FileStat tells the state of an open file.
func FileStat(f *os.File) (Stat, error) {
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return Stat{}, pathError("stat", f.Name(), "", err)
	}
	return newStat(&st), nil
}

// ReadFile reads a whole regular file of at most limit bytes.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, Stat, error) {
	f, st, err := d.OpenStat(name)
	if err != nil {
		return nil, Stat{}, err
	}
	defer f.Close()
	if st.Size > limit {
		return nil, st, &fs.PathError{Op: "read", Path: f.Name(), Err: unix.EFBIG}
	}
	b := make([]byte, 0, st.Size+1)
	for {
		n, err := d.Read(f, b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, st, nil
		case err != nil:
			return nil, st, err
		case int64(len(b)) > limit:
			return nil, st, &fs.PathError{Op: "read", Path: f.Name(), Err: unix.EFBIG}
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// Read reads on in a file that was opened in d.
func (d *Dir) Read(f *os.File, b []byte) (int, error) {
	if err := d.fs.check("read", f.Name(), ""); err != nil {
		return 0, err
	}
	return f.Read(b)
}

// ReadAt reads a piece of a file that was opened in d.
func (d *Dir) ReadAt(f *os.File, b []byte, off int64) (int, error) {
	if err := d.fs.check("read", f.Name(), ""); err != nil {
		return 0, err
	}
	return f.ReadAt(b, off)
}

// WriteAll writes b at the file's offset.
func (d *Dir) WriteAll(f *os.File, b []byte) error {
	if err := d.fs.check("write", f.Name(), ""); err != nil {
		if errors.Is(err, ErrTorn) {
			f.Write(b[:len(b)/2])
		}
		return err
	}
	_, err := f.Write(b)
	if err == nil {
		d.toldFile("write", f, 0, b)
	}
	return err
}

// SyncFile makes a file's bytes and times durable.
func (d *Dir) SyncFile(f *os.File) error {
	if err := d.fs.check("sync", f.Name(), ""); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	d.toldFile("sync", f, 0, nil)
	return nil
}

// SyncData makes a file's bytes durable, not its times.
func (d *Dir) SyncData(f *os.File) error {
	if err := d.fs.check("sync", f.Name(), ""); err != nil {
		return err
	}
	if err := eintr(func() error { return unix.Fdatasync(int(f.Fd())) }); err != nil {
		return pathError("sync", f.Name(), "", err)
	}
	d.toldFile("sync", f, 0, nil)
	return nil
}

// Truncate cuts an open file.
func (d *Dir) Truncate(f *os.File, size int64) error {
	if err := d.fs.check("truncate", f.Name(), ""); err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	d.toldFile("truncate", f, size, nil)
	return nil
}

// Chtimes sets the modification time of a name and leaves the access time alone.
func (d *Dir) Chtimes(name string, mtime time.Time) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime.UnixNano())}
	if err := d.do("chtimes", name, func() error { return unix.UtimesNanoAt(d.fd, name, ts, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return err
	}
	d.told("chtimes", name)
	return nil
}

// Append adds data to the end of name, which is made when absent, and tells
// the state afterwards. What a full disk cut short is cut off again. The
// caller holds the lock that guards name.
func (d *Dir) Append(name string, data []byte, sync bool) (Stat, error) {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0)
	if err != nil {
		return Stat{}, err
	}
	defer f.Close()
	before, err := FileStat(f)
	if err != nil {
		return Stat{}, err
	}
	if err = d.WriteAll(f, data); err == nil && sync {
		err = d.SyncData(f)
	}
	if err != nil {
		d.Truncate(f, before.Size)
		return before, err
	}
	return FileStat(f)
}
