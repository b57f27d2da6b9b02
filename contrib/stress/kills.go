package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// kills ends the daemon with SIGKILL again and again, each time soon after the first command that it has
// answered with OK: what it has said must be true, whatever it was doing.
func kills(o *options) error {
	f, err := o.open("kills", 0, 1)
	if err != nil {
		return err
	}
	defer f.close()
	var over atomic.Bool
	busy := func() bool { return !over.Load() }
	var wg sync.WaitGroup
	for i := range 6 {
		a := &actor{l: f.l, name: fmt.Sprintf("k%d", i), r: o.random(uint64(4000 + i)), dial: f.anyDaemon, keywords: 40, busy: busy}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
	g := &foreign{l: f.l, r: o.random(4100), root: f.root, busy: busy}
	wg.Go(g.agent)
	d, r := f.daemons[0], o.random(4200)
	for range o.kills {
		if err = f.answers(15 * time.Second); err != nil {
			break
		}
		time.Sleep(time.Duration(20+r.IntN(131)) * time.Millisecond)
		d.end(syscall.SIGKILL)
		f.l.kills.Add(1)
		if err = d.start(); err != nil {
			break
		}
	}
	over.Store(true)
	wg.Wait()
	if err != nil {
		return fmt.Errorf("after %d kills: %w", f.l.kills.Load(), err)
	}
	at, err := f.rest(nil, "")
	if err == nil {
		err = f.askDovecot(at)
	}
	f.report("kills", fmt.Sprintf("%d kills, ", f.l.kills.Load()))
	return errors.Join(err, f.l.err())
}

// answers waits for the next OK to a command.
func (f *fight) answers(most time.Duration) error {
	before := f.l.acks.Load()
	for deadline := time.Now().Add(most); f.l.acks.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("no command was answered with OK within %v of a start", most)
		}
	}
	return nil
}
