package peer

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
	"syscall"
	"time"
)

// Options says what a server serves.
type Options struct {
	Dir   string            // everything the server owns lies below it
	Users map[string]string // login name -> password, stored as {PLAIN}
	// Groups are what users are in, in the password file as both servers read it.
	Groups map[string][]string
	Limit  int               // connections it must bear; 0 means 200
	Best   bool              // Dovecot only: re-used imap and imap-login processes
	Extra  string            // further lines of configuration, as the server spells them
	Set    map[string]string // values of keys that the server's template has
	Bin    string            // our daemon only: the program; empty means found by FindDaemon
	As     int               // our daemon only: the account it runs as; 0 means the caller's
}

// Server is a running server.
type Server struct {
	Name string // "dovecot" or "maildir-imapd"
	Addr string // plain IMAP, 127.0.0.1:port
	Dir  string
	UID  int // who must own the mail
	// TLSAddr takes TLS from the first byte, with a certificate that nobody signed; empty where there is none.
	TLSAddr string

	argv   []string
	as     *syscall.Credential // nil: the caller's
	cmd    *exec.Cmd
	exited chan error
}

// MailDir is the Maildir of a user.
func (s *Server) MailDir(user string) string { return filepath.Join(s.Dir, "mail", user) }

// PID is the process the server was started as.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is the server's log so far, for messages of failed tests.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	if len(b) > 2<<10 {
		b = b[len(b)-2<<10:]
	}
	return string(b)
}

// freePort asks the kernel for a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (o *Options) prepare() error {
	if o.Limit == 0 {
		o.Limit = 200
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o755); err != nil {
		return err
	}
	var b strings.Builder
	for _, user := range sortedKeys(o.Users) {
		fmt.Fprintf(&b, "%s:{PLAIN}%s", user, o.Users[user])
		if len(o.Groups) > 0 { // a userdb needs the other fields
			b.WriteString("::::::")
		}
		if groups := o.Groups[user]; len(groups) > 0 {
			fmt.Fprintf(&b, "userdb_acl_groups=%s", strings.Join(groups, ","))
		}
		b.WriteByte('\n')
	}
	return os.WriteFile(filepath.Join(dir, "users.passwd"), []byte(b.String()), 0o644)
}

// set gives keys of a template, the first of each name, other values.
func set(text string, values map[string]string) (string, error) {
	for key, value := range values {
		line := regexp.MustCompile(`(?m)^( *` + regexp.QuoteMeta(key) + ` =).*$`)
		at := line.FindStringSubmatchIndex(text)
		if at == nil {
			return "", fmt.Errorf("no key %s to set", key)
		}
		text = text[:at[3]] + " " + value + text[at[1]:]
	}
	return text, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// start runs the server and returns once it greets.
func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(s.argv[0], s.argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A bench that is killed must not leave servers behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Credential: s.as}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func(c *exec.Cmd, ch chan error) { ch <- c.Wait() }(s.cmd, s.exited)
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		if s.greets() {
			return nil
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("%s ended at once: %v\n%s", s.Name, err, s.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = s.Stop()
	return fmt.Errorf("%s does not greet on %s\n%s", s.Name, s.Addr, s.Log())
}

func (s *Server) greets() bool {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	b := make([]byte, 1024)
	n, _ := c.Read(b)
	if !strings.HasPrefix(string(b[:n]), "* OK") {
		return false
	}
	// Take leave, so that this connection no longer counts when the first real one comes.
	_, _ = io.WriteString(c, "x LOGOUT\r\n")
	_, _ = io.Copy(io.Discard, c)
	return true
}

// Stop ends the server with SIGTERM and waits for it.
func (s *Server) Stop() error {
	if s == nil || s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		s.exited <- err
		return nil
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return errors.New(s.Name + " did not end on SIGTERM within 20 s")
	}
}

// Restart ends the server and starts it again on the same address and files.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.start()
}

// Reload sends SIGHUP.
func (s *Server) Reload() error { return s.cmd.Process.Signal(syscall.SIGHUP) }
