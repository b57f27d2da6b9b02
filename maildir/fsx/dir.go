package fsx

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// Dir is an open directory. Names given to its methods are single components.
type Dir struct {
	// Follow lists the absolute directories that symbolic links met by Sub may
	// lead into; Sub hands it on. Set it before the first Sub.
	Follow []string

	fs    *FS
	fd    int
	path  string
	opend Stat // as of OpenDir: identity, and the rule for new files

	others atomic.Bool // files of other users have been seen in it
}

// OpenDir opens a directory by its path, which the administrator gave: links
// in it are followed.
func (f *FS) OpenDir(path string) (*Dir, error) {
	if err := f.check("opendir", path, ""); err != nil {
		return nil, err
	}
	d, err := f.open(unix.AT_FDCWD, path, path, openDir)
	if errors.Is(err, unix.ESTALE) {
		d, err = f.open(unix.AT_FDCWD, path, path, openDir)
	}
	return d, err
}

func (f *FS) open(at int, name, path string, flag int) (*Dir, error) {
	var fd int
	err := f.system("opendir", path, "", func() (err error) {
		fd, err = unix.Openat(at, name, flag, 0)
		return err
	})
	if err != nil {
		return nil, pathError("open", path, "", err)
	}
	d := &Dir{fs: f, fd: fd, path: path}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, pathError("stat", path, "", err)
	}
	d.opend = newStat(&st)
	return d, nil
}

// Sub opens a directory in d. A symbolic link is followed only into d.Follow.
func (d *Dir) Sub(name string) (*Dir, error) {
	if err := d.begin("opendir", name); err != nil {
		return nil, err
	}
	s, err := d.fs.open(d.fd, name, join(d.path, name), openDir|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ESTALE) {
		d.reopen()
		s, err = d.fs.open(d.fd, name, join(d.path, name), openDir|unix.O_NOFOLLOW)
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		// O_DIRECTORY with O_NOFOLLOW says ENOTDIR for a link and for a file.
		if st, serr := d.stat(name); serr != nil || !st.IsLink() {
			return nil, err
		}
		s, err = d.followed(name)
	}
	if err != nil {
		return nil, err
	}
	s.Follow = d.Follow
	return s, nil
}

// followed opens the directory that the link name leads to. The target is
// resolved first, judged, and then opened one component at a time without
// following anything, so that a link swapped in meanwhile is not followed.
func (d *Dir) followed(name string) (*Dir, error) {
	link := join(d.path, name)
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return nil, err
	}
	if target, err = filepath.Abs(target); err != nil {
		return nil, err
	}
	if !within(target, d.Follow) {
		return nil, &LinkError{Link: link, Target: target}
	}
	at, err := unix.Open("/", openDir, 0)
	if err != nil {
		return nil, pathError("open", "/", "", err)
	}
	defer func() { unix.Close(at) }()
	for _, c := range strings.Split(strings.Trim(target, "/"), "/") {
		var next int
		err := eintr(func() (err error) {
			next, err = unix.Openat(at, c, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			return err
		})
		if err != nil {
			return nil, pathError("open", target, "", err)
		}
		unix.Close(at)
		at = next
	}
	return d.fs.open(at, ".", target, openDir)
}

func within(target string, roots []string) bool {
	for _, r := range roots {
		real, err := filepath.EvalSymlinks(r)
		if err != nil {
			continue
		}
		if real == "/" || target == real || strings.HasPrefix(target, real+"/") {
			return true
		}
	}
	return false
}

// begin validates the name and runs the fault hook: the head of every operation.
func (d *Dir) begin(op, name string) error {
	if !validName(name) {
		return &fs.PathError{Op: op, Path: join(d.path, name), Err: ErrName}
	}
	return d.fs.check(op, d.path, name)
}

// Path is the directory's path when it was opened, resolved if a link led to
// it: for log lines, and as a key for "the same mailbox".
func (d *Dir) Path() string { return d.path }

// FS is the file system the directory was opened by.
func (d *Dir) FS() *FS { return d.fs }

// Identity is the directory's state when it was opened; Dev and Ino stay true.
func (d *Dir) Identity() Stat { return d.opend }

// Born is when the directory was made, in nanoseconds since 1970, as its file system says; 0: it does not say. Inode
// numbers come again, on ext4 at once: with this, two directories of one number are told apart.
func (d *Dir) Born() int64 {
	var st unix.Statx_t
	err := d.call("fstat", "", func() error {
		return unix.Statx(d.fd, "", unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st)
	})
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
}

// Close gives the descriptor back. A crashed process gives them back as well.
func (d *Dir) Close() error {
	if err := unix.Close(d.fd); err != nil {
		return pathError("close", d.path, "", err)
	}
	return nil
}

// Sync makes the names in the directory durable.
func (d *Dir) Sync() error {
	if err := d.fs.check("syncdir", d.path, ""); err != nil {
		return err
	}
	err := d.call("syncdir", "", func() error { return unix.Fsync(d.fd) })
	// Some file systems cannot sync directories and say EINVAL; nothing is to be had there.
	if err != nil && err != unix.EINVAL && err != unix.ENOTSUP {
		return pathError("sync", d.path, "", err)
	}
	if d.fs.Done != nil {
		d.tell(Event{Op: "syncdir"})
	}
	return nil
}

// Stat tells the directory's own state now.
func (d *Dir) Stat() (Stat, error) {
	if err := d.fs.check("stat", d.path, ""); err != nil {
		return Stat{}, err
	}
	var st unix.Stat_t
	if err := d.call("fstat", "", func() error { return unix.Fstat(d.fd, &st) }); err != nil {
		return Stat{}, pathError("stat", d.path, "", err)
	}
	return newStat(&st), nil
}

// StatName tells the state of a name, of a link itself if it is one.
func (d *Dir) StatName(name string) (Stat, error) {
	if err := d.begin("stat", name); err != nil {
		return Stat{}, err
	}
	return d.stat(name)
}

func (d *Dir) stat(name string) (Stat, error) {
	var st unix.Stat_t
	err := d.call("stat", name, func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return Stat{}, pathError("stat", d.path, name, err)
	}
	return newStat(&st), nil
}

// Stat tells the state of what a path leads to, links followed.
func (f *FS) Stat(path string) (Stat, error) { return f.statPath(path, 0) }

// StatLink is Stat, but of the link itself if the path's last component is one.
func (f *FS) StatLink(path string) (Stat, error) { return f.statPath(path, unix.AT_SYMLINK_NOFOLLOW) }

func (f *FS) statPath(path string, flags int) (Stat, error) {
	if err := f.check("stat", path, ""); err != nil {
		return Stat{}, err
	}
	var st unix.Stat_t
	look := func() error { return unix.Fstatat(unix.AT_FDCWD, path, &st, flags) }
	err := f.system("stat", path, "", look)
	if err == unix.ESTALE {
		err = f.system("stat", path, "", look)
	}
	if err != nil {
		return Stat{}, pathError("stat", path, "", err)
	}
	return newStat(&st), nil
}

// Resolve returns the path with all links in it followed.
func (f *FS) Resolve(path string) (string, error) {
	if err := f.check("resolve", path, ""); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// StatIn tells the state of name in the subdirectory sub without opening it:
// one system call to learn whether a file is there. A link sub is followed, so
// nothing but existence may be concluded.
func (d *Dir) StatIn(sub, name string) (Stat, error) {
	if err := d.begin("stat", sub); err != nil {
		return Stat{}, err
	}
	if !validName(name) {
		return Stat{}, &fs.PathError{Op: "stat", Path: join(join(d.path, sub), name), Err: ErrName}
	}
	return d.stat(sub + "/" + name)
}

// StatBelow tells the state of what lies at a path below d, of a link itself at its end, by one system call. Links on
// the way are followed wherever they lead, so nothing may be concluded but that this is a file that is known already,
// or that there is none. What is to be opened is looked for by Sub.
func (d *Dir) StatBelow(rel string) (Stat, error) {
	for name := range strings.SplitSeq(rel, "/") {
		if !validName(name) {
			return Stat{}, &fs.PathError{Op: "stat", Path: join(d.path, rel), Err: ErrName}
		}
	}
	if err := d.fs.check("stat", d.path, rel); err != nil {
		return Stat{}, err
	}
	return d.stat(rel)
}

// Like makes new files and directories in d take mode and group from o.
func (d *Dir) Like(o Stat) {
	d.opend.Mode = d.opend.Mode&^0o7777 | o.Mode&0o7777
	d.opend.Gid = o.Gid
}

// Mkdir makes a directory. With perm 0 it gets the mode and group of d.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	mode := uint32(perm.Perm())
	if perm == 0 {
		mode = d.opend.Mode & 0o777
	}
	if err := d.do("mkdir", name, func() error { return unix.Mkdirat(d.fd, name, mode) }); err != nil {
		return err
	}
	d.adoptDir(name, mode)
	d.told("mkdir", name)
	return nil
}

// Remove removes a file. RemoveDir removes an empty directory.
func (d *Dir) Remove(name string) error { return d.remove(name, 0) }

// RemoveDir removes an empty directory.
func (d *Dir) RemoveDir(name string) error { return d.remove(name, unix.AT_REMOVEDIR) }

func (d *Dir) remove(name string, flag int) error {
	if err := d.do("remove", name, func() error { return unix.Unlinkat(d.fd, name, flag) }); err != nil {
		return err
	}
	if d.fs.Done != nil {
		d.tell(Event{Op: "remove", Name: name})
	}
	return nil
}

// two is do for an operation on two names.
func (d *Dir) two(op, old string, to *Dir, new string, call func() error) error {
	if !validName(new) {
		return &fs.PathError{Op: op, Path: join(to.path, new), Err: ErrName}
	}
	if err := d.do(op, old, func() error {
		err := call()
		if err == unix.ESTALE && to != d {
			to.reopen()
		}
		return err
	}); err != nil {
		return err
	}
	d.toldMove(op, old, to, new)
	return nil
}

// Rename renames old to new in another directory (or d), replacing what is there.
func (d *Dir) Rename(old string, to *Dir, new string) error {
	return d.two("rename", old, to, new, func() error { return unix.Renameat(d.fd, old, to.fd, new) })
}

// RenameNew renames old to new and fails with EEXIST when new is there. File
// systems that lack the call get a look first: the caller holds a lock anyway.
func (d *Dir) RenameNew(old string, to *Dir, new string) error {
	return d.two("rename", old, to, new, func() error {
		err := d.fs.system("renamenew", d.path, old, func() error {
			return unix.Renameat2(d.fd, old, to.fd, new, unix.RENAME_NOREPLACE)
		})
		if err != unix.EINVAL && err != unix.ENOSYS {
			return err
		}
		if _, serr := to.stat(new); serr == nil {
			return unix.EEXIST
		}
		return unix.Renameat(d.fd, old, to.fd, new)
	})
}

// Link gives the file old a second name; EEXIST when new is there.
func (d *Dir) Link(old string, to *Dir, new string) error {
	return d.two("link", old, to, new, func() error { return unix.Linkat(d.fd, old, to.fd, new, 0) })
}
