package peer

import (
	"bufio"
	"io"
	"maps"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Tap listens on one port for as long as a test takes and hands every
// connection on to the server of the moment: mail clients keep their
// configuration and their state while servers come and go behind it. It counts
// what goes through.
//
// It reads both directions as IMAP, literals included, and understands no more
// of it than it counts. Connections must be plain: neither TLS nor COMPRESS.
type Tap struct {
	front

	upstream string // under mu, as are the counts
	counts   Counts
}

// Counts is what went through a tap.
type Counts struct {
	Fetches    int                        // commands that asked for the text of messages
	Bodies     int                        // texts of messages that the server sent
	Validities map[string]map[uint32]bool // by mailbox as the client named it: the UIDVALIDITYs it was told
}

// NewTap opens the port.
func NewTap() (*Tap, error) {
	t := new(Tap)
	if err := t.listen(); err != nil {
		return nil, err
	}
	t.serve(t.relay)
	return t, nil
}

// Switch names the server for connections from now on.
func (t *Tap) Switch(addr string) {
	t.mu.Lock()
	t.upstream = addr
	t.mu.Unlock()
}

// Take returns the counts since it was last called.
func (t *Tap) Take() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	t.counts = Counts{}
	if c.Validities = maps.Clone(c.Validities); c.Validities == nil {
		c.Validities = map[string]map[uint32]bool{}
	}
	return c
}

// Close ends the connections and gives the port back.
func (t *Tap) Close() { t.close() }

func (t *Tap) relay(client net.Conn) {
	t.mu.Lock()
	addr := t.upstream
	t.mu.Unlock()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return // the client sees the end of the connection, as of a server that is down
	}
	t.keep(server, true)
	defer t.keep(server, false)
	w := &watcher{t: t}
	var both sync.WaitGroup
	both.Go(func() { copyLines(server, client, w.command); closeWrite(server) })
	both.Go(func() { copyLines(client, server, w.response); closeWrite(client) })
	both.Wait()
}

func closeWrite(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

var literalEnd = regexp.MustCompile(`\{(\d+)\+?\}\r?\n$`)

// copyLines copies until the end, and calls seen with every line or part of a
// line between literals, before it goes out.
func copyLines(to io.Writer, from io.Reader, seen func(part string)) {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := r.ReadString('\n')
		seen(line)
		if _, werr := io.WriteString(to, line); werr != nil || err != nil {
			_, _ = io.Copy(io.Discard, r) // the other end is gone; let this one finish
			return
		}
		if m := literalEnd.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				continue
			}
			if _, err := io.CopyN(to, r, n); err != nil {
				return
			}
		}
	}
}

// watcher counts for one connection.
type watcher struct {
	t       *Tap
	mu      sync.Mutex
	mailbox string
}

var (
	fetchText  = regexp.MustCompile(`(?i) FETCH .*(BODY(\.PEEK)?\[\]|RFC822(\.TEXT)?[ )\r])`)
	sentText   = regexp.MustCompile(`(?i)(BODY\[\](<\d+>)?|RFC822(\.TEXT)?) (\{|"|~)`)
	selects    = regexp.MustCompile(`(?i)^\S+ (?:SELECT|EXAMINE) ("(?:[^"\\]|\\.)*"|\S+)`)
	uidvalid   = regexp.MustCompile(`(?i)\[UIDVALIDITY (\d+)\]`)
	unescapeQu = strings.NewReplacer(`\"`, `"`, `\\`, `\`)
)

func (w *watcher) command(part string) {
	if m := selects.FindStringSubmatch(part); m != nil {
		name := m[1]
		if strings.HasPrefix(name, `"`) {
			name = unescapeQu.Replace(name[1 : len(name)-1])
		}
		w.mu.Lock()
		w.mailbox = name
		w.mu.Unlock()
	}
	if fetchText.MatchString(part) {
		w.t.mu.Lock()
		w.t.counts.Fetches++
		w.t.mu.Unlock()
	}
}

func (w *watcher) response(part string) {
	if n := len(sentText.FindAllString(part, -1)); n > 0 {
		w.t.mu.Lock()
		w.t.counts.Bodies += n
		w.t.mu.Unlock()
	}
	m := uidvalid.FindStringSubmatch(part)
	if m == nil {
		return
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	if err != nil {
		return
	}
	w.mu.Lock()
	mailbox := w.mailbox
	w.mu.Unlock()
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	c := &w.t.counts
	if c.Validities == nil {
		c.Validities = make(map[string]map[uint32]bool)
	}
	if c.Validities[mailbox] == nil {
		c.Validities[mailbox] = make(map[uint32]bool)
	}
	c.Validities[mailbox][uint32(n)] = true
}
