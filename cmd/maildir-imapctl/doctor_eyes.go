package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/usermail"
)

// eyes is an account by whose permissions files are judged. Root asks the kernel, with the account's rights taken on,
// and so does who is the account; others compute what the kernel would say from owner, group, mode and ACL.
type eyes struct {
	account
	name string
}

// served is the account that the daemon runs as for a user: its own for those of the password file, which come by
// the network, and the user's own where there is only such an account (-preauth). Before the first start there is no
// state directory, and the unit tells.
func (s *site) served(name, as string, users []usermail.User, service unitFacts) (eyes, error) {
	known := slices.ContainsFunc(users, func(u usermail.User) bool { return u.Name == name })
	if as == "" && name != "" && !known {
		if _, err := user.Lookup(name); err != nil {
			return eyes{}, fmt.Errorf("user %q is not in [auth] file = %s, and no system account", name, s.c.Auth.File)
		}
		as = name
	}
	if as == "" && s.state.owner < 0 {
		as = service.word("User")
	}
	uid, gid := s.state.owner, nogroup
	switch {
	case as != "":
		u, err := user.Lookup(as)
		if err != nil {
			return eyes{}, err
		}
		uid, _ = strconv.Atoi(u.Uid)
	case uid < 0 && os.Geteuid() == 0:
		return eyes{}, fmt.Errorf("[server] state = %s tells nobody's account, say -as ACCOUNT: %w", s.state.dir, os.ErrNotExist)
	case uid < 0:
		uid, gid = os.Geteuid(), os.Getegid()
	}
	a, err := ownerOf(uint32(uid), uint32(gid))
	if err != nil {
		return eyes{}, err
	}
	e := eyes{a, strconv.Itoa(uid)}
	if u, err := user.LookupId(e.name); err == nil {
		e.name = u.Username
	}
	if u := service.word("User"); u == e.name || u == strconv.Itoa(uid) {
		e.join(service.words("SupplementaryGroups"))
	}
	return e, nil
}

// join adds groups that the daemon has by its unit alone.
func (e *eyes) join(names []string) {
	for _, name := range names {
		g, err := user.LookupGroup(name)
		if err != nil {
			continue // systemd does not start the unit then, and says so
		}
		if gid, err := strconv.Atoi(g.Gid); err == nil && !e.in(uint32(gid)) {
			e.groups = append(e.groups, gid)
		}
	}
}

func (e *eyes) in(gid uint32) bool { return int(gid) == e.gid || slices.Contains(e.groups, int(gid)) }

// look is what is known of a file: itself and its ACL.
type look struct {
	unix.Stat_t
	acl []aclSlot // nil: the mode says all
}

// aclSlot is an entry of a POSIX ACL.
type aclSlot struct {
	tag, perm uint16
	id        uint32
}

// The tags of entries.
const (
	slotUserObj, slotUser, slotGroupObj, slotGroup, slotMask, slotOther = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
)

func lookAt(path string) (l look, err error) {
	if err := unix.Lstat(path, &l.Stat_t); err != nil {
		return l, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	var b [4 + 8*64]byte
	if n, err := unix.Lgetxattr(path, "system.posix_acl_access", b[:]); err == nil && n > 4 {
		for at := b[4:n]; len(at) >= 8; at = at[8:] {
			l.acl = append(l.acl, aclSlot{binary.LittleEndian.Uint16(at), binary.LittleEndian.Uint16(at[2:]), binary.LittleEndian.Uint32(at[4:])})
		}
	}
	return l, nil
}

// may tells whether an account has permissions, bits of 7, as acl(5) has it.
func (l *look) may(e *eyes, want uint16) bool {
	switch {
	case e.uid == 0:
		return true
	case int(l.Uid) == e.uid:
		return uint16(l.Mode>>6)&want == want
	case l.acl == nil && e.in(l.Gid):
		return uint16(l.Mode>>3)&want == want
	case l.acl == nil:
		return uint16(l.Mode)&want == want
	}
	mask := uint16(7)
	for _, s := range l.acl {
		if s.tag == slotMask {
			mask = s.perm
		}
	}
	member := false
	for _, s := range l.acl {
		switch {
		case s.tag == slotUser && int(s.id) == e.uid:
			return s.perm&mask&want == want
		case s.tag == slotGroupObj && e.in(l.Gid), s.tag == slotGroup && e.in(s.id):
			member = true
			if s.perm&mask&want == want {
				return true
			}
		}
	}
	return !member && uint16(l.Mode)&want == want
}

// mend says how an account gets permissions that it does not have, to the least degree: never for everybody. group is
// one of the account's, for what belongs to another.
func (l *look) mend(e *eyes, path string, want uint16, group int) []string {
	letters := lettersOf(want)
	quoted := shellQuote(path)
	switch {
	case int(l.Uid) == e.uid:
		return []string{fmt.Sprintf("chmod u+%s %s", letters, quoted)}
	case l.acl != nil && l.named(e, want):
		return []string{fmt.Sprintf("setfacl -m m::rwx %s", quoted)}
	case l.acl != nil:
		return []string{fmt.Sprintf("setfacl -m u:%s:%s %s", e.name, letters, quoted)}
	case e.in(l.Gid):
		return []string{fmt.Sprintf("chmod g+%s %s", letters, quoted)}
	case l.Gid != 0 && uint16(l.Mode>>3)&want == want:
		return []string{fmt.Sprintf("usermod -aG %s %s    # and restart the daemon", groupName(int(l.Gid)), e.name)}
	}
	return []string{fmt.Sprintf("chgrp -h %s %s && chmod g+%s %s", groupName(group), quoted, letters, quoted)}
}

// mendMissing makes a directory like the one that it is in. Whoever may write there may put a link in its place at
// once, which must not give them what it leads to: hence -h, and the mode in the first step.
func mendMissing(dir, path string) string {
	mode := uint32(0o700)
	if l, err := lookAt(dir); err == nil {
		mode = l.Mode & 0o3777
	}
	return fmt.Sprintf("mkdir -m %o %s && chown -h --reference=%s %[2]s", mode, shellQuote(path), shellQuote(dir))
}

// named tells whether an entry gives an account what the mask takes.
func (l *look) named(e *eyes, want uint16) bool {
	return slices.ContainsFunc(l.acl, func(s aclSlot) bool {
		mine := s.tag == slotUser && int(s.id) == e.uid || s.tag == slotGroup && e.in(s.id) || s.tag == slotGroupObj && e.in(l.Gid)
		return mine && s.perm&want == want
	})
}

// String is the mode with owner and group, as ls has it.
func (l *look) String() string {
	mode := os.FileMode(l.Mode & 0o777)
	if l.Mode&unix.S_IFMT == unix.S_IFDIR {
		mode |= os.ModeDir
	}
	more := ""
	if l.acl != nil {
		more = "+"
	}
	return fmt.Sprintf("%s%s %s:%s", mode, more, userName(int(l.Uid)), groupName(int(l.Gid)))
}

func lettersOf(want uint16) (s string) {
	for i, c := range "rwx" {
		if want>>(2-i)&1 != 0 {
			s += string(c)
		}
	}
	return s
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// shellQuote makes a path one word of a shell.
func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// need is a permission that something which was promised takes.
type need struct {
	path string // links resolved
	want uint16
	why  string
}

// refused finds the needs that an account does not have, but for those below a directory that it cannot enter.
func (x *exam) refused(needs []need) (out []need) {
	slices.SortStableFunc(needs, func(a, b need) int { return strings.Compare(a.path, b.path) })
	judge := func(n *need) bool {
		l, err := lookAt(n.path)
		return err != nil || l.may(&x.account, n.want)
	}
	sift := func() error {
		var closed []string
		for i := range needs {
			n := &needs[i]
			below := func(dir string) bool { return strings.HasPrefix(n.path, dir) }
			if slices.ContainsFunc(closed, below) || judge(n) {
				continue
			}
			out = append(out, *n)
			if n.want&1 != 0 {
				closed = append(closed, strings.TrimSuffix(n.path, "/")+"/")
			}
		}
		return nil
	}
	kernel := func(n *need) bool {
		err := unix.Faccessat(unix.AT_FDCWD, n.path, uint32(n.want), unix.AT_EACCESS)
		return err == nil || !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EPERM)
	}
	switch os.Geteuid() {
	case x.account.uid:
		judge = kernel
	case 0:
		judge = kernel
		if err := x.rights.as(x.account.account, sift); err != nil {
			x.unseen(err)
		}
		return out
	}
	_ = sift()
	return out
}

// above lists a directory and those that lead to it, from the root on; of a relative path, from where that begins.
func above(path string) (all []string) {
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		all = append(all, p)
		if p == "/" || p == "." {
			slices.Reverse(all)
			return all
		}
	}
}
