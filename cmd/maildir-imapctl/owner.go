package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Root works in people's mail as the people: files that root made in a user's Maildir could be read there by nobody
// else, and root would follow wherever a user's links lead.
//
// What is taken on is what a process of the account has: its user, its group and its further groups, no more and no
// fewer, so that the tool meets the refusals that the daemon would meet and makes files as the daemon makes them. The
// group of the tree is not among them unless the account is in it: whoever makes a directory below one with the
// set-group-ID bit gets that one's group without being in it, and could lead root's tool where only that group may go.
// A tree of a number that no account has gets the tree's group, as there is nothing else to go by; but never root's.
//
// Only the effective ids change, which on Linux are those that files are judged by; they do so in all threads at once
// (the syscall package sees to that), and the kernel takes root's capabilities away with them. The real and saved ids
// stay root's: that is what lets the rights be given back, and keeps the user from signalling or tracing the process.
// Nothing may be left running by the work that is done in between.
//
// If a step fails, those before it are undone. If undoing fails, the process is neither root nor the user and ends
// on the spot: it must not go on to the next tree.

// account is whose rights are taken on.
type account struct {
	uid, gid int
	groups   []int
}

// nogroup is nobody's group.
const nogroup = 65534

// ownerOf is the account to which a file of this user and group belongs.
func ownerOf(uid, gid uint32) (account, error) {
	a := account{uid: int(uid), gid: int(gid)}
	u, err := user.LookupId(strconv.Itoa(a.uid))
	var unknown user.UnknownUserIdError
	switch {
	case errors.As(err, &unknown):
		if a.gid == 0 {
			a.gid = nogroup
		}
		a.groups = []int{a.gid}
		return a, nil
	case err != nil:
		return account{}, err
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return account{}, fmt.Errorf("group of account %s: %w", u.Username, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("groups of account %s: %w", u.Username, err)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return account{}, fmt.Errorf("groups of account %s: %w", u.Username, err)
		}
		a.groups = append(a.groups, n)
	}
	return a, nil
}

// rights is how a process changes whose rights it has.
type rights struct {
	setgroups        func([]int) error
	setegid, seteuid func(int) error
	die              func(error) // does not return
}

var systemRights = rights{
	setgroups: syscall.Setgroups,
	setegid:   func(gid int) error { return syscall.Setresgid(-1, gid, -1) },
	seteuid:   func(uid int) error { return syscall.Setresuid(-1, uid, -1) },
	die: func(err error) {
		fmt.Fprintf(os.Stderr, "maildir-imapctl: %v\n", err)
		os.Exit(exitStuck)
	},
}

// as runs f with an account's rights. The caller is root.
func (r rights) as(a account, f func() error) error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	uid, gid := os.Geteuid(), os.Getegid()
	steps := []struct{ do, undo func() error }{ // the user last: whoever is not root cannot change groups
		{func() error { return r.setgroups(a.groups) }, func() error { return r.setgroups(groups) }},
		{func() error { return r.setegid(a.gid) }, func() error { return r.setegid(gid) }},
		{func() error { return r.seteuid(a.uid) }, func() error { return r.seteuid(uid) }},
	}
	done := 0
	defer func() {
		for ; done > 0; done-- {
			if err := steps[done-1].undo(); err != nil {
				r.die(fmt.Errorf("cannot be root again after working as user %d: %w", a.uid, err))
			}
		}
	}()
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("cannot become its owner, user %d, and will not write there as root: %w", a.uid, err)
		}
		done++
	}
	return f()
}

// asOwner runs f with the rights of a directory's owner where the caller is root; which links decide whose directory
// that is, owner_path.go says. Who is not root is what they are, and f is told -1, as it is where root's own mail
// is served.
func (s *site) asOwner(path string, f func(owner int) error) error {
	if os.Geteuid() != 0 {
		return f(-1)
	}
	st, err := statTrusted(path)
	if err != nil {
		return err
	}
	if st.Uid == 0 {
		if s.c.Server.Root {
			return f(-1)
		}
		return fmt.Errorf("belongs to root, and root does not work in mail: give it to its user, or run this as %s", s.state.account())
	}
	a, err := ownerOf(st.Uid, st.Gid)
	if err != nil {
		return fmt.Errorf("cannot tell the groups of its owner, user %d: %w", st.Uid, err)
	}
	return s.rights.as(a, func() error {
		if err := ownedBy(path, st.Uid); err != nil {
			return err
		}
		return f(a.uid)
	})
}

// ownedBy makes sure that a path leads, to the user that the process is now, to what made it become that user:
// links on the way may have changed since.
func ownedBy(path string, uid uint32) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Uid != uid {
		return fmt.Errorf("has become user %d's, it was user %d's", st.Uid, uid)
	}
	return nil
}
