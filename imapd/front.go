package imapd

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// front is a connection before its login. It sees credentials and no mailbox.
type front struct {
	peer
	end      time.Time // login_timeout
	failures int
	login    *Login // set by the command that logged in
}

func newFront(srv *Server, c *conn, info *ConnInfo) *front {
	o := srv.opts()
	id := srv.ids.Add(1)
	return &front{
		peer: peer{
			srv: srv, c: c, info: *info, id: id,
			log:      o.Log.With("conn", id, "remote", addrText(info.Remote)),
			limits:   wire.PreLogin,
			badLimit: o.Limits.BadCommandsPreLogin,
		},
		end: time.Now().Add(o.Limits.LoginTimeout),
	}
}

// serve greets and runs commands until somebody has logged in; nil when nobody did.
func (f *front) serve(ctx context.Context) *Login {
	f.wake()
	f.w.untaggedStatus("OK", capabilityCode(f.capabilities()), f.srv.opts().Hostname+" IMAP server ready")
	err := f.w.send()
	if err == nil {
		err = f.firstByte()
	}
	if err == nil {
		err = loop(ctx, f)
	}
	if f.login != nil && errors.Is(err, errDone) {
		f.sleep()
		return f.login
	}
	f.ended(err)
	return nil
}

// firstByte keeps clients of other protocols from being parsed at all: a TLS record on the plain port
// has no line end to wait for.
func (f *front) firstByte() error {
	f.sleep()
	if err := f.c.await(f.end); err != nil {
		return err
	}
	f.wake()
	b, err := f.c.reader().Peek(1)
	if err != nil {
		return err
	}
	if b[0] == 0x16 { // ContentType handshake, RFC 8446 §5.1
		f.log.Warn("connection refused: TLS on a port that begins in clear; the client should use STARTTLS or the imaps port",
			"listener", f.info.Listener)
		return errDone
	}
	return nil
}

// ended tells client and log why a connection ends without a login.
func (f *front) ended(err error) {
	switch {
	case errors.Is(err, errDone):
	case errors.Is(err, errDraining):
		f.drained()
	case isTimeout(err):
		f.bye("Disconnected: no login within [limits] login_timeout = " + f.srv.opts().Limits.LoginTimeout.String())
		f.log.Info("disconnected", "why", "login_timeout")
	default:
		f.log.Debug("disconnected", "err", err)
	}
	f.sleep()
}

func (f *front) base() *peer                                   { return &f.peer }
func (f *front) rows() map[string]*command[*front]             { return f.srv.index.front }
func (f *front) deadline() time.Time                           { return f.end }
func (f *front) admit(context.Context, *command[*front]) error { return nil }

func (f *front) settle(context.Context, *command[*front], *responder) error { return nil }
func (f *front) nudged() error                                              { return nil }

// foreign are first words of protocols whose clients a browser or a scanner can aim at this port.
var foreign = map[string]bool{"GET": true, "POST": true, "HEAD": true, "PUT": true, "OPTIONS": true, "CONNECT": true,
	"EHLO": true, "HELO": true, "USER": true, "SSH-2.0": true}

func (f *front) unknown(name string) error {
	if _, ok := f.srv.index.session[name]; ok {
		return bad("Log in first")
	}
	return bad("Unknown command")
}

// screen ends the connection when the tag shows that the client speaks something else (RFC 9051 has no
// such case: this is against cross-protocol attacks).
func (f *front) screen(tag string) error {
	if !foreign[tag] {
		return nil
	}
	f.log.Warn("connection refused: the client does not speak IMAP", "first word", tag, "listener", f.info.Listener)
	return bye("", "This is an IMAP server")
}

// finish is called by the commands that authenticate.
func (f *front) finish(id Identity) error {
	in, out := f.c.in.Load(), f.c.out.Load()
	f.login = &Login{
		Identity: id, ConnID: f.id, Tag: f.tag, Conn: f.c.nc, Buffered: f.c.takeBuffered(), Info: f.info,
		ClientID: f.clientID, BytesIn: in, BytesOut: out,
	}
	return errDone
}

// failed counts a failed login and says what to answer; the last one allowed also ends the connection.
func (f *front) failed(user, mechanism string, err error) error {
	var named interface{ LoginName() string }
	if user == "" && errors.As(err, &named) {
		user = named.LoginName() // an exchange that failed knows whom it was for
	}
	f.srv.stats.failures.Add(1)
	loginFailed(f.log, user, mechanism, f.info, err)
	f.failures++
	if limit := f.srv.opts().Limits.AuthFailures; limit > 0 && f.failures >= limit {
		f.w.untaggedStatus("BYE", "", "Too many failed logins")
		f.then = f.part
	}
	return authError(err)
}

// allowed tells why no authentication may happen on this connection now, nil if it may.
func (f *front) allowed() error {
	if f.info.RequireTLS && !f.info.TLS {
		return no(imap.ResponseCodePrivacyRequired, "Use STARTTLS or the imaps port first")
	}
	return nil
}
