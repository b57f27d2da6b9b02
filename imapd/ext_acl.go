package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// extACL is RFC 4314. What the rights are for is maildir.May's to say; here is how a client reads and changes the
// lists. Identifiers and answers are spelled as Dovecot spells them: groups are $NAME, and !$NAME where they
// override users.
var extACL = extension{
	after: []imap.Cap{imap.CapACL, "RIGHTS=texk"},
	commands: []command[*session]{
		{name: "GETACL", in: anyState, parse: parseGetACL},
		{name: "SETACL", in: anyState, parse: parseSetACL},
		{name: "DELETEACL", in: anyState, parse: parseDeleteACL},
		{name: "LISTRIGHTS", in: anyState, parse: parseListRights},
		{name: "MYRIGHTS", in: anyState, parse: parseMyRights},
	},
}

// separateRights is how LISTRIGHTS tells that each right can be given without the others (RFC 4314 §3.7). None of
// them comes by itself, hence the empty string in front.
const separateRights = `"" l r w s t p i e k x a c d`

// aclBox is a mailbox as its list is asked for.
type aclBox struct {
	tree  aclTree
	ns    *Namespace
	inner string
}

// aclBox finds a mailbox by the client's name. Rights are the tree's to judge.
func (s *session) aclBox(name string) (*aclBox, error) {
	ns, inner, err := s.resolve(name)
	if err != nil {
		return nil, err
	}
	t, ok := ns.Tree.(aclTree)
	if !ok {
		return nil, no(imap.ResponseCodeCannot, "There are no rights here")
	}
	return &aclBox{t, ns, inner}, nil
}

// onACLBox is a command about a mailbox, which it finds by the client's name.
func onACLBox(name string, do func(ctx context.Context, s *session, box *aclBox, w *responder) error) action[*session] {
	return actionFunc[*session](func(ctx context.Context, s *session, w *responder) error {
		box, err := s.aclBox(name)
		if err != nil {
			return err
		}
		return do(ctx, s, box, w)
	})
}

// parseGetACL is GETACL (RFC 4314 §3.3).
func parseGetACL(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	name := d.Mailbox()
	d.CRLF()
	return onACLBox(name, func(ctx context.Context, s *session, box *aclBox, w *responder) error {
		l, from, err := box.tree.ACL(ctx, box.inner)
		if err != nil {
			return err
		}
		w.untagged().Raw("ACL ").Mailbox(name)
		for _, e := range s.toldEntries(box.ns, l, from) {
			sign := ""
			if e.Negative {
				sign = "-"
			}
			w.SP().AString(sign + e.ID.IMAP()).SP().AString(e.Rights.IMAP())
		}
		w.CRLF()
		return nil
	}), nil
}

// toldEntries are the lines of a list as the client is told them. In their own mail the owner is called by name, and
// has a line also where none of the list's is about the owner, because everything is allowed then.
func (s *session) toldEntries(ns *Namespace, l *acl.List, from maildir.ACLSource) []acl.Entry {
	me := acl.ID{Kind: acl.User, Name: s.login.User}
	if from.Kind == "owner" {
		return []acl.Entry{{ID: me, Rights: acl.RightsAll}}
	}
	if l == nil {
		l = &acl.List{}
	}
	if ns.Kind != Personal {
		return l.Expand("").Merged()
	}
	entries := l.Expand(s.login.User).Merged()
	owner, named := -1, false
	for i := range entries {
		named = named || entries[i].ID == me
		if entries[i].ID.Kind == acl.Owner && !entries[i].Negative {
			owner = i
		}
	}
	switch {
	case named:
	case owner >= 0:
		entries[owner].ID = me
	default:
		entries = append(entries, acl.Entry{ID: me, Rights: acl.RightsAll})
	}
	return entries
}

// changeAction is SETACL and DELETEACL (RFC 4314 §3.1, §3.2).
type changeAction struct {
	mailbox string
	change  acl.Change
}

func parseSetACL(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	a := &changeAction{mailbox: d.Mailbox()}
	d.SP()
	id := d.AString()
	d.SP()
	rights := d.AString()
	d.CRLF()
	if d.Err() != nil {
		return nil, nil
	}
	if err := a.identify(id); err != nil {
		return nil, err
	}
	var err error
	if a.change.Op, a.change.Rights, err = acl.ParseChange(rights); err != nil {
		return nil, bad("%s", capital(err)) // §3.1 MUST
	}
	return a, nil
}

func parseDeleteACL(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	a := &changeAction{mailbox: d.Mailbox(), change: acl.Change{Op: acl.Delete}}
	d.SP()
	id := d.AString()
	d.CRLF()
	if d.Err() != nil {
		return nil, nil
	}
	return a, a.identify(id)
}

// identify reads the identifier. One that SASLprep refuses is BAD (RFC 4314 §3).
func (a *changeAction) identify(id string) (err error) {
	if a.change.ID, a.change.Negative, err = acl.ParseIMAPID(id); err != nil {
		return bad("%s", capital(err))
	}
	return nil
}

func (a *changeAction) run(ctx context.Context, s *session, _ *responder) error {
	box, err := s.aclBox(a.mailbox)
	if err != nil {
		return err
	}
	return box.tree.SetACL(ctx, box.inner, a.change)
}

// parseListRights is LISTRIGHTS (RFC 4314 §3.4).
func parseListRights(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	name := d.Mailbox()
	d.SP()
	id := d.AString()
	d.CRLF()
	if d.Err() != nil {
		return nil, nil
	}
	if _, _, err := acl.ParseIMAPID(id); err != nil {
		return nil, bad("%s", capital(err))
	}
	return onACLBox(name, func(ctx context.Context, _ *session, box *aclBox, w *responder) error {
		if _, _, err := box.tree.ACL(ctx, box.inner); err != nil {
			return err
		}
		w.untagged().Raw("LISTRIGHTS ").Mailbox(name).SP().AString(id).SP().Raw(separateRights).CRLF()
		return nil
	}), nil
}

// parseMyRights is MYRIGHTS (RFC 4314 §3.5).
func parseMyRights(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	name := d.Mailbox()
	d.CRLF()
	return onACLBox(name, func(ctx context.Context, _ *session, box *aclBox, w *responder) error {
		r, err := box.tree.Rights(ctx, box.inner)
		if err != nil {
			return err
		}
		writeMyRights(w, name, r)
		return nil
	}), nil
}

func writeMyRights(w *responder, name string, r maildir.Rights) {
	w.untagged().Raw("MYRIGHTS ").Mailbox(name).SP().AString(r.IMAP()).CRLF()
}

// capital makes an error a sentence for the client.
func capital(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
