package imapd

import (
	"context"
	"errors"
	"maps"
	"math"
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
	sources searchSources
	returns resultOptions
	program program
}

// searchSources is what the filter-mailboxes of a command mean together (RFC 5465 §6, RFC 7377 §4). "inboxes" are
// the mailboxes that mail may be delivered to: any, by programs that we know nothing of, and RFC 5465 §6.4 has us
// take "personal" then.
type searchSources struct {
	selected, personal, subscribed bool
	// named is how many levels below a mailbox belong to it: none for MAILBOXES, one for SUBTREE-ONE.
	named map[string]int
}

const allLevels = math.MaxInt

func parseMultiSearch(d *wire.Decoder, s *session) (action[*session], error) {
	a := &multiSearchAction{sources: searchSources{selected: true}}
	p := &searchParser{d: d, s: s}
	d.SP()
	word := p.word()
	if word == "IN" {
		d.SP()
		a.sources = searchSources{named: map[string]int{}}
		sources := 0
		d.List(func() { sources++; a.sources.add(d) })
		if sources == 0 {
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

// add reads one source.
func (x *searchSources) add(d *wire.Decoder) {
	switch kind := d.Keyword(); kind {
	case "SELECTED":
		x.selected = true
	case "INBOXES", "PERSONAL":
		x.personal = true
	case "SUBSCRIBED":
		x.subscribed = true
	case "MAILBOXES":
		x.addNamed(d, 0)
	case "SUBTREE-ONE":
		x.addNamed(d, 1)
	case "SUBTREE":
		x.addNamed(d, allLevels)
	case "SELECTED-DELAYED":
		d.Fail("SELECTED-DELAYED is not for ESEARCH") // RFC 7377 §2.2
	default:
		d.Fail("unknown ESEARCH source %s", kind)
	}
}

// addNamed reads a mailbox or a list of them.
func (x *searchSources) addNamed(d *wire.Decoder, levels int) {
	n := 0
	one := func() {
		n++
		name := d.Mailbox()
		x.named[name] = max(x.named[name], levels)
	}
	d.SP()
	if d.Peek() != '(' {
		one()
	} else if d.List(one); n == 0 {
		d.Fail("a source needs a mailbox")
	}
}

// others tells whether mailboxes may be meant that are not selected.
func (x *searchSources) others() bool { return x.personal || x.subscribed || len(x.named) > 0 }

// mean tells whether a mailbox is among the sources. LIST's mailboxes are a tree without loops: links lead to no
// mailbox a second time.
func (x *searchSources) mean(s *session, e *listed) bool {
	if x.subscribed && e.subscribed {
		return true
	}
	if x.personal {
		// A mailbox with an alias is meant once, by its own name.
		if name, err := s.actual(e.name); err == nil && name == e.name {
			if ns, _, err := s.place(name); err == nil && ns.Kind == Personal {
				return true
			}
		}
	}
	if _, ok := x.named[e.name]; ok {
		return true
	}
	above := e.name
	for level := 1; ; level++ {
		i := strings.LastIndexByte(above, e.separator)
		if i <= 0 {
			return false
		}
		if above = above[:i]; x.named[above] >= level {
			return true
		}
	}
}

// check refuses what RFC 7377 §2.2 calls BAD.
func (a *multiSearchAction) check(s *session) error {
	if a.sources.selected && s.sel == nil {
		return bad("No mailbox selected")
	}
	if a.sources.others() && a.returns.does&savesResult != 0 {
		return bad("SAVE goes with the selected mailbox only")
	}
	return a.returns.fit(&a.program)
}

func (a *multiSearchAction) run(ctx context.Context, s *session, w *responder) error {
	err := a.all(ctx, s, w)
	if err != nil {
		a.returns.forget(s.sel)
	}
	return err
}

// all searches one mailbox after the other.
func (a *multiSearchAction) all(ctx context.Context, s *session, w *responder) error {
	if a.program.refused != nil {
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
		if err := s.progress(0, 0); err != nil { // mailboxes without messages take time, too
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
			if ctx.Err() == nil && !errIsGone(err) && !errors.Is(err, maildir.ErrNoPermission) {
				s.log.Info("a search leaves out a mailbox", "mailbox", name, "err", err)
			}
			return ctx.Err()
		}
		defer h.Close()
		sel = &selection{Handle: h, name: name, examined: true}
	}
	if sel.May(maildir.DeedCount) != nil { // while it was selected, the right was taken away
		return nil
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
	if a.sources.selected {
		names = append(names, s.sel.name)
	}
	if !a.sources.others() {
		return names, nil
	}
	l, err := s.mailboxes(ctx, a.sources.patterns()...)
	if err != nil {
		return nil, err
	}
	subs, err := s.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	l.markSubscribed(subs)
	for _, e := range l.sorted() {
		if !e.nonExistent && a.sources.mean(s, e) && (!a.sources.selected || e.name != s.sel.name) {
			names = append(names, e.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.sources.named)) {
		if l.byName[name] == nil && (!a.sources.selected || name != s.sel.name) {
			names = append(names, name) // there may be a right to read what there is none to look up
		}
	}
	return names, nil
}

// patterns are LIST's for what may be meant, none for everything.
func (x *searchSources) patterns() []string {
	if x.personal || x.subscribed {
		return nil
	}
	var patterns []string
	for name := range x.named {
		patterns = append(patterns, name+"*")
	}
	return patterns
}
