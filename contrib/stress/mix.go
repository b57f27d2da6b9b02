package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// fight is one scenario at work.
type fight struct {
	o       *options
	l       *ledger
	dir     string // of the scenario
	root    string // the Maildir
	daemons []*daemon
	actors  []*actor
	bad     []string // what the daemons' logs may not have
}

// share is a part of the time given, or the least that shows anything; it begins now.
func (o *options) share(part int, least time.Duration) (busy func() bool) {
	until := time.Now().Add(max(o.time/time.Duration(part), least))
	return func() bool { return time.Now().Before(until) }
}

// engage lets so many clients act that want a reason with every refusal.
func (f *fight) engage(wg *sync.WaitGroup, clients int, seed uint64, name string, busy func() bool) {
	for i := range clients {
		a := &actor{l: f.l, name: fmt.Sprintf("%s%d", name, i), r: f.o.random(seed + uint64(i)), dial: f.coded, keywords: 40, busy: busy}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
}

// report says what was done.
func (f *fight) report(name, more string) {
	fmt.Printf("stress: %s: %d commands, %s%d promises, %d messages compared; NO: %s\n",
		name, f.l.ops.Load(), more, len(f.l.promised), f.l.bodies.Load(), f.l.refusals())
}

// random gives every goroutine numbers of its own out of the seed.
func (o *options) random(n uint64) *rand.Rand { return rand.New(rand.NewPCG(o.seed, n)) }

// open starts the daemons and makes the mailboxes.
func (o *options) open(name string, uid, daemons int) (*fight, error) {
	sub := *o
	sub.dir = filepath.Join(o.dir, name)
	mails := filepath.Join(sub.dir, "mail")
	if err := os.MkdirAll(mails, 0o755); err != nil {
		return nil, err
	}
	if o.mount != "" {
		if err := syscall.Mount("tmpfs", mails, "tmpfs", 0, o.mount); err != nil {
			return nil, err
		}
	}
	if uid != 0 {
		if err := os.Chown(mails, uid, uid); err != nil {
			return nil, err
		}
	}
	f := &fight{o: &sub, l: newLedger(sub.dir), dir: sub.dir, root: filepath.Join(mails, user), bad: ours}
	f.l.dump = func() {
		for _, d := range f.daemons {
			d.signal(syscall.SIGQUIT)
		}
	}
	for i := range daemons {
		d, err := newDaemon(&sub, fmt.Sprintf("d%d", i), mails, uid)
		if err == nil {
			err = d.start()
		}
		if err != nil {
			f.close()
			return nil, err
		}
		f.daemons = append(f.daemons, d)
	}
	if err := f.create(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *fight) close() {
	for _, d := range f.daemons {
		d.end(syscall.SIGKILL)
	}
}

// create makes the mailboxes and notes their UIDVALIDITY.
func (f *fight) create() error {
	k, err := dial(f.daemons[0].Addr, "setup", f.l)
	if err != nil {
		return err
	}
	defer k.logout()
	for _, box := range boxes {
		if box != "INBOX" {
			if a, err := k.do("CREATE " + box); err != nil || !a.ok {
				return errors.Join(err, fmt.Errorf("CREATE %s: %s", box, a.text))
			}
		}
		if ok, err := k.selects("SELECT", box); err != nil || !ok {
			return fmt.Errorf("cannot select %s: %w", box, err)
		}
		f.l.mu.Lock()
		if was, twice := f.l.fixed[k.validity]; twice {
			f.l.failed("%s and %s have one UIDVALIDITY", was, box)
		}
		f.l.fixed[k.validity] = box
		f.l.mu.Unlock()
	}
	return nil
}

// mix lets everything loose on one Maildir.
func mix(o *options) error {
	f, err := o.open("mix", 0, 2)
	if err != nil {
		return err
	}
	defer f.close()
	before := f.descriptors()
	busy := o.share(2, 5*time.Second)
	var wg sync.WaitGroup
	for i := range o.clients {
		a := &actor{l: f.l, name: fmt.Sprintf("c%d", i), r: o.random(uint64(i)), dial: f.anyDaemon, keywords: 40, busy: busy}
		if i%5 == 4 {
			a.dial = f.somePreauth
		}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
	v := &folders{f: f, r: o.random(100), busy: busy}
	wg.Go(v.run)
	g := func(n uint64) *foreign { return &foreign{l: f.l, r: o.random(n), root: f.root, busy: busy} }
	wg.Go(g(200).agent)
	wg.Go(g(201).synchroniser)
	wg.Go(g(202).reader)
	wg.Go(g(203).reader)
	wg.Go(g(204).remover)
	wg.Go(g(205).script)
	wg.Go(func() { f.killer(o.random(300), busy) })
	wg.Wait()
	at, err := f.rest(before, "")
	if err == nil {
		err = f.askDovecot(at)
	}
	f.report("mix", fmt.Sprintf("%d kills, %d changes by foreign programs, %d rounds of folders, ", f.l.kills.Load(), f.l.foreign.Load(), v.n))
	return errors.Join(err, f.l.err())
}

func (f *fight) descriptors() (n []int) {
	for _, d := range f.daemons {
		n = append(n, d.descriptors())
	}
	return n
}

func (f *fight) anyDaemon(r *rand.Rand, who string) (*client, error) {
	return dial(f.daemons[r.IntN(len(f.daemons))].Addr, who, f.l)
}

func (f *fight) somePreauth(_ *rand.Rand, who string) (*client, error) {
	p, err := f.daemons[0].preauth()
	if err != nil {
		return nil, err
	}
	return over(p, who+"-preauth", f.l)
}

// killer ends a daemon in the midst of whatever it does, and starts it again.
func (f *fight) killer(r *rand.Rand, busy func() bool) {
	for {
		time.Sleep(time.Duration(400+r.IntN(1800)) * time.Millisecond)
		if !busy() {
			return
		}
		d := f.daemons[r.IntN(len(f.daemons))]
		d.end(syscall.SIGKILL)
		f.l.kills.Add(1)
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		if err := d.start(); err != nil {
			f.l.fail("after a kill: %v", err)
			return
		}
	}
}
