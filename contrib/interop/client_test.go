//go:build interop

package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// raw is a connection for the few commands a scenario needs to see the server's side.
type raw struct {
	c net.Conn
	r *bufio.Reader
}

func dialRaw(t *testing.T, w *world, user string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", w.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	k := &raw{c, bufio.NewReader(c)}
	if _, err := k.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	k.do(t, "LOGIN "+user+" "+password)
	return k
}

var rawLiteral = regexp.MustCompile(`~?\{(\d+)\}\r\n$`)

// do runs a command that must succeed.
func (k *raw) do(t *testing.T, line string) []string {
	t.Helper()
	lines, said := k.ask(t, line)
	if !strings.HasPrefix(said, "OK") {
		t.Fatalf("%s: %s", line, said)
	}
	return lines
}

// ask returns the untagged lines, literals as Go strings, and what the tagged line says.
func (k *raw) ask(t *testing.T, line string) (lines []string, said string) {
	t.Helper()
	_ = k.c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(k.c, "x "+line+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for all := ""; ; {
		l, err := k.r.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if rest, ok := strings.CutPrefix(l, "x "); ok && all == "" {
			return lines, rest
		}
		if m := rawLiteral.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[1])
			text := make([]byte, n)
			if _, err := io.ReadFull(k.r, text); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all += strings.TrimSuffix(l, m[0]) + strconv.Quote(string(text))
			continue
		}
		lines, all = append(lines, all+l), ""
	}
}

// runCurl: list, fetch, append, search, store.
func runCurl(t *testing.T, w *world, user string) {
	fill(t, w, user, "INBOX", [][]byte{invented(1), invented(2), invented(3)}, 0)
	base := "imap://" + w.Addr
	auth := []string{"-sS", "-m", "30", "--user", user + ":" + password}
	curl := func(args ...string) string { t.Helper(); return command(t, nil, "curl", append(auth, args...)...) }
	want := func(what, out, part string) {
		t.Helper()
		if !strings.Contains(out, part) {
			t.Errorf("%s: %q is not in %q", what, part, tail(out))
		}
	}
	want("list", curl(base+"/"), "INBOX")
	message := strings.ReplaceAll(string(invented(2)), "\n", "\r\n")
	if out := curl(base + "/INBOX;UID=2"); out != message {
		t.Errorf("fetched %q, want %q", tail(out), tail(message))
	}
	want("header", curl(base+"/INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)"), "number 2 of many")
	want("search", curl(base+"/INBOX?SUBJECT%20%22number%203%22"), "* SEARCH 3")
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(invented(9)), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	curl("-T", file, base+"/INBOX")
	want("examine", curl("-X", "EXAMINE INBOX", base+"/"), "4 EXISTS")
	curl("-X", `STORE 1 +FLAGS \Flagged`, base+"/INBOX")
	want("search flagged", curl(base+"/INBOX?FLAGGED"), "* SEARCH 1")
	if w.TLSAddr != "" {
		want("imaps", curl("-k", "imaps://"+w.TLSAddr+"/"), "INBOX")
		want("starttls", curl("-k", "--ssl-reqd", base+"/"), "INBOX")
	}
}

// runNeomutt: keys pressed in a terminal: flag, save to another folder, copy, delete. Its batch mode is no use
// here: it keeps no copies over IMAP.
func runNeomutt(t *testing.T, w *world, user string) {
	fill(t, w, user, "INBOX", [][]byte{invented(1), invented(2), invented(3)}, 0)
	fill(t, w, user, "Saved", nil, 0)
	dir := t.TempDir()
	rc := filepath.Join(dir, "muttrc")
	text := fmt.Sprintf(`set imap_user = "%s"
set imap_pass = "%s"
set ssl_starttls = no
set ssl_force_tls = no
set folder = "imap://%s"
set spoolfile = "+INBOX"
set record = "+Saved"
set header_cache = ""
set sendmail = "/bin/true"
set from = "me@example.org"
set copy = yes
set confirmappend = no
set confirmcreate = no
set delete = yes
set quit = yes
set move = no
set sort = mailbox-order
set tmpdir = "%s"
`, user, password, w.Addr, dir)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + dir, "TERM=xterm", "LC_ALL=C.UTF-8"}
	keys := `push "<first-entry><flag-message><save-message>+Saved<enter><last-entry><copy-message>+Saved<enter><last-entry><delete-message><sync-mailbox><quit>"`
	command(t, env, "timeout", "60", "script", "-qec", fmt.Sprintf("neomutt -F %s -e '%s'", rc, keys), "/dev/null")
	k := dialRaw(t, w, user)
	got := k.do(t, "STATUS INBOX (MESSAGES)")
	if len(got) != 1 || !strings.Contains(got[0], "MESSAGES 1") {
		t.Errorf("INBOX after the keys: %q, want 1 message", got)
	}
	k.do(t, "EXAMINE INBOX")
	if got := k.do(t, "SEARCH FLAGGED"); !strings.Contains(strings.Join(got, ""), "* SEARCH 1") {
		t.Errorf("the first message is not flagged: %q", got)
	}
	if got := k.do(t, "STATUS Saved (MESSAGES)"); !strings.Contains(strings.Join(got, ""), "MESSAGES 2") {
		t.Errorf("Saved: %q, want 2 messages", got)
	}
}

// runGoIMAP uses go-imap's own client.
func runGoIMAP(t *testing.T, w *world, user string) {
	fill(t, w, user, "INBOX", [][]byte{invented(1), invented(2), invented(3)}, 0)
	arrived := make(chan uint32, 16)
	c, err := imapclient.DialInsecure(w.Addr, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				arrived <- *d.NumMessages
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("login", c.Login(user, password).Wait())
	_, err = c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
	check("list", err)
	sel, err := c.Select("INBOX", nil).Wait()
	check("select", err)
	if sel.NumMessages != 3 {
		t.Errorf("%d messages, want 3", sel.NumMessages)
	}
	all := imap.SeqSet{}
	all.AddRange(1, 0)
	section := &imap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(all, &imap.FetchOptions{UID: true, Flags: true, Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		RFC822Size: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	check("fetch", err)
	for i, m := range got {
		if m.Envelope.Subject != fmt.Sprintf("number %d of many", i+1) || int64(len(m.FindBodySection(section))) != m.RFC822Size {
			t.Errorf("message %d: %q, %d bytes of %d", i+1, m.Envelope.Subject, len(m.FindBodySection(section)), m.RFC822Size)
		}
	}
	text := strings.ReplaceAll(string(invented(4)), "\n", "\r\n")
	app := c.Append("INBOX", int64(len(text)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
	_, err = io.WriteString(app, text)
	check("append", err)
	check("append", app.Close())
	_, err = app.Wait()
	check("append", err)
	result, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "number 4"}}}, nil).Wait()
	check("search", err)
	found := result.AllUIDs()
	if len(found) != 1 || found[0] != 4 {
		t.Errorf("found %v, want UID 4", found)
	}
	check("create", c.Create("Box", nil).Wait())
	_, err = c.Copy(imap.UIDSetNum(1), "Box").Wait()
	check("copy", err)
	_, err = c.Move(imap.UIDSetNum(2), "Box").Wait()
	check("move", err)
	idle, err := c.Idle()
	check("idle", err)
	fill(t, w, user, "INBOX", [][]byte{invented(6)}, 6)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := uint32(0); n != 4; {
		select {
		case n = <-arrived:
		case <-ctx.Done():
			t.Fatal("IDLE said nothing of a delivery in 20 s")
		}
	}
	check("done", idle.Close())
	check("done", idle.Wait())
	check("logout", c.Logout().Wait())
}
