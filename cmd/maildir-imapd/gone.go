package main

import "sync/atomic"

// A mailbox that is selected outlives the namespace that it was found in. Lists in its directory go on to give rights to it,
// but who has not got the namespace any more must not have the mailbox either.

// gone asks whether a namespace has been taken away, once for each generation of the rules.
func (r *rules) gone(is func(now *ruleset) bool) func() bool {
	var known atomic.Uint64 // the generation but for the last bit, and 2 more than that, which is never 0
	return func() bool {
		now := r.now.Load()
		at := (now.generation + 1) << 1
		if was := known.Load(); was&^1 == at {
			return was&1 != 0
		}
		gone := is(now)
		if gone {
			at |= 1
		}
		known.Store(at)
		return gone
	}
}
