package imapd

import (
	"context"
	"sync"

	"maildir-imapd/maildir"
)

// settle tells the client what changed in the selected mailbox, before the tagged line (RFC 9051 §7.4,
// §7.5). It decides alone which updates may go out: everything may, except EXPUNGE while a command that
// holds sequence numbers runs.
func (s *session) settle(ctx context.Context, row *command[*session], w *responder) error {
	s.tellAlerts(w)
	if s.sel == nil || row.does&(opensMailbox|quiet) != 0 {
		return nil
	}
	return s.update(ctx, w, row.does&holdsExpunge == 0)
}

// update looks at the mailbox and writes EXPUNGE, EXISTS, RECENT, FLAGS and FETCH lines. It is the only
// writer of unsolicited mailbox data.
func (s *session) update(ctx context.Context, w *responder, expunge bool) error {
	if err := s.lookedAt(w, s.sel.Refresh(ctx)); err != nil {
		return err
	}
	s.tell(w, expunge)
	return nil
}

// lookedAt judges the outcome of a look at the mailbox: it must be there, or the session ends.
func (s *session) lookedAt(w *responder, err error) error {
	if err == nil {
		return nil
	}
	if errIsGone(err) {
		return s.mailboxGone(w)
	}
	s.log.Warn("looking at the mailbox failed; its last known state is served", "mailbox", s.sel.name, "err", err)
	return nil
}

// tell writes what has changed since the client was told last. Who may no longer read is told nothing.
func (s *session) tell(w *responder, expunge bool) {
	if s.sel.May(maildir.DeedOpen) != nil {
		return
	}
	d := deltas.Get().(*maildir.Delta)
	defer deltas.Put(d)
	for d.More = true; d.More && w.Err() == nil; {
		s.sel.Sync(expunge, d)
		s.writeDelta(w, d)
	}
}

// deltas are lent to sessions while they tell their clients of changes: an idle session keeps none.
var deltas = sync.Pool{New: func() any { return new(maildir.Delta) }}

func (s *session) writeDelta(w *responder, d *maildir.Delta) {
	for _, seq := range d.Expunged {
		w.number(seq, "EXPUNGE")
	}
	if d.ExistsChanged {
		w.number(d.Exists, "EXISTS")
	}
	if d.RecentChanged {
		w.number(d.Recent, "RECENT")
	}
	if d.NewKeywords && s.sel.keywordsGrew() {
		s.writeFlags(w)
	}
	for i := range d.Flags {
		s.writeFlagUpdate(w, &d.Flags[i])
	}
}

// mailboxGone ends a session whose selected mailbox was deleted by somebody else: what the client holds
// means nothing any more, and RFC 9051 has no softer way (§6.3.4 lets the server close the connection).
func (s *session) mailboxGone(w *responder) error {
	s.deselect()
	return bye("", "The selected mailbox was deleted")
}

// writeFlagUpdate is the unsolicited FETCH of RFC 9051 §7.5.2. It carries the UID: clients that count by
// UID need it, the others ignore it.
func (s *session) writeFlagUpdate(w *responder, m *maildir.Message) {
	if m.Seq == 0 {
		return
	}
	w.untagged().Number(m.Seq).Raw(" FETCH (UID ").Number(uint32(m.UID)).Raw(" FLAGS ")
	s.writeMessageFlags(w, m)
	w.Special(')').CRLF()
}

// spaced writes a space before every item but the first.
func spaced(w *responder, sep *bool) *responder {
	if *sep {
		w.SP()
	}
	*sep = true
	return w
}
