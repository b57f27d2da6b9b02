package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"maildir-imapd/imapd/gate"
)

// slowLogin is more than what a costly hash takes.
const slowLogin = 2 * time.Second

// session is what comes after the greeting.
func (p *prober) session(ctx context.Context, t target, l *line, r *probed) {
	l.step(p.timeout)
	c := imapclient.New(l.replay(), nil)
	defer c.Close()
	caps := c.Caps()
	if caps == nil {
		r.wrong("the server does not say what it offers (CAPABILITY)")
		return
	}
	r.Capabilities = capNames(caps)
	r.Mechanisms = mechanismsOf(caps)
	p.identify(t, l, c, r)
	p.offers(t, l, caps, r)
	if p.user == "" {
		r.bye(p, l, c)
		return
	}
	mechanism := p.choose(l, t, caps, r)
	if mechanism == "" {
		return
	}
	start := time.Now()
	l.step(p.timeout)
	if err := p.login(c, mechanism); err != nil {
		r.took("login", start)
		r.wrong("%s cannot log in by %s: %s", p.user, mechanism, said(err))
		return
	}
	r.took("login", start)
	r.LoggedInBy = mechanism
	if took := time.Since(start); took > slowLogin {
		r.wrong("the login took %s: the machine is busy, or the password's hash is costly", took.Round(100*time.Millisecond))
	}
	p.tour(l, c, r)
	p.others(ctx, t, mechanism, r)
}

// identify asks who the server is.
func (p *prober) identify(t target, l *line, c *imapclient.Client, r *probed) {
	if !c.Caps().Has(imap.CapID) {
		return
	}
	l.step(p.timeout)
	id, err := c.ID(&imap.IDData{Name: "maildir-imapctl"}).Wait()
	if err != nil || id == nil {
		r.note("the server does not say who it is (ID): %s", said(err))
		return
	}
	r.Software = strings.TrimSpace(id.Name + " " + id.Version)
	if t.own && id.Name != "maildir-imapd" {
		r.wrong("another server listens here: it says that it is %q", r.Software)
	}
}

// offers looks at what a client could log in with here.
func (p *prober) offers(t target, l *line, caps imap.CapSet, r *probed) {
	disabled := caps.Has(imap.CapLoginDisabled)
	switch {
	case l.secure && disabled && len(r.Mechanisms) == 0:
		r.wrong("nobody can log in: LOGIN is not allowed, and there is nothing else")
	case l.secure && disabled && !slices.Contains(r.Mechanisms, "PLAIN"):
		r.note("passwords are not accepted even with TLS (LOGINDISABLED): only mail programs that know %s can log in", strings.Join(r.Mechanisms, ", "))
	case !l.secure && !disabled && t.network != "unix" && !gate.FromHere(l.conn.RemoteAddr()):
		r.wrong("the server takes passwords without TLS")
	case !l.secure && disabled && len(r.Mechanisms) == 0:
		r.note("nobody can log in here: there is no TLS, and passwords are not accepted without")
	}
}

// choose is the mechanism to log in by: what most programs do, unless that would show the password to others.
func (p *prober) choose(l *line, t target, caps imap.CapSet, r *probed) string {
	if why := p.unsafe(t, l); why != "" {
		r.wrong("the password was not used, because %s; -k uses it all the same", why)
		return ""
	}
	has := func(m string) bool { return slices.Contains(r.Mechanisms, m) }
	switch {
	case has("PLAIN"):
		return "PLAIN"
	case !caps.Has(imap.CapLoginDisabled):
		return "LOGIN"
	}
	for _, m := range secretOnes {
		if has(m) {
			return m
		}
	}
	r.wrong("%s cannot log in here: of what the server offers, nothing is known (%s)", p.user, cmp.Or(strings.Join(r.Mechanisms, ", "), "nothing"))
	return ""
}

// unsafe says why a password must not be used on a connection, be it only to prove that it is known: who listens could
// guess at it. Nobody listens within this machine.
func (p *prober) unsafe(t target, l *line) string {
	switch {
	case p.trust:
	case l.secure && !l.trusted:
		return "the certificate is not trusted"
	case l.broken:
		return "the version of TLS is broken"
	case !l.secure && t.network != "unix" && !gate.FromHere(l.conn.RemoteAddr()):
		return "there is no TLS"
	}
	return ""
}

// secretOnes prove that a client knows the password without sending it, best first.
var secretOnes = []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"}

func (p *prober) login(c *imapclient.Client, mechanism string) error {
	switch mechanism {
	case "LOGIN":
		return c.Login(p.user, p.password).Wait()
	case "PLAIN":
		return c.Authenticate(sasl.NewPlainClient("", p.user, p.password))
	case "CRAM-MD5":
		return c.Authenticate(cramClient{p.user, p.password})
	}
	return c.Authenticate(&scramClient{mechanism: mechanism, user: p.user, password: p.password})
}

// tour looks around without changing anything.
func (p *prober) tour(l *line, c *imapclient.Client, r *probed) {
	caps := c.Caps()
	r.AfterLogin = capNames(caps)
	if caps.Has(imap.CapNamespace) {
		l.step(p.timeout)
		if ns, err := c.Namespace().Wait(); err != nil {
			r.wrong("NAMESPACE fails: %s", said(err))
		} else {
			r.Namespaces = append(append(spaces("own", ns.Personal), spaces("other users", ns.Other)...), spaces("shared", ns.Shared)...)
		}
	}
	start := time.Now()
	l.step(p.timeout)
	list, err := c.List("", "*", nil).Collect()
	r.took("list", start)
	if err != nil {
		r.wrong("the folders cannot be listed: %s", said(err))
		return
	}
	n := len(list)
	r.Folders = &n
	if !slices.ContainsFunc(list, func(d *imap.ListData) bool { return strings.EqualFold(d.Mailbox, "INBOX") }) {
		r.wrong("there is no INBOX among the folders")
	}
	start = time.Now()
	l.step(p.timeout)
	inbox, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	r.took("select", start)
	if err != nil {
		r.wrong("INBOX cannot be opened: %s", said(err))
		return
	}
	r.Inbox = &inbox.NumMessages
	if caps.Has(imap.CapIdle) {
		start = time.Now()
		l.step(p.timeout)
		idle, err := c.Idle()
		if err == nil {
			err = errors.Join(idle.Close(), idle.Wait())
		}
		r.took("idle", start)
		if err != nil {
			r.wrong("waiting for new mail (IDLE) fails: %s", said(err))
		}
	} else {
		r.note("the server does not tell of new mail by itself (no IDLE): mail programs ask every few minutes")
	}
	r.bye(p, l, c)
}

// others tries the mechanisms that are offered and send no password: many programs take the first that they know, and a
// user who has no line for it fails there.
func (p *prober) others(ctx context.Context, t target, used string, r *probed) {
	for _, m := range secretOnes {
		if m == used || !slices.Contains(r.Mechanisms, m) || ctx.Err() != nil {
			continue
		}
		l, ok := p.open(ctx, t, &probed{})
		if !ok {
			r.note("%s was not tried: the server took no second connection", m)
			return
		}
		if p.unsafe(t, l) != "" { // another one answers now
			l.close()
			return
		}
		l.step(p.timeout)
		c := imapclient.New(l.replay(), nil)
		err := p.login(c, m)
		if err == nil {
			_ = c.Logout().Wait()
		}
		_ = c.Close()
		l.close()
		if err == nil {
			continue
		}
		advice := ""
		if t.own || r.ours() {
			flag := ""
			if m == "CRAM-MD5" {
				flag = "-cram-md5 "
			}
			advice = ": set the password anew with maildir-imapctl passwd " + flag + shellQuote(p.user) + ", or take it out of [auth] mechanisms"
		}
		r.wrong("%s is offered, and %s cannot log in by it (%s): mail programs that take it fail%s", m, p.user, said(err), advice)
	}
}

// said is what the server says of a failure.
func said(err error) string {
	var answer *imap.Error
	switch {
	case err == nil:
		return "nothing"
	case errors.As(err, &answer):
		text := fmt.Sprintf("the server says %q", answer.Text)
		if answer.Code != "" {
			text += fmt.Sprintf(" (%s)", answer.Code)
		}
		return text
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	}
	return plain(err)
}

func spaces(kind string, all []imap.NamespaceDescriptor) (out []space) {
	for _, d := range all {
		s := space{Kind: kind, Prefix: d.Prefix}
		if d.Delim != 0 {
			s.Separator = string(d.Delim)
		}
		out = append(out, s)
	}
	return out
}

func capNames(caps imap.CapSet) []string {
	names := []string{}
	for c := range caps {
		names = append(names, string(c))
	}
	slices.Sort(names)
	return names
}

func mechanismsOf(caps imap.CapSet) []string {
	names := []string{}
	for c := range caps {
		if m, ok := strings.CutPrefix(strings.ToUpper(string(c)), "AUTH="); ok {
			names = append(names, m)
		}
	}
	slices.Sort(names)
	return names
}
