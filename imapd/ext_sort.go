package imapd

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extSort is RFC 5256's SORT with the keys of RFC 5957 and, in RELEVANCY, RFC 6203, and the result options of
// RFC 5267 §3.
var extSort = extension{
	after: []imap.Cap{"SORT", "SORT=DISPLAY", "ESORT"},
	commands: []command[*session]{
		{name: "SORT", in: selected, does: holdsExpunge | onlyAnswers, parse: parseSort(false)},
		{name: "UID SORT", in: selected, does: onlyAnswers, parse: parseSort(true)},
	},
}

// sortKeyNames are the sort keys (RFC 5256 §5, RFC 5957 §4, RFC 6203 §7).
var sortKeyNames = map[string]sortKey{
	"ARRIVAL": keyArrival, "CC": keyCc, "DATE": keySent, "FROM": keyFrom, "SIZE": keySize, "SUBJECT": keySubject, "TO": keyTo,
	"DISPLAYFROM": keyDisplayFrom, "DISPLAYTO": keyDisplayTo,
	"RELEVANCY": keyRelevancy,
}

type sortAction struct {
	uid      bool
	extended bool
	returns  resultOptions
	by       []sortCriterion
	program  program
}

// SORT [RETURN (options)] (criteria) charset keys
func parseSort(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, s *session) (action[*session], error) {
		a := &sortAction{uid: uid}
		d.SP()
		if d.Peek() != '(' {
			if d.Keyword() != "RETURN" {
				d.Fail("sort criteria begin with a parenthesis")
			}
			a.extended = true
			d.SP()
			a.returns = parseResultOptions(d, s.srv.index)
			d.SP()
		}
		d.List(func() { a.criterion(d) })
		if len(a.by) == 0 {
			d.Fail("no sort criterion")
		}
		a.program = parseCharsetProgram(d, s)
		d.CRLF()
		return a, a.fit()
	}
}

// criterion reads one, with REVERSE before it or not. One that comes again changes nothing.
func (a *sortAction) criterion(d *wire.Decoder) {
	name := d.Keyword()
	reverse := name == "REVERSE"
	if reverse {
		d.SP()
		name = d.Keyword()
	}
	key, ok := sortKeyNames[name]
	if !ok {
		d.Fail("unknown sort key %s", name)
		return
	}
	if !slices.ContainsFunc(a.by, func(c sortCriterion) bool { return c.key == key }) {
		a.by = append(a.by, sortCriterion{key, reverse})
	}
}

func (a *sortAction) fit() error {
	for _, c := range a.by {
		if c.key == keyRelevancy && !a.program.fuzzy {
			return bad("RELEVANCY needs a FUZZY search key")
		}
	}
	return a.returns.fit(&a.program)
}

// parseCharsetProgram reads the charset, which SORT and THREAD must name, and the keys.
func parseCharsetProgram(d *wire.Decoder, s *session) program {
	p := &searchParser{d: d, s: s}
	d.SP()
	p.setCharset(d.AString())
	d.SP()
	return p.program()
}

func (a *sortAction) run(ctx context.Context, s *session, w *responder) error {
	g := sortings.Get().(*sorting)
	defer g.release()
	var need keySet
	for _, c := range a.by {
		need |= 1 << c.key
	}
	t, err := g.find(ctx, s, a.program, need&^(1<<keyRelevancy))
	if err != nil {
		a.returns.forget(s.sel)
		return err
	}
	t.sort(g, a.by)
	if a.extended {
		a.writeExtended(s, w, g)
		return nil
	}
	w.untagged().Raw("SORT")
	for _, row := range g.rows {
		w.SP().Number(g.number(a.uid, row))
	}
	w.CRLF()
	return nil
}

// writeExtended is the ESEARCH response in the order of the sort (RFC 5267 §3.1).
func (a *sortAction) writeExtended(s *session, w *responder, g *sorting) {
	r := &searchResult{tag: s.tag, uid: a.uid, nums: make([]uint32, len(g.rows))}
	for i, row := range g.rows {
		r.nums[i] = g.number(a.uid, row)
	}
	if a.returns.does&wantsScores != 0 {
		for _, row := range g.rows {
			r.scores = append(r.scores, g.scores[row])
		}
	}
	a.returns.save(s.sel, r)
	a.returns.write(w, r)
}
