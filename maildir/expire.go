package maildir

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
)

// ExpireOptions say which messages of a mailbox have had their time. What is zero takes none.
type ExpireOptions struct {
	Before time.Time // those that came into the mailbox earlier than this
	Keep   int       // all but so many of the newest
	DryRun bool      // only count
}

// Expire removes messages that have had their time, whatever their flags, and returns how many. Sessions that have
// the mailbox open are told as of any other expunge.
//
// A message's time begins when it came into this mailbox (SAVEDATE, RFC 8514), by APPEND, COPY and MOVE as by another
// program, and not when it was sent or first delivered. The index alone has that time. Of a message that was not seen
// here before, and of all when the index is lost, it is the first sight: messages then stay longer, and none goes
// early. The newest are those of the greatest UIDs.
//
// # Races
//
// Messages are looked for without a lock and removed in slices, each under the locks of one EXPUNGE, between which
// sessions and other programs have their turn. Under the lock it is decided anew, from what the list and the index
// say then: where somebody has expunged some of the newest meanwhile, as many more of the others stay.
func (t *Tree) Expire(ctx context.Context, name string, o ExpireOptions) (int, error) {
	name = t.names.clean(name)
	loc, err := t.permit(name, DeedExpunge)
	if err != nil {
		return 0, opError("expire", name, err)
	}
	h, err := t.store.open(ctx, loc, Peek)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	n, err := h.expire(ctx, o)
	return n, opError("expire", name, err)
}

// expireSlice is how many messages go under one lock.
const expireSlice = 1024

func (h *Handle) expire(ctx context.Context, o ExpireOptions) (n int, err error) {
	x := expiry{m: h.m, keep: o.Keep}
	if !o.Before.IsZero() {
		x.before = o.Before.Unix()
	}
	for err = ctx.Err(); err == nil; err = ctx.Err() {
		due, next := x.look(0)
		if len(due) == 0 && next == 0 {
			return n, nil
		}
		if o.DryRun || len(due) == 0 {
			n += due.count()
			x.from = next
			if next == 0 {
				return n, nil
			}
			continue
		}
		some, err := h.expireSome(ctx, &x, due[len(due)-1].hi)
		n += some
		if err != nil {
			return n, err
		}
		x.from = due[len(due)-1].hi + 1
	}
	return n, err
}

// expireSome decides anew about the messages up to a UID, and removes those that are due.
func (h *Handle) expireSome(ctx context.Context, x *expiry, upTo imap.UID) (n int, err error) {
	quota := h.loc.quota.peek()
	defer quota.close()
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return 0, err
	}
	var freed amount
	if quota.counts() {
		t.freed = &freed
	}
	due, _ := x.look(upTo)
	n, err = t.remove(due, due.count(), true)
	t.end(err)
	if n > 0 || freed.count > 0 {
		quota.record(ctx, freed.negative())
	}
	return n, err
}

// expiry is a walk through a mailbox, from its oldest message on.
type expiry struct {
	m      *Mailbox
	before int64 // 0: none is too old
	keep   int   // 0: any number may be kept
	from   imap.UID
}

// look finds some messages from x.from on that are due, and where to go on; 0 is the end. With upTo it goes no further.
func (x *expiry) look(upTo imap.UID) (due uidRanges, next imap.UID) {
	if upTo == 0 {
		upTo = maxUID
	}
	m := x.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := &m.state
	many := imap.UID(0) // of those below there are too many
	if x.keep > 0 && s.list.len() > x.keep {
		many = s.list.at(s.list.len() - x.keep).uid
	}
	seen, found := 0, 0
	for e := range s.list.between(x.from, upTo) {
		if seen == storeSlice || found == expireSlice {
			return due, e.uid
		}
		seen++
		if e.uid < many || e.saved != 0 && int64(e.saved) < x.before {
			due.add(e.uid)
			found++
		}
	}
	return due, 0
}
