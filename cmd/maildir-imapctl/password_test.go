package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pty opens a pseudo-terminal.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func TestPasswordIsNotEchoed(t *testing.T) {
	master, slave := pty(t)
	restore, err := echoOff(slave)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(master, "hidden\n")
	line, err := readLine(bufio.NewReader(slave), false)
	if err != nil || line != "hidden" {
		t.Fatalf("read %q, %v", line, err)
	}
	restore()
	fmt.Fprint(master, "shown\n")
	echo, err := bufio.NewReader(master).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(echo); got != "shown" {
		t.Errorf("terminal echoed %q, want only what was typed after restore", got)
	}
}

func TestPromptsNameTheUser(t *testing.T) {
	var prompts bytes.Buffer
	got, err := askTwice(bufio.NewReader(strings.NewReader("a b \na b \n")), &prompts, "alice")
	if err != nil || got != "a b " {
		t.Errorf("got %q, %v; blanks belong to the password", got, err)
	}
	if !strings.Contains(prompts.String(), "New password for alice: ") {
		t.Errorf("prompts: %q", prompts.String())
	}
}

func TestInterruptedPrompt(t *testing.T) {
	_, slave := pty(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := readPassword(ctx, slave, new(bytes.Buffer), func(r *bufio.Reader, _ io.Writer) (string, error) { return readLine(r, false) }); err == nil || !strings.Contains(err.Error(), "nothing is changed") {
		t.Errorf("interrupted: %v", err)
	}
	tio, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if tio.Lflag&unix.ECHO == 0 {
		t.Error("the terminal is left without echo")
	}
}

func TestLongFlags(t *testing.T) {
	for in, want := range map[string]string{
		"passwd -file f -cram-md5 u": "passwd --file f --cram-md5 u",
		"passwd --file=f u":          "passwd --file=f u",
		"-h":                         "-h",
		"passwd - u":                 "passwd - u",
		"passwd -delete -- -file":    "passwd --delete -- -file",
	} {
		if got := strings.Join(longFlags(strings.Fields(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestOneDashUsage(t *testing.T) {
	in := "      --file FILE   a file\n                    of users -- all\n  -h, --help        help\n"
	want := "      -file FILE   a file\n                   of users -- all\n  -h, -help        help\n"
	if got := oneDashUsage(in); got != want {
		t.Errorf("got\n%s", got)
	}
}
