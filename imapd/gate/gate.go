package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/park"
)

// Info is what the gate knows of a connection it lets through.
type Info struct {
	Listener string
	Mode     config.TLSMode
	TLS      *tls.ConnectionState // nil: no TLS so far
}

// Handler serves one connection and closes it.
type Handler func(ctx context.Context, c net.Conn, in *Info)

// Options make a Gate.
type Options struct {
	Handler      Handler
	Certificates *Certificates
	Sockets      []Socket // from systemd, see Activated
	// Memory tells whether the process is beyond [limits] memory, and that key's value: new connections are
	// refused then. Who finds it out tells the log. Nil: never.
	Memory func() (limit string, full bool)
	Log    *slog.Logger
}

// Gate accepts connections on all listeners. It is safe for concurrent use.
type Gate struct {
	options Options
	rules   atomic.Pointer[rules]
	limits  limiter

	mu        sync.Mutex // guards listeners and started
	listeners []*listener
	started   context.Context

	stop    context.Context // ends at Close: nobody waits long for a handshake then
	cancel  context.CancelFunc
	accepts sync.WaitGroup
	conns   sync.WaitGroup
}

// rules are the parts of a configuration that each connection looks up.
type rules struct {
	modes   map[string]config.TLSMode
	limits  config.Limits
	timeout time.Duration
}

func newRules(c *config.Config) *rules {
	r := &rules{modes: map[string]config.TLSMode{}, limits: c.Limits, timeout: c.Limits.LoginTimeout}
	for _, l := range c.Listeners {
		r.modes[l.Name] = l.TLS
	}
	return r
}

// New opens the listeners of c. It accepts nothing before Start.
func New(c *config.Config, o Options) (*Gate, error) {
	g := &Gate{options: o}
	g.stop, g.cancel = context.WithCancel(context.Background())
	g.limits.init()
	g.rules.Store(newRules(c))
	if err := g.open(c); err != nil {
		g.cancel()
		return nil, err
	}
	return g, nil
}

// Start begins to accept. ctx is handed to every handler; Close, not ctx, ends accepting.
func (g *Gate) Start(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = ctx
	for _, l := range g.listeners {
		g.accept(ctx, l)
	}
}

// Reload puts the limits, the TLS modes and the listen addresses of c in force. Connections stay as they are.
func (g *Gate) Reload(c *config.Config) {
	g.rules.Store(newRules(c))
	g.reopen(c)
}

// Close stops accepting and waits until no accept loop is left. Handlers go on.
func (g *Gate) Close() {
	g.cancel()
	g.mu.Lock()
	for _, l := range g.listeners {
		_ = l.Close()
	}
	g.mu.Unlock()
	g.accepts.Wait()
}

// Wait returns when the last handler has.
func (g *Gate) Wait() { g.conns.Wait() }

// Addresses lists what is listened on, as "imap 127.0.0.1:1143".
func (g *Gate) Addresses() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]string, len(g.listeners))
	for i, l := range g.listeners {
		all[i] = *l.name.Load() + " " + l.Addr().String()
	}
	return all
}

// Connections is the number of connections that are let through now.
func (g *Gate) Connections() int { return g.limits.count() }

// Refusals is how many connections were refused since the start, by key of [limits].
func (g *Gate) Refusals() map[string]int64 { return g.limits.refusals() }

// accept starts the loop of one listener. Called with mu held.
func (g *Gate) accept(ctx context.Context, l *listener) {
	g.accepts.Add(1)
	go func() {
		defer g.accepts.Done()
		g.acceptLoop(ctx, l)
	}()
}

func (g *Gate) acceptLoop(ctx context.Context, l *listener) {
	var pause time.Duration
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, or a client that was gone already: wait a little and go on
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.options.Log.Error("cannot accept a connection", "listener", *l.name.Load(), "err", err)
			select {
			case <-time.After(pause):
			case <-g.stop.Done():
				return
			}
			continue
		}
		pause = 0
		g.conns.Add(1)
		go g.serve(ctx, l, c)
	}
}

// keepAlive finds dead clients in about ten minutes and lets the radio of living ones sleep.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Minute, Interval: 75 * time.Second, Count: 4}

// serve is one connection from accept to its end. Its frame lies below all that the connection ever does, and an idle
// one keeps it (package park): all else happens in functions that return.
func (g *Gate) serve(ctx context.Context, l *listener, c net.Conn) {
	defer g.conns.Done()
	p := g.pass(*l.name.Load(), c)
	if p == nil {
		return
	}
	defer p.leave()
	g.options.Handler(ctx, p.conn, &p.info)
}

// passed is a connection that was let through.
type passed struct {
	conn  net.Conn
	info  Info
	leave func() // counts it out
}

// pass lets a connection through, or refuses it and returns nil.
func (g *Gate) pass(name string, c net.Conn) *passed {
	r := g.rules.Load()
	p := &passed{conn: c, info: Info{Listener: name, Mode: r.modes[name]}}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive)
	}
	leave, refusal := g.enter(c.RemoteAddr(), r.limits)
	if refusal != nil {
		g.refuse(c, p.info, refusal)
		return nil
	}
	p.leave = leave
	if p.info.Mode == config.Implicit {
		t, err := g.handshake(c, r.timeout)
		if err != nil {
			leave()
			_ = c.Close()
			g.options.Log.Info("TLS handshake failed", "listener", name, "remote", host(c.RemoteAddr()), "err", err)
			return nil
		}
		state := t.ConnectionState()
		p.conn, p.info.TLS = t, &state
	}
	return p
}

// enter counts a connection in, or tells why it must not come in.
func (g *Gate) enter(remote net.Addr, lim config.Limits) (leave func(), r *refusal) {
	if g.options.Memory != nil {
		if limit, full := g.options.Memory(); full {
			return nil, &refusal{why: "Short of memory", key: "memory", limit: limit}
		}
	}
	return g.limits.enter(remote, lim)
}

// handshakeGrace is what a handshake gets that is under way when Close is called: its client was accepted, and is to
// be told by the handler what happens, not by a closed connection.
const handshakeGrace = time.Second

// handshake runs TLS within timeout.
func (g *Gate) handshake(c net.Conn, timeout time.Duration) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	defer context.AfterFunc(g.stop, func() {
		select {
		case <-time.After(handshakeGrace):
			cancel()
		case <-ctx.Done():
		}
	})()
	conf := g.options.Certificates.Config()
	if conf == nil {
		return nil, errors.New("no certificate")
	}
	t := tls.Server(park.Over(c), conf)
	return t, t.HandshakeContext(ctx)
}

// refuse tells a client why it may not come in. Few at a time: refusing must stay cheap.
func (g *Gate) refuse(c net.Conn, in Info, why *refusal) {
	defer c.Close()
	if n, ok := why.log(); ok {
		g.options.Log.Warn("connection refused", "listener", in.Listener, "remote", host(c.RemoteAddr()),
			"limit", "[limits] "+why.key, "value", why.limit, "refusals", n)
	}
	if !g.limits.startRefusal(why) {
		return
	}
	defer g.limits.endRefusal()
	const patience = 5 * time.Second
	if in.Mode == config.Implicit {
		t, err := g.handshake(c, patience)
		if err != nil {
			return
		}
		c = t
	}
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte(why.line()))
	if t, ok := c.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
	}
}

// host is the address as logs and filters want it: without the port.
func host(a net.Addr) string {
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return "local"
}

// FromHere tells whether a peer is on this machine.
func FromHere(a net.Addr) bool {
	switch a := a.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}
