package imapd

import (
	"context"
	"net"
)

// Login is the seam between what runs before a login and what runs after: whatever comes after it never
// sees a password, whatever comes before it never sees a mailbox.
type Login struct {
	Identity
	ConnID   uint64 // names the connection in the log
	Tag      string // of the command that logged in: its answer is the session's to give; empty for PREAUTH
	Conn     net.Conn
	Buffered []byte // read ahead of the login's answer: pipelined commands
	Info     ConnInfo
	ClientID map[string]string // RFC 2971, if the client has said
	// BytesIn and BytesOut are what the connection carried before.
	BytesIn, BytesOut int64
}

// runSession is the handoff to a session in this process. It goes on with the conn that Shutdown knows.
func (s *Server) runSession(ctx context.Context, c *conn, l *Login) {
	c.staged = l.Buffered
	if sess, err := newSession(ctx, s, c, l); err == nil { // else it is told and logged
		sess.serve(ctx)
	}
}
