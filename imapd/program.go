package imapd

import (
	"context"
	"errors"
	"slices"

	"maildir-imapd/maildir"
)

// cost orders search keys: what is dear is asked last, of the fewest messages.
type cost int

const (
	costState  cost = iota // known in memory
	costAttrs              // size and date: cached, or a look at the file
	costCached             // envelope: cached, or the file parsed once
	costHeader             // the file's header
	costBody               // the file, decoded
)

// searchNode is one compiled search key.
type searchNode interface {
	cost() cost
	// bind resolves what depends on the view ("*", keyword bits) before the first message.
	bind(s *session) error
	match(ctx context.Context, r *searchRun) (bool, error)
}

// searchRun is one search on its way through the mailbox; m is the message looked at.
type searchRun struct {
	s *session
	m msgData
	// failed is why the first message that could not be read was passed over; the log is told.
	failed error
}

// program is keys that must all match, cheapest first.
type program []searchNode

func newProgram(nodes []searchNode) program {
	slices.SortStableFunc(nodes, func(a, b searchNode) int { return int(a.cost() - b.cost()) })
	return nodes
}

func (p program) cost() cost { return p[len(p)-1].cost() }

func (p program) bind(s *session) error {
	for _, n := range p {
		if err := n.bind(s); err != nil {
			return err
		}
	}
	return nil
}

func (p program) match(ctx context.Context, r *searchRun) (bool, error) {
	for _, n := range p {
		if ok, err := n.match(ctx, r); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// filter keeps the messages of a batch that match. The keys that need no disk thin the batch out first;
// sizes and dates are then loaded for the rest at once.
func (p program) filter(ctx context.Context, r *searchRun, batch []maildir.Message) ([]maildir.Message, error) {
	cheap := 0
	for cheap < len(p) && p[cheap].cost() == costState {
		cheap++
	}
	batch, err := p[:cheap].keep(ctx, r, batch)
	if err != nil || cheap == len(p) {
		return batch, err
	}
	if p.wantsAttrs() {
		if err := r.s.sel.Load(ctx, batch); err != nil {
			return nil, err
		}
	}
	return p[cheap:].keep(ctx, r, batch)
}

func (p program) keep(ctx context.Context, r *searchRun, batch []maildir.Message) ([]maildir.Message, error) {
	if len(p) == 0 {
		return batch, nil
	}
	kept := batch[:0]
	for i := range batch {
		if batch[i].Gone {
			continue
		}
		r.m.reset(batch[i])
		ok, err := p.match(ctx, r)
		if err != nil { // it vanished under the search or cannot be read: it does not match
			if r.failed == nil && !errors.Is(err, maildir.ErrExpunged) {
				r.failed = err
			}
			continue
		}
		if ok {
			kept = append(kept, batch[i])
		}
	}
	return kept, ctx.Err()
}

// wantsAttrs tells whether any key reads size or date.
func (p program) wantsAttrs() bool {
	for _, n := range p {
		if inner, ok := n.(interface{ wantsAttrs() bool }); ok && inner.wantsAttrs() {
			return true
		}
	}
	return false
}

// notNode and orNode are NOT and OR.
type notNode struct{ searchNode }

func (n notNode) match(ctx context.Context, r *searchRun) (bool, error) {
	ok, err := n.searchNode.match(ctx, r)
	return !ok, err
}

func (n notNode) wantsAttrs() bool { return program{n.searchNode}.wantsAttrs() }

type orNode struct{ a, b searchNode }

func (n orNode) cost() cost { return max(n.a.cost(), n.b.cost()) }

func (n orNode) bind(s *session) error {
	if err := n.a.bind(s); err != nil {
		return err
	}
	return n.b.bind(s)
}

func (n orNode) match(ctx context.Context, r *searchRun) (bool, error) {
	if ok, err := n.a.match(ctx, r); ok || err != nil {
		return ok, err
	}
	return n.b.match(ctx, r)
}

func (n orNode) wantsAttrs() bool { return program{n.a, n.b}.wantsAttrs() }

// noMessage stands where parsing failed; it is never run.
type noMessage struct{}

func (noMessage) cost() cost                                      { return costState }
func (noMessage) bind(*session) error                             { return nil }
func (noMessage) match(context.Context, *searchRun) (bool, error) { return false, nil }
