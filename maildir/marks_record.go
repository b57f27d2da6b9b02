package maildir

import (
	"bytes"
	"crypto/rand"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// marksName is the file of one user's read marks; doc.go tells its format.
const (
	marksName  = "maildir-imapd.seen"
	marksMagic = "MDIRSEN1"
	marksHead  = len(marksMagic) + 8
)

// Kinds of its records.
const (
	markBoot   = 'B'
	markBegin  = 'M'
	markStepsR = 'P'
	markChange = 'C'
	markRunsR  = 'R'
)

const (
	markStepSize = 16
	markRunSize  = 17
	// markPlaceHead is what comes before the path of a mailbox's directory. Files of before there were places end there.
	markPlaceHead = 13
)

// marksFollowMost is how many bytes are summed up to find that out: a file made for it would take days.
const marksFollowMost = 4 << 30

// marksFollow tells damage from a torn end: behind the latter there are no records.
func marksFollow(b []byte) bool {
	left := int64(marksFollowMost)
	for i := 1; len(b)-i >= 9; i++ {
		if bytes.IndexByte([]byte{markBoot, markBegin, markStepsR, markChange, markRunsR}, b[i+8]) < 0 {
			continue
		}
		if left < 0 || checks(b[i:]) > 0 {
			return true
		}
		if size := int64(le.Uint32(b[i:])); size <= min(markRecordMost, int64(len(b)-i-8)) {
			left -= size
		}
	}
	return false
}

// fold takes in the records that b begins with, and tells how many bytes they are. Changes of
// marks are passed to tell.
func (g *markImage) fold(b []byte, tell func(*markBox, uidRanges)) (n int) {
	for {
		size := checks(b[n:])
		if size <= 0 {
			return n
		}
		g.record(b[n+8], b[n+9:n+size], tell)
		n += size
	}
}

// record takes in one record. What makes no sense is passed over: its checksum is right, so that a
// later version has written it.
func (g *markImage) record(kind byte, b []byte, tell func(*markBox, uidRanges)) {
	if kind == markBoot {
		g.boot = string(b)
		return
	}
	if len(b) < 4 {
		return
	}
	number := le.Uint32(b)
	b = b[4:]
	if kind == markBegin {
		if len(b) >= 28 && number != 0 && number < 1<<31 {
			g.begin(number, b)
		}
		return
	}
	box := g.numbers[number]
	if box == nil {
		return
	}
	was := box.weight()
	defer func() { g.held += box.weight() - was }()
	switch kind {
	case markStepsR:
		last := box.steps.last()
		box.steps = box.steps[:0]
		for ; len(b) >= markStepSize; b = b[markStepSize:] {
			box.step(b)
		}
		box.keepUp(last)
	case markChange:
		if len(b) < markStepSize+1 || !box.step(b) {
			return
		}
		ranges := rangesOf(b[markStepSize+1:])
		box.change(box.steps.last(), ranges, b[markStepSize] != 0)
		if tell != nil {
			tell(box, ranges)
		}
	case markRunsR:
		box.runs = runsOf(b)
		box.counted.known = false
	}
}

// begin gives a mailbox a number, or tells that something else is known of it.
func (g *markImage) begin(number uint32, b []byte) {
	key := markKey{[16]byte(b), le.Uint32(b[16:])}
	base, place, gone, shared := le.Uint64(b[20:]), markPlace{}, uint32(0), false
	if b = b[28:]; len(b) >= markPlaceHead {
		place, gone, shared = markPlace{string(b[markPlaceHead:]), le.Uint64(b)}, le.Uint32(b[8:]), b[12]&1 != 0
	}
	box := g.numbers[number]
	if box != nil && box.markKey != key {
		if g.unnumber(box); len(box.views) == 0 {
			g.drop(box)
		}
		box = nil
	}
	switch other := g.at(key, place); {
	case box == nil && other != nil: // memory has had it
		g.unnumber(other)
		box = other
	case box == nil:
		box = &markBox{markKey: key}
		g.put(box)
	case other != nil && other != box && other.number == 0: // memory took it for another one
		box.takeViews(other)
		g.drop(other)
	}
	box.number, box.base, box.gone, box.unsaid = number, base, gone, false
	if box.place != place {
		box.place = place
	}
	if box.shared = shared; len(box.views) > 0 {
		box.wakeOthers()
	}
	if base > mostModSeq {
		box.base, box.unsaid = baseUnknown, true
	}
	g.numbers[number], g.top = box, max(g.top, number)
}

// step adds the step that b begins with; false: no step of ours.
func (b *markBox) step(r []byte) bool {
	s := markStep{le.Uint64(r), le.Uint64(r[8:])}
	if s.at > mostModSeq || s.sum > mostModSeq {
		return false
	}
	b.steps = b.steps.add(s)
	return true
}

// rangesOf reads what was written in order; what is not is nobody's.
func rangesOf(b []byte) (out uidRanges) {
	for ; len(b) >= 8; b = b[8:] {
		lo, hi := imap.UID(le.Uint32(b)), imap.UID(le.Uint32(b[4:]))
		if n := len(out); lo != 0 && lo <= hi && (n == 0 || lo > out[n-1].hi) {
			out.addRange(lo, hi)
		}
	}
	return out
}

func runsOf(b []byte) (out markRuns) {
	out = make(markRuns, 0, len(b)/markRunSize)
	for ; len(b) >= markRunSize; b = b[markRunSize:] {
		x := markRun{imap.UID(le.Uint32(b)), imap.UID(le.Uint32(b[4:])), b[8] != 0, le.Uint64(b[9:])}
		if n := len(out); x.lo == 0 || x.lo > x.hi || x.modseq > 2*mostModSeq || n > 0 && x.lo <= out[n-1].hi {
			continue
		}
		out = out.emit(x)
	}
	return out
}

// appendMarkBegin is the record that gives a mailbox its number, and its steps.
func appendMarkBegin(r []byte, number uint32, b *markBox) []byte {
	r = appendRecord(r, markBegin, func(r []byte) []byte {
		r = append(le.AppendUint32(r, number), b.guid[:]...)
		r = le.AppendUint64(le.AppendUint32(r, b.validity), b.base)
		r = le.AppendUint32(le.AppendUint64(r, b.place.ino), b.gone)
		bits := byte(0)
		if b.shared {
			bits = 1
		}
		return append(append(r, bits), b.place.dir...)
	})
	return appendRecord(r, markStepsR, func(r []byte) []byte {
		r = le.AppendUint32(r, number)
		for _, s := range b.steps {
			r = le.AppendUint64(le.AppendUint64(r, s.at), s.sum)
		}
		return r
	})
}

// appendMarkChange is the record of a change, or several where it is of many ranges: they make one step.
func appendMarkChange(r []byte, number uint32, s markStep, ranges uidRanges, seen bool) []byte {
	for part := range slices.Chunk(ranges, markRangesMost) {
		r = appendRecord(r, markChange, func(r []byte) []byte {
			r = le.AppendUint64(le.AppendUint64(le.AppendUint32(r, number), s.at), s.sum)
			on := byte(0)
			if seen {
				on = 1
			}
			r = append(r, on)
			for _, x := range part {
				r = le.AppendUint32(le.AppendUint32(r, uint32(x.lo)), uint32(x.hi))
			}
			return r
		})
	}
	return r
}

func appendMarkRuns(r []byte, number uint32, runs markRuns) []byte {
	return appendRecord(r, markRunsR, func(r []byte) []byte {
		r = le.AppendUint32(r, number)
		for _, x := range runs {
			on := byte(0)
			if x.seen {
				on = 1
			}
			r = append(le.AppendUint32(le.AppendUint32(r, uint32(x.lo)), uint32(x.hi)), on)
			r = le.AppendUint64(r, x.modseq)
		}
		return r
	})
}

// encode is the whole file, with a name of its own behind the magic: another file with the same
// inode number and size is not taken for this one.
func (g *markImage) encode() []byte {
	b := make([]byte, marksHead)
	copy(b, marksMagic)
	rand.Read(b[len(marksMagic):])
	b = appendRecord(b, markBoot, func(r []byte) []byte { return append(r, g.boot...) })
	for _, n := range slices.Sorted(maps.Keys(g.numbers)) {
		box := g.numbers[n]
		b = appendMarkBegin(b, n, box)
		if len(box.runs) > 0 {
			b = appendMarkRuns(b, n, box.runs)
		}
	}
	return b
}

// size is about how many bytes encode makes of what should be kept.
func (g *markImage) size() int {
	n := 64
	for _, box := range g.numbers {
		n += 80 + len(box.place.dir) + markStepSize*min(len(box.steps), 2*stepsKept) + markRunSize*min(len(box.runs), runsMost)
	}
	return n
}

// sound tells what is wrong with what a file said, "" for nothing.
func (b *markBox) sound() string {
	if b.validity == 0 {
		return "UIDVALIDITY 0"
	}
	for i, s := range b.steps {
		if i > 0 && (s.at <= b.steps[i-1].at || s.sum < b.steps[i-1].sum) {
			return "MODSEQs go back"
		}
	}
	for i, r := range b.runs {
		switch {
		case r.lo == 0 || r.lo > r.hi || i > 0 && r.lo <= b.runs[i-1].hi:
			return "runs are not in order"
		case b.base != baseUnknown && r.modseq > b.steps.highest(b.base):
			return markTooHigh
		}
	}
	return ""
}

const markTooHigh = "a mark has a MODSEQ above the mailbox's"
