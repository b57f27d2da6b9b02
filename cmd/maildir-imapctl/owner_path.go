package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Whose a tree is decides as whom root works in it, so the way to the tree must not be a user's to choose: a Maildir
// that is a link to somebody else's would make root that somebody, under the name of the one who made the link. The
// way is walked name by name, and each link on it is judged in the end, when it is known whose that is to which it
// led. Two kinds are followed:
//
//   - the administrator's: in a directory in which only root can put or rename anything (/srv/mail -> /bigdisk/mail);
//   - the owner's own: made by them, or for them by root in a directory of theirs, and leading to what is theirs.
//
// A link that is put in the way afterwards leads nowhere that counts: the process is the owner already.

// pathLink is a link that was met on a path.
type pathLink struct {
	path     string
	dir, own unix.Stat_t // the directory that it lies in, and the link itself
}

// maxLinks is what the kernel allows on one path.
const maxLinks = 40

// statTrusted is stat(2) of a path on which there is no link but such as may decide whose tree is meant.
func statTrusted(path string) (st unix.Stat_t, err error) {
	links, st, err := walkPath(path)
	if err != nil {
		return st, err
	}
	for i := range links {
		if l := &links[i]; !l.trusted(st.Uid) {
			return st, fmt.Errorf("%s is a link by which user %d could choose what is worked on as user %d, and is not followed; "+
				"if it is right, make it its owner's: chown -h %[3]d %[1]s, in a directory of theirs or root's", l.path, l.author(st.Uid), st.Uid)
		}
	}
	return st, nil
}

// trusted tells whether a link may lead to what is a user's.
func (l *pathLink) trusted(owner uint32) bool {
	if l.dir.Uid == 0 && l.dir.Mode&0o022 == 0 { // with an ACL, the group's bits are its mask
		return true
	}
	switch {
	case l.own.Uid == 0 && l.dir.Uid == 0:
		return l.dir.Mode&unix.S_ISVTX != 0
	case l.own.Uid == 0:
		return l.dir.Uid == owner
	}
	return l.own.Uid == owner && (l.dir.Uid == owner || l.dir.Uid == 0)
}

// author is who is to be told of as the one who could have made the link.
func (l *pathLink) author(owner uint32) uint32 {
	if l.own.Uid != 0 && l.own.Uid != owner {
		return l.own.Uid
	}
	return l.dir.Uid
}

// walkPath goes along an absolute path as the kernel would, and tells of the links on it and of what is at its end.
func walkPath(path string) (links []pathLink, st unix.Stat_t, err error) {
	w := pathWalk{at: -1}
	defer func() { w.to(-1) }()
	if err := w.begin(); err != nil {
		return nil, st, err
	}
	for names := strings.Split(filepath.Clean(path), "/"); len(names) > 0; {
		name := names[0]
		names = names[1:]
		if name == "" || name == "." {
			continue
		}
		shown := filepath.Join(w.path, name)
		target, err := w.next(name, shown)
		if err != nil {
			return nil, st, fmt.Errorf("%s: %w", shown, err)
		}
		if target != "" {
			names = append(strings.Split(target, "/"), names...)
		}
	}
	return w.links, w.st, nil
}

// pathWalk is a walk, at the directory to which it has come.
type pathWalk struct {
	at    int // by O_PATH
	path  string
	st    unix.Stat_t
	links []pathLink
}

// next takes a step. A link is noted instead, and its target returned, at whose beginning the walk is.
func (w *pathWalk) next(name, shown string) (target string, err error) {
	fd, err := unix.Openat(w.at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	l := pathLink{path: shown, dir: w.st}
	if err := unix.Fstat(fd, &l.own); err != nil || l.own.Mode&unix.S_IFMT != unix.S_IFLNK {
		w.to(fd)
		w.path, w.st = shown, l.own
		return "", err
	}
	defer unix.Close(fd)
	if w.links = append(w.links, l); len(w.links) > maxLinks {
		return "", unix.ELOOP
	}
	var b [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", b[:])
	if err != nil {
		return "", err
	}
	if target = string(b[:n]); strings.HasPrefix(target, "/") {
		err = w.begin()
	}
	return target, err
}

// begin is at the root.
func (w *pathWalk) begin() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.to(fd)
	w.path = "/"
	return unix.Fstat(fd, &w.st)
}

// to makes a descriptor the place of the walk.
func (w *pathWalk) to(fd int) {
	if w.at >= 0 {
		_ = unix.Close(w.at)
	}
	w.at = fd
}
