package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// beside lets Dovecot serve the same Maildir at the same time, while mail is delivered and mbsync comes through
// both servers: all who change what is in cur/ take the lock. No message goes back to a mailbox that it has left:
// Dovecot keeps the base name then, takes it for the expunged message when another of its sessions has not looked
// in between, and gives it another UID after the one announced, also with no server but Dovecot around.
func beside(o *options) error {
	if os.Getuid() != 0 || peer.DovecotVersion() == "not installed" {
		return leftOut("beside", "it needs root and Debian's dovecot-imapd")
	}
	f, err := o.open("beside", peer.DovecotUID, 2)
	if err != nil {
		return err
	}
	defer f.close()
	dv, err := f.dovecot()
	if err != nil {
		return err
	}
	defer dv.Stop()
	mirrors, err := f.mirrors(map[string]string{"ours": f.daemons[0].Addr, "dovecot": dv.Addr})
	if err != nil {
		return err
	}
	busy := o.share(4, 4*time.Second)
	var wg sync.WaitGroup
	for i := range 8 {
		a := &actor{l: f.l, name: fmt.Sprintf("b%d", i), r: o.random(uint64(1000 + i)), dial: f.anyDaemon, keywords: 20, once: true, busy: busy}
		if i%2 == 1 {
			a.name = fmt.Sprintf("dovecot%d", i)
			a.dial = func(_ *rand.Rand, who string) (*client, error) { return dial(dv.Addr, who, f.l) }
		}
		f.actors = append(f.actors, a)
		wg.Go(a.run)
	}
	g := func(n uint64) *foreign {
		return &foreign{l: f.l, r: o.random(n), root: f.root, uid: peer.DovecotUID, busy: busy}
	}
	wg.Go(g(1100).agent)
	wg.Go(g(1101).script)
	for _, m := range mirrors {
		m.busy = busy
		wg.Go(m.run)
	}
	wg.Wait()
	if err := f.reconcile(mirrors); err != nil {
		return err
	}
	at, err := f.rest(nil, dv.Addr)
	_ = dv.Stop()
	if err == nil {
		f.mirrored(mirrors, at)
		err = f.askDovecot(at)
	}
	runs, late := 0, 0
	for _, m := range mirrors {
		runs, late = runs+m.runs, late+m.late
	}
	f.report("beside", fmt.Sprintf("%d runs of mbsync (%d messages passed over), %d changes by foreign programs, ", runs, late, f.l.foreign.Load()))
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
