package imapd

import (
	"context"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// searchAction is SEARCH and UID SEARCH (RFC 9051 §6.4.4), with the result options of RFC 4731.
type searchAction struct {
	uid      bool
	extended bool // RETURN was said: the answer is ESEARCH
	returns  resultOptions
	program  program
}

func parseSearch(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, s *session) (action[*session], error) {
		a := &searchAction{uid: uid}
		p := &searchParser{d: d, s: s}
		d.SP()
		word := p.word()
		if word == "RETURN" {
			a.extended = true
			d.SP()
			a.returns = parseResultOptions(d, s.srv.index)
			d.SP()
			word = p.word()
		}
		a.program = p.programFrom(word)
		d.CRLF()
		return a, a.returns.fit(&a.program)
	}
}

// fit refuses options that need another program (RFC 6203 §4).
func (o *resultOptions) fit(p *program) error {
	if o.does&wantsScores != 0 && !p.fuzzy {
		return bad("RELEVANCY needs a FUZZY search key")
	}
	return nil
}

func (a *searchAction) run(ctx context.Context, s *session, w *responder) error {
	found := &searchResult{tag: s.tag, uid: a.uid}
	if err := s.search(ctx, s.sel, a.program, &a.returns, found); err != nil {
		a.returns.forget(s.sel)
		return err
	}
	if a.extended {
		a.returns.save(s.sel, found)
		a.returns.write(w, found)
		return nil
	}
	w.untagged().Raw("SEARCH")
	for _, n := range found.nums {
		w.SP().Number(n)
	}
	w.CRLF()
	return nil
}

// search fills a result with what a program finds in a mailbox.
func (s *session) search(ctx context.Context, sel *selection, prog program, o *resultOptions, found *searchResult) error {
	return s.findIn(ctx, sel, prog, func(m *maildir.Message, score uint8) {
		n := m.Seq
		if found.uid {
			n = uint32(m.UID)
		}
		found.nums = append(found.nums, n)
		if o.does&wantsScores != 0 {
			found.scores = append(found.scores, score)
		}
	})
}
