package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// The one account of the demo.
const (
	user     = "demo"
	password = "demo"
)

// places is where things lie on disk.
type places struct{ dir, user, public string }

// daemon is the running server.
type daemon struct {
	imap, imaps string // host:port
	log         string // path
	cmd         *exec.Cmd
	exited      chan struct{} // closed when the process is gone
	err         error         // set before exited is closed
}

var iniText = template.Must(template.New("ini").Parse(`[server]
hostname = localhost
state = {{.Dir}}/state
{{if .Root}}root = yes{{end}}

[listener "imap"]
listen = {{.IMAP}}
tls = starttls

[listener "imaps"]
listen = {{.IMAPS}}
tls = implicit

[auth]
file = {{.Dir}}/users.passwd
cleartext = yes

[mail]
path = {{.Dir}}/mail/%u
layout = maildir++

[special]
sent = Sent
drafts = Drafts
trash = Trash

[namespace "public"]
prefix = Public/
path = {{.Dir}}/public
layout = fs
acl = anyone lrs
`))

// start writes the configuration and starts the daemon; it returns once the daemon greets.
func start(ctx context.Context, program string, p places) (*daemon, error) {
	d := &daemon{imap: listenAddress(1143), imaps: listenAddress(1993), log: filepath.Join(p.dir, "log"), exited: make(chan struct{})}
	ini := filepath.Join(p.dir, "imapd.ini")
	if err := d.configure(p, ini); err != nil {
		return nil, err
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.Command(program, "-config", ini)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// Ctrl-C in the terminal is for the demo, which then stops the daemon.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon (make build makes it): %w", err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.exited)
	}()
	if err := d.awaitGreeting(ctx); err != nil {
		_ = d.stop()
		return nil, fmt.Errorf("%w\n%s", err, d.lastLog())
	}
	return d, nil
}

func (d *daemon) configure(p places, ini string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "users.passwd"), fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(p.dir, "state"), 0o700); err != nil {
		return err
	}
	var b bytes.Buffer
	err = iniText.Execute(&b, map[string]any{"Dir": p.dir, "IMAP": d.imap, "IMAPS": d.imaps, "Root": os.Geteuid() == 0})
	if err != nil {
		return err
	}
	return os.WriteFile(ini, b.Bytes(), 0o600)
}

// awaitGreeting dials until the server says something, for at most ten seconds.
func (d *daemon) awaitGreeting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if conn, err := net.Dial("tcp", d.imap); err == nil {
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			if err == nil {
				return nil
			}
		}
		select {
		case <-d.exited:
			return fmt.Errorf("the daemon did not start: %w", d.err)
		case <-ctx.Done():
			return errors.New("the daemon does not greet")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the daemon to end and waits for it.
func (d *daemon) stop() error {
	select {
	case <-d.exited:
		return nil
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-d.exited:
		return d.err
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.exited
		return errors.New("the daemon did not end within 30 seconds of SIGTERM")
	}
}

// lastLog is the end of the daemon's log, for messages about what went wrong.
func (d *daemon) lastLog() string {
	b, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// listenAddress is the loopback with the port that was wished for, or any free one.
func listenAddress(port int) string {
	wish := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := net.Listen("tcp", wish)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return wish // the daemon will say what is wrong
		}
	}
	defer l.Close()
	return l.Addr().String()
}
