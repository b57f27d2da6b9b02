package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is USER_HZ, which Linux fixes at 100 for user space.
const tick = 10 * time.Millisecond

type proc struct {
	pid, parent int
	own         time.Duration // in ticks
	ended       time.Duration // of children that ended, in ticks
}

// cpu is what the process has used, to the nanosecond where its clock can be read (clock_getcpuclockid(3)),
// and its children that ended.
func (p proc) cpu() time.Duration {
	var ts unix.Timespec
	const process = 2 // CPUCLOCK_SCHED of all threads
	if unix.ClockGettime(int32(^p.pid<<3|process), &ts) == nil {
		return time.Duration(ts.Nano()) + p.ended
	}
	return p.own + p.ended
}

// tree is a process and all its descendants.
func tree(root int) ([]proc, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]proc{}
	var all []proc
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		p, err := parseStat(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if p.pid == root {
			all = append(all, p)
		}
		children[p.parent] = append(children[p.parent], p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no process %d", root)
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all, nil
}

// parseStat reads /proc/PID/stat, proc(5): the name in parentheses may hold anything.
func parseStat(b []byte) (proc, error) {
	head, rest, ok := bytes.Cut(b, []byte(" ("))
	i := bytes.LastIndexByte(rest, ')')
	if !ok || i < 0 {
		return proc{}, fmt.Errorf("no process name in %q", b)
	}
	f := strings.Fields(string(rest[i+1:]))
	if len(f) < 15 {
		return proc{}, fmt.Errorf("%d fields in %q", len(f), b)
	}
	p := proc{}
	p.pid, _ = strconv.Atoi(string(head))
	p.parent, _ = strconv.Atoi(f[1])
	for i, s := range f[11:15] { // utime stime cutime cstime
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return proc{}, err
		}
		if i < 2 {
			p.own += time.Duration(n) * tick
		} else {
			p.ended += time.Duration(n) * tick
		}
	}
	return p, nil
}

// cpu of a server so far.
func cpu(root int) (time.Duration, error) {
	ps, err := tree(root)
	var sum time.Duration
	for _, p := range ps {
		sum += p.cpu()
	}
	return sum, err
}

// pss is the proportional set size of a server in KiB, and the number of its processes.
func pss(root int) (kib, processes int, err error) {
	ps, err := tree(root)
	for _, p := range ps {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				n, _ := strconv.Atoi(f[1])
				kib += n
			}
		}
	}
	return kib, len(ps), err
}

// machine says what all this ran on.
func machine() string {
	model, cores := "unknown CPU", 0
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			model = strings.TrimSpace(value)
			cores++
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d x %s, Linux %s", cores, model, strings.TrimSpace(string(kernel)))
}
