package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// host is the machine that doctor looks at: its files below a root, what programs and the kernel say. Tests put their
// own answers in.
type host struct {
	root     string // in front of /proc, /run and the directories of units; "" is the machine
	run      func(ctx context.Context, name string, args ...string) (string, error)
	now      func() time.Time
	clock    func() (synchronised bool, err error)
	hostname func() (string, error)
	statfs   func(path string, st *unix.Statfs_t) error
	disk     disk
}

// thisHost is the machine that the program runs on.
var thisHost = host{
	run:      runProgram,
	now:      time.Now,
	clock:    clockSynchronised,
	hostname: os.Hostname,
	statfs:   unix.Statfs,
	disk:     thisDisk,
}

// at is a path of the machine.
func (h *host) at(path string) string { return filepath.Join(h.root, "/", path) }

// lines reads a small file of the kernel's.
func (h *host) lines(path string) ([]string, error) {
	b, err := os.ReadFile(h.at(path))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}

// runProgram returns what a program prints, also where it ends with an error.
func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	out, err := cmd.Output()
	return string(out), err
}

// clockSynchronised asks the kernel whether something keeps its clock, as adjtimex(2) has it.
func clockSynchronised() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, errors.Join(errors.New("asking the kernel for its clock"), err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}
