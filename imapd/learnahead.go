package imapd

import (
	"context"

	"maildir-imapd/maildir"
)

// learner is an item that has something found out about the messages of a batch at once, before they are
// walked, if the cache lacks it.
type learner interface {
	// learns is the kind of section it is kept as; false: nothing is to be learnt.
	learns() (maildir.Kind, bool)
	learn(ctx context.Context, s *session, batch []maildir.Message) error
}

// learns lists the kinds of sections that the command wants of each message.
func (a *fetchAction) learns() []maildir.Kind {
	kinds := a.plainKinds()
	if a.need&needBody != 0 {
		kinds = append(kinds, maildir.KindBody)
	}
	for _, att := range a.items {
		if l, ok := att.(learner); ok {
			if k, ok := l.learns(); ok {
				kinds = append(kinds, k)
			}
		}
	}
	return kinds
}

// plainKinds are those that the store makes by itself.
func (a *fetchAction) plainKinds() (kinds []maildir.Kind) {
	if a.need&needFile != 0 && a.need&needStructure != 0 {
		return nil // read one after the other, by those who send them
	}
	for _, k := range [...]struct {
		need needs
		kind maildir.Kind
	}{{needEnvelope, maildir.KindEnvelope}, {needFields, maildir.KindFields}, {needStructure, maildir.KindStructure}} {
		if a.need&k.need != 0 {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// lacks tells whether learn has anything to do.
func (a *fetchAction) lacks(s *session, batch []maildir.Message) bool {
	if a.need&needAttrs != 0 {
		for i := range batch {
			if batch[i].Size < 0 || batch[i].InternalDate.IsZero() {
				return true
			}
		}
	}
	return len(a.kinds) > 0 && s.sel.Lacks(batch, a.kinds...)
}

// learn has the messages of a batch read side by side where the cache lacks what is needed of them, or memory
// does. It runs beside the session's goroutine, which writes the batch before.
func (a *fetchAction) learn(ctx context.Context, s *session, batch []maildir.Message) error {
	if a.need&needBody != 0 {
		if err := a.learnBodies(ctx, s, batch); err != nil {
			return err
		}
	}
	for _, att := range a.items {
		if l, ok := att.(learner); ok {
			if err := l.learn(ctx, s, batch); err != nil {
				return err
			}
		}
	}
	if kinds := a.plainKinds(); len(kinds) > 0 {
		if err := s.sel.Learn(ctx, batch, kinds...); err != nil {
			return err
		}
	}
	if a.need&needAttrs != 0 {
		return s.sel.Load(ctx, batch)
	}
	return nil
}

// learnBodies has the structures of messages read and rendered side by side, where the cache lacks them.
func (a *fetchAction) learnBodies(ctx context.Context, s *session, batch []maildir.Message) error {
	if a.crew == nil {
		a.crew = make([]msgData, s.sel.Readers().Workers())
	}
	return s.sel.LearnBy(ctx, batch, func(worker int, r *maildir.Reader, msg *maildir.Message) {
		m := &a.crew[worker]
		m.reset(msg)
		m.reader = r
		_ = m.loadBody(ctx) // the walk will find the error
	}, maildir.KindBody)
}

// flushCache ends a command that has learnt of messages: what is worth a write is written once the answer is
// out.
func (s *session) flushCache() {
	h := s.sel.Handle
	h.Release()
	if h.CacheDue() {
		s.then = func() error {
			h.FlushCache()
			return nil
		}
	}
}
