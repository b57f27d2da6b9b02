package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// logins counts connect, LOGIN, LOGOUT, so many at once for so long.
func logins(addr string, users []string, atOnce int, long time.Duration) (perSecond float64, err error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, atOnce)
	begin := time.Now()
	end := begin.Add(long)
	for w := range atOnce {
		wg.Go(func() {
			for i := w; time.Now().Before(end); i += atOnce {
				k, err := login(addr, users[i%len(users)])
				if err != nil {
					failed <- err
					return
				}
				k.close()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}

// idle opens n sessions with the mailbox selected, lets them rest, and calls measure.
func idle(addr string, users []string, n int, measure func() error) error {
	var ks []*client
	defer func() {
		for _, k := range ks {
			k.drop()
		}
	}()
	for i := range n {
		k, err := login(addr, users[i%len(users)])
		if err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		ks = append(ks, k)
		k.shrink(4096)
		if err := k.do("SELECT INBOX"); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	time.Sleep(5 * time.Second)
	return measure()
}
