package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"maildir-imapd/imapd/config"
)

// asOwner runs f with the rights of a directory's owner where the caller is root: files that root made in a
// user's Maildir cannot be read there by anybody else, and root would follow where its user leads. Who is not
// root is what they are, and f is told -1.
func (r *checkRun) asOwner(path string, f func(owner int) error) error {
	if os.Geteuid() != 0 {
		return f(-1)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Uid == 0 {
		if r.c.Server.Root {
			return f(-1)
		}
		return fmt.Errorf("belongs to root, and root does not work in mail: give it to its user, or run check as %s", r.state.account())
	}
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	if err := become(int(st.Uid), int(st.Gid)); err != nil {
		return errors.Join(fmt.Errorf("cannot become its owner, user %d, and will not write there as root: %w", st.Uid, err), resume(groups))
	}
	if err = ownedBy(path, st.Uid); err == nil {
		err = f(int(st.Uid))
	}
	return errors.Join(err, resume(groups))
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

// stateDir is [server] state and whose it is: the daemon's user.
type stateDir struct {
	dir   string
	owner int // -1: not known
}

// stateOf is asked before anybody else's rights are taken on.
func stateOf(c *config.Config) stateDir {
	s := stateDir{dir: c.Server.State, owner: -1}
	if dir, err := filepath.Abs(s.dir); err == nil {
		s.dir = dir
	}
	var st unix.Stat_t
	if unix.Stat(s.dir, &st) == nil {
		s.owner = int(st.Uid)
	}
	return s
}

// account names the daemon's user.
func (s stateDir) account() string {
	if s.owner <= 0 {
		return "the daemon's user"
	}
	id := strconv.Itoa(s.owner)
	if u, err := user.LookupId(id); err == nil {
		return "the daemon's user, " + u.Username
	}
	return "the daemon's user, " + id
}

// unusable says what to do.
func (s stateDir) unusable(err error) string {
	return fmt.Sprintf("user %d cannot use (%v); run this as %s", os.Geteuid(), err, s.account())
}

// become gives all threads the user's rights on files: its group, its further groups, then itself. The real
// and saved ids stay root's, so that resume can take it back.
func become(uid, gid int) error {
	groups := []int{gid}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		if ids, err := u.GroupIds(); err == nil {
			for _, id := range ids {
				if n, err := strconv.Atoi(id); err == nil {
					groups = append(groups, n)
				}
			}
		}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setresgid(-1, gid, -1); err != nil {
		return err
	}
	return syscall.Setresuid(-1, uid, -1)
}

// resume is root again.
func resume(groups []int) error {
	return errors.Join(syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1), syscall.Setgroups(groups))
}
