package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// searchAction is SEARCH and UID SEARCH (RFC 9051 §6.4.4), with the result options of RFC 4731.
type searchAction struct {
	uid      bool
	extended bool // RETURN was said: the answer is ESEARCH
	returns  []*searchReturn
	program  program
	charset  error // the charset is not known
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
			d.List(func() { a.option(d, s.srv.index) })
			if len(a.returns) == 0 { // RFC 4731 §3.1: "()" means ALL
				a.returns = append(a.returns, s.srv.index.searchReturns["ALL"])
			}
			d.SP()
			word = p.word()
		}
		if word == "CHARSET" {
			d.SP()
			p.setCharset(d.AString())
			d.SP()
			word = p.word()
		}
		nodes := []searchNode{p.key(word)}
		for d.TrySP() {
			nodes = append(nodes, p.key(p.word()))
		}
		d.CRLF()
		a.program, a.charset = newProgram(nodes), p.badCharset
		return a, nil
	}
}

func (a *searchAction) option(d *wire.Decoder, x *index) {
	name := d.Keyword()
	option := x.searchReturns[name]
	if option == nil {
		d.Fail("unknown SEARCH result option %s", name)
	}
	if !slices.Contains(a.returns, option) {
		a.returns = append(a.returns, option)
	}
}

func (a *searchAction) run(ctx context.Context, s *session, w *responder) error {
	if a.charset != nil {
		return a.charset
	}
	found, err := s.search(ctx, a.program, a.uid)
	if err != nil {
		return err
	}
	if a.extended {
		a.writeExtended(s, w, found)
		return nil
	}
	w.untagged().Raw("SEARCH")
	for _, n := range found {
		w.SP().Number(n)
	}
	w.CRLF()
	return nil
}

// search runs a program over the view and returns numbers or UIDs in ascending order.
func (s *session) search(ctx context.Context, prog program, uid bool) ([]uint32, error) {
	last := s.sel.MaxUID()
	if last == 0 {
		return nil, nil
	}
	defer s.sel.FlushCache()
	run := &searchRun{s: s, m: msgData{reader: &s.sel.Reader}}
	defer run.m.close()
	if err := prog.bind(s); err != nil {
		return nil, err
	}
	var found []uint32
	err := s.walk(imap.UIDSet{{Start: 1, Stop: last}}, func(batch []maildir.Message) error {
		batch, err := prog.filter(ctx, run, batch)
		for i := range batch {
			if uid {
				found = append(found, uint32(batch[i].UID))
			} else {
				found = append(found, batch[i].Seq)
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		return err
	})
	if run.failed != nil {
		s.log.Warn("a search passed over messages that cannot be read", "mailbox", s.sel.name, "err", run.failed)
	}
	return found, err
}

// searchReturn is one result option (RFC 4466 §2.6, RFC 4731): it writes its part of the ESEARCH response.
type searchReturn struct {
	name  string
	write func(w *responder, found []uint32)
}

// writeExtended is the ESEARCH response (RFC 9051 §7.3.4).
func (a *searchAction) writeExtended(s *session, w *responder, found []uint32) {
	w.untagged().Raw("ESEARCH (TAG ").String(s.tag).Special(')')
	if a.uid {
		w.Raw(" UID")
	}
	for _, option := range a.returns {
		option.write(w, found)
	}
	w.CRLF()
}

// searchParser reads search keys.
type searchParser struct {
	d          *wire.Decoder
	s          *session
	decode     func(string) (string, error) // nil: UTF-8
	badCharset error
}

// word reads the name of a key, "" where the next key is a set or a group.
func (p *searchParser) word() string {
	switch c := p.d.Peek(); {
	case c == '(', c == '*', c == '$', c >= '0' && c <= '9':
		return ""
	}
	return p.d.Keyword()
}

// key reads one search key whose name has been read. What does not parse becomes a key that can be sorted
// and nested like any other, though it is never run.
func (p *searchParser) key(word string) searchNode {
	if p.d.Err() == nil {
		if n := p.knownKey(word); p.d.Err() == nil {
			return n
		}
	}
	return noMessage{}
}

func (p *searchParser) knownKey(word string) searchNode {
	d := p.d
	if word == "" {
		if d.Peek() == '(' {
			var nodes []searchNode
			d.List(func() { nodes = append(nodes, p.key(p.word())) })
			if len(nodes) == 0 {
				d.Fail("an empty group of search keys")
			}
			return newProgram(nodes)
		}
		return &setNode{set: numSet(d, false)}
	}
	k := p.s.srv.index.searchKeys[word]
	if k == nil {
		d.Fail("unknown search key %s", word)
		return nil
	}
	return k.parse(p)
}

// setCharset prepares the conversion of the strings that follow. An unknown one is a NO, given once the
// command has been read.
func (p *searchParser) setCharset(name string) {
	switch strings.ToUpper(name) {
	case "UTF-8", "US-ASCII", "ASCII":
		return
	}
	decode, err := charsetDecoder(name)
	if err != nil {
		p.badCharset = &statusError{statusNO, string(imap.ResponseCodeBadCharset) + " (UTF-8 US-ASCII)", "Unknown charset", err}
		return
	}
	p.decode = decode
}

// text reads a string to look for, folded for comparison.
func (p *searchParser) text() string {
	p.d.SP()
	return p.convert(p.d.AString())
}

func (p *searchParser) convert(s string) string {
	if p.decode != nil {
		converted, err := p.decode(s)
		if err != nil {
			p.d.Fail("a search string is not in the charset named")
			return ""
		}
		s = converted
	}
	return fold(s)
}
