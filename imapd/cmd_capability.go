package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// capabilities before the login depend on what this connection may still do (RFC 9051 §7.2.2).
func (f *front) capabilities() []imap.Cap {
	var caps []imap.Cap
	for _, e := range f.srv.index.table {
		caps = append(caps, e.before...)
	}
	o := f.srv.opts()
	if !f.info.TLS && f.info.StartTLS && o.TLS != nil {
		caps = append(caps, imap.CapStartTLS)
	}
	login := false
	if f.allowed() == nil {
		for _, m := range o.Auth.Mechanisms(f.info) {
			caps = append(caps, imap.AuthCap(m))
			login = login || m == "PLAIN"
		}
	}
	if !login {
		caps = append(caps, imap.CapLoginDisabled)
	}
	return caps
}

func (s *session) capabilities() []imap.Cap {
	var caps []imap.Cap
	for _, e := range s.srv.index.table {
		caps = append(caps, e.after...)
		if e.valued != nil {
			caps = append(caps, e.valued(s.srv.opts()))
		}
	}
	return caps
}

// capabilityCode is the response code that saves the client a CAPABILITY.
func capabilityCode(caps []imap.Cap) string { return "CAPABILITY " + joinCaps(caps) }

func joinCaps(caps []imap.Cap) string {
	words := make([]string, len(caps))
	for i, c := range caps {
		words[i] = string(c)
	}
	return strings.Join(words, " ")
}

func runCapabilityFront(_ context.Context, f *front, w *responder) error {
	w.untagged().Raw(capabilityCode(f.capabilities())).CRLF()
	return nil
}

func runCapability(_ context.Context, s *session, w *responder) error {
	w.untagged().Raw(capabilityCode(s.capabilities())).CRLF()
	return nil
}

// runNothing is NOOP and CHECK: what they are for happens as the loop settles the command.
func runNothing[S any](context.Context, S, *responder) error { return nil }

// runLogout says goodbye; the loop hangs up after the tagged line (RFC 9051 §6.1.3).
func runLogout[S side[S]](_ context.Context, s S, w *responder) error {
	w.untaggedStatus("BYE", "", "Logging out")
	s.base().then = s.base().part
	return nil
}
