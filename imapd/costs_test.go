package imapd

import (
	"bytes"
	"fmt"

	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// thunderbird is what Thunderbird asks for to list mail.
const thunderbird = "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority " +
	"References Newsgroups In-Reply-To Content-Type Reply-To)])"

// TestFetchCosts times FETCH of all of a large mailbox, over TCP to a client that parses nothing, for a look by
// eye: MAILDIR_IMAPD_COSTS=10000 go test -run TestFetchCosts -v ./imapd. With MAILDIR_IMAPD_PROFILE=DIR the
// profile of every row is written there.
func TestFetchCosts(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MAILDIR_IMAPD_COSTS"))
	if n == 0 {
		n = 300
	}
	dir := t.TempDir()
	cur := filepath.Join(dir, "cur")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(cur, fmt.Sprintf("%d.M%dP1.host:2,S", 1700000000+i, i)), costMessage(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ name, items string }{
		{"ENVELOPE", "(ENVELOPE)"}, {"BODYSTRUCTURE", "(BODYSTRUCTURE)"}, {"Thunderbird's headers", thunderbird},
	} {
		for _, f := range []string{"maildir-imapd.cache", "maildir-imapd.index"} {
			_ = os.Remove(filepath.Join(dir, f))
		}
		s := startServer(t, func(s *testServer) { s.mail, s.options.Log = dir, quietLog })
		c := s.client(t).login()
		c.do("s SELECT INBOX")
		for i := range 4 {
			name := row.name + ", nothing cached"
			if i > 0 {
				name = row.name + ", cached"
			}
			stop := profile(t, name)
			start, used := time.Now(), cpuTime()
			size := readAnswer(t, c, "f FETCH 1:* "+row.items)
			took, used := time.Since(start), cpuTime()-used
			stop()
			each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
			t.Logf("%-40s %6.2f us a message, %6.2f of CPU with the client's; %d bytes", name, each(took), each(used), size)
		}
		c.do("z LOGOUT")
	}
}

// costMessage is one of a few usual shapes.
func costMessage(i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <s%d@example.org>\nReceived: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\n"+
		"\tby mail.example.net (Postfix) with ESMTPS id 4Abc%08d\n\tfor <u@example.net>; Mon, 1 Jan 2024 10:00:00 +0000 (UTC)\n", i, i%9, i%9, i%250, i)
	fmt.Fprintf(&b, "From: \"Sender Number %d\" <s%d@example.org>\nTo: a@example.org, \"B Person\" <b@example.org>\nSubject: Re: number %d of =?utf-8?q?caf=C3=A9?=\n"+
		"Date: Mon, 1 Jan 2024 10:00:00 +0000\nMessage-ID: <%d.abcdef@example.org>\nIn-Reply-To: <%d.abcdef@example.org>\n"+
		"References: <%d.abcdef@example.org>\n <%d.abcdef@example.org>\nMIME-Version: 1.0\nUser-Agent: Mozilla Thunderbird\n", i, i%97, i, i, i-1, i-2, i-1)
	text := strings.Repeat("A line of text that is about as long as lines of text are.\n", 10+i%60)
	switch i % 3 {
	case 0:
		b.WriteString("Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n\n" + text)
	case 1:
		fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"b%d\"\n\n--b%d\nContent-Type: text/plain; charset=utf-8\n\n%s\n--b%d\n"+
			"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n%s\n--b%d--\n", i, i, text, i, text, i)
	default:
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\n\n--b%d\nContent-Type: text/plain; charset=utf-8\n\n%s\n--b%d\n"+
			"Content-Type: application/pdf; name=x.pdf\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"x%d.pdf\"\n\n%s\n--b%d--\n",
			i, i, text, i, i, strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\n", 20), i)
	}
	return b.Bytes()
}

// readAnswer sends a command and reads up to the tagged line, looking at the end of each read only.
func readAnswer(t *testing.T, c *client, command string) (size int) {
	t.Helper()
	c.send(command + "\r\n")
	buf := make([]byte, 256<<10)
	tag := []byte("\r\n" + command[:1] + " ")
	var tail []byte
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		size += n
		tail = append(tail, buf[max(0, n-200):n]...)
		tail = tail[max(0, len(tail)-200):]
		if i := bytes.LastIndex(tail, tag); i >= 0 && bytes.HasSuffix(tail, []byte("\r\n")) {
			if !bytes.HasPrefix(tail[i+2:], []byte(command[:1]+" OK")) {
				t.Fatalf("%s", tail)
			}
			return size
		}
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func profile(t *testing.T, name string) (stop func()) {
	dir := os.Getenv("MAILDIR_IMAPD_PROFILE")
	if dir == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pprof"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		t.Fatal(err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }
}
