package maildir

import (
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// entry is what is kept in memory of one message: 64 bytes, shared by all
// sessions. Its base name lies in the arena of its chunk.
type entry struct {
	uid      imap.UID
	name     uint32 // offset of the base name in the arena
	nameLen  uint8  // file names have at most 255 bytes
	flags    SystemFlags
	bits     entryBits
	kinds    kindSet // sections of its cache record
	saved    uint32  // seconds: when the message came into this mailbox, 0 = not known
	chunk    uint32  // number of its chunk (entries.byID)
	cacheLen uint32
	keywords uint64
	modseq   uint64
	size     int64 // RFC822.SIZE, -1 = not known
	date     int64 // INTERNALDATE in seconds, noDate = not known
	cacheOff int64 // where its cache record begins, 0 = none
}

type entryBits uint8

const (
	inNew    entryBits = 1 << iota // the file lies in new/
	oddInfo                        // the file's info is in the arena, not what the flags would make it
	verified                       // size comes from the bytes, not from a W= in the name
	placed                         // put straight into cur/ by APPEND, COPY or MOVE of this process
)

const noDate = math.MinInt64

// gone is one line of the expunge history.
type gone struct {
	lo, hi imap.UID
	modseq uint64
}

// state is the memory of one mailbox, guarded by Mailbox.state. list is sorted
// by UID and only ever grows at its end: a message that turns up below the
// highest UID given so far gets a new one, because sequence numbers of running
// sessions could not take it.
type state struct {
	list  entries
	index nameTable // base name -> UID

	validity uint32
	next     imap.UID // the next UID to give
	top      imap.UID // the highest that has been in list, ever
	guid     string   // 32 hex digits
	modseq   uint64   // HIGHESTMODSEQ
	written  uint64   // what of that the index has said

	keys    [64]string // keyword of each bit; 0-25 are the letters of dovecot-keywords
	keysGen int        // changes with keys

	unseen, deleted, fresh int       // fresh: messages in new/
	placed                 int       // messages that have the bit
	freshAt, placedAt      uidRanges // which ones those are
	size, deletedSize      int64     // of those whose size is known
	sizeless               int       // messages whose size is not known
	cached                 int64     // bytes of the cache file that belong to somebody

	unseenIn []uint16 // messages without \Seen, by UID >> unseenShift

	history   []gone
	historyOf uint64 // expunges up to this MODSEQ may be missing from history
}

func (s *state) pos(uid imap.UID) int { return s.list.pos(uid) }

func (s *state) find(uid imap.UID) *entry { return s.list.find(uid) }

func (s *state) maxUID() imap.UID {
	if e := s.list.last(); e != nil {
		return e.uid
	}
	return 0
}

func (s *state) base(e *entry) []byte { return s.list.base(e) }

// info is the part of the message's file name from the colon on.
func (s *state) info(e *entry) string {
	if e.bits&oddInfo != 0 {
		return string(s.list.odd(e))
	}
	var buf [64]byte
	return string(appendCanonical(buf[:0], e))
}

// appendFileName appends the message's file name.
func (s *state) appendFileName(b []byte, e *entry) []byte {
	b = append(b, s.base(e)...)
	if e.bits&oddInfo != 0 {
		return append(b, s.list.odd(e)...)
	}
	return appendCanonical(b, e)
}

// appendCanonical appends the info that follows from the flags alone: nothing
// for a file in new/, ":2," and sorted letters for one in cur/.
func appendCanonical(b []byte, e *entry) []byte {
	if e.bits&inNew != 0 {
		return b
	}
	return appendInfo(b, e.flags, letterMask(e.keywords), "")
}

// letterMask is the keywords that have a letter.
func letterMask(keywords uint64) uint32 { return uint32(keywords & (1<<26 - 1)) }

// count adds a message to the sums, or takes it out of them with by = -1.
func (s *state) count(e *entry, by int) {
	if e.flags&Seen == 0 {
		s.unseen += by
		s.unseenIn[e.uid>>unseenShift] += uint16(by)
	}
	if e.bits&inNew != 0 {
		s.fresh += by
	}
	if e.bits&placed != 0 {
		s.placed += by
	}
	if e.size < 0 {
		s.sizeless += by
	} else {
		s.size += int64(by) * e.size
	}
	s.cached += int64(by) * int64(e.cacheLen)
	if e.flags&Deleted != 0 {
		s.deleted += by
		if e.size >= 0 {
			s.deletedSize += int64(by) * e.size
		}
	}
}

// change runs f on a message and keeps the sums right.
func (s *state) change(e *entry, f func(*entry)) {
	was := e.bits
	s.count(e, -1)
	f(e)
	s.count(e, +1)
	if (was^e.bits)&inNew != 0 {
		if e.bits&inNew != 0 {
			s.freshAt.add(e.uid)
		} else {
			s.freshAt.remove(e.uid)
		}
	}
}

// unseenShift makes blocks of 4,096 UIDs: small enough to walk one, and few enough to
// walk them all.
const unseenShift = 12

// firstUnseen returns the position of the first message without \Seen, or -1.
func (s *state) firstUnseen() int {
	for block, n := range s.unseenIn {
		if n == 0 {
			continue
		}
		i := s.pos(imap.UID(block) << unseenShift)
		for e := range s.list.between(imap.UID(block)<<unseenShift, math.MaxUint32) {
			if e.flags&Seen == 0 {
				return i
			}
			i++
		}
	}
	return -1
}

func (e *entry) place() cachePlace { return cachePlace{e.cacheOff, e.cacheLen, e.kinds} }

// setPlace tells where a message's cache record lies.
func (s *state) setPlace(e *entry, p cachePlace) {
	s.cached += int64(p.size) - int64(e.cacheLen)
	e.cacheOff, e.cacheLen, e.kinds = p.off, p.size, p.kinds
}

// appendEntry adds a message whose UID is above all others.
func appendEntry[B []byte | string](s *state, e entry, base B) *entry {
	p := appendTo(&s.list, e, base)
	s.top = max(s.top, e.uid)
	for len(s.unseenIn) <= int(e.uid>>unseenShift) {
		s.unseenIn = append(s.unseenIn, 0)
	}
	s.count(&e, +1)
	if e.bits&inNew != 0 {
		s.freshAt.add(e.uid)
	}
	if e.bits&placed != 0 {
		s.placedAt.add(e.uid)
	}
	if s.next <= e.uid {
		s.next = e.uid + 1
	}
	s.index.put(s, p)
	return p
}

// setInfo gives a message the place and info of its file, keeping the words
// that flags cannot express.
func (s *state) setInfo(e *entry, where entryBits, info string) {
	s.change(e, func(e *entry) {
		sys, letters, _ := parseInfo(info)
		e.flags = sys
		e.keywords = e.keywords&^(1<<26-1) | uint64(letters)
		s.forwarded(e)
		e.bits = e.bits&^inNew | where
		s.noteInfo(e, info)
	})
}

// forwarded lets the P of a file name and the keyword $Forwarded stand for
// each other (FORMATS §5.9, 4).
func (s *state) forwarded(e *entry) {
	if e.flags&Passed == 0 {
		return
	}
	bit := s.keyword(forwarded)
	if bit < 0 {
		if bit = s.freeHigh(); bit < 0 {
			return
		}
		s.keys[bit] = forwarded
		s.keysGen++
	}
	e.keywords |= 1 << bit
}

const forwarded = "$Forwarded"

// drop removes the messages of these UIDs, which must be sorted.
func (s *state) drop(uids []imap.UID) {
	if len(uids) == 0 {
		return
	}
	s.freshAt.subtract(uids)
	s.placedAt.subtract(uids)
	s.list.drop(uids, func(e *entry) { s.count(e, -1) })
}

// remember adds to the expunge history; the oldest lines fall off at its end.
func (s *state) remember(uids []imap.UID, modseq uint64) {
	for _, uid := range uids {
		if n := len(s.history); n > 0 && s.history[n-1].modseq == modseq && s.history[n-1].hi+1 == uid {
			s.history[n-1].hi = uid
			continue
		}
		s.history = append(s.history, gone{uid, uid, modseq})
	}
	if over := len(s.history) - maxHistory; over > 0 {
		over += maxHistory / 4
		s.historyOf = max(s.historyOf, s.history[over-1].modseq)
		s.history = slices.Delete(s.history, 0, over)
	}
}

const maxHistory = 16 << 10

// message is the copy of a message that goes to the engine.
func (e *entry) message() (m Message) {
	e.fill(&m)
	return m
}

// fill is message into a zero m: walks copy entries by the ten thousand.
func (e *entry) fill(m *Message) {
	m.UID, m.ModSeq, m.Size, m.SaveDate, m.place = e.uid, e.modseq, e.size, int64(e.saved), e.place()
	m.Flags.System, m.Flags.Keywords = e.flags, e.keywords
	if e.date != noDate {
		m.InternalDate = time.Unix(e.date, 0)
	}
}
