package imapd

import (
	"bytes"
	"context"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// pattern is a text to look for, folded for comparison (RFC 9051 §6.4.4: without case; RFC 5255 §4.6 makes
// that i;unicode-casemap).
type pattern struct {
	folded []byte
	fuzzy  *fuzzyPattern // nil: it must be there as it is
}

// maxScore is the relevancy of what is there as it was asked for (RFC 6203 §4).
const maxScore = 100

func newPattern(text string, fuzzy bool) *pattern {
	p := &pattern{folded: message.Fold(nil, []byte(text))}
	if fuzzy {
		p.fuzzy = newFuzzyPattern(p.folded)
	}
	return p
}

// empty texts are in any other (RFC 9051 §6.4.4).
func (p *pattern) empty() bool { return len(p.folded) == 0 }

// textMatcher looks for a pattern in folded text that comes in chunks. Feed returns true when nothing that
// may follow makes a difference.
type textMatcher interface {
	Reset()
	Feed(chunk []byte) (found bool)
}

func (p *pattern) matcher() textMatcher {
	if p.fuzzy != nil {
		return p.fuzzy.matcher()
	}
	return message.NewNeedle(p.folded)
}

// result tells whether a matcher has found its pattern, and notes how well.
func (c *candidate) result(m textMatcher, found bool) bool {
	if f, ok := m.(*fuzzyMatcher); ok {
		score := f.score()
		if score > 0 {
			c.score = min(c.score, score)
		}
		return score > 0
	}
	return found
}

// inValue looks for a pattern in a header value or a part of one, as it is written and, where that differs,
// decoded.
func (c *candidate) inValue(p *pattern, raw []byte) bool {
	encoded := bytes.Contains(raw, encodedWord)
	if !encoded || p.fuzzy == nil { // nobody means the letters of an encoded word, but for one who copies it
		c.folded = message.Fold(c.folded[:0], raw)
		if found := c.inFolded(p); found || !encoded {
			return found
		}
	}
	c.text = message.DecodeWords(c.text[:0], raw)
	c.folded = message.Fold(c.folded[:0], c.text)
	return c.inFolded(p)
}

var encodedWord = []byte("=?")

func (c *candidate) inFolded(p *pattern) bool {
	if p.fuzzy == nil {
		return bytes.Contains(c.folded, p.folded)
	}
	m := c.fuzzy[p]
	if m == nil {
		m = p.fuzzy.matcher()
		c.fuzzy[p] = m
	}
	m.Reset()
	return c.result(m, m.Feed(c.folded))
}

// envelopeNode looks at the cached envelope.
type envelopeNode func(c *candidate) bool

func (envelopeNode) cost() cost        { return costCached }
func (envelopeNode) bind(r *searchRun) { r.learns(maildir.KindEnvelope) }

func (f envelopeNode) match(ctx context.Context, c *candidate) (verdict, error) {
	if c.depth < costCached {
		return open, nil
	}
	if !c.enveloped {
		if err := c.load(ctx, needEnvelope); err != nil {
			return fails, err
		}
		c.enveloped = true
	}
	return verdictOf(f(c)), nil
}

var subjectKey = searchKey{"SUBJECT", func(p *searchParser) searchNode {
	want := p.text()
	return envelopeNode(func(c *candidate) bool {
		subject := c.envelope.Subject
		return subject != nil && c.inValue(want, subject)
	})
}}

func fromField(e *message.Envelope) []message.Address { return e.From }
func toField(e *message.Envelope) []message.Address   { return e.To }
func ccField(e *message.Envelope) []message.Address   { return e.Cc }
func bccField(e *message.Envelope) []message.Address  { return e.Bcc }

func addressKey(name string, field func(*message.Envelope) []message.Address) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		want := p.text()
		return envelopeNode(func(c *candidate) bool {
			list := field(c.envelope)
			if want.empty() {
				return len(list) > 0
			}
			for i := range list {
				c.field = appendAddress(c.field[:0], &list[i])
				if c.inValue(want, c.field) {
					return true
				}
			}
			return false
		})
	}}
}

// appendAddress spells an address as a person would search for it.
func appendAddress(b []byte, a *message.Address) []byte {
	b = append(b, a.Name...)
	b = append(b, " <"...)
	b = append(b, a.Mailbox...)
	if a.Host != nil {
		b = append(b, '@')
		b = append(b, a.Host...)
	}
	return append(b, '>')
}

// sought is a text that a key looks for in the files.
type sought struct {
	want  *pattern
	scope message.Scope // 0: in one header field
	slot  int           // of the matcher that each candidate has for it
	// absent are messages of which the text index proves that it is not in them.
	absent imap.UIDSet
}

func (n *sought) bind(r *searchRun) {
	n.slot, n.absent = len(r.sought), nil
	r.sought = append(r.sought, n)
}

// known is what can be said of a message without its file.
func (n *sought) known(uid imap.UID) verdict {
	if len(n.absent) > 0 && contains(n.absent, uid) {
		return fails
	}
	return open
}

// textNode is BODY, and TEXT, which looks at the header too.
type textNode struct{ sought }

func textKey(name string, scope message.Scope) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		return &textNode{sought{want: p.fileText(), scope: scope}}
	}}
}

func (*textNode) cost() cost { return costBody }

func (n *textNode) match(ctx context.Context, c *candidate) (verdict, error) {
	if n.want.empty() {
		return holds, nil
	}
	if v := n.known(c.UID); v != open || c.depth < costBody {
		return v, nil
	}
	if err := c.look(ctx, n.scope); err != nil {
		return fails, err
	}
	return verdictOf(c.result(c.matchers[n.slot], c.found[n.slot])), nil
}

// look reads a message's text once for all keys that look at the same scope.
func (c *candidate) look(ctx context.Context, scope message.Scope) error {
	if c.looked&(1<<scope) != 0 {
		return nil
	}
	if err := c.load(ctx, needStructure|needFile); err != nil {
		return err
	}
	c.looked |= 1 << scope
	c.feeding = c.feeding[:0]
	for _, n := range c.bound.sought {
		if n.scope == scope && n.known(c.UID) == open {
			c.found[n.slot] = false
			c.matchers[n.slot].Reset()
			c.feeding = append(c.feeding, n.slot)
		}
	}
	return c.walker.Walk(c.structure, c.file, scope, c.feed)
}

// visit is look's chunk after chunk; false ends the walk.
func (c *candidate) visit(chunk []byte) bool {
	for i := 0; i < len(c.feeding); {
		slot := c.feeding[i]
		if c.matchers[slot].Feed(chunk) {
			c.found[slot] = true
			c.feeding = append(c.feeding[:i], c.feeding[i+1:]...)
			continue
		}
		i++
	}
	return len(c.feeding) > 0
}
