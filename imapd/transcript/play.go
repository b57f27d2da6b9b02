package transcript

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xdg-go/scram"
)

// Server is what a transcript is played against: one user of it, whose mail is the player's to write.
// A new one, or a new user, is wanted for every run.
type Server struct {
	Dial           func() (net.Conn, error)
	User, Password string
	MailDir        string // the user's Maildir; absent or empty, the player writes the fixture there
	Owner          int    // who must own that mail, when it is not the player's account: a user id

	// What follows may be nil; transcripts that need it are then not run: ErrNeeds.
	TLS     *tls.Config               // STARTTLS is offered; how to verify it
	Restart func() error              // ends and starts the server
	Clock   func(time.Duration)       // moves the server's clock; nil: the player sleeps
	Fault   func(syscall.Errno) error // every change of the disk fails with this; 0 ends it
	Public  string                    // directory of a public namespace "Public/", fs layout, read-only
	Users   bool                      // there are bob, who is in the group staff, carol and dan, with User's password
	Locks   bool                      // the server waits for dotlocks less long than the player for answers
	Offers  []string                  // further things that transcripts may need, such as config:tls-only
	Check   func() error              // run at the end, after the connections are closed
}

// Variant is one way of playing.
type Variant string

// The variants.
const (
	Plain    Variant = "plain"
	OneByte  Variant = "onebyte"
	Compress Variant = "compress"
	Observer Variant = "observer"
)

// Variants are all of them that make sense for the transcript.
func (s *Script) Variants() []Variant {
	out := []Variant{Plain}
	for _, v := range []Variant{OneByte, Compress, Observer} {
		if s.NoVariant[string(v)] || s.beforeLogin() && v != OneByte {
			continue
		}
		out = append(out, v)
	}
	return out
}

func (s *Script) beforeLogin() bool { return s.State == "notauth" || s.State == "greeting" }

// ErrNeeds: the server lacks what the transcript needs.
var ErrNeeds = errors.New("the server does not offer")

// ErrCaps: the server does not announce a capability that the header names.
var ErrCaps = errors.New("the server does not announce")

// patience is how long a response may take: more than any fixed delay of failed logins.
const patience = 15 * time.Second

type player struct {
	s       *Script
	srv     *Server
	variant Variant
	host    *host
	conns   []*conn
	env     env
	log     bytes.Buffer
	scram   *scram.ClientConversation
	closed  map[int]bool
}

// Run plays the transcript once. The error names the line and shows the dialogue.
func Run(s *Script, srv *Server, v Variant) (err error) {
	p := &player{s: s, srv: srv, variant: v, closed: map[int]bool{}}
	p.env = env{"user": srv.User, "password": srv.Password}
	if err := p.needs(); err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return fmt.Errorf("%s: fixture: %w", s.Path, err)
	}
	defer func() {
		p.closeAll()
		if err == nil && srv.Check != nil {
			err = srv.Check()
		}
		if err != nil {
			err = fmt.Errorf("%s (%s): %w\n%s", filepath.Base(s.Path), v, err, p.log.String())
		}
	}()
	if err := p.connect(); err != nil {
		return fmt.Errorf("before the first line: %w", err)
	}
	var watch *observer
	if v == Observer {
		if watch, err = p.observe(); err != nil {
			return fmt.Errorf("observer: %w", err)
		}
		defer watch.c.close()
	}
	if err := p.steps(); err != nil {
		return err
	}
	if watch != nil {
		return watch.converge(p)
	}
	return nil
}

func (p *player) needs() error {
	for _, n := range p.s.Needs {
		ok := slices.Contains(p.srv.Offers, n)
		switch n {
		case "tls":
			ok = p.srv.TLS != nil
		case "restart":
			ok = p.srv.Restart != nil
		case "fault":
			ok = p.srv.Fault != nil
		case "public":
			ok = p.srv.Public != ""
		case "lock":
			ok = p.srv.Locks
		case "users":
			ok = p.srv.Users
		}
		if !ok {
			return fmt.Errorf("%w %s", ErrNeeds, n)
		}
	}
	return nil
}

func (p *player) prepare() error {
	f := fixtures[p.s.Maildir]
	p.host = &host{root: p.srv.MailDir, names: map[string][]string{}, texts: filepath.Join(filepath.Dir(p.s.Path), "messages")}
	if f.public {
		p.host.root, p.host.fs = p.srv.Public, true
	}
	texts, err := filepath.Glob(filepath.Join(p.host.texts, "*.eml"))
	if err != nil {
		return err
	}
	for _, path := range texts {
		name := strings.TrimSuffix(filepath.Base(path), ".eml")
		text, err := p.host.text(name, "")
		if err != nil {
			return err
		}
		p.env = p.env.bind("size_"+name, strconv.Itoa(len(text)))
	}
	p.host.owner = p.srv.Owner
	if err := p.host.build(f); err != nil {
		return err
	}
	if err := p.host.own(p.host.root); err != nil {
		return err
	}
	if err := p.warmUp(f); err != nil {
		return fmt.Errorf("first look: %w", err)
	}
	return p.host.arrive(f)
}

// warmUp lets a session see the mail in cur/ once: what is \Recent afterwards is what was delivered since,
// whatever a server makes of a Maildir that it never opened (RFC 3501 §2.3.2).
func (p *player) warmUp(f fixture) error {
	var names []string
	for _, m := range f.messages {
		if m.flags != "new" && !slices.Contains(names, m.mailbox) {
			names = append(names, m.mailbox)
		}
	}
	if len(names) == 0 || p.s.beforeLogin() {
		return nil
	}
	n, err := p.srv.Dial()
	if err != nil {
		return err
	}
	c := newConn(n, "first", false, &p.log)
	defer c.close()
	if _, err := c.next(patience); err != nil {
		return err
	}
	if _, err := c.do("LOGIN " + p.srv.User + " " + p.srv.Password); err != nil {
		return err
	}
	for _, name := range names {
		if f.public {
			name = "Public/" + name
		}
		if _, err := c.do("SELECT " + quote(name)); err != nil {
			return err
		}
	}
	_, err = c.do("LOGOUT")
	p.log.Reset()
	return err
}

func (p *player) connect() error {
	p.conns = make([]*conn, p.s.Connections)
	for n := range p.conns {
		if n > 0 && p.s.State == "greeting" {
			break // the transcript opens them, in its own order
		}
		c, err := p.open(strconv.Itoa(n + 1))
		if err != nil {
			return err
		}
		p.conns[n] = c
	}
	return nil
}

// open dials and brings the connection to the state the header names.
func (p *player) open(name string) (*conn, error) {
	n, err := p.srv.Dial()
	if err != nil {
		return nil, err
	}
	c := newConn(n, name, p.variant == OneByte, &p.log)
	if err := p.enter(c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// userOf is who a connection logs in as.
func (p *player) userOf(connection string) string {
	if n, err := strconv.Atoi(connection); err == nil && n >= 2 && n-2 < len(p.s.Users) {
		return p.s.Users[n-2]
	}
	return p.srv.User
}

func (p *player) enter(c *conn) error {
	if p.s.State == "greeting" {
		return nil
	}
	greeting, err := c.next(patience)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(greeting, []byte("* OK")) {
		return fmt.Errorf("greeting %q", greeting)
	}
	if p.s.State == "notauth" {
		return nil
	}
	if _, err := c.do("LOGIN " + p.userOf(c.name) + " " + p.srv.Password); err != nil {
		return err
	}
	if len(p.s.Caps) > 0 {
		if err := p.checkCaps(c); err != nil {
			return err
		}
	}
	if p.variant == Compress {
		if _, err := c.do("COMPRESS DEFLATE"); err != nil {
			return err
		}
		if err := c.deflate(); err != nil {
			return err
		}
	}
	switch p.s.State {
	case "selected":
		_, err = c.do("SELECT " + quote(p.s.Mailbox))
	case "examined":
		_, err = c.do("EXAMINE " + quote(p.s.Mailbox))
	}
	return err
}

func (p *player) checkCaps(c *conn) error {
	lines, err := c.do("CAPABILITY")
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, line := range lines {
		for f := range strings.FieldsSeq(string(line)) {
			have[strings.ToUpper(f)] = true
		}
	}
	for _, want := range p.s.Caps {
		if !have[strings.ToUpper(want)] {
			return fmt.Errorf("%w %s", ErrCaps, want)
		}
	}
	return nil
}

func quote(s string) string { return `"` + s + `"` }

// do runs a command that must succeed and returns the untagged responses.
func (c *conn) do(command string) ([][]byte, error) {
	if err := c.send([]byte("zz " + command + "\r\n")); err != nil {
		return nil, err
	}
	var lines [][]byte
	for {
		raw, err := c.next(patience)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		if bytes.HasPrefix(raw, []byte("zz ")) {
			if !bytes.HasPrefix(raw, []byte("zz OK")) {
				return lines, fmt.Errorf("%s: %q", command, raw)
			}
			return lines, nil
		}
		lines = append(lines, raw)
	}
}
