package imapd

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// searchRun is one search on its way through a mailbox. A batch of messages is asked what memory knows, then
// what the cache knows, and only those that are still open wait for the files, which the process's readers
// look at in parallel.
type searchRun struct {
	s    *session
	sel  *selection // the mailbox searched; it need not be the selected one
	keys allOf
	each func(m *maildir.Message, score uint8)

	// within narrows the walk where the keys name messages; it is what "a command costs what its answer is
	// worth" means for SEARCH UID 5.
	within imap.UIDSet
	sought []*sought      // texts to look for in files
	attrs  bool           // some key looks at size or date
	kinds  []maildir.Kind // what keys look at in the cache

	serial  candidate
	workers []*candidate
	// Messages not told yet, in order, and which of them are open; load is a copy of these for the store.
	kept  []judged
	open  []int
	load  []maildir.Message
	limit int // how many files are read between two words of progress

	asked       bool  // the text index
	files       int   // how many were read
	failed      error // why the first message that could not be read was passed over; the log is told
	done, total uint32
}

// judged is a message and what is known of it.
type judged struct {
	maildir.Message
	verdict verdict
	score   uint8
	err     error
}

const (
	// A file phase begins small and grows while it is quick: between two the client hears of progress.
	leastFiles, mostFiles = 8, 1024
	quickFiles            = 250 * time.Millisecond
	// mostKept bounds what waits behind an open message.
	mostKept = 8192
	// A search that had to read this many files is worth an index, and this many files are worth reading one.
	worthIndexing, worthAsking = 256, 64
	// mostAsked is how many texts the index is asked for, the longest: each answer is a set of messages.
	mostAsked = 8
)

// findIn calls each with the messages of a mailbox that a program finds, by ascending UID, and with their
// scores (RFC 6203 §4: 100 where nothing was matched inexactly).
func (s *session) findIn(ctx context.Context, sel *selection, prog program, each func(*maildir.Message, uint8)) error {
	if prog.refused != nil {
		return prog.refused
	}
	last := sel.MaxUID()
	if last == 0 {
		return nil
	}
	r := &searchRun{s: s, sel: sel, keys: prog.keys, each: each, limit: leastFiles, total: sel.Count()}
	r.within = imap.UIDSet{{Start: 1, Stop: last}}
	r.keys.bind(r)
	r.serial.bind(r, &sel.Reader)
	for _, n := range r.keys {
		if set, ok := n.(*setNode); ok {
			r.within = set.uids // those that the other sets do not name fail there
			break
		}
	}
	defer r.close()
	err := sel.walk(r.within, func(batch []maildir.Message) error { return r.batch(ctx, batch) })
	if err == nil {
		err = r.flush(ctx)
	}
	return err
}

// close gives back what the search held, and tells the log of messages that could not be read.
func (r *searchRun) close() {
	r.serial.close()
	for _, c := range r.workers {
		if c != nil {
			c.close()
			c.reader.Release()
		}
	}
	r.sel.FlushCache()
	if r.files >= worthIndexing && len(r.sought) > 0 {
		r.sel.IndexText()
	}
	if r.failed != nil {
		r.s.log.Warn("a search passed over messages that cannot be read", "mailbox", r.sel.name, "err", r.failed)
	}
}

// batch asks some messages what can be known without their files, and lets the others wait.
func (r *searchRun) batch(ctx context.Context, batch []maildir.Message) error {
	begin := len(r.kept)
	c := &r.serial
	for i := range batch {
		if batch[i].Gone {
			continue
		}
		v, err := c.ask(ctx, &batch[i], costState)
		switch {
		case v == holds && len(r.kept) == 0: // nothing waits before it
			r.each(&batch[i], c.score)
		case v != fails:
			r.kept = append(r.kept, judged{batch[i], v, c.score, err})
		}
	}
	if err := r.attributes(ctx, begin); err != nil {
		return err
	}
	if err := r.cached(ctx, begin); err != nil {
		return err
	}
	r.remain(begin)
	r.done += uint32(len(batch))
	if len(r.open) == 0 || len(r.open) >= mostFiles || len(r.kept) >= mostKept {
		return r.flush(ctx)
	}
	return ctx.Err()
}

// remain lists the open ones from begin on.
func (r *searchRun) remain(begin int) {
	for i := begin; i < len(r.kept); i++ {
		if r.kept[i].verdict == open {
			r.open = append(r.open, i)
		}
	}
}

// waiting copies the open ones from begin on to r.load, for the store to fill in.
func (r *searchRun) waiting(begin int) []maildir.Message {
	r.load = r.load[:0]
	for i := begin; i < len(r.kept); i++ {
		if r.kept[i].verdict == open {
			r.load = append(r.load, r.kept[i].Message)
		}
	}
	return r.load
}

// attributes asks the open ones for size and date.
func (r *searchRun) attributes(ctx context.Context, begin int) error {
	if !r.attrs {
		return nil
	}
	msgs := r.waiting(begin)
	if err := r.sel.Load(ctx, msgs); err != nil {
		return err
	}
	r.again(ctx, begin, costAttrs, msgs)
	return nil
}

// cached asks the open ones for what the cache has. Where it lacks some, readers fill it first.
func (r *searchRun) cached(ctx context.Context, begin int) error {
	if len(r.kinds) == 0 {
		return nil
	}
	msgs := r.waiting(begin)
	if len(msgs) > 0 {
		// A message that cannot be read is found out again, and passed over, when its turn comes.
		if err := r.sel.Learn(ctx, msgs, r.kinds...); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	r.again(ctx, begin, costCached, msgs)
	return ctx.Err()
}

// again judges the open ones from begin on at a greater depth; msgs are the same as waiting made them.
func (r *searchRun) again(ctx context.Context, begin int, depth cost, msgs []maildir.Message) {
	n := 0
	for i := begin; i < len(r.kept); i++ {
		k := &r.kept[i]
		if k.verdict != open {
			continue
		}
		k.Message = msgs[n]
		n++
		r.serial.judge(ctx, k, depth)
	}
}

// flush reads the files of the open ones and tells what was found.
func (r *searchRun) flush(ctx context.Context) error {
	if !r.asked && len(r.open) >= worthAsking {
		if err := r.proveAbsent(ctx); err != nil {
			return err
		}
	}
	for first := 0; first < len(r.open); {
		piece := r.open[first:min(first+r.limit, len(r.open))]
		start := time.Now()
		if err := r.readFiles(ctx, piece); err != nil {
			return err
		}
		switch took := time.Since(start); {
		case took < quickFiles:
			r.limit = min(2*r.limit, mostFiles)
		case took > 2*quickFiles:
			r.limit = max(r.limit/2, leastFiles)
		}
		first += len(piece)
		if err := r.s.progress(r.done-uint32(len(r.open)-first), r.total); err != nil {
			return err
		}
	}
	for i := range r.kept {
		k := &r.kept[i]
		if k.err != nil && r.failed == nil && !errors.Is(k.err, maildir.ErrExpunged) {
			r.failed = k.err
		}
		if k.verdict == holds {
			r.each(&k.Message, k.score)
		}
	}
	r.kept, r.open = r.kept[:0], r.open[:0]
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.s.progress(r.done, r.total)
}

// learns notes that a key looks at a kind of section of the cache.
func (r *searchRun) learns(k maildir.Kind) {
	if !slices.Contains(r.kinds, k) {
		r.kinds = append(r.kinds, k)
	}
}

// readFiles judges the open ones by what is in their files. A message that cannot be read does not match;
// the others are looked at all the same.
func (r *searchRun) readFiles(ctx context.Context, open []int) error {
	readers := r.sel.Readers()
	if r.workers == nil {
		r.workers = make([]*candidate, readers.Workers())
	}
	r.files += len(open)
	return readers.Run(ctx, len(open), func(worker, i int) error {
		c := r.workers[worker]
		if c == nil {
			c = new(candidate)
			c.bind(r, r.sel.NewReader())
			r.workers[worker] = c
		}
		c.judge(ctx, &r.kept[open[i]], math.MaxInt)
		return ctx.Err()
	})
}

// proveAbsent asks the text index, once, which messages cannot hold the texts looked for, and judges anew those
// that are open. No reader is at work: what they have bound to may change.
func (r *searchRun) proveAbsent(ctx context.Context) error {
	r.asked = true
	var asked []*sought
	for _, n := range r.sought {
		if n.want.fuzzy == nil && !n.want.empty() {
			asked = append(asked, n)
		}
	}
	slices.SortStableFunc(asked, func(a, b *sought) int { return len(b.want.folded) - len(a.want.folded) })
	asked = asked[:min(len(asked), mostAsked)]
	needles := make([][]byte, len(asked))
	for i, n := range asked {
		needles[i] = n.want.folded
	}
	absent, err := r.sel.Without(ctx, needles)
	if len(absent) == 0 || err != nil {
		return err
	}
	for i, n := range asked {
		n.absent = absent[i]
	}
	r.again(ctx, 0, costCached, r.waiting(0))
	r.open = r.open[:0]
	r.remain(0)
	return ctx.Err()
}
