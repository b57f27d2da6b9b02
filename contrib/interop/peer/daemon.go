package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Daemon is our daemon's configuration file, written and ready to be used by
// whoever starts the program: StartDaemon or systemd-socket-activate.
type Daemon struct {
	Bin, Config   string
	Addr, TLSAddr string
	Dir           string
}

// FindDaemon builds maildir-imapd from this module into dir and returns its
// path; $MAILDIR_IMAPD names one that is already built.
func FindDaemon(dir string) (string, error) {
	if bin := os.Getenv("MAILDIR_IMAPD"); bin != "" {
		return bin, nil
	}
	bin := filepath.Join(dir, "maildir-imapd")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "maildir-imapd/cmd/maildir-imapd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is packaged
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot build maildir-imapd: %w\n%s", err, stderr.Bytes())
	}
	return bin, nil
}

// ConfigureDaemon writes the INI file and the password file.
func ConfigureDaemon(o Options) (*Daemon, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	if o.Bin == "" {
		bin, err := FindDaemon(o.Dir)
		if err != nil {
			return nil, err
		}
		o.Bin = bin
	}
	plain, err := freePort()
	if err != nil {
		return nil, err
	}
	tls, err := freePort()
	if err != nil {
		return nil, err
	}
	if plain == tls {
		return nil, errors.New("the kernel gave one port twice")
	}
	d := &Daemon{
		Bin: o.Bin, Config: filepath.Join(o.Dir, "imapd.ini"), Dir: o.Dir,
		Addr: fmt.Sprintf("127.0.0.1:%d", plain), TLSAddr: fmt.Sprintf("127.0.0.1:%d", tls),
	}
	r := strings.NewReplacer("DIR", o.Dir, "PLAIN", d.Addr, "TLS", d.TLSAddr, "LIMIT", fmt.Sprint(o.Limit))
	text, err := set(daemonTemplate, o.Set)
	if err != nil {
		return nil, err
	}
	text += o.Extra
	return d, os.WriteFile(d.Config, []byte(r.Replace(text)), 0o644)
}

// StartDaemon runs our daemon on its own listeners.
func StartDaemon(o Options) (*Server, error) {
	d, err := ConfigureDaemon(o)
	if err != nil {
		return nil, err
	}
	s := &Server{Name: "maildir-imapd", Addr: d.Addr, TLSAddr: d.TLSAddr, Dir: d.Dir, UID: os.Getuid(), argv: []string{d.Bin, "-config", d.Config}}
	if o.As != 0 && o.As != s.UID {
		if err := s.runAs(o.As, d); err != nil {
			return nil, err
		}
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// runAs prepares the daemon to run as another account, to which its directory
// must be open.
func (s *Server) runAs(uid int, d *Daemon) error {
	s.UID = uid
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	state := filepath.Join(d.Dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	bin, err := os.ReadFile(d.Bin) // which may lie where that account cannot go
	if err != nil {
		return err
	}
	s.argv[0] = filepath.Join(d.Dir, "maildir-imapd")
	if s.argv[0] != d.Bin {
		if err := os.WriteFile(s.argv[0], bin, 0o755); err != nil {
			return err
		}
	}
	return os.Chown(state, uid, uid)
}

// StartActivated runs our daemon as systemd's sockets do: systemd-socket-activate listens, and starts the
// program at the first connection with the sockets named imap and imaps.
func StartActivated(o Options) (*Server, error) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		return nil, fmt.Errorf("systemd-socket-activate is not installed (Debian: systemd): %w", err)
	}
	d, err := ConfigureDaemon(o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Name: "maildir-imapd", Addr: d.Addr, TLSAddr: d.TLSAddr, Dir: d.Dir, UID: os.Getuid(),
		argv: []string{activate, "-l", d.Addr, "-l", d.TLSAddr, "--fdname=imap:imaps", d.Bin, "-config", d.Config},
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// The limits come last: Extra may go on with the same section or open others.
const daemonTemplate = `[server]
hostname = localhost
root = yes
state = DIR/state

[listener "imap"]
listen = PLAIN
tls = starttls

[listener "imaps"]
listen = TLS
tls = implicit

[auth]
file = users.passwd
cleartext = yes

[mail]
path = DIR/mail/%u
control =
index =
layout = maildir++
separator = /
prefix =
utf8 = no

[special]
sent = Sent
drafts = Drafts
junk = Junk
trash = Trash
archive = Archive

[limits]
`
