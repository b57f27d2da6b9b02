package imapd

import (
	"cmp"
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// fetchAction is FETCH and UID FETCH (RFC 9051 §6.4.5).
type fetchAction struct {
	set   imap.NumSet
	uid   bool
	items []fetchAtt
	need  needs
	flags bool // FLAGS was asked for
	mods  []fetchModifier

	kinds []maildir.Kind // of sections of the cache that are learnt ahead
	crew  []msgData      // those who make structures as they are sent
}

// fetchMod is one row of what may follow the items of FETCH in parentheses (RFC 4466 §2.4).
type fetchMod struct {
	name  string
	parse func(d *wire.Decoder, uid bool) fetchModifier
}

// fetchModifier leaves some of the messages that a FETCH names.
type fetchModifier interface {
	narrow(s *session, uids imap.UIDSet) imap.UIDSet
}

func parseFetch(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, s *session) (action[*session], error) {
		a := &fetchAction{uid: uid}
		d.SP()
		a.set = numSet(d, uid)
		d.SP()
		if d.Peek() == '(' {
			d.List(func() { a.item(d, s.srv.index, d.Keyword()) })
			if len(a.items) == 0 {
				d.Fail("FETCH needs at least one item")
			}
		} else if name := d.Keyword(); fetchMacros[name] != nil {
			for _, name := range fetchMacros[name] {
				a.item(d, s.srv.index, name)
			}
		} else {
			a.item(d, s.srv.index, name)
		}
		if d.TrySP() {
			a.modifiers(d, s.srv.index)
		}
		d.CRLF()
		if uid { // a UID FETCH answers the UID asked for or not
			a.addUID(s.srv.index)
		}
		return a, nil
	}
}

func (a *fetchAction) item(d *wire.Decoder, x *index, name string) {
	item := x.fetchItems[name]
	if item == nil {
		d.Fail("unknown FETCH item %s", name)
		return
	}
	if att := item.parse(d); d.Err() == nil {
		a.items = append(a.items, att)
		a.need |= att.needs()
		a.flags = a.flags || name == "FLAGS"
	}
}

func (a *fetchAction) modifiers(d *wire.Decoder, x *index) {
	d.List(func() {
		name := d.Keyword()
		mod := x.fetchMods[name]
		if mod == nil {
			d.Fail("unknown FETCH modifier %s", name)
			return
		}
		a.mods = append(a.mods, mod.parse(d, a.uid))
	})
	if len(a.mods) == 0 {
		d.Fail("FETCH modifiers are missing")
	}
}

func (a *fetchAction) addUID(x *index) {
	uid := x.fetchItems["UID"].parse(nil)
	for _, att := range a.items {
		if att == uid {
			return
		}
	}
	a.items = append([]fetchAtt{uid}, a.items...)
}

func (a *fetchAction) run(ctx context.Context, s *session, w *responder) error {
	uids, err := s.uids(a.set)
	for _, mod := range a.mods {
		uids = mod.narrow(s, uids)
	}
	if err != nil || len(uids) == 0 {
		return err
	}
	if s.utf8 && a.need&needBody != 0 { // who speaks UTF-8 sees another structure than the one that is kept
		a.need = a.need&^needBody | needStructure
	}
	var seen imap.UIDSet // messages that this FETCH marks \Seen
	if a.need&setsSeen != 0 && s.sel.May(maildir.DeedSeen) == nil {
		if seen, err = s.markSeen(ctx, uids); err != nil {
			return err
		}
	}
	defer s.flushCache()
	return a.answer(ctx, s, w, uids, seen)
}

// answer writes the FETCH lines. What a message needs is learnt, or read, while those before it are written.
func (a *fetchAction) answer(ctx context.Context, s *session, w *responder, uids, seen imap.UIDSet) (err error) {
	m := &msgData{reader: &s.sel.Reader}
	defer m.close()
	a.kinds = a.learns()
	var failed error // the first message that could not be had; the others are answered all the same
	write := func(ctx context.Context, batch []maildir.Message, bodies [][]byte) error {
		for i := range batch {
			m.reset(&batch[i])
			if bodies != nil {
				m.ready = bodies[i]
			}
			err := a.message(ctx, s, w, m, len(seen) > 0 && contains(seen, batch[i].UID))
			if errors.Is(err, errBrokenAnswer) {
				return err
			}
			if err != nil && (failed == nil || errors.Is(failed, maildir.ErrExpunged)) {
				failed = err
			}
		}
		if bodies != nil { // their room is wanted
			if err := w.send(); err != nil {
				return err
			}
		}
		if err := w.Err(); err != nil {
			return err
		}
		return ctx.Err()
	}
	lacks := func(batch []maildir.Message) bool { return a.lacks(s, batch) }
	learn := func(ctx context.Context, batch []maildir.Message) error { return a.learn(ctx, s, batch) }
	if ahead := a.ahead(s, uids); ahead != nil {
		s.c.startGather()
		defer func() { err = cmp.Or(s.c.endGather(), err) }()
		ahead.send = write
		ahead.learn = func(ctx context.Context, batch []maildir.Message) error {
			if !lacks(batch) {
				return nil
			}
			return learn(ctx, batch)
		}
		return cmp.Or(ahead.run(ctx, uids), failed)
	}
	return cmp.Or(s.sel.walkAhead(ctx, uids, stepAhead{lacks: lacks, prepare: learn, do: func(batch []maildir.Message) error {
		return write(ctx, batch, nil)
	}}), failed)
}

// message writes the FETCH line of one message, or nothing when the message cannot be had.
func (a *fetchAction) message(ctx context.Context, s *session, w *responder, m *msgData, seen bool) error {
	need := a.need
	if m.ready != nil { // nobody needs the file, unless it turns out so on the way
		need &^= needFile
	}
	if err := m.load(ctx, need); err != nil {
		return err
	}
	for _, att := range a.items {
		if p, ok := att.(preparer); ok {
			if err := p.prepare(ctx, m); err != nil {
				return err
			}
		}
	}
	w.untagged().Number(m.Seq).Raw(" FETCH ")
	w.Special('(')
	for i, att := range a.items {
		if i > 0 {
			w.SP()
		}
		if err := att.write(s, w, m); err != nil {
			return errors.Join(err, errBrokenAnswer)
		}
	}
	if seen && !a.flags {
		w.Raw(" FLAGS ")
		s.writeMessageFlags(w, m.Message)
	}
	w.Special(')').CRLF()
	s.count.fetched++
	return nil
}

// markSeen sets \Seen on those that lack it, once for the whole command, and returns them.
func (s *session) markSeen(ctx context.Context, uids imap.UIDSet) (imap.UIDSet, error) {
	var unseen imap.UIDSet
	err := s.walk(uids, func(batch []maildir.Message) error {
		for i := range batch {
			if batch[i].Flags.System&maildir.Seen == 0 && !batch[i].Gone {
				unseen.AddNum(batch[i].UID)
			}
		}
		return nil
	})
	if err != nil || len(unseen) == 0 {
		return nil, err
	}
	_, err = s.sel.Store(ctx, unseen, maildir.Add, []imap.Flag{imap.FlagSeen}, 0, nil)
	return unseen, err
}
