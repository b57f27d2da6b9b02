package maildir

import (
	"errors"
	"io/fs"
	"syscall"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// The files of lists, in a mailbox's own directory, also where CONTROL= is elsewhere. Dovecot's counts where both are.
// dovecot-acl-list, in a tree's root, is Dovecot's cache of who sees something.
const (
	dovecotACL     = "dovecot-acl"
	courierACL     = "courierimapacl"
	dovecotACLList = "dovecot-acl-list"
)

// maxACL is the size of the longest file that is read.
const maxACL = 1 << 20

// aclFile is a version of one file, and the list that is in force with it. It is not changed once it is made.
type aclFile struct {
	name string
	home aclHome
	id   aclID
	at   int64     // when it was read
	list *acl.List // nil: nobody has any right
	err  error     // why this version is not to be had; list is then that of an earlier one
}

// aclHome is the directory that a list was read in. Another one that has its path since is another mailbox.
type aclHome struct {
	dev, ino uint64
	born     int64 // numbers come again
}

func aclHomeOf(d *fsx.Dir) aclHome {
	st := d.Identity()
	return aclHome{st.Dev, st.Ino, d.Born()}
}

// aclID tells versions of a file apart.
type aclID struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64
}

func aclIDOf(st fsx.Stat) aclID { return aclID{st.Dev, st.Ino, st.Size, st.Mtime, st.Ctime} }

// proves tells whether a file that looks so has the content that was read. One that was changed within a tick of its
// clock before it was read may have been changed again within the same tick.
func (f *aclFile) proves(name string, id aclID) bool {
	look := dirLook{mtime: id.ctime, at: f.at} // who sets the modification time back changes the other one
	return f.name == name && f.id == id && look.proves(id.ctime)
}

// aclPlace is where the files of one mailbox are looked for.
type aclPlace struct {
	rel  string   // the mailbox's directory below the root
	root *fsx.Dir // open
	dir  *fsx.Dir // the mailbox's, open; nil: it is opened by rel if there is something to read
	top  bool     // the root as what holds for all: Courier knows no such thing
	none bool     // neither file lies there, by a look at the directory
}

// stat looks for a file. Without dir, links on the way are followed: a file is taken for one that is known, or for
// none; what is new is read by way of the directory.
func (p *aclPlace) stat(name string) (fsx.Stat, error) {
	switch {
	case p.dir != nil:
		return p.dir.StatName(name)
	case p.rel == "":
		return p.root.StatName(name)
	}
	return p.root.StatBelow(p.rel + "/" + name)
}

// in calls f with the mailbox's directory open.
func (p *aclPlace) in(f func(d *fsx.Dir) error) error {
	switch {
	case p.dir != nil:
		return f(p.dir)
	case p.rel == "":
		return f(p.root)
	}
	d, err := openBelow(p.root, p.rel)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(d)
}

func (p *aclPlace) read(name string) (b []byte, st fsx.Stat, home aclHome, err error) {
	err = p.in(func(d *fsx.Dir) error {
		b, st, err = d.ReadFile(name, maxACL)
		home = aclHomeOf(d)
		return err
	})
	return b, st, home, err
}

// path is for the log.
func (p *aclPlace) path(name string) string {
	switch {
	case p.dir != nil:
		return p.dir.Path() + "/" + name
	case p.rel == "":
		return p.root.Path() + "/" + name
	}
	return p.root.Path() + "/" + p.rel + "/" + name
}

// find looks which of the two files lies there, "" when neither does.
func (p *aclPlace) find() (name string, st fsx.Stat, err error) {
	if p.none {
		return "", fsx.Stat{}, nil
	}
	for _, name := range [...]string{dovecotACL, courierACL} {
		if p.top && name == courierACL {
			break
		}
		st, err := p.stat(name)
		if err == nil {
			return name, st, nil
		}
		if !isGone(err) {
			return name, st, err
		}
	}
	return "", fsx.Stat{}, nil
}

// kindOf names what has the place of a file. Dovecot takes a directory, and a link that leads nowhere, for no file, so that
// the root's list or the default counts; to us it is a list that nobody can read, for somebody wanted one here.
func kindOf(st fsx.Stat) string {
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return "a directory"
	case syscall.S_IFLNK:
		return "a symbolic link, which is not followed,"
	case syscall.S_IFIFO:
		return "a fifo"
	case syscall.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// parseACL reads the file of that name.
func parseACL(name string, b []byte) (*acl.List, error) {
	if name == courierACL {
		return acl.ParseCourier(b)
	}
	return acl.Parse(b)
}

// readACL reads a file that was found. An error that is not in the answer passes, and nothing is known then.
func readACL(p *aclPlace, name string, found fsx.Stat, now int64) (*aclFile, error) {
	f := &aclFile{name: name, id: aclIDOf(found), at: now}
	if !found.IsRegular() { // to open some of those is an error that passes, says the kernel
		f.err = errors.New("it is " + kindOf(found) + " where a file should be")
		return f, nil
	}
	b, st, home, err := p.read(name)
	if errors.Is(err, fs.ErrNotExist) || classify(err) == ErrTemporary {
		return nil, err
	}
	if err == nil {
		f.id, f.home = aclIDOf(st), home
		f.list, err = parseACL(name, b)
	}
	if err != nil {
		f.list, f.err = nil, err
	}
	var bad *acl.SyntaxError
	if err != nil && !errors.As(err, &bad) {
		f.at = f.id.ctime // proves nothing: what is in the way, perhaps of a directory, goes without a trace at the file
	}
	return f, nil
}
