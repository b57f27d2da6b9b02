package transcript

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Errnos that the fault verb knows.
var errnos = map[string]syscall.Errno{"none": 0, "ENOSPC": syscall.ENOSPC, "EDQUOT": syscall.EDQUOT, "EACCES": syscall.EACCES,
	"EROFS": syscall.EROFS, "EIO": syscall.EIO, "EMFILE": syscall.EMFILE, "ESTALE": syscall.ESTALE}

// verb does what another program, or the administrator, does.
func (p *player) verb(st Step) error {
	args := strings.Fields(st.Text)
	need := func(n int) error {
		if len(args) < n {
			return fmt.Errorf("%s: too few arguments", st.Kind)
		}
		return nil
	}
	h := p.host
	switch st.Kind {
	case "deliver":
		return errors.Join(need(2), h.deliver(args))
	case "mkdir":
		return errors.Join(need(1), h.makeMailbox(args[0]), h.own(h.dir(args[0])))
	case "rmdir":
		return errors.Join(need(1), os.RemoveAll(h.dir(args[0])))
	case "acl":
		return h.acl(st.Text)
	case "flag":
		return errors.Join(need(3), h.flag(args[0], args[1], args[2]))
	case "unlink":
		return errors.Join(need(2), h.unlink(args[0], args[1]))
	case "move":
		return errors.Join(need(3), h.move(args[0], args[1], args[2]))
	case "lock":
		return h.lock(args[0])
	case "unlock":
		return h.unlock()
	case "restart":
		return p.srv.Restart()
	case "fault":
		errno, ok := errnos[st.Text]
		if !ok {
			return fmt.Errorf("fault: unknown %q", st.Text)
		}
		return p.srv.Fault(errno)
	case "clock":
		d, err := time.ParseDuration(st.Text)
		if err == nil && p.srv.Clock != nil {
			p.srv.Clock(d)
			return nil
		}
		time.Sleep(d)
		return err
	case "wait":
		d, err := time.ParseDuration(st.Text)
		time.Sleep(d)
		return err
	}
	return fmt.Errorf("unknown verb %q", st.Kind)
}

// acl writes a mailbox's dovecot-acl as an editor does, or removes it; "/" is the root.
func (h *host) acl(text string) error {
	mailbox, lines, ok := strings.Cut(text, " ")
	path := filepath.Join(h.dir(strings.Trim(mailbox, "/")), "dovecot-acl")
	if !ok {
		return os.Remove(path)
	}
	lines = strings.ReplaceAll(lines, "; ", "\n") + "\n"
	if err := os.WriteFile(path+"~", []byte(lines), 0o644); err != nil {
		return err
	}
	return errors.Join(h.own(path+"~"), os.Rename(path+"~", path))
}

func (h *host) deliver(args []string) error {
	m := message{mailbox: args[0], text: args[1], flags: "new"}
	at := time.Now()
	for _, arg := range args[2:] {
		age, ok := strings.CutPrefix(arg, "age=")
		if !ok {
			m.flags = strings.Trim(arg, "-")
			continue
		}
		d, err := time.ParseDuration(age)
		if err != nil {
			return err
		}
		at = at.Add(-d)
	}
	h.nr++
	return h.write(m, fmt.Sprintf("%d.M%dP%dQ%d.mda", time.Now().Unix(), time.Now().Nanosecond()/1000, os.Getpid(), h.nr), at)
}

// find is where the n-th delivered message of a mailbox is now, whoever renamed it.
func (h *host) find(mailbox, nth string) (path, base string, err error) {
	n, err := strconv.Atoi(nth)
	if err != nil || n < 1 || n > len(h.names[mailbox]) {
		return "", "", fmt.Errorf("%s has no message %s", mailbox, nth)
	}
	base = h.names[mailbox][n-1]
	for _, sub := range []string{"cur", "new"} {
		dir := filepath.Join(h.dir(mailbox), sub)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", "", err
		}
		for _, e := range entries {
			// A server may add ,S= and ,W= to a base name only on its own files.
			if b, _, _ := strings.Cut(e.Name(), ":"); b == base {
				return filepath.Join(dir, e.Name()), base, nil
			}
		}
	}
	return "", "", fmt.Errorf("%s message %s (%s) is gone", mailbox, nth, base)
}

func (h *host) flag(mailbox, nth, change string) error {
	path, base, err := h.find(mailbox, nth)
	if err != nil {
		return err
	}
	_, info, _ := strings.Cut(filepath.Base(path), ":2,")
	letters, add := []byte(info), true
	for _, c := range []byte(change) {
		switch {
		case c == '+':
			add = true
		case c == '-':
			add = false
		case add && !slices.Contains(letters, c):
			letters = append(letters, c)
		case !add:
			letters = slices.DeleteFunc(letters, func(l byte) bool { return l == c })
		}
	}
	slices.Sort(letters)
	return os.Rename(path, filepath.Join(h.dir(mailbox), "cur", base+":2,"+string(letters)))
}

func (h *host) unlink(mailbox, nth string) error {
	path, _, err := h.find(mailbox, nth)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (h *host) move(mailbox, nth, to string) error {
	path, base, err := h.find(mailbox, nth)
	if err != nil {
		return err
	}
	h.names[to] = append(h.names[to], base)
	return os.Rename(path, filepath.Join(h.dir(to), "cur", filepath.Base(path)))
}

// lock takes the uidlist's dotlock in the name of a process that lives: this machine's first.
func (h *host) lock(mailbox string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	path := filepath.Join(h.dir(mailbox), "dovecot-uidlist.lock")
	h.locked = append(h.locked, path)
	return os.WriteFile(path, []byte("1:"+name), 0o644)
}

func (h *host) unlock() error {
	var errs []error
	for _, path := range h.locked {
		errs = append(errs, os.Remove(path))
	}
	h.locked = nil
	return errors.Join(errs...)
}
