package fsx

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// umask is what the process started with. It can only be read by setting it,
// which is harmless here: nothing else runs yet.
var umask = func() uint32 {
	m := unix.Umask(0o077)
	unix.Umask(m)
	return uint32(m)
}()

// filePerm is the mode of a new file: the caller's, or the directory's without
// the execute bits.
func (d *Dir) filePerm(perm fs.FileMode) uint32 {
	if perm != 0 {
		return uint32(perm.Perm())
	}
	return d.opend.Mode & 0o666
}

// wantsGroup tells whether a new name in d must be given d's group: not when
// the system does it (set-group-ID), nor where the group has no say at all. The
// process's group is asked for each time: an administrator's tool works as one user
// after another.
func (d *Dir) wantsGroup(mode uint32) bool {
	return mode&0o070 != 0 && d.opend.Mode&unix.S_ISGID == 0 && d.opend.Gid != uint32(os.Getegid())
}

// adopt gives a file that was just made what the umask and the process's own
// group withheld.
func (d *Dir) adopt(fd int, name string, mode uint32) {
	if d.wantsGroup(mode) {
		if err := unix.Fchown(fd, -1, int(d.opend.Gid)); err != nil {
			d.fs.warn("chown", join(d.path, name), err)
			// Without the group its rights would go to the wrong one.
			mode &^= 0o070
			if err := unix.Fchmod(fd, mode); err != nil {
				d.fs.warn("chmod", join(d.path, name), err)
			}
			return
		}
	}
	if mode&umask != 0 {
		if err := unix.Fchmod(fd, mode); err != nil {
			d.fs.warn("chmod", join(d.path, name), err)
		}
	}
}

// adoptDir is adopt for a directory. It keeps set-group-ID, by which other programs' files get the group, too.
func (d *Dir) adoptDir(name string, mode uint32) {
	if d.wantsGroup(mode) {
		if err := unix.Fchownat(d.fd, name, -1, int(d.opend.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			d.fs.warn("chown", join(d.path, name), err)
			mode &^= 0o070
			d.chmodDir(name, mode)
			return
		}
	}
	if mode&umask != 0 {
		d.chmodDir(name, mode)
	}
}

func (d *Dir) chmodDir(name string, mode uint32) {
	setgid := d.opend.Mode & unix.S_ISGID // Linux hands it on by itself, but chmod would clear it
	chmod := func(mode uint32) error {
		return d.fs.system("chmod", d.path, name, func() error { return unix.Fchmodat(d.fd, name, mode, 0) })
	}
	err := chmod(mode | setgid)
	if err == unix.EPERM && setgid != 0 {
		// systemd's RestrictSUIDSGID= forbids the bit. Whom the group lets in is more than what it is for.
		d.fs.warn("chmod with set-group-ID, which RestrictSUIDSGID=yes of systemd refuses", join(d.path, name), err)
		err = chmod(mode)
	}
	if err != nil {
		d.fs.warn("chmod", join(d.path, name), err)
	}
}
