package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"maildir-imapd/contrib/interop/peer"
	"maildir-imapd/maildir"
)

// listing is a mailbox as a fresh session sees it.
type listing struct {
	validity uint32
	ids      map[uint32]string
	flags    map[uint32]string
}

// listings asks for every mailbox that lives all the time.
func (f *fight) listings(addr, who string) (map[string]listing, error) {
	k, err := dial(addr, who, f.l)
	if err != nil {
		return nil, err
	}
	defer k.logout()
	k.whole = true
	out := map[string]listing{}
	for _, box := range boxes {
		if ok, err := k.selects("EXAMINE", box); err != nil || !ok {
			return nil, fmt.Errorf("%s cannot examine %s: %w", who, box, err)
		}
		x := listing{k.validity, map[uint32]string{}, map[uint32]string{}}
		for _, uid := range k.view {
			if uid == 0 {
				f.l.fail("%s: a message of %s cannot be fetched", who, box)
				continue
			}
			f.l.mu.Lock()
			x.ids[uid] = f.l.names[place{k.validity, uid}]
			f.l.mu.Unlock()
			x.flags[uid] = k.flags[uid]
			if !k.read[uid] {
				f.l.fail("%s: UID %d of %s cannot be read to its end", who, uid, box)
			}
		}
		a, err := k.do("STATUS " + box + " (MESSAGES)")
		if err != nil {
			return nil, err
		}
		if !a.ok {
			f.l.fail("%s: STATUS %s: %s", who, box, a.text)
		}
		out[box] = x
	}
	return out, nil
}

// rest compares everything with everything, once all is quiet. peer, where not empty, is Dovecot's address.
func (f *fight) rest(descriptors []int, peer string) (at map[string]listing, err error) {
	time.Sleep(1200 * time.Millisecond) // directory times may count in seconds
	if at, err = f.listings(f.daemons[0].Addr, "fresh"); err != nil {
		return nil, err
	}
	if peer != "" {
		if err := f.same(at, peer, "Dovecot beside us", true); err != nil {
			return nil, err
		}
	}
	f.sessions(at)
	if err := f.unlock(); err != nil {
		return nil, err
	}
	f.promises(at)
	f.l.strangers()
	f.files(at)
	for _, d := range f.daemons[1:] {
		if err := f.same(at, d.Addr, d.name, true); err != nil {
			return nil, err
		}
	}
	f.resources(descriptors)
	for _, d := range f.daemons {
		d.end(syscall.SIGTERM)
		if err := d.start(); err != nil {
			return nil, err
		}
		if err := f.same(at, d.Addr, d.name+" after a restart", true); err != nil {
			return nil, err
		}
		d.end(syscall.SIGTERM)
		if err := badLog(d.log(), f.bad...); err != nil {
			f.l.fail("%v", err)
		}
	}
	for _, err := range maildir.Check(f.root) {
		f.l.fail("check: %v", err)
	}
	return at, nil
}

// unlock takes the lock of every mailbox once and removes those that came and went: a lock that a killed
// process has left goes thereby.
func (f *fight) unlock() error {
	k, err := dial(f.daemons[0].Addr, "unlock", f.l)
	if err != nil {
		return err
	}
	defer k.logout()
	for i := range 14 { // a lock in there too may have nobody left
		for _, sub := range []string{"/sub", ""} {
			if _, err := k.do(fmt.Sprintf("DELETE %c%d%s", "VW"[i%2], i/2, sub)); err != nil {
				return err
			}
		}
	}
	for _, box := range boxes {
		if ok, err := k.selects("SELECT", box); err != nil || !ok {
			return fmt.Errorf("cannot select %s: %w", box, err)
		}
		if _, err := k.do("UID STORE 1:* -FLAGS.SILENT (nobodysword)"); err != nil {
			return err
		}
	}
	return nil
}

// sessions holds the views of the sessions that are still there to what a fresh one sees.
func (f *fight) sessions(at map[string]listing) {
	for _, a := range f.actors {
		k := a.k
		if k == nil || k.box == "" {
			continue
		}
		_, err := k.do("NOOP")
		if err == nil {
			err = k.ask()
		}
		if err != nil {
			f.l.fail("%s: NOOP at rest: %v", a.name, err)
			continue
		}
		want := slices.Sorted(maps.Keys(at[k.box].ids))
		if !slices.Equal(k.view, want) {
			f.l.fail("%s sees other messages in %s than a fresh session: %s", a.name, k.box, difference(k.view, want))
		}
		k.logout()
		a.k = nil
	}
	for _, a := range f.actors {
		if a.k != nil {
			a.k.logout()
		}
	}
}

func difference(a, b []uint32) string {
	only := func(a, b []uint32) (out []uint32) {
		for _, x := range a {
			if !slices.Contains(b, x) {
				out = append(out, x)
			}
		}
		return out
	}
	return fmt.Sprintf("%d and %d messages, only here %v, only there %v", len(a), len(b), only(a, b), only(b, a))
}

// promises holds the mailboxes to the ledger.
func (f *fight) promises(at map[string]listing) {
	l := f.l
	l.mu.Lock()
	defer l.mu.Unlock()
	somewhere := map[string]bool{}
	for _, x := range at {
		for uid, id := range x.ids {
			p := place{x.validity, uid}
			somewhere[id] = true
			if l.told[p] {
				l.failed("UID %d (%s) of %s is there, but a session was told of its EXPUNGE", uid, id, l.box(x.validity))
			}
			if l.gone[p] {
				l.failed("UID %d (%s) of %s is there after its removal was answered OK", uid, id, l.box(x.validity))
			}
			if want, ok := l.flags[p]; ok && want != "?" && !l.loose[p] && x.flags[uid] != want {
				l.failed("UID %d (%s) of %s has the flags (%s); written were (%s)", uid, id, l.box(x.validity), x.flags[uid], want)
			}
		}
	}
	for p, id := range l.promised {
		box, fixed := l.fixed[p.validity]
		if !fixed {
			continue
		}
		if _, there := at[box].ids[p.uid]; !there && !l.mayGo(p) {
			l.failed("UID %d (%s) of %s was answered with OK and is not there", p.uid, id, box)
		}
		if !somewhere[id] && !l.doomed[id] {
			l.failed("%s is in no mailbox; nobody deleted it", id)
		}
	}
	for id := range l.posted {
		if !somewhere[id] && !l.doomed[id] {
			l.failed("%s was delivered to %s and is in no mailbox; nobody deleted it", id, l.box(l.posted[id]))
		}
	}
}

// files compares the sessions' view with the directories.
func (f *fight) files(at map[string]listing) {
	for _, box := range boxes {
		var disk, told []string
		for _, sub := range []string{"new", "cur"} {
			d := filepath.Join(dir(f.root, box), sub)
			list, err := os.ReadDir(d)
			if err != nil {
				f.l.fail("%v", err)
			}
			for _, e := range list {
				disk = append(disk, f.l.file(filepath.Join(d, e.Name()), false))
			}
		}
		for _, id := range at[box].ids {
			told = append(told, id)
		}
		slices.Sort(disk)
		slices.Sort(told)
		if !slices.Equal(disk, told) {
			f.l.fail("%s: %d files, %d messages, and they are not the same", box, len(disk), len(told))
		}
	}
}

// same holds another server to the same UIDs, and with flags to the same flags.
func (f *fight) same(at map[string]listing, addr, who string, flags bool) error {
	now, err := f.listings(addr, who)
	if err != nil {
		return err
	}
	for _, box := range boxes {
		a, b := at[box], now[box]
		if a.validity != b.validity {
			f.l.fail("%s: UIDVALIDITY of %s is %d, was %d", who, box, b.validity, a.validity)
		}
		if !maps.Equal(a.ids, b.ids) {
			f.l.fail("%s: other UIDs in %s: %s", who, box, difference(slices.Sorted(maps.Keys(b.ids)), slices.Sorted(maps.Keys(a.ids))))
		}
		for uid, want := range a.flags {
			if flags && b.flags[uid] != want || system(b.flags[uid]) != system(want) {
				f.l.fail("%s: UID %d (%s) of %s has the flags (%s), had (%s)", who, uid, a.ids[uid], box, b.flags[uid], want)
			}
		}
	}
	return nil
}

// system keeps the flags that every server keeps in the file name.
func system(flags string) string {
	f := slices.DeleteFunc(strings.Fields(flags), func(s string) bool { return !strings.HasPrefix(s, `\`) })
	return strings.Join(f, " ")
}

// resources looks for what has piled up, now that nobody is connected. Each mailbox kept warm has some
// descriptors; folders come and go, and theirs must go too.
func (f *fight) resources(before []int) {
	time.Sleep(1500 * time.Millisecond) // the last sessions end by themselves
	for i, n := range before {
		if now := f.daemons[i].descriptors(); now > n+6*(len(boxes)+14) {
			f.l.fail("%s has %d descriptors open, had %d", f.daemons[i].name, now, n)
		}
	}
	for _, d := range f.daemons {
		if serving, all := d.goroutines(); serving != "" || all > 40 || all == 0 {
			f.l.fail("%s has %d goroutines; sessions that are gone: %s", d.name, all, serving)
		}
	}
}

// askDovecot starts Dovecot on the Maildir that is at rest now.
func (f *fight) askDovecot(at map[string]listing) error {
	if os.Getuid() != 0 || peer.DovecotVersion() == "not installed" {
		fmt.Println("stress: Dovecot's opinion is left out: it needs root and Debian's dovecot-imapd")
		return nil
	}
	err := filepath.WalkDir(f.root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, peer.DovecotUID, peer.DovecotUID)
		}
		return err
	})
	if err != nil {
		return err
	}
	s, err := f.dovecot()
	if err != nil {
		return err
	}
	err = f.same(at, s.Addr, "Dovecot", false)
	return errors.Join(err, s.Stop(), badLog(filepath.Join(s.Dir, "log"), dovecots...))
}
