package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
)

// checkPasswords looks at the password file: without it nobody logs in over the network, and whoever can read it can
// try passwords against it at leisure.
func checkPasswords(x *exam) {
	path := x.c.Auth.File
	add := "maildir-imapctl passwd USER    # with a name for USER"
	if path != config.Default().Auth.File {
		add = fmt.Sprintf("maildir-imapctl passwd -file %s USER    # with a name for USER", shellQuote(path))
	}
	file, err := auth.LoadFile(path)
	switch bad := badLines(err); {
	case errors.Is(err, fs.ErrNotExist):
		x.problem(path, "there is no password file: nobody can log in over the network", add)
		return
	case len(bad) > 0:
		for _, l := range bad {
			x.problem(fmt.Sprintf("%s:%d", l.Path, l.Line), l.Msg+"; the daemon does not start with it, and one that runs keeps what it had",
				"# mend the line, then: maildir-imapd -check -config "+shellQuote(x.file))
		}
	case err != nil:
		x.unseen(err)
	case file.Len() == 0:
		x.problem(path, "has no users: nobody can log in over the network", add)
	}
	x.readable(path, "has the passwords")
	real, err := realPath(path)
	if err != nil {
		x.unseen(err)
		return
	}
	x.secret(real, "the passwords' hashes")
}

// secret tells where a file is open to more than it should be.
func (x *exam) secret(path, what string) {
	l, err := lookAt(path)
	if err != nil {
		x.unseen(err)
		return
	}
	quoted := shellQuote(path)
	group := groupName(x.secretGroup())
	open := fmt.Sprintf("chmod o= %s", quoted)
	if !x.account.in(l.Gid) && int(l.Uid) != x.account.uid && x.account.name != "" {
		open = fmt.Sprintf("chgrp -h %s %s && chmod u=rw,g=r,o= %[2]s", group, quoted) // or the daemon could not read it any more
	}
	switch {
	case l.Mode&0o006 != 0:
		x.problem(path, fmt.Sprintf("every account of this machine can read %s (%s)", what, &l), open)
	case l.Mode&0o020 != 0 && l.acl == nil && !x.loneGroup(l.Gid):
		x.problem(path, fmt.Sprintf("its group %s can change %s (%s)", groupName(int(l.Gid)), what, &l), "chmod g-w "+quoted)
	}
	if l.Mode&unix.S_IFMT == unix.S_IFREG && l.Uid != 0 && int(l.Uid) != x.account.uid && x.account.name != "" {
		x.problem(path, fmt.Sprintf("belongs to %s, who can change %s", userName(int(l.Uid)), what), "chown -h root "+quoted)
	}
}

// loneGroup tells whether a group is the daemon's account's own.
func (x *exam) loneGroup(gid uint32) bool { return int(gid) == x.account.gid }

// secretsGroup is the group that may read what only the daemon should, where the package has made it.
const secretsGroup = "maildir-imapd"

// secretGroup is that group if the account is in it, else the account's own.
func (x *exam) secretGroup() int {
	if g, err := user.LookupGroup(secretsGroup); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil && x.account.in(uint32(gid)) {
			return gid
		}
	}
	return x.account.gid
}
