package imapd

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// createParam is one parameter of CREATE (RFC 4466 §2.2): it parses its value into the action.
type createParam struct {
	name  string
	parse func(d *wire.Decoder, a *createAction)
}

// createAction is CREATE (RFC 9051 §6.3.4).
type createAction struct {
	mailbox string
	use     []imap.MailboxAttr // RFC 6154 §3
	unknown string             // a special use nobody knows, refused with USEATTR
}

func parseCreate(d *wire.Decoder, s *session) (action[*session], error) {
	d.SP()
	a := &createAction{mailbox: d.Mailbox()}
	if d.TrySP() {
		d.List(func() {
			name := d.Keyword()
			p := s.srv.index.createParams[name]
			if p == nil {
				d.Fail("unknown parameter %s of CREATE", name)
				return
			}
			p.parse(d, a)
		})
	}
	d.CRLF()
	return a, nil
}

func (a *createAction) run(ctx context.Context, s *session, _ *responder) error {
	if a.unknown != "" {
		return no(codeUseAttr, "Special use %s is not known", a.unknown)
	}
	if a.mailbox == "" {
		return no(imap.ResponseCodeCannot, "A mailbox needs a name")
	}
	ns, inner, err := s.resolveNew(strings.TrimSuffix(a.mailbox, string(s.separatorOf(a.mailbox))))
	if err != nil {
		return err
	}
	if inner == "INBOX" {
		return no(imap.ResponseCodeAlreadyExists, "INBOX exists always")
	}
	return ns.Tree.Create(ctx, inner, a.use)
}

// separatorOf is the separator of the namespace a name lies in. A name that ends with it announces
// children and is otherwise the name without (RFC 9051 §6.3.4).
func (s *session) separatorOf(name string) byte {
	if ns, _, err := s.resolve(name); err == nil {
		return ns.Separator
	}
	return s.personal().Separator
}

// parseName parses commands whose one argument is a mailbox.
func parseName(run func(ctx context.Context, s *session, name string) error) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, _ *session) (action[*session], error) {
		d.SP()
		name := d.Mailbox()
		d.CRLF()
		return actionFunc[*session](func(ctx context.Context, s *session, _ *responder) error {
			return run(ctx, s, name)
		}), nil
	}
}

// parseDelete is DELETE (RFC 9051 §6.3.5).
var parseDelete = parseName(func(ctx context.Context, s *session, name string) error {
	ns, inner, err := s.resolveOld(name)
	if err != nil {
		return err
	}
	if inner == "INBOX" && ns.Kind == Personal {
		return no(imap.ResponseCodeCannot, "INBOX cannot be deleted")
	}
	err = ns.Tree.Delete(ctx, inner)
	s.deselectGone(ctx)
	if errors.Is(err, maildir.ErrNotExist) && s.hasChildren(ctx, name) {
		return no(imap.ResponseCodeHasChildren, "There is no such mailbox, only mailboxes below it")
	}
	return err
})

// hasChildren tells whether a name stands for a level of hierarchy.
func (s *session) hasChildren(ctx context.Context, name string) bool {
	l, err := s.mailboxes(ctx, name)
	return err == nil && l.byName[name] != nil && l.byName[name].children
}

// parseSubscribe is SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
func parseSubscribe(on bool) func(*wire.Decoder, *session) (action[*session], error) {
	return parseName(func(ctx context.Context, s *session, name string) error {
		if on {
			ns, inner, err := s.resolve(name)
			if err != nil {
				return err
			}
			if ok, err := ns.Tree.Exists(inner); err != nil {
				return err
			} else if !ok {
				return no(imap.ResponseCodeNonExistent, "No such mailbox")
			}
		}
		return s.setSubscribed(ctx, name, on)
	})
}

// renameAction is RENAME (RFC 9051 §6.3.6).
type renameAction struct{ from, to string }

func parseRename(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	from := d.Mailbox()
	d.SP()
	to := d.Mailbox()
	d.CRLF()
	return &renameAction{from, to}, nil
}

func (a *renameAction) run(ctx context.Context, s *session, _ *responder) error {
	src, from, err := s.resolveOld(a.from)
	if err != nil {
		return err
	}
	dst, to, err := s.resolveNew(a.to)
	if err != nil {
		return err
	}
	if src != dst {
		return no(imap.ResponseCodeCannot, "A mailbox cannot be moved into another namespace")
	}
	if err := src.Tree.Rename(ctx, from, to); err != nil {
		return err
	}
	s.deselectGone(ctx)
	return nil
}

// deselectGone leaves the selected mailbox where this session's own command has removed it, as Dovecot does.
// It goes by the mailbox and not by its name, which a RENAME may have changed.
func (s *session) deselectGone(ctx context.Context) {
	if s.sel != nil && errIsGone(s.sel.Refresh(ctx)) {
		s.deselect()
	}
}
