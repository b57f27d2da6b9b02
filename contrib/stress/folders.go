package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// folders is a client that makes, renames and deletes mailboxes with mail in
// them, while the daemon that it talks to may be killed at any moment.
type folders struct {
	f    *fight
	r    *rand.Rand
	busy func() bool
	n    int
	last uint32 // the highest UIDVALIDITY so far
}

func (v *folders) run() {
	for v.busy() {
		k, err := v.f.anyDaemon(v.r, "folders")
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		for err == nil && v.busy() {
			v.n++
			err = v.round(k)
		}
		k.rw.Close()
	}
}

// round makes a mailbox below one that may exist already, fills it, moves it
// about and removes it. Each OK is held to its word by looking.
func (v *folders) round(k *client) error {
	l := v.f.l
	name, to := fmt.Sprintf("V%d", v.n%7), fmt.Sprintf("W%d", v.n%5)
	for _, old := range []string{name, name + "/sub", to, to + "/sub"} { // what a kill has left
		if a, err := k.do("STATUS " + old + " (MESSAGES)"); err != nil {
			return err
		} else if a.ok {
			if _, err := k.do("DELETE " + old); err != nil {
				return err
			}
		}
	}
	if ok, err := v.must(k, "CREATE "+name); !ok {
		return err
	}
	if ok, err := v.must(k, "CREATE "+name+"/sub"); !ok {
		return err
	}
	ids, err := v.fill(k, name)
	if err != nil || len(ids) < 3 {
		return err
	}
	if v.r.IntN(2) == 0 { // a selected mailbox may be renamed as well
		if _, err := k.selects("SELECT", name); err != nil {
			return err
		}
	}
	if ok, err := v.must(k, "RENAME "+name+" "+to); !ok {
		return err
	}
	if err := v.looks(k, to, ids); err != nil {
		return err
	}
	if _, err := k.do("UNSELECT"); err != nil {
		return err
	}
	for _, gone := range []string{to + "/sub", to} {
		if ok, err := v.must(k, "DELETE "+gone); !ok {
			return err
		}
	}
	ok, err := k.selects("SELECT", to)
	if err == nil && ok {
		l.fail("folders: %s is there after DELETE", to)
	}
	return err
}

// fill puts three messages into a new mailbox, which must have a new UIDVALIDITY.
func (v *folders) fill(k *client, name string) (ids map[string]uint32, err error) {
	l := v.f.l
	ids = map[string]uint32{}
	for i := range 3 {
		id := fmt.Sprintf("folder-%d-%d", v.n, i)
		text := l.letter(id, v.r)
		a, err := k.do(fmt.Sprintf("APPEND %s {%d+}\r\n%s", name, len(text), text))
		if err != nil {
			return nil, err
		}
		var val, uid uint32
		if _, err := fmt.Sscanf(a.text, "[APPENDUID %d %d]", &val, &uid); !a.ok || err != nil {
			l.fail("folders: APPEND to %s: %s", name, a.text)
			return nil, nil
		}
		if i == 0 && val <= v.last {
			l.fail("folders: the new %s has the UIDVALIDITY %d after %d", name, val, v.last)
		}
		v.last, ids[id] = val, uid
		l.promise(place{val, uid}, id)
	}
	return ids, nil
}

// looks looks at a renamed mailbox, in another daemon as well where that is not being killed.
func (v *folders) looks(k *client, box string, ids map[string]uint32) error {
	if other, err := v.f.anyDaemon(v.r, "folders-look"); err == nil {
		_ = v.look(other, box, ids)
		other.rw.Close()
	}
	return v.look(k, box, ids)
}

// must sends a command that has to succeed.
func (v *folders) must(k *client, command string) (ok bool, err error) {
	a, err := k.do(command)
	if err == nil && !a.ok {
		v.f.l.fail("folders: %s: %s", command, a.text)
	}
	return err == nil && a.ok, err
}

// look holds a renamed mailbox to the messages that were put into it.
func (v *folders) look(k *client, box string, ids map[string]uint32) error {
	ok, err := k.selects("SELECT", box)
	if err != nil {
		return err
	}
	if !ok || k.validity != v.last || len(k.view) != len(ids) {
		v.f.l.fail("folders: %s sees UIDVALIDITY %d and %d messages in %s after RENAME, want %d and %d", k.who, k.validity, len(k.view), box, v.last, len(ids))
	}
	return nil
}
