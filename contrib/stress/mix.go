package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// fight is one scenario at work.
type fight struct {
	o       *options
	l       *ledger
	dir     string // of the scenario
	root    string // the Maildir
	daemons []*daemon
	actors  []*actor
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
	f := &fight{o: &sub, l: newLedger(sub.dir), dir: sub.dir, root: filepath.Join(mails, user)}
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
	until := time.Now().Add(o.time * 6 / 10)
	var wg sync.WaitGroup
	for i := range o.clients {
		a := &actor{l: f.l, name: fmt.Sprintf("c%d", i), r: o.random(uint64(i)), dial: f.anyDaemon, keywords: 40, until: until}
		if i%5 == 4 {
			a.dial = f.somePreauth
		}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
	v := &folders{f: f, r: o.random(100), until: until}
	wg.Go(v.run)
	g := func(n uint64) *foreign { return &foreign{l: f.l, r: o.random(n), root: f.root, until: until} }
	wg.Go(g(200).agent)
	wg.Go(g(201).synchroniser)
	wg.Go(g(202).reader)
	wg.Go(g(203).reader)
	wg.Go(g(204).remover)
	wg.Go(func() { f.killer(o.random(300), until) })
	wg.Wait()
	at, err := f.rest(before, "")
	if err == nil {
		err = f.askDovecot(at)
	}
	fmt.Printf("stress: mix: %d commands, %d kills, %d changes by foreign programs, %d rounds of folders, %d promises; NO: %s\n",
		f.l.ops.Load(), f.l.kills.Load(), f.l.foreign.Load(), v.n, len(f.l.promised), f.l.refusals())
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
func (f *fight) killer(r *rand.Rand, until time.Time) {
	for {
		time.Sleep(time.Duration(400+r.IntN(1800)) * time.Millisecond)
		if time.Now().After(until) {
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

// beside lets Dovecot serve the same Maildir at the same time. No message goes back to a mailbox that it has left:
// Dovecot keeps the base name then, takes it for the expunged message when another of its sessions has not looked
// in between, and gives it another UID after the one announced, also with no server but Dovecot around.
func beside(o *options) error {
	if os.Getuid() != 0 || peer.DovecotVersion() == "not installed" {
		fmt.Println("stress: beside: left out: it needs root and Debian's dovecot-imapd")
		return nil
	}
	f, err := o.open("beside", peer.DovecotUID, 1)
	if err != nil {
		return err
	}
	defer f.close()
	dv, err := f.dovecot()
	if err != nil {
		return err
	}
	defer dv.Stop()
	until := time.Now().Add(o.time * 3 / 10)
	var wg sync.WaitGroup
	for i := range 8 {
		a := &actor{l: f.l, name: fmt.Sprintf("b%d", i), r: o.random(uint64(1000 + i)), dial: f.anyDaemon, keywords: 20, once: true, until: until}
		if i%2 == 1 {
			a.name = fmt.Sprintf("dovecot%d", i)
			a.dial = func(_ *rand.Rand, who string) (*client, error) { return dial(dv.Addr, who, f.l) }
		}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
	wg.Wait()
	at, err := f.rest(nil, dv.Addr)
	_ = dv.Stop()
	err = errors.Join(err, f.askDovecot(at))
	fmt.Printf("stress: beside: %d commands, %d promises; NO: %s\n", f.l.ops.Load(), len(f.l.promised), f.l.refusals())
	return errors.Join(err, f.l.err(), badLog(filepath.Join(dv.Dir, "log"), dovecots...))
}

// dovecots is what Dovecot says when it does not like what it sees.
var dovecots = []string{"Error:", "Panic:", "Fatal:", "Warning:", "orrupt", "reappeared"}

// dovecot starts a private Dovecot on the Maildir of the fight.
func (f *fight) dovecot() (*peer.Server, error) {
	return peer.StartDovecot(peer.Options{
		Dir: filepath.Join(f.dir, "dovecot"), Users: map[string]string{user: password},
		Extra: "mail_location = maildir:" + f.root + "\n" + strings.ReplaceAll(quiet, "ROOT", f.root),
	})
}

const quiet = `mail_home = ROOT
`
