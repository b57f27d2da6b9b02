package apparmor

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool finds a program that CI has and others may lack.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skip(name + " is not installed")
	}
	return ""
}

func TestParsed(t *testing.T) {
	// Neither loads nor caches anything; -M: also where the kernel knows no AppArmor.
	out, err := exec.Command(tool(t, "apparmor_parser"), "-Q", "-K", "-M", "/etc/apparmor.d/abi/3.0", profile).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

const configuration = `[server]
root = yes
hostname = mail.example.org
state = ROOT/var/lib/maildir-imapd
motd = motd
[listener "imap"]
listen = IMAP
[listener "imaps"]
listen = IMAPS
[metrics]
listen = ROOT/run/maildir-imapd/metrics
[auth]
file = users.passwd
groups = groups
cleartext = yes
failure_delay = 1ms
[mail]
path = ROOT/srv/mail/%u
[quota]
storage = 1G
[namespace "public"]
prefix = Public/
path = ROOT/srv/mail/public
seen = private
[namespace "shared"]
prefix = Shared/%u/
kind = other
`

// work is what a client and others do, a command a line; "!" begins one of the shell's in the root.
const work = `LOGIN ann x
CREATE Sent
CREATE Trash (USE (\Trash))
CREATE a/b/c
SUBSCRIBE Sent
APPEND INBOX (\Seen $Forwarded) {29+}
APPEND Sent {29+}
SELECT INBOX
FETCH 1 (FLAGS ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[] INTERNALDATE)
STORE 1 +FLAGS (\Flagged mine)
COPY 1 Sent
MOVE 1 Trash
! cp letter srv/mail/ann/new/1.x.y
! cp letter srv/mail/ann/new/2.x.y
NOOP
SEARCH BODY hello
SORT (SUBJECT) UTF-8 ALL
THREAD REFERENCES UTF-8 ALL
STORE 1 +FLAGS (\Deleted)
EXPUNGE
CLOSE
LIST "" *
LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES SIZE))
RENAME a/b/c a/d
DELETE a/d
UNSUBSCRIBE Sent
SETACL Sent bob lr
MYRIGHTS Sent
GETQUOTAROOT INBOX
CREATE Public/team
APPEND Public/team {29+}
SELECT Public/team
STORE 1 +FLAGS (\Seen)
EXPUNGE
UNSELECT
LIST "" Shared/*
! mkdir -p var/lib/maildir-imapd/alerts && echo gone soon >var/lib/maildir-imapd/alerts/a.alert
! echo 'bob:{PLAIN}y' >>etc/maildir-imapd/users.passwd
! mkdir -p srv/mail/bob/cur srv/mail/bob/new srv/mail/bob/tmp && echo '1 V1 N1' >srv/mail/bob/dovecot-uidlist
! sleep 1
NOOP
DELETE Sent
LOGOUT
`

const letter = "Subject: hello\r\n\r\nhello world\r\n"

// start traces a daemon in root, which stands for /, until stop is called. Its addresses are returned.
func start(t *testing.T, root, trace string) (imap, imaps string, stop func()) {
	t.Helper()
	daemon := filepath.Join(root, "usr/sbin/maildir-imapd")
	build := exec.Command("go", "build", "-o", daemon, "../../cmd/maildir-imapd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, a := range []*string{&imap, &imaps} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*a = l.Addr().String()
		l.Close()
	}
	etc := filepath.Join(root, "etc/maildir-imapd")
	for _, d := range []string{etc, filepath.Join(root, "srv/mail/public"), filepath.Join(root, "var/lib"), filepath.Join(root, "run/maildir-imapd")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		etc + "/imapd.ini":                    strings.NewReplacer("ROOT", root, "IMAPS", imaps, "IMAP", imap).Replace(configuration),
		etc + "/users.passwd":                 "ann:{PLAIN}x\n",
		etc + "/groups":                       "team:ann\n",
		etc + "/motd":                         "hello\n",
		root + "/srv/mail/public/dovecot-acl": "user=ann lrwstipekxa\n",
		root + "/letter":                      letter,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool(t, "strace"), "-ff", "-y", "-s", "4096", "-o", trace, "-e", "trace=%file,%desc,connect,bind",
		daemon, "-config", etc+"/imapd.ini")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stderr)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal("the daemon ended before it was ready")
		}
		if strings.Contains(line, "msg=ready") {
			break
		}
		t.Log(line)
	}
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(in)
		rest <- string(b)
	}()
	return imap, imaps, func() {
		t.Helper()
		interrupt(t, cmd.Process.Pid)
		t.Log(<-rest)
		_ = cmd.Wait()
	}
}

// interrupt ends the process that strace traces; strace itself takes no signals meanwhile.
func interrupt(t *testing.T, strace int) {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", strace, strace))
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGINT)
	}
}

// converse plays the work. A command that is refused does not open what it should.
func converse(t *testing.T, root, addr string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(work) {
		line = strings.TrimSpace(line)
		if shell, ok := strings.CutPrefix(line, "! "); ok {
			sh := exec.Command("sh", "-c", shell)
			sh.Dir = root
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", shell, err, out)
			}
			continue
		}
		n++
		fmt.Fprintf(c, "a%d %s\r\n", n, line)
		if strings.HasSuffix(line, "+}") {
			fmt.Fprintf(c, "%s\r\n", letter[:29])
		}
		for {
			answer, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if strings.HasPrefix(answer, fmt.Sprintf("a%d ", n)) {
				if !strings.HasPrefix(answer, fmt.Sprintf("a%d OK", n)) {
					t.Errorf("%s: %s", line, answer)
				}
				break
			}
		}
	}
}

// TestDaemonAtWork: what a daemon needs of the file system is in the profile.
func TestDaemonAtWork(t *testing.T) {
	tool(t, "strace")
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	imap, imaps, stop := start(t, root, trace)
	ended := false
	defer func() {
		if !ended {
			stop()
		}
	}()
	converse(t, root, imap)
	c, err := tls.Dial("tcp", imaps, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	stop()
	ended = true

	rules := readRules(t)
	seen := map[string]bool{}
	written := 0
	for _, n := range traced(t, trace, root) {
		if strings.ContainsAny(n.perms, "wlk") {
			written++
		}
		if missing := lacks(rules, n.path, n.perms); missing != "" && !seen[n.path+missing] {
			seen[n.path+missing] = true
			t.Errorf("%s lacks %s\n\t%s", n.path, missing, n.call)
		}
	}
	if written < 100 {
		t.Errorf("only %d writes were traced: this is not the work of a daemon", written)
	}
}
