package imapd

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

var authCommands = []command[*front]{
	{name: "STARTTLS", parse: noArgs(runStartTLS)},
	{name: "LOGIN", parse: parseLogin},
	{name: "AUTHENTICATE", does: readsMore, parse: parseAuthenticate},
}

// runStartTLS answers OK and then switches layers (RFC 9051 §6.2.1). Whatever the client pipelined in
// clear behind the command ends the connection.
func runStartTLS(_ context.Context, f *front, w *responder) error {
	config := f.srv.opts().TLS
	switch {
	case f.info.TLS:
		return bad("TLS is on already")
	case config == nil || !f.info.StartTLS:
		return bad("STARTTLS is not offered on this port")
	}
	w.text = "Begin TLS negotiation now"
	f.then = func() error {
		tc, err := f.c.startTLS(config, f.srv.opts().Limits.LoginTimeout)
		if err != nil {
			f.log.Warn("STARTTLS failed", "err", err)
			f.c.hangUp()
			return errDone
		}
		state := tc.ConnectionState()
		f.info.TLS, f.info.TLSState = true, &state
		f.clientID = nil // RFC 9051 §6.2.1: forget what was said in clear
		return nil
	}
	return nil
}

// loginAction is LOGIN (RFC 9051 §6.2.3).
type loginAction struct{ user, password string }

func parseLogin(d *wire.Decoder, _ *front) (action[*front], error) {
	d.SP()
	user := d.AString()
	d.SP()
	password := d.AString()
	d.CRLF()
	return &loginAction{user, password}, nil
}

func (a *loginAction) run(ctx context.Context, f *front, _ *responder) error {
	if err := f.allowed(); err != nil {
		return err
	}
	auth := f.srv.opts().Auth
	if !slices.Contains(auth.Mechanisms(f.info), "PLAIN") {
		return no(imap.ResponseCodePrivacyRequired, "LOGIN is disabled here: use TLS, or another mechanism")
	}
	id, err := auth.Login(ctx, a.user, a.password, f.info)
	if err != nil {
		return f.failed(a.user, "LOGIN", err)
	}
	id.Mechanism = "LOGIN"
	return f.finish(id)
}

// authenticateAction is AUTHENTICATE with SASL-IR (RFC 9051 §6.2.2, RFC 4959).
type authenticateAction struct {
	mechanism  string
	initial    []byte
	hasInitial bool
}

func parseAuthenticate(d *wire.Decoder, _ *front) (action[*front], error) {
	d.SP()
	a := &authenticateAction{mechanism: strings.ToUpper(d.Atom())}
	if d.TrySP() {
		a.initial, a.hasInitial = d.InitialResponse(), true
		if a.initial == nil {
			a.initial = []byte{} // "=": present and empty
		}
	}
	d.CRLF()
	return a, nil
}

func (a *authenticateAction) run(ctx context.Context, f *front, w *responder) error {
	if err := f.allowed(); err != nil {
		return err
	}
	auth := f.srv.opts().Auth
	if !slices.Contains(auth.Mechanisms(f.info), a.mechanism) {
		if !f.info.TLS && (a.mechanism == "PLAIN" || a.mechanism == "LOGIN") {
			return no(imap.ResponseCodePrivacyRequired, "%s needs TLS here", a.mechanism)
		}
		return no(imap.ResponseCodeCannot, "Mechanism not offered on this connection")
	}
	exchange, err := auth.Start(a.mechanism, f.info)
	if err != nil {
		return f.failed("", a.mechanism, err)
	}
	var response []byte
	if a.hasInitial {
		response = a.initial
	}
	for {
		challenge, done, err := exchange.Next(ctx, response)
		if err != nil {
			return f.failed(exchange.Identity().User, a.mechanism, err)
		}
		if done && len(challenge) == 0 {
			break
		}
		cancelled := false
		if response, cancelled, err = f.challenge(w, challenge); err != nil {
			return err
		}
		if cancelled {
			return bad("Authentication cancelled")
		}
		if done {
			break // the client acknowledged the server's last word (RFC 5802 §3)
		}
	}
	id := exchange.Identity()
	id.Mechanism = a.mechanism
	return f.finish(id)
}

// challenge sends one challenge and reads the response to it.
func (f *front) challenge(w *responder, challenge []byte) (response []byte, cancelled bool, err error) {
	if err := w.continuation(base64.StdEncoding.EncodeToString(challenge)); err != nil {
		return nil, false, errBrokenAnswer
	}
	f.c.readUntil(f.end)
	response, cancelled = f.dec.Base64Line()
	if err := f.dec.Err(); err != nil {
		return nil, false, f.skipLine(err)
	}
	if response == nil {
		response = []byte{}
	}
	return response, cancelled, nil
}
