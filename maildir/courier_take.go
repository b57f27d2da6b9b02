package maildir

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// A mailbox that Courier has served is taken over at the first look with the
// lock: its UIDs before the directories are read, its keywords after. Keywords
// are only ever added. The 26 that most messages have get letters; the others
// get bits of our index, 38 at most.
//
// The same happens again when Courier's files are newer than the mark: it has
// served the mailbox since.

// courierUIDs takes in UIDs that Courier has given to mail that came since the
// mailbox was ours. Those below our next UID may be another message's here and
// are not believed.
func (t *txn) courierUIDs() error {
	m := t.m
	if t.lock == nil || m.courierRead || !m.courier.Load() {
		return nil
	}
	c, err := t.courierList()
	if c == nil || err != nil {
		return err
	}
	if err := t.readList(true); err != nil {
		return err
	}
	if c.validity != m.state.validity {
		m.store.log.Warn("Courier has served this mailbox under another UIDVALIDITY, which is not taken over", "mailbox", m.dir.Path(), "courier", c.validity, "ours", m.state.validity)
		return nil
	}
	m.courierRead = true
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	if !s.index.built() {
		s.index.build(s)
	}
	t.plausible(c, s.next)
	next, taken, refused := s.next, 0, 0
	for _, r := range c.records {
		e := s.byName([]byte(r.base))
		uid, loose := m.list.loose[r.base]
		switch {
		case e != nil && e.uid == r.uid, e == nil && loose && uid == r.uid:
		case e == nil && !loose && r.uid >= next:
			m.list.loose[r.base] = r.uid
			s.next = max(s.next, r.uid+1)
			taken++
		default:
			refused++
		}
	}
	s.next = max(s.next, c.next)
	if s.next != next {
		m.list.rewrite = true
		t.dirty = true
	}
	if taken > 0 {
		m.store.log.Info("taking over UIDs that Courier gave to new mail", "mailbox", m.dir.Path(), "messages", taken)
	}
	if refused > 0 {
		m.store.log.Warn("Courier and we have given UIDs at the same time: its clients will fetch some messages again", "mailbox", m.dir.Path(), "messages", refused)
	}
	return nil
}

// courierList reads Courier's UIDs, nil when there are none that can be read.
func (t *txn) courierList() (*uidlist, error) {
	b, _, err := t.m.dir.ReadFile(courierList, listLimit)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u, err := parseUIDList(b)
	if err != nil {
		t.m.once("courier list", "cannot read Courier's UIDs: its list is damaged", "err", fmt.Errorf("%s: %w", courierList, err))
		return nil, nil
	}
	return u, nil
}

// plausible takes out of Courier's list what a damaged digit must have written:
// UIDs are never given back, and the numbers would be used up. next is ours.
//
// Where ours says nothing, at the first take-over, only the upper half of all numbers
// is refused. A closer bound has nothing to go by: the next UID of an emptied mailbox
// may be any number above its last line, and refusing an honest one would give the UIDs
// below it a second time, which is the worse fault. An honest one of two thousand
// million is a message a second for 68 years; a damaged one below that leaves as many
// to be given. Lines above the next UID are none, as the parser has it.
func (t *txn) plausible(c *uidlist, next imap.UID) {
	limit := imap.UID(maxUID / 2)
	known := next > 1
	bound := func(good imap.UID) {
		if known {
			limit = max(next, good) + min(salvageAhead, maxUID-max(next, good))
		}
	}
	bound(next)
	kept, top := 0, imap.UID(0)
	for kept < len(c.records) && c.records[kept].uid <= limit {
		top = c.records[kept].uid
		bound(top)
		kept++
	}
	if kept == len(c.records) && c.next <= limit {
		return
	}
	t.m.once("courier numbers", "Courier's UIDs are far above those in use, its list must be damaged; they are not taken over",
		"messages", len(c.records)-kept, "next", c.next, "limit", limit)
	c.records = c.records[:kept]
	c.next = top + 1
}

// unlisted adds those of Courier's lines that are above all messages in memory:
// the take-over was cut short after the index was begun and before the uidlist
// was. Both are in order.
func (t *txn) unlisted(ours, theirs []uidRecord) []uidRecord {
	top := t.m.state.top
	for _, r := range theirs {
		if r.uid > top {
			ours = append(ours, r)
		}
	}
	return ours
}

// takeCourier takes over Courier's keywords and notes that all is done. It may
// fail: the mailbox is served without them then, and the next process, or the
// next life of this mailbox in memory, tries again.
func (t *txn) takeCourier() {
	m := t.m
	if t.lock == nil || t.by != nil && !allowed(t.by.loc.rights, DeedPlace) {
		return
	}
	if err := t.courierAll(); err != nil {
		m.courier.Store(false)
		t.lookAgain()
		m.once("courier", "cannot take over Courier's keywords yet", "err", err)
	}
}

func (t *txn) courierAll() error {
	m := t.m
	lock, err := m.lockCourier(t)
	if err != nil {
		if errors.Is(err, fsx.ErrLocked) {
			m.once("courier lock", "Courier is at work in this mailbox; its keywords are taken over later")
			return nil
		}
		return err
	}
	defer lock()
	now, err := courierNow(m.dir)
	if err != nil {
		return err
	}
	if now.keywords != 0 {
		if done, err := t.courierKeywords(); err != nil || !done {
			return err
		}
	}
	t.writeIndex()
	t.rec = t.rec[:0]
	if m.index.broken {
		return nil // a full disk: keywords without a letter would be lost
	}
	if err := m.dir.WriteFile(courierMark, now.encode(), 0, true); err != nil {
		return err
	}
	m.courier.Store(false)
	return nil
}

// lockCourier takes tmp/courier.lock, under which a Courier with IMAP_USELOCKS
// writes these files.
func (m *Mailbox) lockCourier(t *txn) (unlock func(), err error) {
	tmp, err := openSub(m.dir, "tmp")
	if err != nil {
		return nil, err
	}
	l, err := tmp.Lock(t.ctx, "courier", fsx.LockOptions{Wait: readerWait, Stale: lockStale})
	if err != nil {
		tmp.Close()
		return nil, err
	}
	return func() {
		_ = l.Unlock() // an override harms nothing: Courier's files were only read
		tmp.Close()
	}, nil
}

// courierKeywords gives messages the keywords that Courier has for them. It is
// not done when files moved meanwhile.
func (t *txn) courierKeywords() (done bool, err error) {
	m := t.m
	k, err := readCourierKeys(m.dir)
	if isGone(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	bit, err := t.courierBits(k)
	if err != nil {
		return false, err
	}
	for range 3 {
		steps := t.courierSteps(k, bit)
		if len(steps) == 0 {
			return true, m.curDir.Sync()
		}
		m.store.log.Info("taking over Courier's keywords", "mailbox", m.dir.Path(), "messages", len(steps))
		if err := t.addKeywords(steps); err != nil {
			return false, err
		}
		if !t.again {
			continue
		}
		if err := t.scan(lookNew | lookCur); err != nil {
			return false, err
		}
	}
	return false, nil
}

// courierBits finds the keywords' bits, those in most use first.
func (t *txn) courierBits(k *courierKeys) (bit []uint64, err error) {
	m := t.m
	uses := make([]int, len(k.names))
	m.mu.Lock() // byName may build its table
	for base, list := range k.of {
		if len(list) > 0 && m.state.byName([]byte(base)) != nil {
			for _, i := range list {
				uses[i]++
			}
		}
	}
	m.mu.Unlock()
	order := make([]int, 0, len(uses))
	for i, n := range uses {
		if n > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(uses[b], uses[a]), cmp.Compare(k.names[a], k.names[b]))
	})
	order, lost := t.courierFits(k.names, order)
	names := make([]string, len(order))
	for at, i := range order {
		names[at] = k.names[i]
	}
	if _, err := t.keywordBits(names, true); err != nil { // one write for all
		return nil, err
	}
	bit = make([]uint64, len(k.names))
	for _, i := range order {
		if bit[i], err = t.keywordBits(k.names[i:i+1], false); err != nil {
			return nil, err
		}
	}
	lost += k.odd
	if lost > 0 {
		m.once("courier keywords", "more keywords than a mailbox can have, or not IMAP's: not taken over", "keywords", lost)
	}
	return bit, nil
}

// courierFits leaves out the keywords that no letter and no bit is left for.
func (t *txn) courierFits(names []string, order []int) (fit []int, lost int) {
	s := &t.m.state // keys change under writer only
	low, high := 0, 0
	for i, k := range s.keys {
		switch {
		case k != "":
		case i < maxLetters:
			low++
		default:
			high++
		}
	}
	for _, i := range order {
		switch {
		case s.keyword(names[i]) >= 0:
		case low > 0 && len(names[i]) <= maxKeyword:
			low--
		case high > 0:
			high--
		default:
			lost++
			continue
		}
		fit = append(fit, i)
	}
	return fit, lost
}

// courierSteps is the renames that are still to be done.
func (t *txn) courierSteps(k *courierKeys, bit []uint64) []step {
	m := t.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := &m.state
	var steps []step
	for e := range s.list.all() {
		list := k.of[string(s.base(e))]
		now := Flags{e.flags, e.keywords}
		for _, n := range list {
			now.Keywords |= bit[n]
			if bit[n] != 0 && bits.OnesCount64(bit[n]) == 1 && s.keys[bits.TrailingZeros64(bit[n])] == forwarded {
				now.System |= Passed
			}
		}
		if now == (Flags{e.flags, e.keywords}) {
			continue
		}
		name := s.appendNext(nil, e, now)
		steps = append(steps, step{uid: e.uid, old: string(s.appendFileName(nil, e)), name: string(name), flags: now})
	}
	return steps
}

// addKeywords renames and publishes. Files that others move meanwhile are left
// to the next look.
func (t *txn) addKeywords(steps []step) error {
	m := t.m
	resume := t.expectBulk(len(steps))
	defer resume()
	t.again = false
	var done []step
	var failed error
	for _, st := range steps {
		from := dirCur
		m.mu.RLock()
		if e := m.state.find(st.uid); e != nil {
			from = dirOf(e.bits)
		}
		m.mu.RUnlock()
		if st.old != st.name || from != dirCur {
			t.touch(from)
			t.touch(dirCur)
			err := m.sub(from).RenameNew(st.old, m.curDir, st.name)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
				t.lookAgain()
				continue
			}
			if err != nil {
				failed = err
				break
			}
		}
		done = append(done, st)
	}
	by := t.by
	t.by = nil // this session did not ask for it: it is told as well
	t.publishFlags(done)
	t.by = by
	return failed
}
