package imapd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
)

// Server serves connections that the gate has accepted. It is safe for concurrent use.
type Server struct {
	options  atomic.Pointer[Options]
	index    *index
	patience patience
	stats    stats
	alerts   alerts

	mu       sync.Mutex       // guards what follows
	conns    map[*conn]string // whose they are; empty before the login
	sessions map[string]int   // per user
	draining bool
	wg       sync.WaitGroup
	ids      atomic.Uint64
}

// New makes a server. It panics if two extensions claim one name: a programmer's error that no input can
// cause.
func New(o Options) *Server {
	s := &Server{index: newIndex(extensions), patience: defaultPatience, conns: map[*conn]string{}, sessions: map[string]int{}}
	s.stats.init(s.index)
	s.Reload(o)
	return s
}

// Reload puts new options in force for what starts after it. Running sessions ask for their namespaces themselves: see
// Mail.Renew.
func (s *Server) Reload(o Options) { s.options.Store(&o) }

func (s *Server) opts() *Options { return s.options.Load() }

// ServeConn speaks IMAP on nc until logout, error or shutdown, and closes it.
//
// It and what it calls up to the wait for a command stay small and shallow: an idle connection keeps their frames,
// and some hundred bytes more keep its stack from shrinking (package park). What they need is by pointer, and what
// happens once is in functions that have returned by then.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn, info *ConnInfo) {
	c := s.admit(nc)
	if c == nil {
		return
	}
	defer s.leave(c)
	if login := s.front(ctx, c, info); login != nil {
		s.runSession(ctx, c, login)
	}
}

// ServePreauth speaks IMAP on nc as a user the operating system has vouched for (RFC 9051 §7.1.4).
func (s *Server) ServePreauth(ctx context.Context, nc net.Conn, info *ConnInfo, id Identity) {
	c := s.admit(nc)
	if c == nil {
		return
	}
	defer s.leave(c)
	s.runSession(ctx, c, &Login{Identity: id, Conn: nc, Info: *info, ConnID: s.ids.Add(1)})
}

// admit registers a connection for Shutdown; nil when that has begun.
func (s *Server) admit(nc net.Conn) *conn {
	c := newConn(nc, s.opts().Limits.WriteTimeout)
	if s.register(c) {
		return c
	}
	_, _ = c.dst.Write([]byte("* BYE [UNAVAILABLE] Server is shutting down\r\n"))
	_ = c.close()
	return nil
}

// leave is deferred: it ends a connection and keeps a panic from taking the other clients along.
func (s *Server) leave(c *conn) {
	if p := recover(); p != nil {
		s.opts().Log.Error("internal error", "remote", addrText(c.nc.RemoteAddr()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		panics.Add(1)
	}
	s.unregister(c)
	_ = c.close()
}

// front is the connection until somebody has logged in; nil when nobody did.
func (s *Server) front(ctx context.Context, c *conn, info *ConnInfo) *Login {
	return newFront(s, c, info).serve(ctx)
}

// panics counts recovered panics; tests fail when it moves.
var panics atomic.Int64

func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.conns[c] = ""
	s.wg.Add(1)
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.stats.in.Add(c.in.Load())
	s.stats.out.Add(c.out.Load())
	s.mu.Unlock()
	s.wg.Done()
}

// enterUser counts a user's session; false when [limits] per_user is reached.
func (s *Server) enterUser(c *conn, user string) bool {
	limit := s.opts().Limits.PerUser
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.sessions[user] >= limit {
		return false
	}
	s.sessions[user]++
	s.conns[c] = user
	return true
}

func (s *Server) leaveUser(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[user]--; s.sessions[user] == 0 {
		delete(s.sessions, user)
	}
}

// Sessions is the number of connections being served.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown lets running commands finish, says BYE to every client and waits for the last. When ctx ends
// first it cuts what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	left := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range left { // under no lock: TLS says goodbye
		_ = c.close()
	}
	<-done
	return fmt.Errorf("shutdown: %w", ctx.Err())
}

// drained says BYE in a server that shuts down. Where it is the end of an answer, the client gets time to take it: a
// command that it sends ahead meanwhile would have the kernel drop the rest of that.
func (p *peer) drained() {
	owed := p.c.bw != nil && p.c.bw.Buffered() > 0
	p.bye("Server is shutting down")
	if owed {
		p.c.hangUp()
	}
}

// authError is what a client is told of a failed authentication.
func authError(err error) *statusError {
	var ce ClientError
	if errors.As(err, &ce) {
		return &statusError{statusNO, string(ce.ResponseCode()), ce.ClientText(), err}
	}
	return &statusError{statusNO, string(imap.ResponseCodeUnavailable), "Authentication is not available now", err}
}
