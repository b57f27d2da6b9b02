package maildir

import (
	"encoding/hex"

	"github.com/emersion/go-imap/v2"
)

// apply reads a whole file's bytes into the state and tells how many of them were
// whole records, and whether the file can be appended to: false for one that is
// not an index or is damaged in the middle. The state is locked.
func (x *indexFile) apply(b []byte, whole bool) (n int, ok bool) {
	a := applier{x: x, m: x.m, s: &x.m.state, whole: whole}
	n, ok = a.eat(b)
	x.cut = a.last != 0 && a.last != recDisk
	if whole {
		a.finish()
	}
	return n, ok && (!whole || a.head)
}

// eat applies the records that b begins with and tells how many bytes they are.
func (a *applier) eat(b []byte) (n int, ok bool) {
	if a.whole && !a.begun {
		if len(b) < len(indexMagic) || string(b[:len(indexMagic)]) != indexMagic {
			return 0, false
		}
		n = len(indexMagic)
		a.begin()
	}
	for {
		size := checks(b[n:])
		if size <= 0 {
			a.stopped = size == 0
			return n, true
		}
		if kind := b[n+8]; !a.record(kind, b[n+9:n+size]) {
			return n, false
		} else {
			a.last = kind
		}
		n += size
	}
}

// applier folds records into memory, whether the file is read for the first
// time or another process has appended to it.
type applier struct {
	x     *indexFile
	m     *Mailbox
	s     *state
	whole bool
	begun bool
	// listing: what the file tells of the uidlist is being taken over
	listing bool
	head    bool
	alien   bool // the file is of another life of this mailbox
	// stopped: what follows does not check, however much more is read
	stopped bool
	last    byte // kind of the record before
	known   int  // messages in memory that a file read as a whole has named
	had     int  // and how many there were
	told    imap.UID
	past    []gone // the expunge history of a file that is read as a whole
	was     uint64 // the MODSEQ before
	says    uint64 // the MODSEQ that the file names
}

// begin prepares for a file that another process may have put in the place of
// the one that memory is of: it has all of the history, and of each message its
// last state where there were single changes before.
func (a *applier) begin() {
	a.begun = true
	a.had, a.was = a.s.list.len(), a.s.modseq
}

// finish has the directories looked at when memory has messages that the file
// does not know, or the file does not tell all.
func (a *applier) finish() {
	if !a.begun {
		return
	}
	a.finishList(a.head && !a.stopped)
	if len(a.past) >= len(a.s.history) || a.head && a.last == recDisk {
		a.s.history = a.past
	}
	if a.says < a.was {
		a.x.broken = true // an older state of it was put back: what has been done since is missing
	}
	if a.known < a.had {
		a.m.seen.dirs = [2]dirLook{}
	}
}

// record applies one record; false: it cannot be what we wrote.
func (a *applier) record(kind byte, b []byte) bool {
	if a.whole && !a.head && kind != recHead {
		return false
	}
	switch kind {
	case recHead:
		return a.headRecord(b)
	case recMessage:
		return a.messages(b)
	case recFlags:
		return a.flags(b)
	case recFacts:
		return a.facts(b)
	case recExpunge:
		return a.expunge(b)
	case recKeys:
		return a.keys(b)
	case recDisk:
		return a.disk(b)
	case recCount:
		a.count(b)
	case recList:
		return a.list(b)
	}
	return true // of a later version: what it says is not needed
}

func (a *applier) headRecord(b []byte) bool {
	if len(b) < 48 {
		return false
	}
	validity, next := le.Uint32(b), imap.UID(le.Uint32(b[4:]))
	if validity == 0 {
		return false
	}
	if a.s.validity != 0 && a.s.validity != validity {
		a.alien = true
		return false
	}
	a.s.validity = validity
	a.s.next = max(a.s.next, next)
	a.says = max(a.says, le.Uint64(b[8:]))
	a.s.modseq = max(a.s.modseq, a.says)
	a.x.ceiling = max(a.x.ceiling, le.Uint64(b[16:]))
	a.s.historyOf = max(a.s.historyOf, le.Uint64(b[24:]))
	if a.s.guid == "" {
		a.s.guid = hex.EncodeToString(b[32:48])
	}
	a.x.boot = string(b[48:])
	a.head = true
	return true
}

func (a *applier) messages(b []byte) bool {
	for len(b) > 0 {
		if len(b) < fixedMessage {
			return false
		}
		nameLen, infoLen := int(b[6]), int(b[7])
		if uid := le.Uint32(b); len(b) < fixedMessage+nameLen+infoLen || nameLen == 0 || uid == 0 || uid > maxUID {
			return false
		}
		e := entry{uid: imap.UID(le.Uint32(b)), flags: SystemFlags(b[4]) & systemAll, bits: entryBits(b[5]) & (inNew | verified),
			saved: le.Uint32(b[8:]), keywords: le.Uint64(b[12:]), modseq: le.Uint64(b[20:]), size: max(int64(le.Uint64(b[28:])), -1),
			date: int64(le.Uint64(b[36:]))}
		c := unpackPlace(le.Uint64(b[44:]), le.Uint32(b[52:]))
		e.cacheOff, e.cacheLen, e.kinds = c.off, c.size, c.kinds
		base := b[fixedMessage : fixedMessage+nameLen]
		info, odd := string(b[fixedMessage+nameLen:fixedMessage+nameLen+infoLen]), entryBits(b[5])&oddInfo != 0
		b = b[fixedMessage+nameLen+infoLen:]
		if e.uid <= a.s.top {
			a.again(&e, string(base), odd, info)
			continue
		}
		p := appendEntry(a.s, e, base)
		if odd {
			a.s.noteInfo(p, info)
		}
		a.s.modseq = max(a.s.modseq, e.modseq)
		if len(a.m.list.loose) > 0 {
			delete(a.m.list.loose, string(base))
		}
	}
	return true
}

// again takes in a message that memory has already: messages do not change
// their names, but everything else.
func (a *applier) again(r *entry, base string, odd bool, info string) {
	e := a.s.find(r.uid)
	if e == nil || string(a.s.base(e)) != base {
		return // expunged here, or renumbered
	}
	a.known++
	if r.modseq < e.modseq {
		return
	}
	a.change(e, r.flags, r.keywords, r.bits&inNew, r.modseq, odd, info)
	if r.size >= 0 && (e.bits&verified == 0 || r.bits&verified != 0) {
		a.s.change(e, func(e *entry) { e.size, e.bits = r.size, e.bits|r.bits&verified })
	}
	if r.date != noDate {
		e.date = r.date
	}
	e.saved = r.saved
	a.s.setPlace(e, r.place())
}

// change gives a message the flags and the place that a record tells.
func (a *applier) change(e *entry, flags SystemFlags, keywords uint64, where entryBits, modseq uint64, odd bool, info string) {
	old := Flags{e.flags, e.keywords}
	a.s.change(e, func(e *entry) {
		e.flags, e.keywords = flags, keywords
		e.bits = e.bits&^inNew | where
		e.modseq = max(e.modseq, modseq)
	})
	if odd {
		a.s.noteInfo(e, info)
	} else {
		a.s.list.setOdd(e, false, "")
	}
	a.s.modseq = max(a.s.modseq, e.modseq)
	if old != (Flags{e.flags, e.keywords}) {
		a.m.log.flags(e.uid, nil, a.told+1 == e.uid)
		a.told = e.uid
	}
}

func (a *applier) flags(b []byte) bool {
	for len(b) > 0 {
		if len(b) < fixedFlags || len(b) < fixedFlags+int(b[6]) {
			return false
		}
		uid, infoLen := imap.UID(le.Uint32(b)), int(b[6])
		modseq := le.Uint64(b[16:])
		if e := a.s.find(uid); e != nil && modseq >= e.modseq { // an index that was compacted may say older things later
			info, odd := string(b[fixedFlags:fixedFlags+infoLen]), entryBits(b[5])&oddInfo != 0
			a.change(e, SystemFlags(b[4])&systemAll, le.Uint64(b[8:]), entryBits(b[5])&inNew, modseq, odd, info)
		}
		b = b[fixedFlags+infoLen:]
	}
	return true
}

func (a *applier) facts(b []byte) bool {
	if len(b)%fixedFacts != 0 {
		return false
	}
	for ; len(b) > 0; b = b[fixedFacts:] {
		e := a.s.find(imap.UID(le.Uint32(b)))
		if e == nil {
			continue
		}
		a.s.change(e, func(e *entry) {
			if size := int64(le.Uint64(b[8:])); size >= 0 && (e.bits&verified == 0 || entryBits(b[4])&verified != 0) {
				e.size, e.bits = size, e.bits|entryBits(b[4])&verified
			}
			if date := int64(le.Uint64(b[16:])); date != noDate {
				e.date = date
			}
		})
		a.s.setPlace(e, unpackPlace(le.Uint64(b[24:]), le.Uint32(b[32:])))
	}
	return true
}

func (a *applier) expunge(b []byte) bool {
	if len(b) < 8 || len(b)%8 != 0 {
		return false
	}
	modseq := le.Uint64(b)
	a.s.modseq = max(a.s.modseq, modseq)
	var uids []imap.UID
	for b = b[8:]; len(b) > 0; b = b[8:] {
		r := gone{imap.UID(le.Uint32(b)), imap.UID(le.Uint32(b[4:])), modseq}
		if r.lo == 0 || r.lo > r.hi {
			return false
		}
		if a.whole {
			a.past = append(a.past, r)
		} else {
			a.s.history = append(a.s.history, r)
		}
		for e := range a.s.list.between(r.lo, r.hi) {
			uids = append(uids, e.uid)
		}
	}
	for _, uid := range uids {
		a.m.log.expunged(uid)
	}
	a.had -= len(uids)
	a.m.forgetNames(uids)
	a.s.drop(uids)
	return true
}

func (a *applier) keys(b []byte) bool {
	var keys [64]string
	copy(keys[:maxLetters], a.s.keys[:maxLetters])
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) || b[0] < maxLetters || b[0] > 63 {
			return false
		}
		keys[b[0]] = string(b[2 : 2+int(b[1])])
		b = b[2+int(b[1]):]
	}
	if keys != a.s.keys {
		a.s.keys = keys
		a.s.keysGen++
	}
	return true
}

const diskSize = 16 + 2*17 + 2*24

func (a *applier) disk(b []byte) bool {
	if len(b) < diskSize {
		return false
	}
	a.s.next = max(a.s.next, imap.UID(le.Uint32(b)))
	a.says = max(a.says, le.Uint64(b[4:]))
	a.s.modseq = max(a.s.modseq, a.says)
	a.s.top = max(a.s.top, imap.UID(le.Uint32(b[12:])))
	b = b[16:]
	for i := range a.m.seen.dirs {
		look := dirLook{int64(le.Uint64(b)), int64(le.Uint64(b[8:])), b[16] != 0}
		if a.whole && look.own {
			// A process that died may have gone on in a directory within the tick of its
			// last change there, and what others did beside a change of ours nobody has
			// looked for yet: for who begins with the file that change is a stranger's, of
			// this very moment.
			look = dirLook{mtime: look.mtime, at: look.mtime}
		}
		a.m.seen.dirs[i] = look
		b = b[17:]
	}
	list := fileID{le.Uint64(b), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))}
	if a.whole && !a.m.list.parsed {
		// Once the list has been read here, what others write there is read from
		// the file itself, so that its lines without a message are known.
		a.m.seen.list = list
	}
	// The letters of keywords are read from their own file, always.
	return true
}
