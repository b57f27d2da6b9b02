package imapd

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// session is a connection after its login: authenticated and selected states. One goroutine owns it.
type session struct {
	peer
	login *Login
	mail  *Mail
	sel   *selection // nil in authenticated state
	since time.Time
	count counters
	// alerted is the number of the last alert that the client was told of.
	alerted uint64
	// enabled are the extensions switched on by ENABLE or by use, upper case.
	enabled map[string]bool
	// state holds what extensions keep for the session, by typed key: few have anything, and a map of one would
	// cost each session as much as its connection.
	state []extState
}

type extState struct{ key, value any }

// newSession opens the user's mail and answers the command that logged in.
func newSession(ctx context.Context, srv *Server, c *conn, l *Login) (*session, error) {
	o := srv.opts()
	s := &session{
		peer: peer{
			srv: srv, c: c, info: l.Info, id: l.ConnID, clientID: l.ClientID,
			log:      o.Log.With("conn", l.ConnID, "remote", addrText(l.Info.Remote), "user", l.User),
			limits:   wire.PostLogin,
			badLimit: o.Limits.BadCommands,
		},
		login: l, since: time.Now(),
	}
	s.limits.Line, s.limits.Literal = o.Limits.Line, o.Limits.Literal
	s.wake()
	s.w.code, s.w.text = "", "" // what the front's last command left
	if err := s.openMail(ctx); err != nil {
		s.refuseLogin(err)
		return nil, err
	}
	srv.stats.logins.Add(1)
	loginOK(s.log, l)
	if l.Tag == "" {
		s.w.untaggedStatus("PREAUTH", capabilityCode(s.capabilities()), "Logged in as "+l.User)
		s.tellAlerts(s.w)
	} else {
		s.tellAlerts(s.w)
		s.w.Raw(l.Tag).Raw(" OK")
		s.w.statusTail(capabilityCode(s.capabilities()), "Logged in")
	}
	return s, nil
}

// openMail takes a place among the user's sessions and opens the namespaces.
func (s *session) openMail(ctx context.Context) error {
	if !s.srv.enterUser(s.c, s.login.account()) {
		return no(imap.ResponseCodeLimit, "Too many sessions for this user ([limits] per_user = %d)", s.srv.opts().Limits.PerUser)
	}
	mail, err := s.srv.opts().Open(ctx, s.login)
	if err != nil {
		s.srv.leaveUser(s.login.account())
		return &statusError{statusNO, string(imap.ResponseCodeUnavailable), "The mail store is not available now", err}
	}
	s.mail = mail
	return nil
}

// refuseLogin answers a login whose mail cannot be had, and ends the connection: the front is gone.
func (s *session) refuseLogin(err error) {
	se := mapError(err)
	level := slog.LevelError
	if se.code == string(imap.ResponseCodeLimit) {
		level = slog.LevelWarn // nothing is broken
	}
	s.log.Log(context.Background(), level, "login refused", "answer", se.text, "err", err)
	if s.login.Tag != "" {
		s.writeStatus(s.login.Tag, se)
	}
	s.bye(se.text)
	s.c.hangUp()
	s.sleep()
}

// serve runs commands until the connection ends.
func (s *session) serve(ctx context.Context) {
	defer s.close()
	s.ended(loop(ctx, s))
}

// ended tells client and log why the session ends.
func (s *session) ended(err error) {
	why := "connection lost"
	switch {
	case errors.Is(err, errDone):
		why = "logged out"
	case errors.Is(err, errDraining):
		why = "server stops"
		s.drained()
	case isTimeout(err) && s.begun:
		why = "command not finished"
		s.bye("Disconnected: a command was not finished within " + commandTime.String())
	case isTimeout(err):
		why = "idle"
		s.bye("Disconnected: idle longer than [limits] idle_timeout = " + s.srv.opts().Limits.IdleTimeout.String())
	case errors.Is(err, errNotRead):
		why = "answer not read within [limits] write_timeout = " + s.srv.opts().Limits.WriteTimeout.String()
	case errors.Is(err, errBrokenAnswer):
		why = "answer cut short"
		s.log.Error("connection closed in the middle of an answer", "err", err)
	}
	logout(s.log, why, s.since, s.c.in.Load(), s.c.out.Load(), s.count)
}

// renewMail takes over namespaces that were added, changed or removed. If they cannot be opened, those that are stay. A
// mailbox that is selected stays so, wherever it lies: its handle outlives the tree that it was opened through. Whether it may be read is told by
// its rights (maildir.Access.Gone).
func (s *session) renewMail(ctx context.Context) {
	if s.mail.Renew == nil {
		return
	}
	next, err := s.mail.Renew(ctx)
	if err != nil {
		s.log.Warn("the session keeps the namespaces that it has", "err", err)
	}
	if next != nil {
		s.mail.close()
		s.mail = next
	}
}

func (m *Mail) close() {
	for _, ns := range m.Namespaces {
		_ = ns.Tree.Close()
	}
}

func (s *session) close() {
	s.deselect()
	s.mail.close()
	s.srv.leaveUser(s.login.account())
	s.sleep()
	s.c.release()
}

// deselect leaves the selected state without expunging.
func (s *session) deselect() {
	if s.sel == nil {
		return
	}
	if err := s.sel.Close(); err != nil {
		s.log.Warn("closing a mailbox", "mailbox", s.sel.name, "err", err)
	}
	s.sel = nil
}

func (s *session) base() *peer                         { return &s.peer }
func (s *session) rows() map[string]*command[*session] { return s.srv.index.session }
func (s *session) deadline() time.Time                 { return time.Now().Add(s.srv.opts().Limits.IdleTimeout) }
func (s *session) screen(string) error                 { return nil }

func (s *session) unknown(name string) error {
	if _, ok := s.srv.index.front[name]; ok {
		return bad("Already logged in")
	}
	return bad("Unknown command")
}

// admit also asks anew for the namespaces, and for the rights to the selected mailbox: a command is judged by those of its
// beginning. Clients leave a mailbox selected for weeks, so that waiting for one that has none would be waiting for ever.
func (s *session) admit(ctx context.Context, row *command[*session]) error {
	state := authenticated
	if s.sel != nil {
		state = selected
	}
	if row.in&state != 0 {
		s.renewMail(ctx)
		if s.sel == nil {
			return nil
		}
		s.recheck(ctx, row.does&(opensMailbox|quiet) == 0)
		return s.readable(row)
	}
	if state == authenticated {
		return bad("No mailbox selected")
	}
	return bad("Not while a mailbox is selected")
}

// recheck asks for the rights to the selected mailbox. A client is told which flags it may change now (RFC 4314
// §5.1.1), if it is to be told anything. Where nobody can say, the rights known last hold.
func (s *session) recheck(ctx context.Context, tell bool) {
	changed, err := s.sel.Recheck(ctx)
	if err != nil {
		s.log.Warn("asking for rights failed; those known last hold", "mailbox", s.sel.name, "err", err)
	}
	if changed && tell && s.sel.May(maildir.DeedOpen) == nil {
		s.writeFlags(s.w)
	}
}

// readable refuses what is for a selected mailbox alone when the right to read it has been taken away meanwhile. It
// can still be left, and the session goes on.
func (s *session) readable(row *command[*session]) error {
	if row.in == selected && row.does&opensMailbox == 0 && s.sel.May(maildir.DeedOpen) != nil {
		return no(imap.ResponseCodeNoPerm, "You may no longer read this mailbox")
	}
	return nil
}

// writable refuses commands that change the selected mailbox where it was opened by EXAMINE.
func (s *session) writable() error {
	if s.sel.examined {
		return no(imap.ResponseCodeNoPerm, "Mailbox is selected read-only")
	}
	return nil
}

// enable is one word of ENABLE (RFC 5161): its name in upper case, and what changes in the session.
type enable struct {
	name string
	on   func(s *session) // nil: asking enabled is all
}

// stateKey is an extension's handle on its own per-session state. It is a variable of its own, never
// reached through the extension, so that the table has no initialization cycle.
type stateKey[T any] struct{ _ byte }

// of returns the session's value, made zero at first use.
func (k *stateKey[T]) of(s *session) *T {
	for i := range s.state {
		if s.state[i].key == any(k) {
			return s.state[i].value.(*T)
		}
	}
	v := new(T)
	s.state = append(s.state, extState{k, v})
	return v
}
