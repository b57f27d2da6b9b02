package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// personal is the namespace that holds INBOX.
func (s *session) personal() *Namespace { return &s.mail.Namespaces[0] }

// resolve finds the namespace a mailbox name lies in, and the name within its tree (RFC 2342). Aliases and what begins
// with a tilde are other names first.
func (s *session) resolve(name string) (*Namespace, string, error) {
	name, err := s.actual(name)
	if err != nil {
		return nil, "", err
	}
	return s.place(name)
}

// place is resolve for what is no alias.
func (s *session) place(name string) (*Namespace, string, error) {
	own := s.personal()
	if name == "INBOX" {
		return own, name, nil
	}
	best := s.namespaceOf(name)
	if best == nil { // "INBOX." clients that forget the prefix, Courier answers the same
		return nil, "", no(imap.ResponseCodeNonExistent, "Mailbox names begin with %q here", own.Prefix)
	}
	inner := name[len(best.Prefix):]
	if inner == "" || strings.EqualFold(inner, "INBOX") && best.Prefix != "" {
		return nil, "", no(imap.ResponseCodeNonExistent, "No such mailbox")
	}
	return best, inner, nil
}

// namespaceOf is the namespace with the longest prefix that a name has, nil where it has none's.
func (s *session) namespaceOf(name string) *Namespace {
	var best *Namespace
	for i := range s.mail.Namespaces {
		ns := &s.mail.Namespaces[i]
		if strings.HasPrefix(name, ns.Prefix) && (best == nil || len(ns.Prefix) > len(best.Prefix)) {
			best = ns
		}
	}
	return best
}

// resolveNew is resolve for a mailbox that is to be made. It cannot have the name of a namespace's root: the
// two would be one line of LIST, and what is below it is in the other tree. Nor can it have an alias's.
func (s *session) resolveNew(name string) (*Namespace, string, error) {
	if !netUnicode(name) {
		return nil, "", no(imap.ResponseCodeCannot, "A mailbox name cannot hold control characters or line separators")
	}
	if err := s.isAlias(name); err != nil {
		return nil, "", err
	}
	for i := range s.mail.Namespaces {
		ns := &s.mail.Namespaces[i]
		if ns.Kind != Personal && ns.Prefix == name+string(ns.Separator) {
			return nil, "", no(imap.ResponseCodeCannot, "%q is the root of a namespace", name)
		}
	}
	ns, inner, err := s.resolve(name)
	if err != nil { // there can never be one of that name
		return nil, "", no(imap.ResponseCodeCannot, "%s", mapError(err).text)
	}
	return ns, inner, nil
}

// resolveOld is resolve for a mailbox that is to be removed or renamed, which an alias cannot be.
func (s *session) resolveOld(name string) (*Namespace, string, error) {
	if err := s.isAlias(name); err != nil {
		return nil, "", err
	}
	return s.resolve(name)
}

// netUnicode tells whether a name is one that a new mailbox may have: RFC 6855 §3 and RFC 9051 §5.1 have
// Net-Unicode without controls, DEL and the separators of lines and paragraphs. Mailboxes that other programs
// made stay reachable whatever their names. A name is not normalised: one in NFD is another mailbox than the
// same in NFC, as it is to Dovecot and on disk, and comes back to the client in the bytes it was given in.
func netUnicode(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return r < ' ' || 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029'
	}) < 0
}

// outer is the name a client knows a tree's mailbox by.
func (ns *Namespace) outer(inner string) string {
	if inner == "INBOX" && ns.Kind == Personal {
		return inner
	}
	return ns.Prefix + inner
}

// open opens a mailbox by the client's name.
func (s *session) open(ctx context.Context, name string, mode maildir.Mode) (*maildir.Handle, error) {
	ns, inner, err := s.resolve(name)
	if err != nil {
		return nil, err
	}
	return ns.Tree.Open(ctx, inner, mode)
}

// openTarget opens the mailbox that APPEND, COPY or MOVE puts messages into. One that is not there is
// answered TRYCREATE: the client may create it and try again (RFC 9051 §6.3.12).
func (s *session) openTarget(ctx context.Context, name string) (*maildir.Handle, error) {
	ns, inner, err := s.resolve(name)
	if err != nil {
		return nil, err // CREATE would not help
	}
	h, err := ns.Tree.Open(ctx, inner, maildir.Target)
	if err == nil {
		if h.ReadOnly() {
			_ = h.Close()
			return nil, no(imap.ResponseCodeNoPerm, "Messages cannot be put into this mailbox")
		}
		return h, nil
	}
	if errIsGone(err) {
		return nil, &statusError{statusNO, string(imap.ResponseCodeTryCreate), "No such mailbox", err}
	}
	return nil, err
}
