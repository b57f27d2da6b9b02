package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const inotifyDir = "/proc/sys/fs/inotify"

// watchesBesides are those for the configuration and what it names.
const watchesBesides = 16

// checkInotify compares what the kernel lets the daemon's account watch with the mail that there is: of what cannot be
// watched, changes are seen by polling.
func checkInotify(x *exam) {
	watches, err := x.number("max_user_watches")
	if err == nil {
		var instances int
		if instances, err = x.number("max_user_instances"); err == nil {
			x.inotifyBudget(watches, instances)
		}
	}
	if err != nil {
		x.unseen(fmt.Errorf("inotify's limits: %w", err))
	}
}

func (x *exam) number(name string) (int, error) {
	lines, err := x.lines(filepath.Join(inotifyDir, name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(lines[0]))
}

func (x *exam) inotifyBudget(watches, instances int) {
	folders := 0
	for _, t := range x.mailTrees() {
		x.eachFolder(&t, func(string) { folders++ })
	}
	others := x.inotifyOf(x.account.uid)
	need := 2*folders + watchesBesides // new and cur
	if need+others.watches > watches {
		x.problem(filepath.Join(inotifyDir, "max_user_watches"), fmt.Sprintf("is %d; the mail of %d users has %d folders, which take %d watches when they are all open, and other programs of %s have %d: "+
			"folders beyond it are polled, and their new mail is seen late", watches, len(x.users), folders, 2*folders, x.account.name, others.watches),
			setSysctl("watches", 2*(need+others.watches)))
	}
	if others.instances+1 > instances {
		x.problem(filepath.Join(inotifyDir, "max_user_instances"), fmt.Sprintf("is %d, and other programs of %s have %d: the daemon, which needs one, finds new mail by polling only", instances, x.account.name, others.instances),
			setSysctl("instances", 2*(others.instances+1)))
	}
}

// setSysctl raises a limit now and for good, to at least what is usual.
func setSysctl(what string, least int) string {
	n := map[string]int{"watches": 65536, "instances": 128}[what]
	for n < least {
		n *= 2
	}
	file := "/etc/sysctl.d/60-maildir-imapd-" + what + ".conf"
	return fmt.Sprintf("echo fs.inotify.max_user_%s=%d >%s && sysctl -p %[3]s", what, n, file)
}

// inotifyUse is what programs have of inotify.
type inotifyUse struct{ instances, watches int }

// inotifyOf is what an account's programs have, but for the daemon.
func (x *exam) inotifyOf(uid int) (sum inotifyUse) {
	for _, p := range x.processes() {
		var st unix.Stat_t
		if unix.Stat(p.dir, &st) != nil || int(st.Uid) != uid || p.command() == daemonName {
			continue
		}
		fds, _ := os.ReadDir(filepath.Join(p.dir, "fd"))
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(p.dir, "fd", fd.Name())); err != nil || to != "anon_inode:inotify" {
				continue
			}
			sum.instances++
			b, _ := os.ReadFile(filepath.Join(p.dir, "fdinfo", fd.Name()))
			sum.watches += strings.Count("\n"+string(b), "\ninotify wd:")
		}
	}
	return sum
}
