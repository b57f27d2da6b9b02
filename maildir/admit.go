package maildir

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// newcomer is a message that APPEND, COPY or MOVE brings.
type newcomer struct {
	tmp   *fsx.Dir // where its file lies: tmp/ to be renamed, or the source's directory to be linked
	link  bool
	old   string
	base  string
	guid  string // of the original, where the base name is another one
	flags Flags
	rest  string // of the original's info: what flags cannot say
	size  int64  // RFC822.SIZE, -1 = not known
	known bool   // size comes from the bytes
	// marked: it is to be seen by the user who brings it, and by nobody else.
	marked bool

	fileSize int64    // of a copy's original
	by       *copying // what makes a copy
	date     int64

	uid  imap.UID
	name string // in cur/
}

// admit brings messages into cur/, gives them UIDs, makes both durable and
// publishes; all of them or none. The file comes first: a UID without a file
// would be an expunged message, a file without a UID is only a new one.
func (t *txn) admit(list []newcomer) error {
	m := t.m
	if err := t.readList(true); err != nil {
		return err
	}
	// Mail that others have given UIDs and nobody here has seen must be taken
	// in first: below a newcomer's UID there would be no place for it.
	if t.unseen() {
		if err := t.scan(lookNew | lookCur); err != nil {
			return err
		}
	}
	resume := t.expectBulk(len(list))
	defer resume()
	t.distinct(list)
	done, err := t.place(list)
	if err == nil {
		err = m.curDir.Sync()
	}
	if err == nil {
		err = t.number(list)
	}
	if err != nil {
		t.displace(list[:done])
		return err
	}
	t.publishNew(list)
	return nil
}

// place moves or links the files into cur/.
func (t *txn) place(list []newcomer) (done int, err error) {
	m := t.m
	t.touch(dirCur)
	var buf [64]byte
	for i := range list {
		n := &list[i]
		info := appendInfo(buf[:0], n.flags.System, letterMask(n.flags.Keywords), n.rest)
		if n.name = n.old; !named(n.old, n.base, info) { // else one string for both
			n.name = n.base + string(info)
		}
		if n.link {
			err = n.linkTo(m.curDir)
		} else {
			err = n.tmp.RenameNew(n.old, m.curDir, n.name)
		}
		if err != nil {
			return i, err
		}
		if i%64 == 63 {
			t.touch(dirCur)
		}
	}
	return len(list), nil
}

// named tells that a file name is made of these two.
func named(name, base string, info []byte) bool {
	return len(name) == len(base)+len(info) && name[:len(base)] == base && name[len(base):] == string(info)
}

// displace takes back what place and number have done. A line of the uidlist
// without a file does no harm: it is an expunged message to everyone.
func (t *txn) displace(list []newcomer) {
	for i := range list {
		n := &list[i]
		if n.link {
			t.m.curDir.Remove(n.name)
		} else if err := t.m.curDir.Rename(n.name, n.tmp, n.old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.m.curDir.Remove(n.name)
		}
	}
	// UIDs that have been written down are never given again.
	t.m.mu.Lock()
	for i := range list {
		if uid := list[i].uid; uid != 0 {
			t.m.state.next = max(t.m.state.next, uid+1)
			t.m.list.loose[strings.Clone(list[i].base)] = uid
			t.m.list.told = fileID{} // no record of the index says so
		}
	}
	t.m.mu.Unlock()
}

// number gives UIDs and writes them down.
func (t *txn) number(list []newcomer) error {
	next := t.m.state.next
	records := make([]uidRecord, len(list))
	for i := range list {
		n := &list[i]
		n.uid = next
		next++
		records[i] = uidRecord{uid: n.uid, base: n.base}
		if n.guid != "" {
			records[i].keys = "G" + n.guid + " "
		}
	}
	return t.assign(records)
}

// distinct gives newcomers another base name where the mailbox, or the list of
// this command, has theirs already; their identity moves to the G key.
func (t *txn) distinct(list []newcomer) {
	m := t.m
	m.mu.Lock() // byName may build its table
	defer m.mu.Unlock()
	for i := range list {
		n := &list[i]
		if !n.link && n.guid == "" && n.fileSize == 0 {
			continue // a name just made
		}
		_, loose := m.list.loose[n.base]
		if !loose && m.state.byName([]byte(n.base)) == nil {
			continue
		}
		n.guid = n.base
		n.base = newBaseName(m.store.now())
		if n.size >= 0 {
			n.base = appendSizes(n.base, n.fileSize, n.size)
		}
		if !validGUID(n.guid) {
			n.guid = ""
		}
	}
}

// validGUID: values of the uidlist's keys hold no spaces.
func validGUID(s string) bool { return s != "" && !strings.ContainsAny(s, " \t") }

// publishNew shows the newcomers to all sessions, some at a time.
func (t *txn) publishNew(list []newcomer) {
	saved := uint32(t.m.store.now().Unix())
	for some := range slices.Chunk(list, storeSlice) {
		t.publish(func(s *state, _ *changeLog) {
			first := s.list.len()
			for i := range some {
				n := &some[i]
				e := entry{uid: n.uid, saved: saved, modseq: t.next(s), flags: n.flags.System, keywords: n.flags.Keywords, size: n.size, date: n.date}
				e.bits = placed
				if n.flags.Keywords>>maxLetters != 0 {
					t.high, t.lasting = true, true
				}
				if n.known {
					e.bits |= verified
				}
				p := appendEntry(s, e, n.base)
				s.noteInfo(p, n.name[len(n.base):])
				delete(t.m.list.loose, n.base)
			}
			t.recordNew(s, first)
		})
	}
}

// unseen tells that other programs have given UIDs that are not in memory yet.
func (t *txn) unseen() bool {
	top := t.m.state.top
	if t.m.state.next <= top+1 {
		return false
	}
	for _, uid := range t.m.list.loose {
		if uid > top {
			return true
		}
	}
	return false
}
