package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maildir-imapd/auth"
)

// terminal is the program at a terminal of its own, as a person has it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	mu     sync.Mutex
	shown  bytes.Buffer
	seen   int
}

func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m := &terminal{t: t, cmd: exec.Command(self)}
	m.master, m.slave = pty(t)
	m.cmd.Args = append([]string{"maildir-imapctl"}, args...) // by which the test's binary is the program
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = m.slave, m.slave, m.slave
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	go func() {
		b := make([]byte, 1024)
		for {
			n, err := m.master.Read(b)
			m.mu.Lock()
			m.shown.Write(b[:n])
			m.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return m
}

// expect waits for text on the screen behind what was waited for last.
func (m *terminal) expect(text string) {
	m.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		screen := m.screen()
		if i := strings.Index(screen[m.seen:], text); i >= 0 {
			m.seen += i + len(text)
			return
		}
	}
	m.t.Fatalf("no %q on the screen:\n%s", text, m.screen())
}

func (m *terminal) screen() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown.String()
}

func (m *terminal) keys(s string) {
	m.t.Helper()
	if _, err := io.WriteString(m.master, s); err != nil {
		m.t.Fatal(err)
	}
}

func TestPasswdAtATerminal(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	m := atTerminal(t, "passwd", "-file", users, "alice")
	m.expect("New password for alice: ")
	m.keys("wellx\x7f-hidden\r") // a slip mended with the erase key
	m.expect("\nOnce more: ")
	m.keys("well-hiddem\r")
	m.expect("the two passwords differ; try again.")
	m.expect("New password for alice: ")
	m.keys("well-hidden\r")
	m.expect("Once more: ")
	m.keys("well-hidden\r")
	m.expect("alice: added in " + users)
	if err := m.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, m.screen())
	}
	if s := m.screen(); strings.Contains(s, "hidde") || strings.Contains(s, "well") {
		t.Errorf("what was typed is on the screen:\n%s", s)
	}
	f, err := auth.LoadFile(users)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := f.Prove("alice", "well-hidden"); err != nil || !p[0].OK {
		t.Error(p, err)
	}
}

func TestPasswdInterruptedAtATerminal(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	m := atTerminal(t, "user", "add", "-file", users, "alice")
	m.expect("New password for alice: ")
	m.keys("well-\x03")
	m.expect("interrupted; nothing is changed")
	if err := m.cmd.Wait(); err == nil || m.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(users); !os.IsNotExist(err) {
		t.Error("a file was made:", err)
	}
	tio, err := unix.IoctlGetTermios(int(m.slave.Fd()), unix.TCGETS)
	if err != nil || tio.Lflag&unix.ECHO == 0 {
		t.Error("the terminal is left without echo", err)
	}
}
