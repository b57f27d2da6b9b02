package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Courier is Debian's courier-imap, unpacked somewhere (contrib/interop/courier.sh)
// and not installed. Its daemon for logins needs an installed system; here a small
// front takes any LOGIN and hands the connection to Courier's imapd, one process
// a connection as in its own way of working. All mail is one user's.
type Courier struct {
	front

	root, mail string
	uid        int
	log        strings.Builder // under mu
}

const courierCapability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"

// StartCourier serves the Maildir at mail, which belongs to uid, with the
// programs below root.
func StartCourier(root, mail string, uid int) (*Courier, error) {
	if _, err := os.Stat(filepath.Join(root, "usr/bin/imapd")); err != nil {
		return nil, fmt.Errorf("courier-imap is not there; run contrib/interop/courier.sh: %w", err)
	}
	c := &Courier{root: root, mail: mail, uid: uid}
	if err := c.listen(); err != nil {
		return nil, err
	}
	c.front.serve(c.greet)
	return c, nil
}

// Stop ends all connections and waits for their processes. What imapd said of
// errors is returned as one.
func (c *Courier) Stop() error {
	c.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log.Len() > 0 {
		return errors.New("courier: " + c.log.String())
	}
	return nil
}

func (c *Courier) complain(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	fmt.Fprintln(&c.log, err)
	c.mu.Unlock()
}

// greet is the front: what comes before the login.
func (c *Courier) greet(conn net.Conn) {
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "* OK Courier's front\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			return
		}
		switch tag := words[0]; strings.ToUpper(words[1]) {
		case "CAPABILITY":
			fmt.Fprintf(conn, "* CAPABILITY %s\r\n%s OK done\r\n", courierCapability, tag)
		case "NOOP":
			fmt.Fprintf(conn, "%s OK done\r\n", tag)
		case "LOGIN":
			c.complain(c.imapd(conn, r, tag))
			return
		case "LOGOUT":
			fmt.Fprintf(conn, "* BYE\r\n%s OK done\r\n", tag)
			return
		default:
			fmt.Fprintf(conn, "%s NO log in first\r\n", tag)
		}
	}
}

// imapd runs Courier's server over the connection. It greets with PREAUTH, which
// here becomes the answer to LOGIN.
func (c *Courier) imapd(conn net.Conn, from io.Reader, tag string) error {
	lib := filepath.Join(c.root, "usr/lib")
	multi, err := filepath.Glob(filepath.Join(lib, "*-linux-gnu"))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(c.root, "usr/bin/imapd"), filepath.Base(c.mail))
	cmd.Dir = filepath.Dir(c.mail)
	// The settings are those that Debian ships in /etc/courier/imapd, but for the locks: with them, every
	// command looks for the daemon gam_server for seconds.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + strings.Join(append(multi, lib), ":"), "HOME=" + cmd.Dir,
		"AUTHENTICATED=user", "PROTOCOL=IMAP",
		"IMAP_CAPABILITY=" + courierCapability,
		"IMAP_KEYWORDS=1", "IMAP_ACL=1", "IMAP_IDLE_TIMEOUT=60", "IMAP_MAILBOX_SANITY_CHECK=1", "IMAP_USELOCKS=0",
		"IMAP_CHECK_ALL_FOLDERS=0", "IMAP_OBSOLETE_CLIENT=0", "IMAP_UMASK=022", "IMAP_ENHANCEDIDLE=0",
		"IMAP_TRASHFOLDERNAME=Trash", "IMAP_EMPTYTRASH=Trash:7", "IMAP_MOVE_EXPUNGE_TO_TRASH=0",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}
	}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return err
	}
	greeting := bufio.NewReader(out)
	for {
		line, err := greeting.ReadString('\n')
		if err != nil {
			return errors.Join(err, cmd.Wait())
		}
		if strings.HasPrefix(line, "* PREAUTH") {
			break
		}
	}
	fmt.Fprintf(conn, "%s OK LOGIN Ok.\r\n", tag)
	c.running.Go(func() {
		_, _ = io.Copy(in, from)
		_ = in.Close()
	})
	_, _ = io.Copy(conn, greeting)
	_ = conn.Close()
	return cmd.Wait()
}
