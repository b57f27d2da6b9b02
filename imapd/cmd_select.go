package imapd

import (
	"context"
	"errors"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// selectAction is SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3).
type selectAction struct {
	mailbox string
	examine bool
}

func parseSelect(examine bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, _ *session) (action[*session], error) {
		d.SP()
		a := &selectAction{mailbox: d.Mailbox(), examine: examine}
		d.CRLF()
		return a, nil
	}
}

func (a *selectAction) run(ctx context.Context, s *session, w *responder) error {
	// The old mailbox is left even where the new one cannot be opened.
	if s.sel != nil {
		s.deselect()
		w.untaggedStatus("OK", "CLOSED", "Previous mailbox is closed")
	}
	mode := maildir.Select
	if a.examine {
		mode = maildir.Examine
	}
	h, err := s.open(ctx, a.mailbox, mode)
	if err != nil {
		return err
	}
	s.sel = &selection{Handle: h, name: a.mailbox, examined: a.examine}
	a.describe(s, w)
	return nil
}

// describe is what a client must know of the mailbox it opens, in the order of RFC 9051 §6.3.2.
func (a *selectAction) describe(s *session, w *responder) {
	h := s.sel
	if told := renumberedKey.of(s); h.Renumbered() && !told.names[a.mailbox] {
		if told.names == nil {
			told.names = make(map[string]bool)
		}
		told.names[a.mailbox] = true
		w.untaggedStatus("OK", "ALERT", "The list of this mailbox's UIDs was lost: everything in it will be read anew")
	}
	s.writeFlags(w)
	w.number(h.Count(), "EXISTS")
	w.number(h.Recent(), "RECENT")
	if n := h.FirstUnseen(); n > 0 {
		w.numericCode("UNSEEN", uint64(n), "First unseen message")
	}
	w.numericCode("UIDVALIDITY", uint64(h.UIDValidity()), "UIDs valid")
	w.numericCode("UIDNEXT", uint64(h.UIDNext()), "Predicted next UID")
	w.code, w.text = "READ-WRITE", "SELECT completed"
	if h.ReadOnly() {
		w.code = "READ-ONLY"
	}
	if a.examine {
		w.text = "EXAMINE completed"
	}
}

// renumberedTold is which mailboxes with a lost UIDVALIDITY a session has heard of.
type renumberedTold struct{ names map[string]bool }

var renumberedKey stateKey[renumberedTold]

// runClose expunges without a word and leaves the mailbox (RFC 9051 §6.4.1). One that was opened by EXAMINE, or
// where the user may not expunge, is only left (RFC 4314 §4).
func runClose(ctx context.Context, s *session, _ *responder) error {
	var err error
	if s.sel.May(maildir.DeedExpunge) == nil {
		err = s.expunge(ctx, nil)
	}
	s.deselect()
	return err
}

// errIsGone tells that a mailbox itself is not there, or no longer.
func errIsGone(err error) bool { return errors.Is(err, maildir.ErrNotExist) }
