package maildir

import (
	"bytes"
	"hash/maphash"

	"github.com/emersion/go-imap/v2"
)

// nameTable finds a message by its base name: open addressing over UIDs, 4
// bytes a slot, the names themselves staying in the arena. UIDs of messages
// that are gone stay in their slots and match nothing, since UIDs are never
// used twice. It is built when first asked: a session that only reads a warm
// mailbox needs none.
type nameTable struct {
	slots []imap.UID
	used  int
}

var nameSeed = maphash.MakeSeed()

// put notes the message just added to the list, if the table exists.
func (t *nameTable) put(s *state, uid imap.UID) {
	if t.slots == nil {
		return
	}
	if 2*(t.used+1) > len(t.slots) {
		t.build(s)
		return // the new message is in the list already
	}
	t.insert(uid, s.base(&s.list[len(s.list)-1]))
}

func (t *nameTable) insert(uid imap.UID, base []byte) {
	mask := uint64(len(t.slots) - 1)
	for i := maphash.Bytes(nameSeed, base) & mask; ; i = (i + 1) & mask {
		if t.slots[i] == 0 {
			t.slots[i] = uid
			t.used++
			return
		}
	}
}

func (t *nameTable) build(s *state) {
	size := 64
	for size < 3*len(s.list) {
		size *= 2
	}
	t.slots, t.used = make([]imap.UID, size), 0
	for i := range s.list {
		t.insert(s.list[i].uid, s.base(&s.list[i]))
	}
}

// byName returns the message of this base name. The state must be locked for
// writing, or the table have been built by buildNames.
func (s *state) byName(base []byte) *entry {
	if s.index.slots == nil {
		s.index.build(s)
	}
	mask := uint64(len(s.index.slots) - 1)
	for i := maphash.Bytes(nameSeed, base) & mask; ; i = (i + 1) & mask {
		uid := s.index.slots[i]
		if uid == 0 {
			return nil
		}
		if e := s.find(uid); e != nil && bytes.Equal(s.base(e), base) {
			return e
		}
	}
}
