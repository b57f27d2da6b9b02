package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// extQuota is RFC 9208: what a user's mail comes to, and may come to. Limits are the administrator's, so there
// is no QUOTASET; SETQUOTA is known, and refused.
var extQuota = extension{
	after: []imap.Cap{"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"},
	commands: []command[*session]{
		{name: "GETQUOTA", in: anyState, parse: parseGetQuota},
		{name: "GETQUOTAROOT", in: anyState, parse: parseGetQuotaRoot},
		{name: "SETQUOTA", in: anyState, parse: parseSetQuota},
	},
	// RFC 9208 §4.1.4: what EXPUNGE would give back; DELETED is core's.
	statusItems: []statusItem{{"DELETED-STORAGE", func(ctx context.Context, _ *session, h *maildir.Handle, _ maildir.Counts) (int64, error) {
		_, deleted, err := h.TotalSize(ctx)
		return kilobytes(deleted), err
	}}},
}

// quotaRootName is the name that most of Dovecot's configurations give theirs: clients show it.
const quotaRootName = "User quota"

// quotaTree is a tree whose mail is counted. Others have no quota root.
type quotaTree interface {
	Quota(ctx context.Context) (u maildir.QuotaUsage, limited bool, err error)
}

// quotaRoot is one quota root and what it holds.
type quotaRoot struct {
	name string
	use  maildir.QuotaUsage
}

// quotaRootOf is the quota root of a namespace, nil where there is none. What other users' mail comes to is for those
// users to know.
func quotaRootOf(ctx context.Context, ns *Namespace) (*quotaRoot, error) {
	t, ok := ns.Tree.(quotaTree)
	if !ok || ns.Kind == OtherUsers {
		return nil, nil
	}
	root := &quotaRoot{name: quotaRootName}
	if n, ok := ns.Tree.(interface{ QuotaName() string }); ok {
		root.name = n.QuotaName()
	}
	use, limited, err := t.Quota(ctx)
	if err != nil || !limited || root.name == "" {
		return nil, err
	}
	root.use = use
	return root, nil
}

// kilobytes are RFC 9208's unit of STORAGE (§5.1), each begun one counting, as Dovecot has it.
func kilobytes(n int64) int64 { return (n + 1023) / 1024 }

// writeQuota answers a QUOTA response (RFC 9208 §4.2.1). Resources without a limit are not in it.
func writeQuota(w *responder, root *quotaRoot) {
	u := &root.use
	w.untagged().Raw("QUOTA ").AString(root.name).SP()
	w.Special('(')
	if u.Storage > 0 {
		w.Raw("STORAGE ").Number64(kilobytes(u.Bytes)).SP().Number64(kilobytes(u.Storage))
	}
	if u.Messages > 0 {
		if u.Storage > 0 {
			w.SP()
		}
		w.Raw("MESSAGE ").Number64(u.Count).SP().Number64(u.Messages)
	}
	w.Special(')').CRLF()
}

// parseGetQuota is GETQUOTA (RFC 9208 §4.1.1).
func parseGetQuota(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	name := d.AString()
	d.CRLF()
	return actionFunc[*session](func(ctx context.Context, s *session, w *responder) error {
		for i := range s.mail.Namespaces {
			root, err := quotaRootOf(ctx, &s.mail.Namespaces[i])
			if err != nil {
				return err
			}
			if root != nil && root.name == name {
				writeQuota(w, root)
				return nil
			}
		}
		return no(imap.ResponseCodeNonExistent, "No such quota root")
	}), nil
}

// parseGetQuotaRoot is GETQUOTAROOT (RFC 9208 §4.1.2). A user's own mailbox need not exist: a client may ask what will
// be counted before it creates one. Of others the answer would tell that there is one, which not all may know.
func parseGetQuotaRoot(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	name := d.Mailbox()
	d.CRLF()
	return actionFunc[*session](func(ctx context.Context, s *session, w *responder) error {
		ns, inner, err := s.resolve(name)
		if err != nil {
			return err
		}
		if t, ok := ns.Tree.(aclTree); ok && ns.Kind != Personal {
			if _, err := t.Rights(ctx, inner); err != nil {
				return err
			}
		}
		root, err := quotaRootOf(ctx, ns)
		if err != nil {
			return err
		}
		w.untagged().Raw("QUOTAROOT ").Mailbox(name)
		if root != nil {
			w.SP().AString(root.name)
		}
		w.CRLF()
		if root != nil {
			writeQuota(w, root)
		}
		return nil
	}), nil
}

// parseSetQuota is SETQUOTA (RFC 9208 §4.1.3).
func parseSetQuota(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	d.AString()
	d.SP()
	if !d.TrySpecial('(') {
		d.Fail("expected a list of limits")
	} else if !d.TrySpecial(')') {
		for more := true; more && d.Err() == nil; more = d.TrySP() {
			d.Atom()
			d.SP()
			d.Number64()
		}
		d.Special(')')
	}
	d.CRLF()
	return actionFunc[*session](func(context.Context, *session, *responder) error {
		return no(imap.ResponseCodeNoPerm, "Limits are set by the administrator")
	}), nil
}
