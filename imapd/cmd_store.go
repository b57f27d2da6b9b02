package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// storeAction is STORE and UID STORE (RFC 9051 §6.4.6).
type storeAction struct {
	set    imap.NumSet
	uid    bool
	op     maildir.StoreOp
	silent bool
	flags  []imap.Flag
}

func parseStore(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, _ *session) (action[*session], error) {
		a := &storeAction{uid: uid}
		d.SP()
		a.set = numSet(d, uid)
		d.SP()
		switch {
		case d.TrySpecial('+'):
			a.op = maildir.Add
		case d.TrySpecial('-'):
			a.op = maildir.Remove
		default:
			a.op = maildir.Replace
		}
		name, silent := strings.CutSuffix(d.Keyword(), ".SILENT")
		if a.silent = silent; name != "FLAGS" {
			d.Fail("expected FLAGS")
		}
		d.SP()
		a.flags = d.StoreFlags()
		d.CRLF()
		return a, nil
	}
}

func (a *storeAction) run(ctx context.Context, s *session, w *responder) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := checkFlags(a.flags); err != nil {
		return err
	}
	uids, err := s.uids(a.set)
	if err != nil || len(uids) == 0 {
		return err
	}
	first, gone := true, false
	each := func(m maildir.Message) {
		if first && s.sel.keywordsGrew() {
			s.writeFlags(w) // before a flag is used for the first time
		}
		first = false
		if gone = gone || m.Gone; m.Gone || m.Seq == 0 || a.silent {
			return
		}
		w.untagged().Number(m.Seq).Raw(" FETCH (")
		if a.uid {
			w.Raw("UID ").Number(uint32(m.UID)).SP()
		}
		w.Raw("FLAGS ")
		s.writeMessageFlags(w, &m)
		w.Special(')').CRLF()
	}
	if _, err := s.sel.Store(ctx, uids, a.op, a.flags, 0, each); err != nil {
		return err
	}
	if gone {
		return no(codeExpungeIssued, "Some of the messages no longer exist")
	}
	return nil
}
