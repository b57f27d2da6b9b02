package maildir

import (
	"context"
	"slices"
	"sync"
)

// background has something done for one mailbox after the other, in a goroutine
// that lives while there is work. A mailbox waits once, however often it is asked
// for; while its turn is on it may be asked for again, with twice.
type background struct {
	do    func(ctx context.Context, m *Mailbox)
	twice bool

	mu     sync.Mutex
	queue  []*Mailbox
	at     *Mailbox // whose turn it is
	busy   bool
	closed bool
	ctx    context.Context // while busy
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// ask puts a mailbox into the queue. False: it is closed.
func (b *background) ask(m *Mailbox) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if slices.Contains(b.queue, m) || !b.twice && b.at == m {
		return true
	}
	b.queue = append(b.queue, m)
	if !b.busy {
		b.busy = true
		b.ctx, b.cancel = context.WithCancel(context.Background())
		b.done.Go(b.work)
	}
	return true
}

// close ends the work and waits for that.
func (b *background) close() {
	b.mu.Lock()
	b.closed, b.queue = true, nil
	if b.busy {
		b.cancel()
	}
	b.mu.Unlock()
	b.done.Wait()
}

func (b *background) work() {
	for {
		b.mu.Lock()
		b.at = nil
		if len(b.queue) == 0 {
			b.busy = false
			b.cancel()
			b.mu.Unlock()
			return
		}
		m, ctx := b.queue[0], b.ctx
		b.at, b.queue = m, b.queue[1:]
		b.mu.Unlock()
		b.do(ctx, m)
	}
}
