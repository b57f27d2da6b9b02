package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ahead is how far clocks of hosts that share files may be apart.
const ahead = 2 * time.Minute

// checkClock looks at the clock, by which new mail is found, messages are named and expire, and certificates count.
func checkClock(x *exam) {
	if good, err := x.clock(); err != nil {
		x.unseen(err)
	} else if !good {
		mend := "# install what keeps it right: chrony, or systemd-timesyncd"
		if x.systemd() {
			mend = "timedatectl set-ntp true    # with systemd-timesyncd or chrony installed"
		}
		x.problem("the clock", "nothing keeps it right, says the kernel: certificates, mail's times and expiry go by it", mend)
	}
	for _, t := range x.mailTrees() {
		x.fromFuture(&t)
	}
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
