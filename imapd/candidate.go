package imapd

import (
	"context"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// candidate is a message that a search looks at, and the scratch space of whoever looks: each goroutine has
// its own, used for one message after the other.
type candidate struct {
	msgData
	depth cost  // how deep the search looks now
	score uint8 // the least of the scores that fuzzy keys gave
	bound *searchRun

	text, folded, field []byte
	fuzzy               map[*pattern]*fuzzyMatcher // of keys that look at one value after the other
	fields              fieldScan

	walker   message.SearchText
	feed     func(chunk []byte) bool // visit
	matchers []textMatcher           // by sought.slot, and so are
	found    []bool
	feeding  []int // the slots that still look
	looked   uint8 // scopes of which the text has been looked at, one bit each

	enveloped bool // the envelope is this message's
}

// bind makes a candidate ready for a search.
func (c *candidate) bind(r *searchRun, reader *maildir.Reader) {
	c.bound = r
	c.msgData = msgData{reader: reader}
	c.matchers = make([]textMatcher, len(r.sought))
	c.found = make([]bool, len(r.sought))
	for i, n := range r.sought {
		c.matchers[i] = n.want.matcher()
	}
	c.feed = c.visit
	c.fuzzy = map[*pattern]*fuzzyMatcher{}
}

// judge asks the keys about a message, looking no deeper than depth.
func (c *candidate) judge(ctx context.Context, k *judged, depth cost) {
	k.verdict, k.err = c.ask(ctx, &k.Message, depth)
	k.score = c.score
}

// ask is judge for who keeps nothing of the message yet; the score is left in c.
func (c *candidate) ask(ctx context.Context, m *maildir.Message, depth cost) (verdict, error) {
	c.reset(m)
	c.depth, c.score, c.looked, c.enveloped = depth, maxScore, 0, false
	v, err := c.bound.keys.match(ctx, c)
	if err != nil { // it vanished under the search or cannot be read: it does not match
		v = fails
	}
	return v, err
}
