package imapd

import (
	"context"
	"slices"
)

// cost orders search keys by what they look at; a search asks all messages at one depth before it asks any
// at the next.
type cost int

const (
	costState  cost = iota // known in memory
	costAttrs              // size and date: cached, or a look at the file
	costCached             // envelope: cached, or the file's header parsed once
	costHeader             // the file's header
	costBody               // the file, decoded
)

// verdict is what is known of a message after a look of some depth. Their order makes AND the least and OR
// the greatest of two.
type verdict uint8

const (
	fails verdict = iota
	open          // only a deeper look will tell
	holds
)

func verdictOf(ok bool) verdict {
	if ok {
		return holds
	}
	return fails
}

// searchNode is one compiled search key.
type searchNode interface {
	// cost is the depth at which the key knows every answer. It may know some earlier.
	cost() cost
	// bind resolves what depends on the mailbox ("*", keyword bits), before the first message. While several
	// goroutines ask it, a node does not change.
	bind(r *searchRun)
	// match looks at a message, no deeper than c.depth.
	match(ctx context.Context, c *candidate) (verdict, error)
}

// program is a compiled search.
type program struct {
	keys allOf
	// refused is why it cannot be run: the charset is not known.
	refused error
	// fuzzy: some key matches inexactly, and messages get scores.
	fuzzy bool
}

// allOf is keys that must all match, cheapest first.
type allOf []searchNode

func newAllOf(nodes []searchNode) allOf {
	slices.SortStableFunc(nodes, func(a, b searchNode) int { return int(a.cost() - b.cost()) })
	return nodes
}

func (p allOf) cost() cost { return p[len(p)-1].cost() }

func (p allOf) bind(r *searchRun) {
	for _, n := range p {
		n.bind(r)
	}
}

func (p allOf) match(ctx context.Context, c *candidate) (verdict, error) {
	all := holds
	for _, n := range p {
		v, err := n.match(ctx, c)
		if v == fails || err != nil {
			return fails, err
		}
		all = min(all, v)
	}
	return all, nil
}

// notNode and orNode are NOT and OR.
type notNode struct{ searchNode }

// What a key under NOT is worth says nothing about the message: its score does not count.
func (n notNode) match(ctx context.Context, c *candidate) (verdict, error) {
	score := c.score
	v, err := n.searchNode.match(ctx, c)
	c.score = score
	return holds - v, err
}

type orNode struct{ a, b searchNode }

func (n orNode) cost() cost { return max(n.a.cost(), n.b.cost()) }

func (n orNode) bind(r *searchRun) {
	n.a.bind(r)
	n.b.bind(r)
}

// match asks the second key only where the first does not hold, and at a depth where either may still turn
// out to.
func (n orNode) match(ctx context.Context, c *candidate) (verdict, error) {
	score := c.score
	a, err := n.a.match(ctx, c)
	if a == holds || err != nil {
		return a, err
	}
	c.score = score
	b, err := n.b.match(ctx, c)
	return max(a, b), err
}

// noMessage stands where parsing failed; it is never run.
type noMessage struct{}

func (noMessage) cost() cost                                         { return costState }
func (noMessage) bind(*searchRun)                                    {}
func (noMessage) match(context.Context, *candidate) (verdict, error) { return fails, nil }
