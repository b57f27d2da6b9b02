package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// extMultiSearch is RFC 7377.
var extMultiSearch = extension{
	after:    []imap.Cap{imap.CapMultiSearch},
	commands: []command[*session]{{name: "ESEARCH", in: anyState, does: onlyAnswers, parse: parseMultiSearch}},
}

// multiSearchAction is ESEARCH.
type multiSearchAction struct {
	sources []searchSource
	returns resultOptions
	program program
}

// searchSource is one filter-mailboxes (RFC 5465 §6, RFC 7377 §4).
type searchSource struct {
	kind  string
	names []string
}

// sourceKinds are the kinds that may be asked for, and whether names follow. "inboxes" are the mailboxes that
// mail may be delivered to: any, by programs that we know nothing of, and RFC 5465 §6.4 has us take "personal"
// then.
var sourceKinds = map[string]bool{
	"SELECTED": false, "INBOXES": false, "PERSONAL": false, "SUBSCRIBED": false,
	"SUBTREE": true, "SUBTREE-ONE": true, "MAILBOXES": true,
}

func parseMultiSearch(d *wire.Decoder, s *session) (action[*session], error) {
	a := &multiSearchAction{sources: []searchSource{{kind: "SELECTED"}}}
	p := &searchParser{d: d, s: s}
	d.SP()
	word := p.word()
	if word == "IN" {
		d.SP()
		a.sources = nil
		d.List(func() { a.source(d) })
		if len(a.sources) == 0 {
			d.Fail("ESEARCH IN needs a source")
		}
		d.SP()
		word = p.word()
	}
	if word == "RETURN" {
		d.SP()
		a.returns = parseResultOptions(d, s.srv.index)
		d.SP()
		word = p.word()
	} else {
		a.returns.addAll(d, s.srv.index)
	}
	a.program = p.programFrom(word)
	d.CRLF()
	return a, a.check(s)
}

func (a *multiSearchAction) source(d *wire.Decoder) {
	kind := d.Keyword()
	named, ok := sourceKinds[kind]
	switch {
	case kind == "SELECTED-DELAYED":
		d.Fail("SELECTED-DELAYED is not for ESEARCH") // RFC 7377 §2.2
	case !ok:
		d.Fail("unknown ESEARCH source %s", kind)
	}
	src := searchSource{kind: kind}
	if named && d.Err() == nil {
		d.SP()
		if d.Peek() == '(' {
			d.List(func() { src.names = append(src.names, d.Mailbox()) })
			if len(src.names) == 0 {
				d.Fail("%s needs a mailbox", kind)
			}
		} else {
			src.names = []string{d.Mailbox()}
		}
	}
	a.sources = append(a.sources, src)
}

// check refuses what RFC 7377 §2.2 calls BAD.
func (a *multiSearchAction) check(s *session) error {
	for _, src := range a.sources {
		switch {
		case src.kind == "SELECTED" && s.sel == nil:
			return bad("No mailbox selected")
		case src.kind != "SELECTED" && a.returns.does&savesResult != 0:
			return bad("SAVE goes with the selected mailbox only")
		}
	}
	return a.returns.fit(&a.program)
}

func (a *multiSearchAction) run(ctx context.Context, s *session, w *responder) error {
	if a.program.refused != nil {
		if a.returns.does&savesResult != 0 {
			s.sel.saved = nil // RFC 5182 §2.1
		}
		return a.program.refused
	}
	names, err := a.mailboxes(ctx, s)
	if err != nil {
		return err
	}
	s.slow.several = len(names) > 1
	for _, name := range names {
		if err := a.one(ctx, s, w, name); err != nil {
			return err
		}
	}
	return nil
}

// one searches one mailbox and answers for it, if it has messages that match.
func (a *multiSearchAction) one(ctx context.Context, s *session, w *responder, name string) error {
	sel := s.sel
	if sel == nil || sel.name != name {
		h, err := s.open(ctx, name, maildir.Peek)
		if err != nil { // not there, or not for this user, which is not to be told apart (§5)
			if ctx.Err() == nil {
				s.log.Info("a search leaves out a mailbox", "mailbox", name, "err", err)
			}
			return ctx.Err()
		}
		defer h.Close()
		if h.Rights()&maildir.RightRead == 0 {
			return nil
		}
		sel = &selection{Handle: h, name: name, readOnly: true}
	}
	found := &searchResult{tag: s.tag, mailbox: name, validity: sel.UIDValidity(), uid: true}
	if err := s.search(ctx, sel, a.program, &a.returns, found); err != nil {
		return err
	}
	s.slow.past += sel.Count()
	if sel == s.sel {
		a.returns.save(sel, found)
	}
	if len(found.nums) > 0 {
		a.returns.write(w, found)
	}
	return nil
}

// mailboxes are the names that the sources mean, each once, the selected one first and the others in LIST's
// order.
func (a *multiSearchAction) mailboxes(ctx context.Context, s *session) ([]string, error) {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var l *listing
	for _, src := range a.sources {
		if src.kind == "SELECTED" {
			add(s.sel.name)
			continue
		}
		if l == nil {
			var err error
			if l, err = s.mailboxes(ctx); err != nil {
				return nil, err
			}
			subs, err := s.subscriptions(ctx)
			if err != nil {
				return nil, err
			}
			l.markSubscribed(subs)
		}
		for _, e := range l.sorted() {
			if !e.nonExistent && src.means(s, e) {
				add(e.name)
			}
		}
	}
	return names, nil
}

// means tells whether a source has a mailbox in it. LIST's mailboxes are a tree without loops: links lead to
// no mailbox a second time.
func (src *searchSource) means(s *session, e *listed) bool {
	switch src.kind {
	case "INBOXES", "PERSONAL":
		ns, _, err := s.resolve(e.name)
		return err == nil && ns.Kind == Personal
	case "SUBSCRIBED":
		return e.subscribed
	}
	for _, name := range src.names {
		if e.name == name {
			return true
		}
		below, ok := strings.CutPrefix(e.name, name+string(e.separator))
		switch {
		case !ok:
		case src.kind == "SUBTREE", src.kind == "SUBTREE-ONE" && strings.IndexByte(below, e.separator) < 0:
			return true
		}
	}
	return false
}
