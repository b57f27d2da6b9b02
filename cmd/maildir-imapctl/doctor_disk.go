package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// disk is what file systems are tried with.
type disk struct {
	create func(path string) error // which must not be there yet
	link   func(from, to string) error
	rename func(from, to string) error
	sync   func(path string) error
	pause  func() // between two changes whose times should differ
}

var thisDisk = disk{
	create: func(path string) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(filepath.Base(path))
		return errors.Join(err, f.Close())
	},
	link:   os.Link,
	rename: os.Rename,
	sync: func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	},
	pause: func() { time.Sleep(tick) },
}

// tick is longer than any kernel of today keeps a time for files.
const tick = 25 * time.Millisecond

// networked are file systems on which others' changes cause no event here, by the numbers that statfs(2) has.
var networked = map[int64]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xff534d42: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB", unix.V9FS_MAGIC: "9P",
	unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.CEPH_SUPER_MAGIC: "Ceph", 0x0bd00bd0: "Lustre",
}

// checkDisk tries in a directory of its own, as the daemon's account, what mail takes of a file system; once for each
// that there is.
func checkDisk(x *exam) {
	devices := make(map[uint64]bool)
	for _, p := range x.places() {
		var st unix.Stat_t
		if real, near := existing(p.path); real != near || unix.Stat(real, &st) != nil || devices[st.Dev] {
			continue // roots tells
		}
		devices[st.Dev] = true
		x.space(&p)
		if at := orElse(p.tmp, p.path); !x.frozen(at) {
			x.abilities(&p, at)
		}
	}
}

// frozen tells whether nothing can be tried there, which roots tells of.
func (x *exam) frozen(path string) bool {
	var st unix.Statfs_t
	return x.statfs(path, &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

// space looks how full a file system is, and of which kind.
func (x *exam) space(p *mailPlace) {
	var st unix.Statfs_t
	if err := x.statfs(p.path, &st); err != nil {
		x.unseen(fmt.Errorf("%s: %w", p.path, err))
		return
	}
	const tight, plenty, inodes = 64 << 20, 10 << 30, 10000
	free := st.Bavail * uint64(st.Bsize)
	quoted := shellQuote(p.path)
	if st.Blocks > 0 && (free < tight || free < plenty && st.Bavail < st.Blocks/50) { // without blocks it does not tell
		x.problem(p.path, fmt.Sprintf("%d MiB of %d are free: deliveries and changes of flags will be refused", free>>20, st.Blocks*uint64(st.Bsize)>>20),
			fmt.Sprintf("du -xm --max-depth=1 %s | sort -n | tail    # tells what takes most", quoted))
	}
	if st.Files > 0 && st.Ffree < inodes && st.Ffree < st.Files/50 {
		x.problem(p.path, fmt.Sprintf("%d of %d inodes are free, and every message takes one", st.Ffree, st.Files),
			fmt.Sprintf("du -x --inodes --max-depth=1 %s | sort -n | tail    # tells what takes most", quoted))
	}
	if name := networked[st.Type]; name != "" {
		x.note(p.path, fmt.Sprintf("is on a network file system (%s): what other machines deliver causes no event here, and is seen at the next command instead of at once", name),
			"# let mail be delivered on this machine, or keep it on a disk of its own")
	}
}

// abilities tries a file system out. What it leaves when it is killed is one directory with a name that says whose.
func (x *exam) abilities(p *mailPlace, at string) {
	var failed []string
	work := func() (err error) {
		failed, err = x.disk.tryIn(at)
		return err
	}
	var err error
	switch os.Geteuid() {
	case x.account.uid:
		err = work()
	case 0:
		err = x.rights.as(x.account.account, work)
	default:
		err = fmt.Errorf("%s: to try it out, run this as root or as %s", p.path, x.account.name)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		// folders tells, and roots
	case err != nil:
		x.unseen(err)
	}
	for _, what := range failed {
		x.problem(p.path, what, "# keep mail on a file system of Unix, such as ext4, XFS or btrfs")
	}
}

// tried are the names of the files that try makes.
var tried = [...]string{"1700000000.M1P1.host", "1700000000.M1P1.host:2,S", "linked", "later", "Folder", "folder"}

// tryIn makes a directory to try in, and removes it. Whoever else may write where that is can put something in its place:
// so the directory itself is worked in, wherever it has gone, and nothing is removed but the names that try makes.
func (d *disk) tryIn(at string) (failed []string, err error) {
	path, err := os.MkdirTemp(at, ".maildir-imapctl-doctor-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeDir(path)) }()
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	failed, err = d.try(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	for _, name := range tried {
		_ = unix.Unlinkat(int(dir.Fd()), name, 0) // not all are there; what stays keeps the directory, and that is told
	}
	return failed, err
}

func removeDir(path string) error {
	if err := unix.Rmdir(path); err != nil {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

// try finds what a file system cannot do. The error is of what says nothing about that, as a full disk.
func (d *disk) try(dir string) (failed []string, err error) {
	name := func(s string) string { return filepath.Join(dir, s) }
	fail := func(err error, what string) {
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s (%v)", what, bare(err)))
		}
	}
	first, second := tried[0], tried[1]
	if err := d.create(name(first)); err != nil {
		return nil, err
	}
	fail(d.sync(name(first)), "what is written cannot be made to survive a power cut: fsync fails for files")
	if err := d.create(name(first)); !errors.Is(err, fs.ErrExist) {
		fail(orError(err, "it was made twice"), "a file that is there can be made again (O_EXCL): two programs may hold one lock")
	}
	if err := d.create(name(second)); err != nil {
		fail(err, "names of messages cannot be used, which have a colon")
	}
	if err := d.link(name(first), name("linked")); err != nil {
		fail(err, "files cannot be linked: a copy of a message takes its whole size again, and programs that deliver by link(2) fail")
	}
	d.pause()
	if err := d.create(name("later")); err != nil {
		return failed, err
	}
	a, aerr := os.Lstat(name(first))
	b, berr := os.Lstat(name("later"))
	if aerr == nil && berr == nil && !b.ModTime().After(a.ModTime()) {
		fail(fmt.Errorf("%v and %v", a.ModTime().Format("05.000000"), b.ModTime().Format("05.000000")),
			fmt.Sprintf("times of files are not told apart after %v: changes by other programs may be seen late", tick))
	}
	err = d.rename(name("later"), name(first))
	if err == nil {
		err = holds(name(first), "later")
	}
	fail(err, "a file cannot be put in the place of another (rename): lists cannot be written anew")
	if d.create(name("Folder")) == nil {
		if err := d.create(name("folder")); errors.Is(err, fs.ErrExist) {
			fail(err, "large and small letters are the same in names: folders work and Work would be one")
		}
	}
	fail(d.sync(dir), "what is renamed cannot be made to survive a power cut: fsync fails for directories")
	return failed, nil
}

// bare is an error without the path, which is of no use to anybody.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func orError(err error, what string) error {
	if err == nil {
		return errors.New(what)
	}
	return err
}

func holds(path, want string) error {
	b, err := os.ReadFile(path)
	if err == nil && string(b) != want {
		err = errors.New("it still has what it had")
	}
	return err
}
