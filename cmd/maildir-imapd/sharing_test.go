package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/imapd/config"
)

// sharers is how many users are connected; MAILDIR_IMAPD_SHARERS says another number.
func sharers() int {
	if n, err := strconv.Atoi(os.Getenv("MAILDIR_IMAPD_SHARERS")); err == nil {
		return n
	}
	if raceDetector {
		return 100
	}
	return 500
}

// shareState is what holds at one moment for the public folders of the test.
type shareState struct {
	acl    string // of Public/Staff: its own file, "" for none
	inINI  string // [namespace "public"] acl
	groups int    // users whose number is divisible by it are in staff; 0: nobody
	more   bool   // there is [namespace "more"]
	motd   string
}

// rights are what a user has to Public/Staff: "", lr or more.
func (s *shareState) rights(user int) string {
	staff := s.groups > 0 && user%s.groups == 0
	switch s.acl {
	case "":
		return s.inINI
	case "anyone lr\n":
		return "lr"
	case "group=staff lrswi\n":
		if staff {
			return "lrswi"
		}
		return ""
	}
	panic("no such list: " + s.acl)
}

// sharingHost is a daemon with public folders, and the files that say who may what.
type sharingHost struct {
	t    *testing.T
	dir  string
	addr string
	log  syncBuffer

	mu     sync.Mutex
	phases []shareState // all that were, the last may be on its way
	known  atomic.Int64
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) since(at int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()[at:]
}

func (h *sharingHost) file(name, text string) {
	write(h.t, filepath.Join(h.dir, name+"~"), text)
	must(h.t, os.Rename(filepath.Join(h.dir, name+"~"), filepath.Join(h.dir, name)))
}

func (h *sharingHost) ini(s *shareState) string {
	text := `[server]
state = state
motd = motd
[listener "imap"]
listen = 127.0.0.1:0
[listener "imaps"]
enabled = no
[auth]
file = users
groups = group
cleartext = loopback
[limits]
per_ip = 0
[mail]
path = mail/%u
[namespace "public"]
prefix = Public/
path = public
layout = fs
`
	if s.inINI == "" {
		text += "acl =\n"
	} else {
		text += "acl = anyone " + s.inINI + "\n"
	}
	if s.more {
		text += "[namespace \"more\"]\nprefix = More/\npath = more\nlayout = fs\n"
	}
	return text
}

func (h *sharingHost) groupFile(s *shareState) string {
	text := "others:nobody\n"
	for i := range sharers() {
		if s.groups > 0 && i%s.groups == 0 {
			text += fmt.Sprintf("staff:u%d\n", i)
		}
	}
	return text
}

// turn makes the next phase: change does it, and log is what the daemon says when it is in force, "" for what is so
// at once.
func (h *sharingHost) turn(next func(s *shareState), change func(s *shareState), log string) {
	h.t.Helper()
	h.mu.Lock()
	s := h.phases[len(h.phases)-1]
	next(&s)
	h.phases = append(h.phases, s)
	h.mu.Unlock()
	at := len(h.log.since(0))
	change(&s)
	for end := time.Now().Add(20 * time.Second); log != "" && !strings.Contains(h.log.since(at), log); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("no %q in the log:\n%s", log, h.log.since(at))
		}
	}
	h.known.Add(1)
	time.Sleep(100 * time.Millisecond) // some commands under it
}

// judge tells whether an outcome was right at some moment between two numbers of phases.
func (h *sharingHost) judge(from, to int64, right func(s *shareState) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := from; p <= to; p++ {
		if right(&h.phases[p]) {
			return true
		}
	}
	return false
}

// begun is the number of the last phase that may be in force.
func (h *sharingHost) begun() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.phases) - 1)
}

// sharer is a client.
type sharer struct {
	h      *sharingHost
	user   int
	c      net.Conn
	r      *bufio.Reader
	alerts []string
	tag    int
}

func (h *sharingHost) connect(user int) (*sharer, error) {
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		return nil, err
	}
	s := &sharer{h: h, user: user, c: c, r: bufio.NewReader(c)}
	_, err = s.do(fmt.Sprintf("LOGIN u%d secret", user))
	return s, err
}

// do sends a command and returns its answer, the tagged line last and without its tag.
func (s *sharer) do(command string) (lines []string, err error) {
	s.tag++
	tag := fmt.Sprintf("t%d ", s.tag)
	_ = s.c.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(s.c, tag+command+"\r\n"); err != nil {
		return nil, err
	}
	until := tag
	if command == "IDLE" {
		until = "+ "
	}
	return s.read(until)
}

func (s *sharer) read(until string) (lines []string, err error) {
	for {
		l, err := s.r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("u%d was dropped: %w", s.user, err)
		}
		l = strings.TrimRight(l, "\r\n")
		if text, ok := strings.CutPrefix(l, "* OK [ALERT] "); ok {
			s.alerts = append(s.alerts, text)
			continue
		}
		if rest, ok := strings.CutPrefix(l, until); ok {
			return append(lines, rest), nil
		}
		lines = append(lines, l)
	}
}

// check is a command whose outcome depends on the user's rights.
func (s *sharer) check(command string, right func(now *shareState, rights string, lines []string, last string) bool) error {
	from := s.h.known.Load()
	lines, err := s.do(command)
	if err != nil {
		return err
	}
	to, last := s.h.begun(), lines[len(lines)-1]
	if !s.h.judge(from, to, func(now *shareState) bool { return right(now, now.rights(s.user), lines, last) }) {
		return fmt.Errorf("u%d, %s: %q in phases %d to %d", s.user, command, lines, from, to)
	}
	return nil
}

// selects looks at what SELECT says of the rights, and leaves the mailbox.
func (s *sharer) selects() error {
	in := false
	err := s.check("SELECT Public/Staff", func(_ *shareState, rights string, _ []string, last string) bool {
		in = strings.HasPrefix(last, "OK")
		switch rights {
		case "":
			return strings.HasPrefix(last, "NO [NONEXISTENT]")
		case "lr":
			return strings.HasPrefix(last, "OK [READ-ONLY]")
		}
		return strings.HasPrefix(last, "OK [READ-WRITE]")
	})
	if in && err == nil {
		_, err = s.do("UNSELECT")
	}
	return err
}

// work is what a client does until the end, by its number: nothing but IDLE, look from outside, select and leave, or
// stay in the mailbox.
func (s *sharer) work(done <-chan struct{}) error {
	if s.user%4 == 0 {
		if _, err := s.do("IDLE"); err != nil {
			return err
		}
		<-done
		_, _ = io.WriteString(s.c, "DONE\r\n")
		_, err := s.read(fmt.Sprintf("t%d OK", s.tag))
		return err
	}
	in := false
	for {
		select {
		case <-done:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		var err error
		switch s.user % 4 {
		case 1:
			err = s.outside()
		case 2:
			err = s.selects()
		case 3:
			in, err = s.inside(in)
		}
		if err != nil {
			return err
		}
	}
}

func (s *sharer) outside() error {
	return errors.Join(
		s.check("STATUS Public/Staff (MESSAGES)", func(_ *shareState, rights string, _ []string, last string) bool {
			return strings.HasPrefix(last, "OK") == (rights != "")
		}),
		s.check(`LIST "" Public/*`, func(_ *shareState, rights string, lines []string, _ string) bool {
			return strings.Contains(strings.Join(lines, "\n"), "Public/Staff") == (rights != "")
		}),
		s.check("MYRIGHTS Public/Staff", func(_ *shareState, rights string, lines []string, last string) bool {
			if rights == "" {
				return strings.HasPrefix(last, "NO [NONEXISTENT]")
			}
			return lines[0] == "* MYRIGHTS Public/Staff "+rights
		}),
		s.check("NAMESPACE", func(now *shareState, _ string, lines []string, _ string) bool {
			return strings.Contains(lines[0], "More/") == now.more
		}))
}

// inside stays in the mailbox while it may, and reads.
func (s *sharer) inside(in bool) (bool, error) {
	if in {
		gone := false
		err := s.check("UID FETCH 1 (FLAGS)", func(_ *shareState, rights string, _ []string, last string) bool {
			gone = strings.HasPrefix(last, "NO [NOPERM]")
			return gone == (rights == "") && (gone || strings.HasPrefix(last, "OK"))
		})
		if err != nil || !gone {
			return true, err
		}
		_, err = s.do("UNSELECT")
		return false, err
	}
	ok := false
	err := s.check("EXAMINE Public/Staff", func(_ *shareState, rights string, _ []string, last string) bool {
		ok = strings.HasPrefix(last, "OK [READ-ONLY]")
		return ok == (rights != "")
	})
	return ok, err
}

func startSharing(t *testing.T) *sharingHost {
	h := &sharingHost{t: t, dir: t.TempDir()}
	for _, box := range []string{"public/News", "public/Staff", "more/Board"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			must(t, os.MkdirAll(filepath.Join(h.dir, box, sub), 0o755))
		}
	}
	write(t, h.dir+"/public/Staff/cur/1700000000.M1P1.host:2,", "Subject: x\n\nx\n")
	var users strings.Builder
	for i := range sharers() {
		fmt.Fprintf(&users, "u%d:{PLAIN}secret\n", i)
	}
	h.phases = []shareState{{inINI: "lr", groups: 2, motd: "day 0"}}
	first := &h.phases[0]
	h.file("users", users.String())
	h.file("group", h.groupFile(first))
	h.file("motd", first.motd)
	h.file("imapd.ini", h.ini(first))
	cfg, _, err := config.Load(h.dir + "/imapd.ini")
	must(t, err)
	log, level := newLog(config.Log{Level: "info", Format: "text", Target: "stderr"}, &h.log)
	d, err := newDaemon(h.dir+"/imapd.ini", cfg, log, level)
	must(t, err)
	h.addr = strings.TrimPrefix(d.gate.Addresses()[0], "imap ")
	ended := make(chan error, 1)
	go func() { ended <- d.run() }()
	t.Cleanup(func() {
		must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		must(t, <-ended)
	})
	return h
}

// TestSharingUnderReload: while access lists, the group file, the message of the day and the namespaces change, break
// and heal, nobody who is connected is dropped, and every answer is one that the rights of its moment give: those
// before a change or those after it while it is under way, those after it from then on, and the last good ones while
// something is broken.
func TestSharingUnderReload(t *testing.T) {
	h := startSharing(t)
	done := make(chan struct{})
	failed := make(chan error, sharers())
	clients := make([]*sharer, sharers())
	var wg sync.WaitGroup
	for i := range clients {
		c, err := h.connect(i)
		must(t, err)
		defer c.c.Close()
		clients[i] = c
		wg.Go(func() {
			if err := c.work(done); err != nil {
				failed <- err
			}
		})
	}
	h.changes()
	close(done)
	wg.Wait()
	close(failed)
	n := 0
	for err := range failed {
		if n++; n <= 5 {
			t.Error(err)
		}
	}
	if n > 5 {
		t.Errorf("and %d more", n-5)
	}
	for _, c := range clients {
		if n == 0 {
			c.told(t)
		}
	}
}

// told looks at the alerts of a client: all days, each once.
func (s *sharer) told(t *testing.T) {
	if _, err := s.do("NOOP"); err != nil {
		t.Error(err)
	}
	want := ""
	var days []string
	for _, p := range s.h.phases {
		if p.motd != want {
			want = p.motd
			days = append(days, want)
		}
	}
	if got := strings.Join(s.alerts, ", "); got != strings.Join(days, ", ") {
		t.Errorf("u%d was told %s", s.user, got)
	}
}

func (h *sharingHost) changes() {
	const list = "public/Staff/dovecot-acl"
	nothing := func(*shareState) {}
	acl := func(text string) {
		h.turn(func(s *shareState) { s.acl = text }, func(s *shareState) {
			if text == "" {
				must(h.t, os.Remove(filepath.Join(h.dir, list)))
				return
			}
			h.file(list, text)
		}, "")
	}
	groups := func(n int, log string) {
		h.turn(func(s *shareState) { s.groups = n }, func(s *shareState) { h.file("group", h.groupFile(s)) }, log)
	}
	ini := func(change func(s *shareState), log string) {
		h.turn(change, func(s *shareState) { h.file("imapd.ini", h.ini(s)) }, log)
	}
	breaks := func(file, text, log string) {
		h.turn(nothing, func(*shareState) { h.file(file, text) }, log)
	}
	acl("group=staff lrswi\n")
	groups(3, "groups: ")
	breaks("group", "staff\n", "group:1: line has neither")
	ini(func(s *shareState) { s.more = true }, " added")
	groups(5, "groups: ")
	breaks(list, "group=staff lrz\n", "") // the process knows a good version, which stays in force
	h.turn(func(s *shareState) { s.motd = "day 1" }, func(s *shareState) { h.file("motd", s.motd) }, "message of the day")
	acl("anyone lr\n")
	breaks("imapd.ini", "[namespace \"public\"]\nprefix = X/\n", "the section has no path")
	acl("group=staff lrswi\n")
	ini(func(s *shareState) { s.more = false }, " removed") // as it was before it broke, but for this
	acl("")
	ini(func(s *shareState) { s.inINI = "" }, `acl: anyone lr -> (empty)`)
	groups(0, "groups: ")
	acl("group=staff lrswi\n")
	groups(1, "groups: ")
	ini(func(s *shareState) { s.inINI = "lr" }, `acl: (empty) -> anyone lr`)
	h.turn(func(s *shareState) { s.motd = "day 2" }, func(s *shareState) { h.file("motd", s.motd) }, "message of the day")
	acl("")
}
