package imapd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// listOption is one selection or return option of LIST (RFC 5258 §3). Options with arguments read them.
type listOption struct {
	name  string
	apply func(d *wire.Decoder, s *session, l *listAction)
}

// listDetail writes a line about a mailbox that LIST has answered, for a return option.
type listDetail struct {
	option string
	write  func(ctx context.Context, s *session, w *responder, e *listed) error
}

// listAction is LIST in the forms of RFC 9051 §6.3.9 and RFC 5258, LSUB, and XLIST.
type listAction struct {
	verb      string // what the answer lines begin with
	reference string
	patterns  []string
	extended  bool // selection or return options, or several patterns, were given

	onlySubscribed, onlySpecial, recursive bool
	returnSubscribed                       bool
	// details write what else is to be said of a mailbox behind its line. One that cannot be told is left out.
	details []listDetail
	// attributes turns special uses into what this verb calls them.
	attributes func(e *listed) []imap.MailboxAttr
}

func parseList(d *wire.Decoder, s *session) (action[*session], error) {
	a := &listAction{verb: "LIST", attributes: func(e *listed) []imap.MailboxAttr { return e.uses }}
	d.SP()
	if d.Peek() == '(' {
		a.extended = true
		parseListOptions(d, s, a, s.srv.index.listSelects)
		d.SP()
	}
	a.reference = d.Mailbox()
	d.SP()
	if d.Peek() == '(' {
		a.extended = true
		d.List(func() { a.patterns = append(a.patterns, d.ListMailbox()) })
		if len(a.patterns) == 0 {
			d.Fail("LIST needs at least one pattern")
		}
	} else {
		a.patterns = []string{d.ListMailbox()}
	}
	if d.TrySP() {
		a.extended = true
		if word := d.Keyword(); word != "RETURN" {
			d.Fail("expected RETURN")
		}
		d.SP()
		parseListOptions(d, s, a, s.srv.index.listReturns)
	}
	d.CRLF()
	if a.recursive && !a.onlySubscribed && !a.onlySpecial && d.Err() == nil {
		return nil, bad("RECURSIVEMATCH needs another selection option") // RFC 5258 §3.1
	}
	return a, nil
}

func parseListOptions(d *wire.Decoder, s *session, a *listAction, known map[string]*listOption) {
	d.List(func() {
		name := d.Keyword()
		o := known[name]
		if o == nil {
			d.Fail("unknown LIST option %s", name)
			return
		}
		o.apply(d, s, a)
	})
}

// tell has a detail told of each mailbox, once however often it is asked for.
func (a *listAction) tell(d listDetail) {
	if i := slices.IndexFunc(a.details, func(o listDetail) bool { return o.option == d.option }); i >= 0 {
		a.details[i] = d
		return
	}
	a.details = append(a.details, d)
}

func (a *listAction) run(ctx context.Context, s *session, w *responder) error {
	if !a.extended && a.patterns[0] == "" { // asks for the separator, RFC 9051 §6.3.9
		w.untagged().Raw(a.verb).Raw(` (\Noselect) `)
		w.separator(s.separatorOf(a.reference))
		w.Raw(` ""`).CRLF()
		return nil
	}
	for i := range a.patterns {
		a.patterns[i] = a.reference + a.patterns[i]
	}
	l, err := s.mailboxes(ctx, a.patterns...)
	if err != nil {
		return err
	}
	if a.onlySubscribed || a.returnSubscribed {
		subs, err := s.subscriptions(ctx)
		if err != nil {
			return err
		}
		if a.onlySubscribed {
			l.subscribe(subs)
		} else {
			l.markSubscribed(subs)
		}
	}
	for _, e := range l.sorted() {
		if !a.matches(l, e) || !a.selects(e) && !a.leadsTo(l, e) {
			continue
		}
		a.write(w, l, e)
		if e.nonExistent || !a.selects(e) { // RFC 5819 §2, RFC 8440 §3: not of one shown for those below it
			continue
		}
		for _, detail := range a.details {
			if err := detail.write(ctx, s, w, e); err != nil {
				if !errors.Is(err, maildir.ErrNoPermission) && !errIsGone(err) { // those are no news
					s.log.Info("not all was told of a mailbox in a list", "mailbox", e.name, "err", err)
				}
			}
		}
	}
	return nil
}

// markSubscribed marks those that are there, for RETURN (SUBSCRIBED).
func (l *listing) markSubscribed(subs []listed) {
	for i := range subs {
		if e := l.byName[subs[i].name]; e != nil {
			e.subscribed = true
		}
	}
}

func (a *listAction) selects(e *listed) bool {
	return (!a.onlySubscribed || e.subscribed) && (!a.onlySpecial || len(e.uses) > 0)
}

// leadsTo is RECURSIVEMATCH: a mailbox that is not selected is shown for the sake of one below it that is,
// and that does not show itself (RFC 5258 §3.5: redundant CHILDINFO is suppressed).
func (a *listAction) leadsTo(l *listing, e *listed) bool {
	return a.recursive && l.below(e, func(sub *listed) bool { return a.selects(sub) && !a.matches(l, sub) })
}

func (a *listAction) matches(l *listing, e *listed) bool {
	return slices.ContainsFunc(a.patterns, func(pattern string) bool { return l.shown(e, pattern) })
}

// write is one LIST line (RFC 9051 §7.3.1).
func (a *listAction) write(w *responder, l *listing, e *listed) {
	w.untagged().Raw(a.verb).Raw(" (")
	sep := false
	if e.nonExistent {
		if a.extended {
			spaced(w, &sep).Raw(`\NonExistent`)
		} else {
			spaced(w, &sep).Raw(`\Noselect`)
		}
	}
	switch {
	case e.noInferiors:
		spaced(w, &sep).Raw(`\Noinferiors`)
	case e.children:
		spaced(w, &sep).Raw(`\HasChildren`)
	default:
		spaced(w, &sep).Raw(`\HasNoChildren`)
	}
	if e.subscribed {
		spaced(w, &sep).Raw(`\Subscribed`)
	}
	for _, use := range a.attributes(e) {
		spaced(w, &sep).Raw(string(use))
	}
	w.Raw(") ")
	w.separator(e.separator)
	w.SP().Mailbox(e.name)
	if criteria := a.childInfo(l, e); criteria != "" {
		w.Raw(` ("CHILDINFO" (`).Raw(criteria).Raw("))") // RFC 5258 §3.5
	}
	w.CRLF()
}

// childInfo names the selection options that some mailbox below e meets.
func (a *listAction) childInfo(l *listing, e *listed) string {
	if !a.recursive || !l.below(e, a.selects) {
		return ""
	}
	switch {
	case !a.onlySpecial:
		return `"SUBSCRIBED"`
	case !a.onlySubscribed:
		return `"SPECIAL-USE"`
	}
	return `"SUBSCRIBED" "SPECIAL-USE"`
}

func (w *responder) separator(c byte) { w.Special('"').Special(c).Special('"') }

// parseLsub is LSUB (RFC 3501 §6.3.9).
func parseLsub(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	reference := d.Mailbox()
	d.SP()
	pattern := d.ListMailbox()
	d.CRLF()
	return actionFunc[*session](func(ctx context.Context, s *session, w *responder) error {
		subs, err := s.subscriptions(ctx)
		if err != nil {
			return err
		}
		l := newListing()
		l.subscribe(subs)
		percent := strings.ContainsRune(pattern, '%')
		hidden := func(sub *listed) bool {
			return percent && sub.subscribed && !matches(reference+pattern, sub.name, sub.separator)
		}
		for _, e := range l.sorted() {
			// A level that is not subscribed shows only for the sake of a "%" that hides what is below.
			if !matches(reference+pattern, e.name, e.separator) || !e.subscribed && !l.below(e, hidden) {
				continue
			}
			w.untagged().Raw("LSUB (")
			if !e.subscribed {
				w.Raw(`\Noselect`)
			}
			w.Raw(") ")
			w.separator(e.separator)
			w.SP().Mailbox(e.name).CRLF()
		}
		return nil
	}), nil
}
