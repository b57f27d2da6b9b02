package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const daemonName = "maildir-imapd"

// process is one of the machine's, as /proc tells it.
type process struct {
	pid int
	dir string
}

func (h *host) processes() (all []process) {
	entries, _ := os.ReadDir(h.at("/proc"))
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, process{pid, filepath.Join(h.at("/proc"), e.Name())})
		}
	}
	return all
}

// command is its name, the first 15 bytes of it.
func (p process) command() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "comm"))
	return strings.TrimSpace(string(b))
}

// sockets are the inodes of those that it has open.
func (p process) sockets() (inodes []string) {
	fds, _ := os.ReadDir(filepath.Join(p.dir, "fd"))
	for _, fd := range fds {
		to, _ := os.Readlink(filepath.Join(p.dir, "fd", fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// unit is the service of systemd's that it belongs to, empty for none.
func (p process) unit() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "cgroup"))
	for line := range strings.Lines(string(b)) {
		if name := filepath.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return ""
}

// program is the file that it runs.
func (p process) program() string {
	path, _ := os.Readlink(filepath.Join(p.dir, "exe"))
	return strings.TrimSuffix(path, " (deleted)")
}
