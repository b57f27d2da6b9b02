package maildir

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

const listLimit = 2 << 30 // bytes of a uidlist

// listFile is what is known of dovecot-uidlist beyond the messages in memory.
// It belongs to the holder of Mailbox.writer.
type listFile struct {
	parsed  bool   // false after a warm start: the index has told all that is needed
	head    string // the first line, of the file that was parsed
	lines   int
	rewrite bool
	// loose maps the base names of lines without a message to their UIDs. A UID
	// above all messages is one that another program has just given; one below
	// is of a message that was expunged, and a file of that name that turns up
	// again is a new message.
	loose map[string]imap.UID
	// told is the file of which the index tells all this (index_list.go), zero when
	// it must be told anew, and news the loose lines found since.
	told fileID
	news []string
	// pinned is how many of loose lie above all messages, as counted when there were
	// so many lines and that was the highest UID.
	pinned, pinnedOf int
	pinnedAt         imap.UID
}

// forgetNames notes the names of messages about to be dropped: their lines
// stay in the uidlist until it is rewritten.
func (m *Mailbox) forgetNames(uids []imap.UID) {
	if m.list.loose == nil {
		return
	}
	for _, uid := range uids {
		if e := m.state.find(uid); e != nil {
			m.list.loose[string(m.state.base(e))] = uid
		}
	}
}

// readList takes in what others have written to the uidlist since the last
// look. all asks for the loose lines too, which a warm start does without.
func (t *txn) readList(all bool) error {
	m := t.m
	id, err := idNow(m.control, uidlistFile)
	if err != nil {
		return err
	}
	same := id == m.seen.list && id != fileID{} && m.state.validity != 0
	if same && (m.list.parsed || !all) {
		return nil
	}
	if id == (fileID{}) {
		if m.list.parsed && m.seen.list == id {
			return nil // it will be written with the first UIDs
		}
		return t.noList(nil, nil)
	}
	if m.list.parsed && id.ino == m.seen.list.ino && id.size > m.seen.list.size {
		if done, err := t.readListTail(); done || err != nil {
			return err
		}
	}
	b, st, err := m.control.ReadFile(uidlistFile, listLimit)
	if err != nil {
		return err
	}
	u, err := parseUIDList(b)
	if err != nil {
		return t.noList(err, b)
	}
	id = idOf(st)
	head, _, _ := bytes.Cut(b, []byte{'\n'})
	m.list.head = string(head)
	id.size -= int64(len(u.partial))
	if len(u.partial) > 0 {
		m.list.rewrite = true // a writer died here; under the lock nobody is at it
	}
	if err := t.badLines(u); err != nil {
		return err
	}
	return t.takeList(u, id)
}

// readListTail reads lines appended to the file that was read before; not done
// when the file must be read as a whole.
func (t *txn) readListTail() (done bool, err error) {
	m := t.m
	f, st, err := m.control.OpenStat(uidlistFile)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if st.Ino != m.seen.list.ino || st.Size < m.seen.list.size {
		return false, nil
	}
	// The number of an inode may be given again, to a file that took this one's place meanwhile.
	b := make([]byte, len(m.list.head)+1)
	if _, err := m.control.ReadAt(f, b, 0); err != nil || string(b) != m.list.head+"\n" {
		return false, nil
	}
	b = make([]byte, st.Size-m.seen.list.size+1)
	if _, err := m.control.ReadAt(f, b, m.seen.list.size-1); err != nil || b[0] != '\n' {
		return false, nil
	}
	b = b[1:]
	u := &uidlist{version: '3', next: m.state.next}
	if err := u.parseAppended(b); err != nil || u.rewrite || len(u.partial) > 0 {
		return false, nil
	}
	m.list.lines += len(u.records)
	m.mu.Lock()
	defer m.mu.Unlock()
	_, strays := m.list.sort(&m.state, u.records)
	if m.list.told != (fileID{}) {
		for _, r := range u.records {
			if m.list.loose[r.base] == r.uid {
				m.list.news = append(m.list.news, r.base)
			}
		}
	}
	t.superseded(strays)
	m.state.next = max(m.state.next, u.next)
	m.seen.list = idOf(st)
	return true, nil
}

// takeList makes memory agree with a whole uidlist. It wins: on UIDVALIDITY,
// and on the UID of a name that it has. A message that it does not have keeps
// its UID and gets its line back, for a line lost is damage; an expunge shows
// by the missing file.
func (t *txn) takeList(u *uidlist, id fileID) error {
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	if s.validity != 0 && s.validity != u.validity {
		if m.agreed.Load() {
			m.dead.Store(true)
			m.poke()
			m.store.log.Warn("another program has changed UIDVALIDITY; sessions must select again", "mailbox", m.dir.Path(), "was", s.validity, "is", u.validity)
			return ErrNotExist
		}
		*s = state{modseq: s.modseq, keys: s.keys}
		m.index.broken = true
		m.seen.dirs = [2]dirLook{}
	}
	s.validity = u.validity
	s.next = max(s.next, u.next)
	if u.guid != "" {
		s.guid = strings.ToLower(u.guid)
	} else if s.guid == "" {
		s.guid = newGUID()
	}
	m.list.loose, m.list.told, m.list.news = make(map[string]imap.UID), fileID{}, nil
	have, strays := m.list.sort(s, u.records)
	m.list.parsed, m.list.lines = true, len(u.records)
	m.list.rewrite = m.list.rewrite || u.rewrite
	m.seen.list = id
	some := have < s.list.len()
	t.superseded(strays)
	if some {
		t.missingLines(u)
	}
	return nil
}

// newValidity takes a UIDVALIDITY of the tree that is above floor.
func (t *txn) newValidity(floor uint32) (uint32, error) {
	if t.lock == nil {
		return uint32(t.m.dir.Identity().Ino)&0x7fffffff | 1, nil // shown, but nothing is kept under it
	}
	lists, err := t.m.store.fs.OpenDir(t.m.lists)
	if err != nil {
		return 0, err
	}
	defer lists.Close()
	return uidValidityAbove(lists, floor, t.m.store.now())
}

func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// assign writes lines for new messages, whose UIDs follow on the highest one,
// and makes them durable: a UID that a client has seen is never another
// message's.
func (t *txn) assign(records []uidRecord) error {
	m := t.m
	if t.lock == nil {
		return ErrReadOnly
	}
	if n := len(records); n > 0 {
		if uint64(records[0].uid)+uint64(n)-1 > maxUID { // they have begun anew at 0 then
			return errNoUIDs
		}
		t.promise(records[n-1].uid + 1)
	}
	for _, r := range records {
		if _, again := m.list.loose[r.base]; again {
			m.list.rewrite = true // two lines of one name would be damage
			break
		}
	}
	if m.list.rewrite || m.seen.list == (fileID{}) {
		return t.rewriteList(records)
	}
	var b []byte
	for _, r := range records {
		b = appendUIDRecord(b, r)
	}
	st, err := m.control.Append(uidlistFile, b, true)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.seen.list = idOf(st)
	m.mu.Unlock()
	m.list.lines += len(records)
	t.dirty = true
	return nil
}

var errNoUIDs = errors.New("no UIDs left: the mailbox needs a new UIDVALIDITY")

// rewriteList replaces the uidlist by one that has the messages in memory, the
// lines that others have just added, and records.
func (t *txn) rewriteList(records []uidRecord) error {
	m := t.m
	if t.lock == nil {
		return nil
	}
	u, loose, err := t.wholeList(records)
	if err != nil {
		return err
	}
	if err := m.control.Replace(uidlistFile, 0, true, u.writeTo); err != nil {
		return err
	}
	head := bytes.TrimSuffix(u.appendHead(nil), []byte{'\n'})
	id, err := idNow(m.control, uidlistFile)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.seen.list = id
	m.mu.Unlock()
	m.list = listFile{parsed: true, head: string(head), lines: len(u.records), loose: loose}
	t.dirty = true
	return nil
}

// wholeList is what the uidlist should say, and which of its lines have no message.
func (t *txn) wholeList(records []uidRecord) (u *uidlist, loose map[string]imap.UID, err error) {
	m := t.m
	s := &m.state
	u = &uidlist{version: '3', validity: s.validity, next: s.next, guid: s.guid}
	keys, err := t.foreignParts(u)
	if err != nil {
		return nil, nil, err
	}
	fresh := make(map[string]bool)
	if len(m.list.loose) > 0 {
		for _, r := range records {
			fresh[r.base] = true
		}
	}
	u.records = slices.Grow(u.records, s.list.len()+len(records))
	for _, c := range s.list.chunks {
		names := string(c.names) // one copy for all
		for i := range c.list {
			e := &c.list[i]
			u.records = append(u.records, uidRecord{uid: e.uid, base: names[e.name : e.name+uint32(e.nameLen)], keys: keys[e.uid]})
		}
	}
	loose = make(map[string]imap.UID)
	var pending []uidRecord
	for base, uid := range m.list.loose {
		if uid > s.top && !fresh[base] {
			loose[base] = uid
			pending = append(pending, uidRecord{uid: uid, base: base, keys: keys[uid]})
		}
	}
	if len(pending) > 0 {
		records = sortRecords(append(pending, records...))
	}
	u.records = append(u.records, records...)
	for _, r := range records {
		u.next = max(u.next, r.uid+1)
	}
	return u, loose, nil
}

// foreignParts keeps what others have put into the uidlist and we do not know: the
// words of the header in u, the keys of messages in the result. A list that cannot
// be read now is not rewritten: that would be the end of what only it has.
func (t *txn) foreignParts(u *uidlist) (map[imap.UID]string, error) {
	m := t.m
	if m.seen.list == (fileID{}) {
		return nil, nil // there is none
	}
	b, _, err := m.control.ReadFile(uidlistFile, listLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed by somebody who takes no lock
	}
	if err != nil {
		return nil, err
	}
	old, err := parseUIDList(b)
	if err != nil {
		m.list.parsed = false // the next command reads it as a whole, and puts it aside
		m.mu.Lock()
		m.seen.list.size = -1
		m.mu.Unlock()
		return nil, err
	}
	u.ext = old.ext
	keys := make(map[imap.UID]string)
	for _, r := range old.records {
		if r.keys != "" {
			keys[r.uid] = r.keys
		}
	}
	return keys, nil
}

// trimList rewrites the uidlist when many of its lines are of messages that
// are gone, as Dovecot does (FORMATS §5.3), when no command waits for it. What is
// wrong in it is mended at once.
func (t *txn) trimList() error {
	l := &t.m.list
	if t.lock == nil {
		return nil
	}
	if !l.rewrite {
		if l.wasteful(&t.m.state) {
			t.m.wantChore(choreList)
		}
		return nil
	}
	if !l.parsed && t.m.seen.list != (fileID{}) {
		if err := t.readList(true); err != nil {
			return err
		}
		l.rewrite = true
	}
	return t.rewriteList(nil)
}

// badLines keeps a copy of a uidlist with lines that cannot be read, before it
// is written anew without them.
func (t *txn) badLines(u *uidlist) error {
	m := t.m
	if t.lock == nil || u.bad == 0 {
		return nil
	}
	aside := asideName(uidlistFile, m.store.now())
	if err := m.control.Link(uidlistFile, m.control, aside); err != nil {
		return err
	}
	m.store.log.Error("damaged lines in the list of UIDs; written anew from the good ones and the index",
		"mailbox", m.control.Path(), "aside", aside, "bad", u.bad, "good", len(u.records))
	return nil
}

func sortRecords(r []uidRecord) []uidRecord {
	slices.SortFunc(r, func(a, b uidRecord) int { return cmp.Compare(a.uid, b.uid) })
	return r
}
