package fail2ban

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// evil is names by which somebody might have another address banned, or not be banned. 192.0.2.66 is the other one.
var evil = []string{
	"bob",
	"x rhost=192.0.2.66",
	"x remote=192.0.2.66 user=y",
	`x" msg="login failed" conn=1 remote=192.0.2.66 user="y`,
	"x\nmsg=\"login failed\" conn=1 remote=192.0.2.66 user=y",
	"x\r\ntime=2026-11-22T15:35:13.123Z level=WARN msg=\"login failed\" conn=1 remote=192.0.2.66 user=y\r\n",
	"x\r\nNov 22 15:35:13 host maildir-imapd[1]: msg=\"login failed\" conn=1 remote=192.0.2.66 user=y\r\n",
	"x\u2028msg=\"login failed\" conn=1 remote=192.0.2.66 user=y",
	"x\x85msg=\"login failed\" conn=1 remote=192.0.2.66 user=y",
	"x\x1b[2K\rmsg=\"login failed\" conn=1 remote=192.0.2.66 user=y",
	`","msg":"login failed","conn":"1","remote":"192.0.2.66","user":"y`,
	"2001-01-01 00:00:00", // a time long ago would not count
	"Jan  1 00:00:00",
	"\xff\xfe",
	"",
}

// attack fails to log in by each name from an address of its own, and returns the addresses. Newlines come in a literal,
// and by SASL.
func attack(t *testing.T, addr string) (from []string) {
	t.Helper()
	for i, name := range evil {
		ip := fmt.Sprintf("127.0.7.%d", i+1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 10 * time.Second}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		expect := func(prefix string) {
			t.Helper()
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Fatalf("%q: waiting for %s: %v", name, prefix, err)
				}
				if strings.HasPrefix(line, prefix) {
					return
				}
			}
		}
		expect("* OK")
		fmt.Fprintf(c, "a LOGIN {%d+}\r\n%s wrong\r\n", len(name), name)
		expect("a ")
		fmt.Fprintf(c, "b AUTHENTICATE PLAIN %s\r\n", base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00wrong")))
		expect("b ")
		c.Close()
		from = append(from, ip)
	}
	return from
}

// realLog is what the daemon itself writes while it is attacked, in one of its formats, and who attacked.
func realLog(t *testing.T, format string) (log string, from []string) {
	t.Helper()
	dir := t.TempDir()
	daemon := filepath.Join(dir, "maildir-imapd")
	if out, err := exec.Command("go", "build", "-o", daemon, "../../cmd/maildir-imapd").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for name, text := range map[string]string{
		"users": "ann:{PLAIN}x\n",
		"ini": "[server]\nroot = yes\nstate = state\n[listener \"imap\"]\nlisten = " + addr + "\n[listener \"imaps\"]\nenabled = no\n" +
			"[auth]\nfile = users\ncleartext = yes\nfailure_delay = 1ms\n[log]\nformat = " + format + "\n[mail]\npath = mail/%u\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(daemon, "-config", filepath.Join(dir, "ini"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	in := bufio.NewReader(stderr)
	var all strings.Builder
	for !strings.Contains(all.String(), "ready") {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after\n%s", err, all.String())
		}
		all.WriteString(line)
	}
	rest := make(chan string)
	go func() {
		b, _ := io.ReadAll(in)
		rest <- string(b)
	}()
	from = attack(t, addr)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	all.WriteString(<-rest)
	_ = cmd.Wait()
	return all.String(), from
}

// levelled is what the journal and syslog do not get.
var levelled = regexp.MustCompile(`^time=\S+ level=[A-Z]+ |"time":"[^"]*","level":"[A-Z]+",`)

// fail2ban bans who attacks the real daemon, each for both tries, and nobody else, whether it reads a file, syslog or the
// journal.
func TestFail2banOnTheRealLog(t *testing.T) {
	if _, err := exec.LookPath("fail2ban-regex"); err != nil {
		t.Skip("fail2ban-regex is not installed")
	}
	for _, format := range []string{"text", "json"} {
		log, from := realLog(t, format)
		var want []string
		for _, ip := range from {
			want = append(want, ip, ip)
		}
		syslog := ""
		for line := range strings.Lines(log) {
			syslog += time.Now().Format(time.Stamp) + " host maildir-imapd[77]: " + levelled.ReplaceAllString(line, "")
		}
		for kind, text := range map[string]string{"file": log, "syslog": syslog} {
			got := strings.Fields(fail2ban(t, text))
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: fail2ban bans\n%v\nnot\n%v\nof\n%s", format, kind, got, want, text)
			}
		}
		// As fail2ban puts an entry of the journal together: no time, which it has from the journal.
		patterns := failregex(t)
		var banned []string
		for line := range strings.Lines(log) {
			banned = append(banned, match(patterns, "host maildir-imapd[77]: "+levelled.ReplaceAllString(line, ""))...)
		}
		if !slices.Equal(banned, want) {
			t.Errorf("%s: from the journal bans\n%v\nof\n%s", format, banned, log)
		}
	}
}

// fail2ban is the addresses that fail2ban-regex finds with a time of now: others would not count.
func fail2ban(t *testing.T, log string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(filter) // a name without a directory would be taken for a pattern
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("fail2ban-regex", "-o", "row", file, absolute).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var all strings.Builder
	for _, m := range regexp.MustCompile(`\['([^']+)',\s*(\d+)`).FindAllStringSubmatch(string(out), -1) {
		var at int64
		if _, err := fmt.Sscan(m[2], &at); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Hour {
			t.Errorf("%s is given the time %s", m[1], m[2])
		}
		fmt.Fprintln(&all, m[1])
	}
	return all.String()
}

// The jails are read as they are meant.
func TestJails(t *testing.T) {
	if _, err := exec.LookPath("fail2ban-client"); err != nil {
		t.Skip("fail2ban-client is not installed")
	}
	if _, err := os.Stat("/etc/fail2ban/jail.conf"); err != nil {
		t.Skip("fail2ban has no configuration here")
	}
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if out, err := exec.Command("cp", "-r", "/etc/fail2ban", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for from, to := range map[string]string{filter: "filter.d", "jail.d/maildir-imapd.conf": "jail.d"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to, "maildir-imapd.conf"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("fail2ban-client", "-c", dir, "-d", "--loglevel", "ERROR").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "maildir-imapd") {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		`['add', 'maildir-imapd', 'systemd']`, `['start', 'maildir-imapd']`,
		`['set', 'maildir-imapd', 'addjournalmatch', '_SYSTEMD_UNIT=maildir-imapd.service', '+', '_SYSTEMD_SLICE=system-maildir\\x2dimapd.slice']`,
		`['set', 'maildir-imapd', 'maxretry', 10]`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "maildir-imapd-file") {
		t.Error("the jail for a file is on without having been asked for")
	}
}
