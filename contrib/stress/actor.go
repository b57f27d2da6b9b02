package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// boxes live all the time. INBOX and A are where others deliver.
var boxes = []string{"INBOX", "A", "B", "C", "C/D"}

// actor is a client that does random things until its time is over, with a
// new connection whenever the old one breaks.
type actor struct {
	l        *ledger
	name     string
	r        *rand.Rand
	dial     func(r *rand.Rand, who string) (*client, error)
	keywords int         // how many different ones
	once     bool        // copies go only where the message has never been
	busy     func() bool // there is still time
	k        *client
	n        int
	appended map[uint32]uint32 // UIDVALIDITY -> last UID that our own APPEND was given
}

// run acts until the end; its last connection stays open.
func (a *actor) run() {
	a.appended = map[uint32]uint32{}
	for a.busy() {
		if a.k == nil {
			k, err := a.dial(a.r, a.name)
			if err != nil {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			a.k = k
		}
		if err := a.step(); err != nil {
			a.k.rw.Close()
			a.k = nil
		}
	}
}

// step is one random command, and the questions that its outcome raises.
func (a *actor) step() error {
	if a.k.box == "" || a.r.IntN(25) == 0 {
		verb := "SELECT"
		if a.r.IntN(8) == 0 {
			verb = "EXAMINE"
		}
		ok, err := a.k.selects(verb, boxes[a.r.IntN(len(boxes))])
		if err != nil || !ok || verb == "SELECT" {
			return err
		}
		if err := a.k.idle(20 * time.Millisecond); err != nil {
			return err
		}
		a.k.box = ""
		return nil
	}
	acts := [...]struct {
		weight int
		do     func() error
	}{
		{18, a.appends}, {20, a.storesOwn}, {12, a.storesAny}, {8, func() error { return a.copies("COPY") }},
		{9, func() error { return a.copies("MOVE") }}, {5, a.expunges}, {8, a.removesOwn}, {10, a.noop}, {4, a.idles},
		{5, a.reads}, {3, a.status}, {3, a.searches},
	}
	total := 0
	for _, x := range acts {
		total += x.weight
	}
	n := a.r.IntN(total)
	for _, x := range acts {
		if n -= x.weight; n < 0 {
			if err := x.do(); err != nil {
				return err
			}
			break
		}
	}
	return a.k.ask()
}

// mine tells whether only this actor writes flags of the message.
func (a *actor) mine(id string) bool { return strings.HasPrefix(id, "own-"+a.name+"-") }

func free(id string) bool { return id != "" && !strings.HasPrefix(id, "own-") }

// pick returns some messages of the view that suit.
func (a *actor) pick(most int, suits func(id string) bool) (uids []uint32) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	if len(a.k.view) == 0 {
		return nil
	}
	at := a.r.IntN(len(a.k.view))
	for i := range a.k.view {
		uid := a.k.view[(at+i)%len(a.k.view)]
		if uid != 0 && suits(a.l.names[place{a.k.validity, uid}]) {
			if uids = append(uids, uid); len(uids) == most {
				break
			}
		}
	}
	return uids
}

func set(uids []uint32) string {
	s := make([]string, len(uids))
	for i, u := range uids {
		s[i] = fmt.Sprint(u)
	}
	return strings.Join(s, ",")
}

func (a *actor) place(uid uint32) place { return place{a.k.validity, uid} }

func (a *actor) id(uid uint32) string {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	return a.l.names[a.place(uid)]
}

func (a *actor) appends() error {
	a.n++
	class := "own"
	if a.r.IntN(3) == 0 {
		class = "any"
	}
	id := fmt.Sprintf("%s-%s-%d", class, a.name, a.n)
	box := boxes[a.r.IntN(len(boxes))]
	validity := a.l.validityOf(box)
	flags := a.flags()
	text := a.l.letter(id, a.r)
	a.l.born(validity, id)
	got, err := a.k.do(fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", box, flags, len(text), text))
	if err != nil || !got.ok {
		return err
	}
	var v, uid uint32
	if _, err := fmt.Sscanf(got.text, "[APPENDUID %d %d]", &v, &uid); err != nil || v != validity {
		a.l.fail("%s: APPEND to %s (UIDVALIDITY %d): %s", a.name, box, validity, got.text)
		return nil
	}
	if last := a.appended[v]; uid <= last {
		a.l.fail("%s: APPEND to %s was given UID %d after %d", a.name, box, uid, last)
	}
	a.appended[v] = uid
	p := place{v, uid}
	a.l.promise(p, id)
	if class == "own" {
		a.l.wrote(p, canonical(flags))
	}
	return nil
}

// flags are some system flags and keywords, \Deleted not among them.
func (a *actor) flags() string {
	var f []string
	for _, s := range []string{`\Seen`, `\Flagged`, `\Answered`, `\Draft`} {
		if a.r.IntN(3) == 0 {
			f = append(f, s)
		}
	}
	for range a.r.IntN(4) {
		f = append(f, fmt.Sprintf("word%d", a.r.IntN(a.keywords)))
	}
	return canonical(strings.Join(f, " "))
}

// storesOwn replaces the flags of a message that nobody else writes to and
// holds the server to them.
func (a *actor) storesOwn() error {
	uids := a.pick(1, a.mine)
	if len(uids) == 0 {
		return nil
	}
	p, flags := a.place(uids[0]), a.flags()
	a.l.wrote(p, "?")
	delete(a.k.flags, p.uid)
	got, err := a.k.do(fmt.Sprintf("UID STORE %d FLAGS (%s)", p.uid, flags))
	if err != nil || !got.ok {
		return err
	}
	a.l.wrote(p, flags)
	if now, ok := a.k.flags[p.uid]; ok && now != flags {
		a.l.fail("%s: STORE of (%s) to UID %d of %s was answered (%s)", a.name, flags, p.uid, a.k.box, now)
	}
	return nil
}

func (a *actor) storesAny() error {
	uids := a.pick(1+a.r.IntN(5), free)
	if len(uids) == 0 {
		return nil
	}
	op := []string{"+FLAGS", "-FLAGS", "+FLAGS.SILENT", "FLAGS"}[a.r.IntN(4)]
	flags := a.flags()
	if a.r.IntN(3) == 0 && op != "-FLAGS" {
		flags = strings.TrimSpace(flags + ` \Deleted`)
		for _, u := range uids {
			a.l.loosen(a.place(u), true)
		}
	}
	_, err := a.k.do(fmt.Sprintf("UID STORE %s %s (%s)", set(uids), op, flags))
	return err
}

// copies copies or moves own messages and anybody's.
func (a *actor) copies(verb string) error {
	uids := a.pick(1+a.r.IntN(4), a.mine)
	if a.r.IntN(2) == 0 {
		uids = a.pick(1+a.r.IntN(4), free)
	}
	a.l.mu.Lock() // an own one that is \Deleted since an answer was cut off stays where it is
	uids = slices.DeleteFunc(uids, func(u uint32) bool { return a.mine(a.l.names[a.place(u)]) && a.l.loose[a.place(u)] })
	a.l.mu.Unlock()
	box := boxes[a.r.IntN(len(boxes))]
	validity := a.l.validityOf(box)
	if a.once {
		uids = slices.DeleteFunc(uids, func(u uint32) bool { return a.l.been(validity, a.id(u)) })
	}
	if len(uids) == 0 {
		return nil
	}
	for _, u := range uids {
		a.l.born(validity, a.id(u))
		if verb == "MOVE" {
			a.l.loosen(a.place(u), false)
		}
	}
	from, was := a.k.validity, map[uint32]string{}
	for _, u := range uids {
		was[u] = a.l.written(a.place(u))
	}
	got, err := a.k.do(fmt.Sprintf("UID %s %s %s", verb, set(uids), box))
	if err != nil || a.k.copied == "" {
		return err
	}
	var v uint32
	var src, dst string
	if _, err := fmt.Sscanf(a.k.copied, "%d %s %s", &v, &src, &dst); err != nil || v != validity {
		a.l.fail("%s: COPYUID %s from %s to %s (UIDVALIDITY %d)", a.name, a.k.copied, a.k.box, box, validity)
		return nil
	}
	s, d := expand(src), expand(dst)
	if len(s) != len(d) {
		a.l.fail("%s: COPYUID %s: %d and %d messages", a.name, a.k.copied, len(s), len(d))
		return nil
	}
	for i := range s {
		p := place{v, d[i]}
		a.l.promise(p, a.idAt(from, s[i]))
		if f := was[s[i]]; f != "" {
			a.l.wrote(p, f)
		}
		if verb == "MOVE" && got.ok {
			a.l.removed(place{from, s[i]})
		}
	}
	return nil
}

func (a *actor) idAt(validity, uid uint32) string {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	return a.l.names[place{validity, uid}]
}

func (a *actor) expunges() error {
	_, err := a.k.do("EXPUNGE")
	return err
}

// removesOwn marks one of its own messages and removes it.
func (a *actor) removesOwn() error {
	uids := a.pick(1+a.r.IntN(2), a.mine)
	if len(uids) == 0 {
		return nil
	}
	for _, u := range uids {
		a.l.loosen(a.place(u), true)
		a.l.wrote(a.place(u), "?")
	}
	got, err := a.k.do(fmt.Sprintf(`UID STORE %s +FLAGS.SILENT (\Deleted)`, set(uids)))
	if err != nil || !got.ok {
		return err
	}
	if got, err = a.k.do("UID EXPUNGE " + set(uids)); err != nil || !got.ok {
		return err
	}
	for _, u := range uids {
		a.l.removed(a.place(u))
	}
	return nil
}

func (a *actor) noop() error {
	_, err := a.k.do("NOOP")
	return err
}

func (a *actor) idles() error { return a.k.idle(time.Duration(20+a.r.IntN(200)) * time.Millisecond) }

func (a *actor) reads() error {
	uids := a.pick(8, func(string) bool { return true })
	if len(uids) == 0 {
		return nil
	}
	items := []string{"(UID RFC822.SIZE INTERNALDATE)", "(UID ENVELOPE)", "(UID BODYSTRUCTURE)", "(UID BODY.PEEK[])", "(UID FLAGS)"}
	_, err := a.k.do("UID FETCH " + set(uids) + " " + items[a.r.IntN(len(items))])
	return err
}

func (a *actor) status() error {
	_, err := a.k.do("STATUS " + boxes[a.r.IntN(len(boxes))] + " (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")
	return err
}

func (a *actor) searches() error {
	_, err := a.k.do("SEARCH UNSEEN HEADER Message-ID own")
	return err
}
