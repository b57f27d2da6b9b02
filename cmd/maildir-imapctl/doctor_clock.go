package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// ahead is how far clocks of hosts that share files may be apart.
const ahead = 2 * time.Minute

// checkClock looks at the clock, by which new mail is found, messages are named and expire, and certificates count.
func checkClock(x *exam) {
	switch good, err := x.clock(); {
	case errors.Is(err, unix.EPERM) && x.contained():
		x.note("the clock", "is kept by the machine that this container runs on, which does not tell whether it is right", onHost)
	case err != nil:
		x.unseen(err)
	case !good:
		x.unkept()
	}
	for _, t := range x.mailTrees() {
		x.fromFuture(&t)
	}
}

// keepers are programs that keep a clock right, by the first 15 bytes of their names. Some do not tell the kernel, such as
// chronyd without rtcsync, and others not before hours have gone by.
var keepers = []string{"chronyd", "ntpd", "ptp4l", "phc2sys"}

// timesyncd tells the kernel as soon as it has had an answer.
const timesyncd = "systemd-timesyn"

// onHost looks at the clock of which a container's is a copy.
const onHost = "# there: timedatectl"

// unkept tells of a clock that nothing keeps right, says the kernel.
func (x *exam) unkept() {
	const why = "certificates, mail's times and expiry go by it"
	for _, p := range x.processes() {
		switch name := p.command(); {
		case slices.Contains(keepers, name):
			return
		case name == timesyncd:
			x.problem("the clock", "systemd-timesyncd is to keep it right and has had no answer from a time server: "+why, "timedatectl timesync-status    # tells whom it asks")
			return
		}
	}
	switch {
	case x.contained():
		x.note("the clock", "nothing keeps it right, says the kernel, and a container cannot: "+why, onHost)
	case x.systemd():
		x.problem("the clock", "nothing keeps it right, says the kernel: "+why, "timedatectl set-ntp true    # with systemd-timesyncd or chrony installed")
	default:
		x.problem("the clock", "nothing keeps it right, says the kernel: "+why, "# install what keeps it right: chrony, or systemd-timesyncd")
	}
}

// contained tells whether this is a container, by what systemd, Podman and Docker put there.
func (h *host) contained() bool {
	return slices.ContainsFunc([]string{"/run/systemd/container", "/run/.containerenv", "/.dockerenv"}, func(path string) bool {
		_, err := os.Stat(h.at(path))
		return err == nil
	})
}

// fromFuture finds directories and lists that were changed later than now: what changes in them until then may be taken
// for what is known. Whoever owns the tree can make root believe that, and have links in it: hence -h, and -c, without
// which touch makes the file that a link leads to.
func (x *exam) fromFuture(t *mailTree) {
	limit := x.now().Add(ahead)
	n, first := 0, ""
	var when time.Time
	x.eachFolder(t, func(dir string) {
		for _, name := range []string{"cur", "new", "dovecot-uidlist", "maildir-imapd.index"} {
			path := filepath.Join(dir, name)
			if st, err := os.Lstat(path); err == nil && st.ModTime().After(limit) {
				if n++; n == 1 {
					first, when = path, st.ModTime()
				}
			}
		}
	})
	if n == 0 {
		return
	}
	x.problem(t.root, fmt.Sprintf("%d directories and lists are from the future, such as %s of %s, and now it is %s: the clock was ahead, or is behind; "+
		"until then new mail may be seen late", n, first, when.Format(time.DateTime), x.now().Format(time.DateTime)),
		fmt.Sprintf("find %s '(' -type d -o -name 'dovecot-*' -o -name 'maildir-imapd.*' ')' -newermt now -exec touch -c -h {} +    # when the clock is right", shellQuote(t.root)))
}
