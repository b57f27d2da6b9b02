package imapd

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/order"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// searchKey is one row of what SEARCH understands (RFC 9051 §6.4.4).
type searchKey struct {
	name  string
	parse func(p *searchParser) searchNode
}

// stateNode looks at what is in memory, attrsNode at size and date as well.
type stateNode func(m *maildir.Message) bool

func (stateNode) cost() cost      { return costState }
func (stateNode) bind(*searchRun) {}
func (f stateNode) match(_ context.Context, c *candidate) (verdict, error) {
	return verdictOf(f(c.Message)), nil
}

type attrsNode func(m *maildir.Message) bool

func (attrsNode) cost() cost        { return costAttrs }
func (attrsNode) bind(r *searchRun) { r.attrs = true }
func (f attrsNode) match(_ context.Context, c *candidate) (verdict, error) {
	if c.depth < costAttrs {
		return open, nil
	}
	if c.Gone { // Load found it so
		return fails, maildir.ErrExpunged
	}
	return verdictOf(f(c.Message)), nil
}

// setNode is a set of numbers or UIDs, resolved against the view when the search begins.
type setNode struct {
	set  imap.NumSet
	uids imap.UIDSet
}

func (*setNode) cost() cost { return costState }

func (n *setNode) bind(r *searchRun) { n.uids = r.sel.search(n.set) }

func (n *setNode) match(_ context.Context, c *candidate) (verdict, error) {
	return verdictOf(contains(n.uids, c.UID)), nil
}

// keywordNode is KEYWORD: a system flag in disguise ($Forwarded), or a bit of this mailbox.
type keywordNode struct {
	name   imap.Flag
	system maildir.SystemFlags
	bit    uint64
}

func (*keywordNode) cost() cost { return costState }

func (n *keywordNode) bind(r *searchRun) {
	n.system, n.bit = maildir.SystemFlag(n.name), r.sel.keywordBit(n.name)
}

func (n *keywordNode) match(_ context.Context, c *candidate) (verdict, error) {
	return verdictOf(c.Flags.System&n.system != 0 || c.Flags.Keywords&n.bit != 0), nil
}

func flagKey(name string, flag maildir.SystemFlags, want bool) searchKey {
	return searchKey{name, func(*searchParser) searchNode {
		return stateNode(func(m *maildir.Message) bool { return m.Flags.System&flag != 0 == want })
	}}
}

func stateKeyOf(name string, match func(m *maildir.Message) bool) searchKey {
	return searchKey{name, func(*searchParser) searchNode { return stateNode(match) }}
}

// dateKey compares the internal date's day, time and zone disregarded (RFC 9051 §6.4.4).
func dateKey(name string, ok func(message, asked int) bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		asked := dayNumber(p.d.Date())
		return attrsNode(func(m *maildir.Message) bool { return ok(dayNumber(m.InternalDate), asked) })
	}}
}

// dayNumber orders days as they are written, wherever they are.
func dayNumber(t time.Time) int {
	y, m, d := t.Date()
	return (y*16+int(m))*32 + d
}

func before(message, asked int) bool { return message < asked }
func on(message, asked int) bool     { return message == asked }
func since(message, asked int) bool  { return message >= asked }

// sentKey compares the Date field's day as the sender wrote it.
func sentKey(name string, ok func(message, asked int) bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		asked := dayNumber(p.d.Date())
		return envelopeNode(func(c *candidate) bool {
			sent, known := order.SentDate(c.envelope.Date)
			return known && ok((sent.Year*16+sent.Month)*32+sent.Day, asked)
		})
	}}
}

func sizeKey(name string, ok func(size, asked int64) bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		asked := p.d.Number64()
		return attrsNode(func(m *maildir.Message) bool { return ok(m.Size, asked) })
	}}
}

func keywordKey(name string, negated bool) searchKey {
	return searchKey{name, func(p *searchParser) searchNode {
		p.d.SP()
		n := &keywordNode{name: p.d.Flag()}
		if negated {
			return notNode{n}
		}
		return n
	}}
}

var coreSearchKeys = []searchKey{
	stateKeyOf("ALL", func(*maildir.Message) bool { return true }),
	flagKey("ANSWERED", maildir.Answered, true), flagKey("UNANSWERED", maildir.Answered, false),
	flagKey("DELETED", maildir.Deleted, true), flagKey("UNDELETED", maildir.Deleted, false),
	flagKey("DRAFT", maildir.Draft, true), flagKey("UNDRAFT", maildir.Draft, false),
	flagKey("FLAGGED", maildir.Flagged, true), flagKey("UNFLAGGED", maildir.Flagged, false),
	flagKey("SEEN", maildir.Seen, true), flagKey("UNSEEN", maildir.Seen, false),
	stateKeyOf("RECENT", func(m *maildir.Message) bool { return m.Recent }),
	stateKeyOf("OLD", func(m *maildir.Message) bool { return !m.Recent }),
	stateKeyOf("NEW", func(m *maildir.Message) bool { return m.Recent && m.Flags.System&maildir.Seen == 0 }),
	keywordKey("KEYWORD", false), keywordKey("UNKEYWORD", true),
	dateKey("BEFORE", before), dateKey("ON", on), dateKey("SINCE", since),
	sentKey("SENTBEFORE", before), sentKey("SENTON", on), sentKey("SENTSINCE", since),
	sizeKey("LARGER", func(size, asked int64) bool { return size > asked }),
	sizeKey("SMALLER", func(size, asked int64) bool { return size < asked }),
	{"UID", func(p *searchParser) searchNode {
		p.d.SP()
		return &setNode{set: numSet(p.d, true)}
	}},
	{"NOT", func(p *searchParser) searchNode {
		var n notNode
		p.d.Nest(func() {
			p.d.SP()
			n.searchNode = p.key(p.word())
		})
		return n
	}},
	{"OR", func(p *searchParser) searchNode {
		var n orNode
		p.d.Nest(func() {
			p.d.SP()
			n.a = p.key(p.word())
			p.d.SP()
			n.b = p.key(p.word())
		})
		return n
	}},
	subjectKey, addressKey("FROM", fromField), addressKey("TO", toField),
	addressKey("CC", ccField), addressKey("BCC", bccField),
	headerKey, textKey("BODY", message.ScopeBody), textKey("TEXT", message.ScopeText),
}
