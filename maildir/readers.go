package maildir

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Readers is the process's bounded crew for reading message files. Whoever has
// many to read runs a job on it; the jobs of all users share its tokens, each of
// which is good for a few files, and are served in the order in which they ask:
// a search through a million messages does not keep others from reading theirs.
type Readers struct {
	tokens chan struct{}
}

// readersMost bounds the crew: beyond some, more readers do not make a disk
// faster.
const readersMost = 16

func newReaders() *Readers {
	n := runtime.GOMAXPROCS(0)
	if n > 1 {
		n = min(2*n, readersMost) // some of them wait for the disk
	}
	return &Readers{tokens: make(chan struct{}, n)}
}

// Readers is the crew that all handles of the process share.
func (h *Handle) Readers() *Readers { return h.store.readers }

// Workers is the size of the crew.
func (c *Readers) Workers() int { return cap(c.tokens) }

// Run calls do for all i from 0 to n-1, several at a time, and returns the first
// error, after which no more are begun. worker is below Workers and no two calls
// have the same at one time: it names the scratch space to use. do must not call
// Run. The caller's goroutine is one of those that work; when there is not enough
// for two it is the only one. If do panics, so does Run, when the others have ended:
// what one message does to its reader stays with the session that asked for it.
func (c *Readers) Run(ctx context.Context, n int, do func(worker, i int) error) error {
	workers := min(c.Workers(), n)
	j := job{c: c, n: n, workers: workers, do: do}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { j.work(ctx, w) })
	}
	j.work(ctx, 0)
	wg.Wait()
	if j.panicked != "" {
		panic(j.panicked)
	}
	return j.err
}

// job is one call of Run.
type job struct {
	c          *Readers
	n, workers int
	do         func(worker, i int) error

	next   atomic.Int64
	failed atomic.Bool
	mu     sync.Mutex
	err    error
	// panicked is the first panic and where it was.
	panicked string
}

// work takes chunk after chunk, each for one token.
func (j *job) work(ctx context.Context, worker int) {
	for !j.failed.Load() && int(j.next.Load()) < j.n {
		select {
		case j.c.tokens <- struct{}{}:
		case <-ctx.Done():
			j.fail(ctx.Err())
			return
		}
		if err := j.one(ctx, worker); err != nil {
			j.fail(err)
			return
		}
	}
}

var errPanicked = errors.New("a reader panicked")

// one does a chunk and gives the token back, come what may.
func (j *job) one(ctx context.Context, worker int) (err error) {
	defer func() {
		<-j.c.tokens
		if p := recover(); p != nil {
			j.mu.Lock()
			if j.panicked == "" {
				j.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			j.mu.Unlock()
			err = errPanicked
		}
	}()
	return j.some(ctx, worker)
}

func (j *job) some(ctx context.Context, worker int) error {
	i, end := j.take()
	for ; i < end; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if j.failed.Load() {
			return nil
		}
		if err := j.do(worker, i); err != nil {
			return err
		}
	}
	return nil
}

// chunkMost is how many calls a token is good for.
const chunkMost = 16

// take hands out the next chunk. Towards the end they become small, so that all
// workers end at about the same time.
func (j *job) take() (i, end int) {
	for {
		at := j.next.Load()
		left := j.n - int(at)
		if left <= 0 {
			return j.n, j.n
		}
		chunk := min(max(left/(2*j.workers), 1), chunkMost)
		if j.next.CompareAndSwap(at, at+int64(chunk)) {
			return int(at), int(at) + chunk
		}
	}
}

func (j *job) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
	j.failed.Store(true)
}
