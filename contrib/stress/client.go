package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long a command may take: longer than any wait for a lock.
const patience = 45 * time.Second

// client is one IMAP connection with the view that its session must have.
type client struct {
	who      string
	l        *ledger
	rw       io.ReadWriteCloser
	br       *bufio.Reader
	n        int
	running  string // the command
	box      string
	validity uint32
	view     []uint32          // 0: not asked yet
	flags    map[uint32]string // as last told
	copied   string            // COPYUID's arguments
	coded    bool              // every NO must have a code
	whole    bool              // read every message to its end
	read     map[uint32]bool   // those that were
}

// answer is a tagged response.
type answer struct {
	ok   bool
	text string // with its code
}

// over speaks IMAP over an open connection and logs in where the greeting asks for it.
func over(rw io.ReadWriteCloser, who string, l *ledger) (*client, error) {
	k := &client{who: who, l: l, rw: rw, br: bufio.NewReader(rw), flags: map[uint32]string{}}
	defer k.watch()()
	line, err := k.line()
	if err == nil && strings.HasPrefix(line, "* OK") {
		var a answer
		if a, err = k.do("LOGIN " + user + " " + password); err == nil && !a.ok {
			err = errors.New(a.text)
		}
	} else if err == nil && !strings.HasPrefix(line, "* PREAUTH") {
		err = errors.New(line)
	}
	if err != nil {
		rw.Close()
		return nil, err
	}
	return k, nil
}

func dial(addr, who string, l *ledger) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return over(c, who, l)
}

// watch closes the connection when no answer comes.
func (k *client) watch() (stop func()) {
	t := time.AfterFunc(patience, func() {
		k.l.fail("%s: no answer within %v to %s", k.who, patience, k.running)
		k.l.hung.Do(k.l.dump)
		k.rw.Close()
	})
	return func() { t.Stop() }
}

var literal = regexp.MustCompile(`\{(\d+)\}\r\n$`)

// line reads one response, its literals included.
func (k *client) line() (string, error) {
	var all strings.Builder
	for {
		s, err := k.br.ReadString('\n')
		if err != nil {
			return "", err
		}
		all.WriteString(s)
		m := literal.FindStringSubmatch(s)
		if m == nil {
			line := strings.TrimRight(all.String(), "\r\n")
			k.l.trace.note(k.who, line)
			return line, nil
		}
		n, _ := strconv.Atoi(m[1])
		if _, err := io.CopyN(&all, k.br, int64(n)); err != nil {
			return "", err
		}
	}
}

// do sends a command and reads to its tagged answer. An error means that the connection is gone.
func (k *client) do(command string) (answer, error) {
	k.n++
	tag := "t" + strconv.Itoa(k.n)
	k.running = strings.TrimSpace(command[:min(len(command), 80)])
	k.l.trace.note(k.who, command)
	k.copied = ""
	k.l.ops.Add(1)
	defer k.watch()()
	if _, err := io.WriteString(k.rw, tag+" "+command+"\r\n"); err != nil {
		return answer{}, err
	}
	return k.until(tag)
}

func (k *client) until(tag string) (answer, error) {
	for {
		line, err := k.line()
		if err != nil {
			return answer{}, err
		}
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			status, text, _ := strings.Cut(rest, " ")
			switch status {
			case "BAD":
				k.l.fail("%s: BAD to %s: %s", k.who, k.running, text)
			case "NO":
				k.l.refused(k.running, text)
				if f := strings.Fields(k.running); len(f) > 1 && slices.Contains(boxes, f[1]) && strings.HasPrefix(text, "[NONEXISTENT]") {
					k.l.fail("%s: %s: %s", k.who, k.running, text)
				}
				if k.coded && !strings.HasPrefix(text, "[") {
					k.l.fail("%s: NO without a code to %s: %s", k.who, k.running, text)
				}
			}
			if status == "OK" && !strings.HasPrefix(k.running, "LOGIN ") {
				k.l.acks.Add(1)
			}
			k.copyuid(text)
			return answer{status == "OK", text}, nil
		}
		k.untagged(line)
	}
}

// idle waits for what the server has to tell, without a command of ours.
func (k *client) idle(long time.Duration) error {
	k.n++
	tag := "t" + strconv.Itoa(k.n)
	k.running = "IDLE"
	k.l.trace.note(k.who, k.running)
	defer k.watch()()
	if _, err := io.WriteString(k.rw, tag+" IDLE\r\n"); err != nil {
		return err
	}
	for {
		line, err := k.line()
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "+") {
			break
		}
		k.untagged(line)
	}
	time.Sleep(long)
	if _, err := io.WriteString(k.rw, "DONE\r\n"); err != nil {
		return err
	}
	_, err := k.until(tag)
	return err
}

var (
	numbered  = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|FETCH)`)
	uidItem   = regexp.MustCompile(`[( ]UID (\d+)`)
	flagsItem = regexp.MustCompile(`[( ]FLAGS \(([^)]*)\)`)
	idItem    = regexp.MustCompile(`(?i)Message-ID: <([^@>]+)@`)
	copyuid   = regexp.MustCompile(`\[COPYUID (\d+ \S+ \S+)\]`)
	validity  = regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`)
)

func (k *client) copyuid(line string) {
	if m := copyuid.FindStringSubmatch(line); m != nil {
		k.copied = m[1]
	}
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// untagged moves the view.
func (k *client) untagged(line string) {
	k.copyuid(line)
	if m := validity.FindStringSubmatch(line); m != nil {
		k.validity = number(m[1])
	}
	m := numbered.FindStringSubmatch(line)
	if m == nil {
		return
	}
	n := int(number(m[1]))
	switch m[2] {
	case "EXISTS":
		if n < len(k.view) {
			k.l.fail("%s: EXISTS %d after %d in %s", k.who, n, len(k.view), k.box)
			n = len(k.view)
		}
		k.view = append(k.view, make([]uint32, n-len(k.view))...)
	case "EXPUNGE":
		k.expunge(n)
	case "FETCH":
		k.fetched(n, line)
	}
}

func (k *client) expunge(n int) {
	word, _, _ := strings.Cut(k.running, " ")
	if word == "FETCH" || word == "STORE" || word == "SEARCH" { // RFC 9051 §7.5.1
		k.l.fail("%s: EXPUNGE during %s", k.who, k.running)
	}
	if n < 1 || n > len(k.view) {
		k.l.fail("%s: EXPUNGE %d of %d in %s", k.who, n, len(k.view), k.box)
		return
	}
	if uid := k.view[n-1]; uid != 0 {
		k.l.expunged(place{k.validity, uid}, k.who)
	}
	k.view = slices.Delete(k.view, n-1, n)
}

func (k *client) fetched(n int, line string) {
	if n < 1 || n > len(k.view) {
		k.l.fail("%s: FETCH %d of %d in %s", k.who, n, len(k.view), k.box)
		return
	}
	m := uidItem.FindStringSubmatch(line)
	if m == nil {
		return // flags that others have changed
	}
	uid := number(m[1])
	if was := k.view[n-1]; was != 0 && was != uid {
		k.l.fail("%s: number %d of %s was UID %d and is %d", k.who, n, k.box, was, uid)
	}
	k.view[n-1] = uid
	if n > 1 && k.view[n-2] >= uid || n < len(k.view) && k.view[n] != 0 && k.view[n] <= uid {
		k.l.fail("%s: UIDs do not ascend in %s at number %d: %v", k.who, k.box, n, k.view[max(0, n-3):min(len(k.view), n+2)])
	}
	if f := flagsItem.FindStringSubmatch(line); f != nil {
		k.flags[uid] = canonical(f[1])
	}
	if id := idItem.FindStringSubmatch(line); id != nil {
		k.l.learn(place{k.validity, uid}, id[1])
		k.body(uid, id[1], line)
	}
}

// canonical sorts flags; \Recent is nobody's to write.
func canonical(flags string) string {
	f := slices.DeleteFunc(strings.Fields(flags), func(s string) bool { return s == `\Recent` })
	slices.Sort(f)
	return strings.Join(slices.Compact(f), " ")
}

const (
	wanted      = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
	wantedWhole = "(UID FLAGS BODY.PEEK[])"
)

// ask asks for the UIDs of what has arrived, and which messages they name: an unsolicited FETCH tells a UID alone.
func (k *client) ask() error {
	i, items := k.l.unknown(k.validity, k.view), wanted
	if k.whole && len(k.view) > 0 {
		i, items = 0, wantedWhole
	}
	if i < 0 {
		return nil
	}
	_, err := k.do(fmt.Sprintf("FETCH %d:* %s", i+1, items))
	return err
}

// selects selects a mailbox and learns all of it. ok is false where it was refused.
func (k *client) selects(verb, box string) (ok bool, err error) {
	known := k.l.validityOf(box)
	var before map[uint32]string
	if known != 0 {
		before = k.l.standing(known)
	}
	k.box, k.view, k.validity, k.flags, k.read = box, nil, 0, map[uint32]string{}, map[uint32]bool{}
	a, err := k.do(verb + " " + box)
	if err != nil || !a.ok {
		k.box = ""
		return false, err
	}
	if known != 0 && k.validity != known {
		k.l.fail("%s: UIDVALIDITY of %s was %d and is %d", k.who, box, known, k.validity)
		return true, nil
	}
	if err := k.ask(); err != nil {
		return true, err
	}
	if known != 0 && !slices.Contains(k.view, 0) {
		k.l.found(known, before, k.view, k.who)
	}
	return true, nil
}

// validityOf is the UIDVALIDITY of a mailbox that lives all the time, else 0.
func (l *ledger) validityOf(box string) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fixedOf(box)
}

// fixedOf is the same with mu held.
func (l *ledger) fixedOf(box string) uint32 {
	for v, name := range l.fixed {
		if name == box {
			return v
		}
	}
	return 0
}

func (k *client) logout() {
	_, _ = k.do("LOGOUT")
	if p, ok := k.rw.(*pipe); ok {
		p.finish()
	}
	_ = k.rw.Close()
}

// expand lists a set of UIDs in its order.
func expand(set string) (uids []uint32) {
	for _, r := range strings.Split(set, ",") {
		lo, hi, ok := strings.Cut(r, ":")
		if !ok {
			hi = lo
		}
		a, b := number(lo), number(hi)
		for u := min(a, b); u <= max(a, b) && u != 0; u++ {
			uids = append(uids, u)
		}
	}
	return uids
}
