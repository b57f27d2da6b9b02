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

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"maildir-imapd/auth"
)

const (
	maxPasswordLine = 4096 // bounds what is read for a password
	passwordTries   = 3    // at a terminal
)

// newPassword has a new password: asked for twice at a terminal, else one line of standard input.
func newPassword(cmd *cobra.Command, user string) (string, error) {
	password, err := readPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), func(tty *bufio.Reader, prompts io.Writer) (string, error) {
		return askTwice(tty, prompts, user)
	})
	if err != nil {
		return "", err
	}
	return password, auth.CheckPassword(password)
}

// knownPassword has a password that is there already: asked for once.
func knownPassword(cmd *cobra.Command, user string) (string, error) {
	return readPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), func(tty *bufio.Reader, prompts io.Writer) (string, error) {
		fmt.Fprintf(prompts, "Password of %s: ", user)
		password, err := readLine(tty, false)
		fmt.Fprintln(prompts)
		return password, err
	})
}

// readPassword asks when in is a terminal, and else reads one line.
func readPassword(ctx context.Context, in io.Reader, prompts io.Writer, ask func(*bufio.Reader, io.Writer) (string, error)) (string, error) {
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
		p, err := ask(bufio.NewReader(f), prompts)
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

// askTwice asks until the same password was typed twice, for passwordTries times.
func askTwice(tty *bufio.Reader, prompts io.Writer, user string) (string, error) {
	var refused error
	for range passwordTries {
		if refused != nil {
			fmt.Fprintf(prompts, "%v; try again.\n", refused)
		}
		fmt.Fprintf(prompts, "New password for %s: ", user)
		first, err := readLine(tty, false)
		fmt.Fprintln(prompts)
		if err != nil {
			return "", err
		}
		if refused = auth.CheckPassword(first); refused != nil {
			continue
		}
		if why := weakness(user, first); why != "" {
			fmt.Fprintf(prompts, "This password is easy to guess: %s. Type it again to take it all the same.\n", why)
		}
		fmt.Fprint(prompts, "Once more: ")
		second, err := readLine(tty, false)
		fmt.Fprintln(prompts)
		if err != nil {
			return "", err
		}
		if subtle.ConstantTimeCompare([]byte(first), []byte(second)) == 1 {
			return first, nil
		}
		refused = errors.New("the two passwords differ")
	}
	return "", fmt.Errorf("%w; nothing is changed", refused)
}

// weakness says why a password is among the first that are tried, "" when it is not.
func weakness(user, password string) string {
	lower := strings.ToLower(password)
	name, _, _ := strings.Cut(strings.ToLower(user), "@")
	letters := []rune(lower)
	switch {
	case len(letters) < 8:
		return fmt.Sprintf("it has less than 8 characters (%d)", len(letters))
	case len(name) >= 3 && strings.Contains(lower, name):
		return "the user's name is in it"
	case strings.Trim(lower, "0123456789") == "" && len(letters) < 16:
		return "it has digits only"
	case strings.Trim(lower, string(letters[0])) == "":
		return "it is one character over and over"
	}
	for _, word := range []string{"password", "passwort", "12345678", "qwertz", "qwerty", "letmein", "iloveyou", "welcome", "admin"} {
		if strings.HasPrefix(lower, word) && len(lower) < len(word)+6 {
			return "it is one of those that everybody takes"
		}
	}
	return ""
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
