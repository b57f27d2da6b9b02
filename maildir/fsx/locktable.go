package fsx

import (
	"context"
	"sync"
	"time"
)

type lockKey struct {
	dev, ino uint64
	name     string
}

// held excludes the goroutines of this process from each other.
var held = lockTable{slots: make(map[lockKey]*slot)}

type lockTable struct {
	mu    sync.Mutex
	slots map[lockKey]*slot
}

type slot struct {
	token chan struct{} // holds one element while the lock is free
	users int
}

func (t *lockTable) take(ctx context.Context, k lockKey, limit time.Time) error {
	t.mu.Lock()
	s := t.slots[k]
	if s == nil {
		s = &slot{token: make(chan struct{}, 1)}
		s.token <- struct{}{}
		t.slots[k] = s
	}
	s.users++
	t.mu.Unlock()
	select {
	case <-s.token:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	var err error
	select {
	case <-s.token:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = ErrLocked
	}
	t.leave(k, s)
	return err
}

func (t *lockTable) drop(k lockKey) {
	t.mu.Lock()
	s := t.slots[k]
	t.mu.Unlock()
	s.token <- struct{}{}
	t.leave(k, s)
}

func (t *lockTable) leave(k lockKey, s *slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(t.slots, k)
	}
}

// watched remembers since when a foreign lock has looked as it does, over
// several tries that each gave up: a lock from the future gets stale as well.
var watched = watchTable{seen: make(map[lockKey]sighting)}

type watchTable struct {
	mu   sync.Mutex
	seen map[lockKey]sighting
}

type sighting struct {
	lock, file Stat
	at         time.Time
}

func (t *watchTable) since(k lockKey, lock, file Stat) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.seen[k]
	if !ok || s.lock != lock || s.file != file {
		s = sighting{lock, file, time.Now()}
		t.seen[k] = s
	}
	return time.Since(s.at)
}

func (t *watchTable) forget(k lockKey) {
	t.mu.Lock()
	delete(t.seen, k)
	t.mu.Unlock()
}
