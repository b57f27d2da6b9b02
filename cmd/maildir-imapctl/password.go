package main

import (
	"bufio"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxPasswordLine bounds what is read for a password.
const maxPasswordLine = 4096

// readPassword asks twice when in is a terminal, and else reads one line.
func readPassword(ctx context.Context, in io.Reader, prompts io.Writer, user string) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !isTerminal(f) {
		return readLine(bufio.NewReader(io.LimitReader(in, maxPasswordLine)), true)
	}
	restore, err := echoOff(f)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer restore()
	type answer struct {
		password string
		err      error
	}
	// A read of a terminal cannot be called off: on a signal this goroutine is left to
	// the end of the process, which is near.
	got := make(chan answer, 1)
	prompts = &lockedWriter{w: prompts} // the goroutine that is left may still be about to prompt
	go func() {
		p, err := askTwice(f, prompts, user)
		got <- answer{p, err}
	}()
	select {
	case a := <-got:
		return a.password, a.err
	case <-ctx.Done():
		fmt.Fprintln(prompts)
		return "", errors.New("interrupted; nothing is changed")
	}
}

// lockedWriter lets two goroutines prompt.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func askTwice(tty io.Reader, prompts io.Writer, user string) (string, error) {
	r := bufio.NewReader(tty)
	fmt.Fprintf(prompts, "New password for %s: ", user)
	first, err := readLine(r, false)
	fmt.Fprintln(prompts)
	if err != nil {
		return "", err
	}
	fmt.Fprint(prompts, "Once more: ")
	second, err := readLine(r, false)
	fmt.Fprintln(prompts)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(first), []byte(second)) != 1 {
		return "", errors.New("the two passwords differ; nothing is changed")
	}
	return first, nil
}

// readLine reads a line without its end. With only, nothing may follow it: a second
// line means that the input is not what was meant.
func readLine(r *bufio.Reader, only bool) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password: %w", err)
	}
	if err != nil && line == "" {
		return "", errors.New("no password was given")
	}
	if only {
		if _, err := r.ReadByte(); err == nil {
			return "", errors.New("standard input has more than one line; give the password alone")
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// echoOff stops a terminal from showing what is typed, until restore is called.
func echoOff(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }, nil
}
