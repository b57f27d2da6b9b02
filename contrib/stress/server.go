package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"maildir-imapd/contrib/interop/peer"
)

const (
	user     = "fighter"
	password = "secret"
)

// daemon is one of our daemons, which can be killed and started again.
type daemon struct {
	*peer.Daemon
	name string
	uid  int      // whose processes; 0: ours
	wrap []string // what runs the daemon, under whose process id

	mu  sync.Mutex
	cmd *exec.Cmd
}

// newDaemon configures a daemon that serves the Maildirs below mailRoot.
func newDaemon(o *options, name, mailRoot string, uid int) (*daemon, error) {
	dir := filepath.Join(o.dir, name)
	conf, err := peer.ConfigureDaemon(peer.Options{
		Dir: dir, Bin: o.bin, Users: map[string]string{user: password},
		Set: map[string]string{"path": filepath.Join(mailRoot, "%u")},
	})
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	if uid != 0 {
		if err := os.Chown(state, uid, uid); err != nil {
			return nil, err
		}
	}
	return &daemon{Daemon: conf, name: name, uid: uid}, nil
}

// command is the program as this daemon's account.
func (d *daemon) command(args ...string) (*exec.Cmd, *os.File, error) {
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	argv := slices.Concat(d.wrap, []string{d.Bin, "-config", d.Config}, args)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = log
	cmd.SysProcAttr = as(d.uid)
	return cmd, log, nil
}

// as is a process of that account, 0 being ours, which ends with us.
func as(uid int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid != 0 {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	return a
}

func (d *daemon) log() string { return filepath.Join(d.Dir, "log") }

// start runs the daemon until it greets.
func (d *daemon) start() error {
	cmd, log, err := d.command()
	if err != nil {
		return err
	}
	cmd.Stdout = log
	err = cmd.Start()
	log.Close()
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.cmd = cmd
	d.mu.Unlock()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.Addr); err == nil {
			c.Close()
			return nil
		}
	}
	d.end(syscall.SIGKILL)
	return fmt.Errorf("%s does not listen on %s; its log is %s", d.name, d.Addr, d.log())
}

// end sends a signal and waits for the process.
func (d *daemon) end(s syscall.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(s)
	_ = d.cmd.Wait()
	d.cmd = nil
}

// signal sends one and does not wait.
func (d *daemon) signal(s syscall.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd != nil {
		_ = d.cmd.Process.Signal(s)
	}
}

// descriptors counts the open files of the process.
func (d *daemon) descriptors() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return 0
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return len(list)
}

// cpu is the processor time of the process so far (clock_getcpuclockid(3)); -1 without one.
func (d *daemon) cpu() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ts unix.Timespec
	const process = 2 // CPUCLOCK_SCHED of all threads
	if d.cmd == nil || unix.ClockGettime(int32(^d.cmd.Process.Pid<<3|process), &ts) != nil {
		return -1
	}
	return time.Duration(ts.Nano())
}

// goroutines ends the daemon with SIGQUIT and counts them; serving is the trace of those that serve a session.
func (d *daemon) goroutines() (serving string, all int) {
	before, _ := os.Stat(d.log())
	d.end(syscall.SIGQUIT)
	b, err := os.ReadFile(d.log())
	if err != nil || before == nil {
		return "", 0
	}
	dump := string(b[before.Size():])
	for _, g := range strings.Split(dump, "\n\n") {
		if !strings.HasPrefix(strings.TrimLeft(g, "\n"), "goroutine ") {
			continue
		}
		all++
		if strings.Contains(g, "ServeConn(") {
			serving += g
		}
	}
	if err := os.Truncate(d.log(), before.Size()); err != nil {
		return "", 0
	}
	return serving, all
}

// badLog looks for what no log may have.
func badLog(path string, words ...string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(b), "\n") {
		for _, w := range words {
			if strings.Contains(line, w) && !folder.MatchString(line) && !strings.Contains(line, "Killed with signal 15 (by pid=") {
				return fmt.Errorf("%s: %s", path, line)
			}
		}
	}
	return nil
}

// folder matches lines about the mailboxes that come and go: a lock in there goes with its directory.
var folder = regexp.MustCompile(`taken over by another.*/\.[VW]\d`)

// ours is what our own log may not have.
var ours = []string{"panic", "fatal error", "goroutine ", "level=ERROR", "put aside", "taken over by another"}

// pipe is a -preauth process: IMAP on its standard input and output.
type pipe struct {
	io.Reader
	in  io.WriteCloser
	cmd *exec.Cmd

	once sync.Once
}

func (p *pipe) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close kills the process, as a broken ssh connection would end it at any moment.
func (p *pipe) Close() error {
	p.once.Do(func() {
		_ = p.in.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return nil
}

// finish lets the process end by itself: killed now, it may leave a lock.
func (p *pipe) finish() {
	_ = p.in.Close()
	late := time.AfterFunc(5*time.Second, func() { _ = p.Close() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, p.Reader)
}

// preauth starts a -preauth process beside the daemon.
func (d *daemon) preauth() (*pipe, error) {
	cmd, log, err := d.command("-preauth", user)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return nil, err
	}
	return &pipe{Reader: out, in: in, cmd: cmd}, nil
}
