package maildir

import (
	"iter"
)

// markKey is the life of a mailbox whose messages the UIDs in marks are of: its GUID, which it keeps when it is
// renamed, and its UIDVALIDITY.
type markKey struct {
	guid     [16]byte
	validity uint32
}

// markPlace is where a mailbox lay when its marks were last used. The zero value: nobody knows.
type markPlace struct {
	dir string // the path of its directory
	ino uint64 // and that directory's number
}

// markImage is what a file of marks tells.
type markImage struct {
	boot    string
	boxes   map[[16]byte]*markBox // the first of each GUID
	numbers map[uint32]*markBox
	top     uint32 // the highest number
	held    int    // about how many bytes of memory all of it takes
}

func newMarkImage() markImage {
	return markImage{boxes: make(map[[16]byte]*markBox), numbers: make(map[uint32]*markBox)}
}

// all is every mailbox that has marks.
func (g *markImage) all() iter.Seq[*markBox] {
	return func(yield func(*markBox) bool) {
		for _, b := range g.boxes {
			for ; b != nil; b = b.next {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// of is the marks of a mailbox and of its twins.
func (g *markImage) of(key markKey) iter.Seq[*markBox] {
	return func(yield func(*markBox) bool) {
		for b := g.boxes[key.guid]; b != nil; b = b.next {
			if b.validity == key.validity && !yield(b) {
				return
			}
		}
	}
}

// at is the marks of the mailbox at a place, nil for none.
func (g *markImage) at(key markKey, place markPlace) *markBox {
	for b := g.boxes[key.guid]; b != nil; b = b.next {
		if b.validity == key.validity && b.place == place {
			return b
		}
	}
	return nil
}

// put adds a mailbox.
func (g *markImage) put(b *markBox) {
	b.next, g.boxes[b.guid] = g.boxes[b.guid], b
	g.held += b.weight()
}

// weight is about how many bytes a mailbox takes in memory.
func (b *markBox) weight() int { return 256 + 24*len(b.runs) + 16*len(b.steps) }

// unnumber has the file know nothing of a mailbox.
func (g *markImage) unnumber(b *markBox) {
	if g.numbers[b.number] == b {
		delete(g.numbers, b.number)
	}
	b.number = 0
}

// drop forgets a mailbox.
func (g *markImage) drop(b *markBox) {
	g.unnumber(b)
	g.held -= b.weight()
	first := g.boxes[b.guid]
	switch {
	case first == b && b.next == nil:
		delete(g.boxes, b.guid)
	case first == b:
		g.boxes[b.guid] = b.next
	default:
		for x := first; x != nil; x = x.next {
			if x.next == b {
				x.next = b.next
				break
			}
		}
	}
	b.next = nil
}

// same finds in another version of the file what is known of a mailbox, nil for nothing. A version of the program
// that knows no places may have written it.
func (g *markImage) same(was *markBox) *markBox {
	var alike *markBox
	rank := 0
	for b := range g.of(was.markKey) {
		r := 0
		switch {
		case b.place == was.place:
			r = 4
		case b.place.ino == was.place.ino && b.number == was.number:
			r = 3
		case b.place.dir == was.place.dir:
			r = 2
		case b.place == (markPlace{}) && len(b.views) == 0 && len(was.views) > 0:
			r = 1
		}
		if r > rank {
			alike, rank = b, r
		}
	}
	if alike != nil && alike.place == (markPlace{}) && alike.place != was.place {
		alike.place, alike.unsaid = was.place, true
	}
	return alike
}

// takeViews takes over who uses other marks, which are the same mailbox's.
func (b *markBox) takeViews(other *markBox) {
	for _, v := range other.views {
		v.box = b
	}
	b.views, other.views = append(b.views, other.views...), nil
	if b.steps.last().sum < other.steps.last().sum && other.number == 0 {
		b.keepUp(other.steps.last())
		for _, v := range b.views {
			v.pending = uidRanges{{1, maxUID}}
			v.poke()
		}
	}
}

// wakeOthers wakes who has the other notion of whose \Seen is.
func (b *markBox) wakeOthers() {
	for _, v := range b.views {
		if v.h.apart == b.shared {
			v.poke()
		}
	}
}

// keepUp sees to it that the user's MODSEQs do not fall below those of a step that was told.
func (b *markBox) keepUp(told markStep) {
	if l := b.steps.last(); l.sum < told.sum {
		b.steps, b.unsaid = b.steps.add(markStep{max(l.at, told.at), told.sum}), true
	}
}
