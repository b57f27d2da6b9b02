package maildir

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestReadersRun(t *testing.T) {
	c := &Readers{tokens: make(chan struct{}, 4)}
	for _, n := range []int{0, 1, 2, 5, 63, 1000} {
		done := make([]atomic.Int32, n)
		busy := make([]atomic.Bool, c.Workers())
		err := c.Run(context.Background(), n, func(worker, i int) error {
			if busy[worker].Swap(true) {
				t.Errorf("two calls of worker %d at a time", worker)
			}
			done[i].Add(1)
			busy[worker].Store(false)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range done {
			if done[i].Load() != 1 {
				t.Fatalf("%d of %d was done %d times", i, n, done[i].Load())
			}
		}
	}
	if len(c.tokens) != 0 {
		t.Errorf("%d tokens are not given back", len(c.tokens))
	}
}

func TestReadersStop(t *testing.T) {
	c := &Readers{tokens: make(chan struct{}, 4)}
	broken := errors.New("broken")
	var after atomic.Int32
	err := c.Run(context.Background(), 10_000, func(_, i int) error {
		if i == 100 {
			return broken
		}
		after.Add(1)
		return nil
	})
	if !errors.Is(err, broken) || after.Load() > 9_000 {
		t.Errorf("%v, %d others were done", err, after.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	after.Store(0)
	err = c.Run(ctx, 10_000, func(_, i int) error {
		if after.Add(1) == 50 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || after.Load() > 9_000 {
		t.Errorf("%v, %d were done", err, after.Load())
	}
	if len(c.tokens) != 0 {
		t.Errorf("%d tokens are not given back", len(c.tokens))
	}
}

// TestReadersFair: a small job beside a large one does not wait for its end.
func TestReadersFair(t *testing.T) {
	c := &Readers{tokens: make(chan struct{}, 2)}
	var read atomic.Int32
	started := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = c.Run(context.Background(), 2000, func(_, _ int) error {
			once.Do(func() { close(started) })
			read.Add(1)
			time.Sleep(time.Millisecond)
			return nil
		})
	})
	<-started
	if err := c.Run(context.Background(), 8, func(_, _ int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if n := read.Load(); n > 1000 {
		t.Errorf("%d of the other job's were done first", n)
	}
	wg.Wait()
}

// TestReadersPanic: a panic comes out of Run, not out of some goroutine, where it would end the process; all
// others have ended by then, and no token is lost.
func TestReadersPanic(t *testing.T) {
	c := &Readers{tokens: make(chan struct{}, 4)}
	for range 5 { // as many as would take all tokens, and one
		var running atomic.Int32
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, "this message") {
					t.Errorf("Run panics with %q", p)
				}
			}()
			_ = c.Run(context.Background(), 1000, func(_, i int) error {
				running.Add(1)
				defer running.Add(-1)
				if i == 500 {
					panic("this message")
				}
				return nil
			})
		}()
		if n := running.Load(); n != 0 || len(c.tokens) != 0 {
			t.Fatalf("%d calls still run, %d tokens are not given back", n, len(c.tokens))
		}
	}
}
