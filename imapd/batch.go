package imapd

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// batchSize is how many messages are copied out of a mailbox's state at a time.
const batchSize = 512

// batches are pooled: a session that is not walking a mailbox holds none.
var batches = sync.Pool{New: func() any { b := make([]maildir.Message, 0, batchSize); return &b }}

// walk hands the messages of the view that lie in uids to do, a batch at a time, in ascending order. The
// batch is a copy: nothing is locked meanwhile.
func (s *session) walk(uids imap.UIDSet, do func(batch []maildir.Message) error) error {
	return s.sel.walk(uids, do)
}

// walk is the walk over any mailbox.
func (sel *selection) walk(uids imap.UIDSet, do func(batch []maildir.Message) error) error {
	pooled := batches.Get().(*[]maildir.Message)
	defer batches.Put(pooled)
	at := walker{sel: sel, left: uids}
	for {
		batch := at.next((*pooled)[:0])
		if len(batch) == 0 {
			return nil
		}
		if err := do(batch); err != nil {
			return err
		}
	}
}

// stepAhead is the two steps of a walkAhead.
type stepAhead struct {
	// lacks tells whether prepare has anything to do.
	lacks   func(batch []maildir.Message) bool
	prepare func(ctx context.Context, batch []maildir.Message) error
	do      func(batch []maildir.Message) error
}

// walkAhead is a walk of two steps: while do is at work on a batch, prepare is on the next one, if it lacks
// something. No more than these two are held; nothing of it is left running when walkAhead returns.
func (sel *selection) walkAhead(ctx context.Context, uids imap.UIDSet, step stepAhead) error {
	pooled, other := batches.Get().(*[]maildir.Message), batches.Get().(*[]maildir.Message)
	defer batches.Put(pooled)
	defer batches.Put(other)
	at := walker{sel: sel, left: uids}
	batch := at.next((*pooled)[:0])
	if len(batch) > 0 && step.lacks(batch) {
		if err := step.prepare(ctx, batch); err != nil {
			return err
		}
	}
	for len(batch) > 0 {
		next := at.next((*other)[:0])
		var err error
		if len(next) > 0 && step.lacks(next) {
			err = besides(ctx, func(ctx context.Context) error { return step.prepare(ctx, next) }, func() error { return step.do(batch) })
		} else {
			err = step.do(batch)
		}
		if err != nil {
			return err
		}
		batch, pooled, other = next, other, pooled
	}
	return nil
}

// besides runs work in a goroutine while the caller's does what it must, and ends when both have: an error of
// do is the work's end as well. A panic in there is the caller's.
func besides(ctx context.Context, work func(context.Context) error, do func() error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var failed error
	var panicked string
	var done sync.WaitGroup
	done.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		failed = work(ctx)
	})
	finished := false
	defer func() {
		if !finished || err != nil {
			cancel()
		}
		done.Wait()
		cancel()
		if panicked != "" && finished {
			panic(panicked)
		}
		if err == nil {
			err = failed
		}
	}()
	err = do()
	finished = true
	return err
}

// walker is how far a walk has come.
type walker struct {
	sel   *selection
	left  imap.UIDSet
	after imap.UID // of the first range, if it is above its beginning

	fits func(batch []maildir.Message) int // how many are taken at a time, one at least; nil: all
	most int                               // messages that are worth asking for, when not all of a batch fitted; 0: batchSize
}

// next appends the next messages, up to what fits; none are left when there are none.
func (at *walker) next(batch []maildir.Message) []maildir.Message {
	if at.fits == nil {
		return at.fill(batch, batchSize)
	}
	left, most := at.left, cmp.Or(at.most, batchSize)
	batch = at.fill(batch, most)
	if len(batch) == 0 {
		return batch
	}
	n := at.fits(batch)
	if n == len(batch) {
		at.most = min(2*most, batchSize)
		return batch
	}
	at.most = n + n/4 + 1
	at.after = batch[n-1].UID
	for left[0].Stop <= at.after {
		left = left[1:]
	}
	at.left = left
	return batch[:n]
}

func (at *walker) fill(batch []maildir.Message, most int) []maildir.Message {
	for len(at.left) > 0 && len(batch) < most {
		r := at.left[0]
		batch = at.sel.Messages(batch, max(at.after, r.Start-1), r.Stop, most-len(batch))
		if len(batch) == most && batch[most-1].UID < r.Stop {
			at.after = batch[most-1].UID
			return batch
		}
		at.left = at.left[1:]
	}
	return batch
}
