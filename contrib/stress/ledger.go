package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// place is one message in one mailbox, as IMAP names it.
type place struct{ validity, uid uint32 }

// mail is a message, by its Message-ID, in one mailbox.
type mail struct {
	validity uint32
	id       string
}

// ledger is what has been promised and what may have been taken away.
// Everything that could take something away is entered before it is tried.
type ledger struct {
	mu       sync.Mutex
	fixed    map[uint32]string // UIDVALIDITY of the mailboxes that live all the time
	names    map[place]string  // what a UID has named, ever
	uids     map[mail][]uint32
	births   map[mail]int      // how often it was put into the mailbox, or may have been
	promised map[place]string  // tagged OK
	flags    map[place]string  // last written with a tagged OK by the only one who writes
	loose    map[place]bool    // somebody may have removed it
	unlinked map[mail]bool     // by a program that knows no UIDs
	told     map[place]bool    // some session was told that it is expunged
	unnamed  map[place]string  // told, and by whom, before anybody knew which message it was
	gone     map[place]bool    // must be gone
	doomed   map[string]bool   // may be gone from everywhere
	sums     map[string]sum    // of each message's bytes
	posted   map[string]uint32 // messages delivered, and the mailbox
	faults   []string
	trace    trace

	ops, acks, kills, foreign atomic.Int64
	bodies                    atomic.Int64 // compared byte for byte
	hung                      sync.Once
	dump                      func()   // has the daemons write down what they wait for, and end
	no                        sync.Map // texts of NO answers, counted
}

func newLedger(dir string) *ledger {
	return &ledger{
		trace: trace{dir: dir}, dump: func() {},
		fixed: map[uint32]string{}, names: map[place]string{}, uids: map[mail][]uint32{}, births: map[mail]int{},
		promised: map[place]string{}, flags: map[place]string{}, loose: map[place]bool{}, unlinked: map[mail]bool{},
		told: map[place]bool{}, unnamed: map[place]string{}, gone: map[place]bool{}, doomed: map[string]bool{}, sums: map[string]sum{}, posted: map[string]uint32{},
	}
}

// fail notes a broken promise.
func (l *ledger) fail(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed(format, a...)
}

func (l *ledger) failed(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	l.faults = append(l.faults, text)
	if len(l.faults) <= 30 {
		fmt.Println("stress: BROKEN:", text)
	}
	l.trace.broken(text)
}

// err is the sum of it.
func (l *ledger) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d promises broken, the first: %s", len(l.faults), l.faults[0])
}

// refused counts the reasons of NO answers.
func (l *ledger) refused(command, text string) {
	word, _, _ := strings.Cut(command, " ")
	n, _ := l.no.LoadOrStore(word+": "+text, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// refusedAny tells whether any command was.
func (l *ledger) refusedAny() (some bool) {
	l.no.Range(func(_, _ any) bool {
		some = true
		return false
	})
	return some
}

// refusals lists them.
func (l *ledger) refusals() string {
	var out []string
	l.no.Range(func(k, v any) bool {
		out = append(out, fmt.Sprintf("%d x %s", v.(*atomic.Int64).Load(), k))
		return true
	})
	slices.Sort(out)
	if len(out) > 12 {
		out = append(out[:12], "...")
	}
	return strings.Join(out, "; ")
}

// born says that id is about to be put into a mailbox.
func (l *ledger) born(validity uint32, id string) {
	l.mu.Lock()
	l.births[mail{validity, id}]++
	l.mu.Unlock()
}

// been tells whether a message was ever put into a mailbox.
func (l *ledger) been(validity uint32, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.births[mail{validity, id}] > 0
}

// learn takes in what a session was told: this UID is that message.
func (l *ledger) learn(p place, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learned(p, id)
}

func (l *ledger) learned(p place, id string) {
	switch was, ok := l.names[p]; {
	case ok && was != id:
		l.failed("UID %d of %s named %s and names %s", p.uid, l.box(p.validity), was, id)
		return
	case ok:
		return
	}
	l.names[p] = id
	k := mail{p.validity, id}
	l.uids[k] = append(l.uids[k], p.uid)
	if _, fixed := l.fixed[p.validity]; fixed && len(l.uids[k]) > l.births[k] {
		l.failed("%s has the UIDs %v in %s, but was put there %d times", id, l.uids[k], l.box(p.validity), l.births[k])
	}
}

// unknown is the index of the first UID in a view that is not known or has not named a message yet, or -1.
func (l *ledger) unknown(validity uint32, view []uint32) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.IndexFunc(view, func(uid uint32) bool { return uid == 0 || l.names[place{validity, uid}] == "" })
}

func (l *ledger) box(validity uint32) string {
	if name, ok := l.fixed[validity]; ok {
		return name
	}
	return fmt.Sprintf("[UIDVALIDITY %d]", validity)
}

// promise notes a tagged OK that announced a UID.
func (l *ledger) promise(p place, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.promised[p]; again {
		l.failed("UID %d of %s was announced twice: %s and %s", p.uid, l.box(p.validity), l.promised[p], id)
	}
	l.promised[p] = id
	l.learned(p, id)
}

// loosen says that somebody is about to do what may end in the message's removal; dooms: from everywhere.
func (l *ledger) loosen(p place, dooms bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loose[p] = true
	if dooms {
		l.doomed[l.names[p]] = true
	}
}

// mayGo tells whether somebody may have removed it. A \Deleted goes with COPY, so a message that everybody
// may change is lost from sight with its first one. mu is held.
func (l *ledger) mayGo(p place) bool {
	id := l.names[p]
	return l.loose[p] || l.unlinked[mail{p.validity, id}] || free(id) && l.doomed[id]
}

// expunged takes in an EXPUNGE that a session was told.
func (l *ledger) expunged(p place, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[p] = true
	if l.names[p] == "" && !l.loose[p] {
		l.unnamed[p] = who
		return
	}
	l.mayHaveGone(p, who)
}

func (l *ledger) mayHaveGone(p place, who string) {
	if _, fixed := l.fixed[p.validity]; fixed && !l.mayGo(p) {
		l.failed("%s was told of an EXPUNGE of UID %d (%s) in %s, which nobody removed", who, p.uid, l.names[p], l.box(p.validity))
	}
}

// strangers settles the EXPUNGEs of messages that had no name when they were told: an unsolicited FETCH gives
// a UID, and the file may be unlinked before anybody can look into it. Whatever was never named must be one of
// those that were put there and taken away without a session having seen them.
func (l *ledger) strangers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	never := map[uint32]int{}
	for p, who := range l.unnamed {
		if l.names[p] != "" {
			l.mayHaveGone(p, who)
		} else if _, fixed := l.fixed[p.validity]; fixed {
			never[p.validity]++
		}
	}
	for k, n := range l.births {
		if l.unlinked[k] || free(k.id) && l.doomed[k.id] {
			never[k.validity] -= max(0, n-len(l.uids[k]))
		}
	}
	for v, n := range never {
		if n > 0 {
			l.failed("%d messages that nobody has seen or removed were told to be expunged in %s", n, l.box(v))
		}
	}
}

// standing is what a session that selects now must find.
func (l *ledger) standing(validity uint32) map[uint32]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[uint32]string)
	for p, id := range l.promised {
		if p.validity == validity && !l.mayGo(p) {
			out[p.uid] = id
		}
	}
	return out
}

// found compares what was standing before a SELECT with what it showed.
func (l *ledger) found(validity uint32, before map[uint32]string, view []uint32, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uid, id := range before {
		if _, ok := slices.BinarySearch(view, uid); !ok && !l.mayGo(place{validity, uid}) {
			l.failed("%s does not see UID %d (%s) in %s, which was answered with OK", who, uid, id, l.box(validity))
		}
	}
}

// wrote notes flags that an OK has confirmed; "?" where the answer was cut off.
func (l *ledger) wrote(p place, flags string) {
	l.mu.Lock()
	l.flags[p] = flags
	l.mu.Unlock()
}

func (l *ledger) written(p place) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flags[p]
}

// removed notes that an OK said it is gone.
func (l *ledger) removed(p place) {
	l.mu.Lock()
	l.gone[p] = true
	l.mu.Unlock()
}
