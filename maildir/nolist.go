package maildir

import (
	"bytes"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// noList makes do without a uidlist: none there, or (damage) an unreadable one,
// b, which is put aside. What memory knows from the index is kept, and what can
// be read of the list's lines; else Courier's list is taken over; else the third
// copy says under which UIDVALIDITY and above which UID new ones are given; else
// the mailbox is new.
func (t *txn) noList(damage error, b []byte) error {
	m := t.m
	if damage != nil && t.lock != nil {
		aside, err := setAside(m.control, uidlistFile, m.store.now())
		if err != nil {
			return err
		}
		m.store.log.Error("damaged list of UIDs put aside; rebuilding it from what is left", "mailbox", m.control.Path(), "aside", aside, "err", damage)
	}
	u := &uidlist{version: '3', rewrite: true}
	r := m.recall()
	theirs, err := t.courierList()
	if theirs != nil {
		t.plausible(theirs, t.ownNext(r.id, theirs.validity))
	}
	switch known := m.state.validity != 0; {
	case err != nil:
		return err
	case known:
		t.fromIndex(u, theirs)
	case theirs != nil && (r.id == nil || r.twin || r.id.validity == theirs.validity):
		u = theirs
		m.store.log.Info("taking over Courier's UIDs", "mailbox", m.dir.Path(), "messages", len(u.records))
	case r.id != nil && !r.twin: // what Courier has is of another life
		u.validity, u.guid, u.next = r.id.validity, r.id.guid, 1
		m.store.log.Error("list of UIDs and index are gone; UIDVALIDITY and next UID are taken from [server] state",
			"mailbox", m.dir.Path(), "uidvalidity", u.validity, "next", r.id.claims[""])
	}
	if u.validity == 0 {
		u.validity = headerValidity(b)
	}
	if r.id != nil && r.id.validity == u.validity {
		u.next = max(u.next, r.id.claims[""])
		if u.guid == "" {
			u.guid = r.id.guid
		}
	}
	if u.validity != 0 {
		if n := u.salvage(b); n > 0 {
			m.store.log.Info("UIDs read from the damaged list", "mailbox", m.dir.Path(), "messages", n)
		}
	} else {
		v, err := t.startOver(r.high)
		if err != nil {
			return err
		}
		u.validity, u.next = v, 1
	}
	u.rewrite = true
	return t.takeList(u, fileID{})
}

// ownNext is the next UID that index or third copy knows for a UIDVALIDITY, 0 for none.
func (t *txn) ownNext(id *identity, validity uint32) (next imap.UID) {
	if s := &t.m.state; s.validity == validity {
		next = s.next
	}
	if id != nil && id.validity == validity {
		next = max(next, id.claims[""])
	}
	return next
}

// fromIndex fills u with what the index knows, and with what a take-over of
// Courier's list that was cut short has left out.
func (t *txn) fromIndex(u, theirs *uidlist) {
	s := &t.m.state
	u.validity, u.next, u.guid = s.validity, s.next, s.guid
	for e := range s.list.all() {
		u.records = append(u.records, uidRecord{uid: e.uid, base: string(s.base(e))})
	}
	if theirs != nil && theirs.validity == u.validity {
		u.records = t.unlisted(u.records, theirs.records)
	}
}

// headerValidity is the UIDVALIDITY of a header that is not good otherwise.
func headerValidity(b []byte) uint32 {
	head, _, _ := bytes.Cut(b, []byte{'\n'})
	var u uidlist
	if u.parseHeader(string(head)) == nil {
		return 0 // it is good: there is nothing below it
	}
	for word := range strings.FieldsSeq(strings.TrimPrefix(string(head), "3 ")) {
		if word[0] == 'V' && strings.HasPrefix(string(head), "3 ") {
			if u.setNumbers(word[1:], "1") == nil {
				return u.validity
			}
		}
	}
	return 0
}

// salvageAhead is how far above the known next UID a line of a damaged list may
// be: other programs have given UIDs as well, but a damaged digit must not use
// up the numbers.
const salvageAhead = 1 << 20

// salvage adds the good lines of a damaged list, and tells how many there are.
// What is known already wins.
func (u *uidlist) salvage(b []byte) int {
	_, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return 0
	}
	limit := imap.UID(maxUID)
	if u.next > 1 && u.next < maxUID-salvageAhead {
		limit = u.next + salvageAhead
	}
	old := &uidlist{version: '3', next: 1}
	for len(rest) > 0 {
		line, more, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			break // its end is missing
		}
		rest = more
		old.parseLine(string(line))
		if n := len(old.records); n > 0 && old.records[n-1].uid > limit {
			old.records = old.records[:n-1]
		}
	}
	uids, names := make(map[imap.UID]bool), make(map[string]bool)
	for _, r := range u.records {
		uids[r.uid], names[r.base] = true, true
	}
	n := len(u.records)
	for _, r := range old.records {
		if !uids[r.uid] && !names[r.base] {
			u.records = append(u.records, r)
			u.next = max(u.next, r.uid+1)
			names[r.base] = true
		}
	}
	n = len(u.records) - n
	sortRecords(u.records)
	return n
}

// startOver gives the mailbox a new UIDVALIDITY. Where it had one, clients have
// to read it all again: that is told to them and to the administrator. Files of
// ours and of Dovecot's tell that it had; a Maildir that only mail programs have
// used has none of them.
func (t *txn) startOver(floor uint32) (uint32, error) {
	m := t.m
	left, last, err := leftovers(&m.boxDirs)
	if err != nil {
		return 0, err
	}
	v, err := t.newValidity(max(floor, last))
	if err != nil || len(left) == 0 || t.lock == nil {
		return v, err
	}
	m.renumbered.Store(true)
	m.store.resets.Add(1)
	m.store.log.Error("all copies of the mailbox's UIDVALIDITY are gone: it gets a new one, and clients will read all of it again",
		"mailbox", m.dir.Path(), "uidvalidity", v, "served before by", strings.Join(left, " "))
	return v, nil
}

// leftovers are the files which show that the mailbox was served before, and
// the greatest UIDVALIDITY that they name. dovecot-keywords is none: programs that
// convert mail write it beside the messages, and the tree's last UIDVALIDITY may
// be there before the first look at INBOX.
func leftovers(b *boxDirs) (left []string, last uint32, err error) {
	b.distinct(func(d *fsx.Dir) {
		if err == nil {
			var more []string
			more, last, err = leftIn(d, last)
			left = append(left, more...)
		}
	})
	return left, last, err
}

// leftIn is leftovers of one of the directories, where others name a UIDVALIDITY last.
func leftIn(d *fsx.Dir, last uint32) (left []string, _ uint32, err error) {
	err = d.Each(func(name []byte, _ fsx.Type) bool {
		s := string(name)
		if s == cacheName || s == textName || s == propsFile || strings.HasPrefix(s, "dovecot.index") ||
			strings.HasPrefix(s, indexName) || strings.HasPrefix(s, uidlistFile+".damaged-") {
			left = append(left, s)
		}
		return true
	})
	for _, name := range left {
		if name != cacheName && name != textName {
			continue
		}
		if f, err := d.Open(name); err == nil {
			var head [12]byte
			if _, err := f.ReadAt(head[:], 0); err == nil && (string(head[:8]) == cacheMagic || string(head[:8]) == textMagic) {
				last = max(last, le.Uint32(head[8:]))
			}
			f.Close()
		}
	}
	return left, last, err
}

// Renumbered tells that the mailbox got a new UIDVALIDITY because all copies of
// the old one were lost, in this process's life.
func (h *Handle) Renumbered() bool { return h.m.renumbered.Load() }

// Resets is how many mailboxes have lost their UIDVALIDITY since the store began.
func (s *Store) Resets() int64 { return s.resets.Load() }
