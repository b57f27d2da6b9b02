package maildir

import (
	"bytes"
	"hash/maphash"
	"unsafe"

	"github.com/emersion/go-imap/v2"
)

// nameTable finds a message by its base name: open addressing over UIDs, 4 bytes a
// slot, the names themselves staying in the arena. UIDs of messages that are gone stay
// in their slots and match nothing, since UIDs are never used twice. It is built when
// first asked: a session that only reads a warm mailbox needs none.
//
// It is in pieces of some hundred names, found by the last bits of the hash. One that
// is full loses the UIDs of messages that are gone, or is split in two by one more
// bit: no arrival pays for all names.
type nameTable struct {
	pieces []*namePiece // a power of two; some of them are the same
}

type namePiece struct {
	bits  uint8 // of the hash that all its names have in common
	used  int
	slots []imap.UID // a power of two
}

const (
	pieceSlots = 1024
	pieceMost  = pieceSlots * 3 / 4
	pieceMean  = pieceSlots * 5 / 8 // names that build gives one at most, on average
	leastSlots = 64
	pieceRun   = 128 // slots taken one after the other that are suspicious
)

var nameSeed = maphash.MakeSeed()

func (t *nameTable) built() bool { return t.pieces != nil }

// put notes the message just added to the list, if the table exists.
func (t *nameTable) put(s *state, e *entry) {
	if t.built() {
		t.insert(s, e.uid, maphash.Bytes(nameSeed, s.base(e)))
	}
}

func (t *nameTable) piece(hash uint64) *namePiece {
	return t.pieces[hash&uint64(len(t.pieces)-1)]
}

func (t *nameTable) insert(s *state, uid imap.UID, hash uint64) {
	p := t.piece(hash)
	for p.used*4 >= len(p.slots)*3 {
		t.enlarge(s, p)
		p = t.piece(hash)
	}
	p.insert(s, uid, hash)
}

// insert uses the hash's first bits, for the last are the piece's. Of one name that a
// damaged index says for a million messages a few are enough: to pass by all of them
// for each would take minutes.
func (p *namePiece) insert(s *state, uid imap.UID, hash uint64) {
	mask := uint64(len(p.slots) - 1)
	for i, steps := hash>>32&mask, 0; ; i, steps = (i+1)&mask, steps+1 {
		if p.slots[i] == 0 {
			p.slots[i] = uid
			p.used++
			return
		}
		if steps == pieceRun && s.byName(s.base(s.find(uid))) != nil {
			return
		}
	}
}

// enlarge makes room in a piece that is full.
func (t *nameTable) enlarge(s *state, p *namePiece) {
	live := 0
	for _, uid := range p.slots {
		if uid != 0 && s.find(uid) != nil {
			live++
		}
	}
	old := p.slots
	p.used = 0
	switch {
	case live <= len(old)/2:
		p.slots = make([]imap.UID, len(old))
	case len(old) < pieceSlots, 1<<p.bits > s.list.len()/64: // a damaged index may say one name a thousand times
		p.slots = make([]imap.UID, 2*len(old))
	default:
		if 1<<p.bits == len(t.pieces) {
			t.pieces = append(t.pieces, t.pieces...)
		}
		p.slots = make([]imap.UID, len(old))
		p.bits++
		t.share(p, &namePiece{bits: p.bits, slots: make([]imap.UID, len(old))})
	}
	for _, uid := range old {
		e := s.find(uid)
		if uid == 0 || e == nil {
			continue
		}
		hash := maphash.Bytes(nameSeed, s.base(e))
		t.piece(hash).insert(s, uid, hash)
	}
}

// share gives every second place of a piece to another one.
func (t *nameTable) share(p, other *namePiece) {
	for i, x := range t.pieces {
		if x == p && i>>(p.bits-1)&1 == 1 {
			t.pieces[i] = other
		}
	}
}

func (t *nameTable) build(s *state) {
	n := 1
	for n*pieceMean < s.list.len() {
		n *= 2
	}
	slots := leastSlots
	for slots < pieceSlots && slots*5/8*n < s.list.len() {
		slots *= 2
	}
	t.pieces = make([]*namePiece, n)
	bits := uint8(0)
	for 1<<bits < n {
		bits++
	}
	for i := range t.pieces {
		t.pieces[i] = &namePiece{bits: bits, slots: make([]imap.UID, slots)}
	}
	for e := range s.list.all() {
		t.insert(s, e.uid, maphash.Bytes(nameSeed, s.base(e)))
	}
}

// footprint is how many bytes of memory it takes.
func (t *nameTable) footprint() (n int64) {
	for i, p := range t.pieces {
		n += int64(unsafe.Sizeof(p))
		if i < 1<<p.bits { // the first of its places
			n += int64(unsafe.Sizeof(*p)) + int64(cap(p.slots))*int64(unsafe.Sizeof(imap.UID(0)))
		}
	}
	return n
}

// byName returns the message of this base name. The state must be locked for
// writing, or the table have been built by buildNames.
func (s *state) byName(base []byte) *entry {
	if !s.index.built() {
		s.index.build(s)
	}
	hash := maphash.Bytes(nameSeed, base)
	p := s.index.piece(hash)
	mask := uint64(len(p.slots) - 1)
	for i := hash >> 32 & mask; ; i = (i + 1) & mask {
		uid := p.slots[i]
		if uid == 0 {
			return nil
		}
		if e := s.find(uid); e != nil && bytes.Equal(s.base(e), base) {
			return e
		}
	}
}
