package maildir

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// sort files lines of the uidlist: how many are of messages in memory, and
// which are not.
func (l *listFile) sort(s *state, lines []uidRecord) (have int, strays []uidRecord) {
	for _, r := range lines {
		if e := s.find(r.uid); e != nil && string(s.base(e)) == r.base {
			have++
			continue
		}
		n := len(l.loose)
		if l.loose[strings.Clone(r.base)] = r.uid; len(l.loose) == n {
			l.rewrite = true // it is there twice
		}
		if s.list.len() > 0 {
			strays = append(strays, r)
		}
	}
	return have, strays
}

// superseded finds lines of messages that memory has under a lower UID: moved
// away and back by another program that kept the name. The later line is the
// message, the one before was expunged. mu is held.
func (t *txn) superseded(strays []uidRecord) {
	m := t.m
	var old []imap.UID
	for _, r := range strays {
		if e := m.state.byName([]byte(r.base)); e != nil && e.uid < r.uid {
			old = append(old, e.uid)
		}
	}
	if len(old) > 0 {
		m.list.rewrite = true
		t.renumber(old)
	}
}

// renumber drops messages whose files have other UIDs now, or will get them at
// the look that this makes due. mu is held.
func (t *txn) renumber(uids []imap.UID) {
	m := t.m
	s := &m.state
	slices.Sort(uids)
	uids = slices.Compact(uids)
	t.looks |= lookNew | lookCur
	m.seen.dirs = [2]dirLook{}
	modseq := t.next(s)
	for _, uid := range uids {
		m.log.expunged(uid)
	}
	s.drop(uids)
	s.remember(uids, modseq)
	m.log.seal()
	m.poke()
	t.modseq = 0 // as at the end of publish
	m.index.broken = true
}

// missingLines deals with messages that the uidlist does not have. mu is held.
func (t *txn) missingLines(u *uidlist) {
	m := t.m
	s := &m.state
	var renumbered []imap.UID
	at := 0
	for e := range s.list.all() {
		for at < len(u.records) && u.records[at].uid < e.uid {
			at++
		}
		taken := at < len(u.records) && u.records[at].uid == e.uid
		if taken && u.records[at].base == string(s.base(e)) {
			continue
		}
		if _, ok := m.list.loose[string(s.base(e))]; ok || taken {
			renumbered = append(renumbered, e.uid)
			continue
		}
		m.list.rewrite = true
	}
	if len(renumbered) > 0 {
		t.renumber(renumbered)
	}
}

// wasteful tells that writing the file anew would leave out many lines. Those above all
// messages stay (wholeList), however many: their files may turn up yet. They go once
// there is a message above them.
func (l *listFile) wasteful(s *state) bool {
	many := func(lines int) bool { return lines >= 100 && lines*3/4 >= s.list.len() }
	if !l.parsed || !many(l.lines) {
		return false
	}
	if l.pinnedAt != s.top || l.pinnedOf != l.lines {
		l.pinned, l.pinnedOf, l.pinnedAt = 0, l.lines, s.top
		for _, uid := range l.loose {
			if uid > s.top {
				l.pinned++
			}
		}
	}
	return many(l.lines - l.pinned)
}
