package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// do is an operation on a name in d: the name is judged, the fault hook asked, and
// the system called.
func (d *Dir) do(op, name string, call func() error) error {
	if err := d.begin(op, name); err != nil {
		return err
	}
	if err := d.call(op, name, call); err != nil {
		return pathError(op, d.path, name, err)
	}
	return nil
}

// call makes a system call. ESTALE is a network file system's word for a handle that
// its server has forgotten, which it does when it restarts or when somebody else has
// removed the file: names are looked up anew by the same call, once, after the
// directory's own handle has been renewed. What then is still stale is gone.
func (d *Dir) call(op, name string, f func() error) error {
	err := d.fs.system(op, d.path, name, f)
	if err == unix.ESTALE {
		d.reopen()
		err = d.fs.system(op, d.path, name, f)
	}
	return err
}

// system makes a system call until no signal interrupts it (network file systems let
// them). The hook FS.System may answer in its place.
func (f *FS) system(op, dir, name string, call func() error) error {
	if f.System != nil {
		if err := f.System(op, join(dir, name)); err != nil {
			return err
		}
	}
	return eintr(call)
}

// reopen puts a new handle of the directory under the number of the old one, where
// others may be at work with it. Only the same directory will do: another one at
// this path is another mailbox, whatever led there.
func (d *Dir) reopen() {
	fd, err := unix.Open(d.path, openDir, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && d.opend.SameFile(newStat(&st)) {
		unix.Dup3(fd, d.fd, unix.O_CLOEXEC)
	}
}

// Event is an operation that has succeeded, for FS.Done. Files and directories are
// told by their inodes; a change of names by the directory and the name in it.
type Event struct {
	Op        string // create mkdir write truncate chtimes sync syncdir rename link remove
	Dir, To   uint64 // the name's directory; of a rename or link, the target's
	Name, New string
	File      uint64 // what the name leads to, or whose bytes these are
	Off       int64  // of Data; the size after a truncate; the time after a chtimes
	Data      []byte
	// The directories' modification times afterwards, zero for what changes no names.
	DirTime, ToTime int64
}

// tell hands an event on. Callers look for the hook first, to spare themselves the
// making of the event.
func (d *Dir) tell(e Event) {
	e.Dir = d.opend.Ino
	if e.Name != "" {
		e.DirTime = d.modified()
	}
	d.fs.Done(e)
}

// modified is the time of the directory now.
func (d *Dir) modified() int64 {
	var st unix.Stat_t
	if unix.Fstat(d.fd, &st) != nil {
		return 0
	}
	return st.Mtim.Nano()
}

// told tells of a name in d, and what it leads to.
func (d *Dir) told(op, name string) {
	if d.fs.Done == nil {
		return
	}
	if st, err := d.stat(name); err == nil {
		d.tell(Event{Op: op, Name: name, File: st.Ino, Off: st.Mtime})
	}
}

// toldMove tells of a rename or a link.
func (d *Dir) toldMove(op, old string, to *Dir, new string) {
	if d.fs.Done == nil {
		return
	}
	if st, err := to.stat(new); err == nil {
		d.tell(Event{Op: op, Name: old, To: to.opend.Ino, New: new, File: st.Ino, ToTime: to.modified()})
	}
}

// toldFile tells of an open file; size is what a truncate has left.
func (d *Dir) toldFile(op string, f *os.File, size int64, data []byte) {
	if d.fs.Done == nil {
		return
	}
	st, err := FileStat(f)
	if err != nil {
		return
	}
	if op == "write" {
		if end, err := f.Seek(0, 1); err == nil {
			size = end - int64(len(data))
		}
	}
	d.tell(Event{Op: op, File: st.Ino, Off: size, Data: data})
}
