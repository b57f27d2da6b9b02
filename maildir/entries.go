package maildir

import (
	"iter"
	"math"
	"sort"

	"github.com/emersion/go-imap/v2"
)

// entries are the messages of a mailbox, sorted by UID, and their names, in chunks of
// chunkFull messages at most. What an expunge moves, an arena made anew copies and
// growth needs is one chunk, or two that become one, however many messages there
// are; only the table of the chunks, 28 bytes for a thousand messages, is walked as
// a whole. Positions count from 0 through all chunks.
//
// Two neighbours have more than chunkJoin messages together, so that chunks are full
// to a third at least, and as good as full where nothing was expunged.
type entries struct {
	chunks []*chunk
	first  []imap.UID // of each chunk the UID of the first message
	before []int      // and how many messages there are in those before it
	n      int
	bytes  int // of names, without what is wasted

	byID []*chunk // where entry.chunk leads; nil: the number is free
	free []uint32

	slab      []entry // what is left of what expect has made
	slabNames []byte
	moved     int // messages copied from one place to another, ever
}

const (
	chunkFull  = 1024
	chunkJoin  = chunkFull * 3 / 4
	chunkLeast = 16 // messages that a chunk has room for
)

// chunk is some neighbours and the arena of their names: a base name, and behind it
// the length of the info and the info itself where that is odd (state.noteInfo).
type chunk struct {
	id    uint32
	list  []entry // never empty between two calls
	names []byte
	waste int // bytes of names that belong to nobody
}

func (l *entries) len() int { return l.n }

// at is the message at a position.
func (l *entries) at(i int) *entry {
	k := i / chunkFull // or later: no chunk has more
	j := i - l.before[k]
	if j >= len(l.chunks[k].list) {
		more := l.before[k+1:]
		k += sort.Search(len(more), func(x int) bool { return more[x] > i })
		j = i - l.before[k]
	}
	return &l.chunks[k].list[j]
}

// last is the message with the highest UID, nil when there is none.
func (l *entries) last() *entry {
	if l.n == 0 {
		return nil
	}
	c := l.chunks[len(l.chunks)-1]
	return &c.list[len(c.list)-1]
}

// seek finds the first message with this UID or a later one: its chunk, which is
// behind the last one when there is none, and its place there.
func (l *entries) seek(uid imap.UID) (k, j int) {
	n := len(l.chunks)
	if n == 0 || uid <= l.first[0] {
		return 0, 0
	}
	// Most mailboxes have few gaps: the first guess is the answer's neighbour.
	k = min(int(uid-l.first[0])/chunkFull, n-1)
	if l.first[k] > uid || k+1 < n && l.first[k+1] <= uid {
		k = sort.Search(n, func(i int) bool { return l.first[i] > uid }) - 1
	}
	list := l.chunks[k].list
	if d := int(uid) - int(l.first[k]); d < len(list) && list[d].uid == uid {
		return k, d
	}
	if j = sort.Search(len(list), func(i int) bool { return list[i].uid >= uid }); j == len(list) {
		return k + 1, 0
	}
	return k, j
}

// pos is the position of the first message with this UID or a later one.
func (l *entries) pos(uid imap.UID) int {
	k, j := l.seek(uid)
	if k == len(l.chunks) {
		return l.n
	}
	return l.before[k] + j
}

func (l *entries) find(uid imap.UID) *entry {
	if k, j := l.seek(uid); k < len(l.chunks) {
		if e := &l.chunks[k].list[j]; e.uid == uid {
			return e
		}
	}
	return nil
}

// passage is a way through the messages.
type passage struct {
	here  []entry
	later []*chunk
}

// from begins at the first message with this UID or a later one.
func (l *entries) from(uid imap.UID) (w passage) {
	if k, j := l.seek(uid); k < len(l.chunks) {
		w.here, w.later = l.chunks[k].list[j:], l.chunks[k+1:]
	}
	return w
}

// next returns a message, nil behind the last one.
func (w *passage) next() *entry {
	if len(w.here) == 0 {
		if len(w.later) == 0 {
			return nil
		}
		w.here, w.later = w.later[0].list, w.later[1:]
	}
	e := &w.here[0]
	w.here = w.here[1:]
	return e
}

// between yields the messages with UIDs from lo to hi, which may be changed and not
// be dropped meanwhile.
func (l *entries) between(lo, hi imap.UID) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		w := l.from(lo)
		for e := w.next(); e != nil && e.uid <= hi && yield(e); e = w.next() {
		}
	}
}

// all yields all messages.
func (l *entries) all() iter.Seq[*entry] { return l.between(0, math.MaxUint32) }

// eachChunk calls f for all messages, some neighbours at a time; mu is held for
// reading, and given back in between. The caller holds writer, so that none comes or
// goes meanwhile.
func (m *Mailbox) eachChunk(f func([]entry)) {
	for _, c := range m.state.list.chunks {
		m.mu.RLock()
		f(c.list)
		m.mu.RUnlock()
	}
}

func (l *entries) base(e *entry) []byte {
	return l.byID[e.chunk].names[e.name : e.name+uint32(e.nameLen)]
}

// odd is the info of a message that has the bit.
func (l *entries) odd(e *entry) []byte {
	names := l.byID[e.chunk].names[e.name+uint32(e.nameLen):]
	return names[1 : 1+int(names[0])]
}

// extent is how many bytes of the arena are the message's.
func (l *entries) extent(e *entry) int {
	if e.bits&oddInfo != 0 {
		return int(e.nameLen) + 1 + len(l.odd(e))
	}
	return int(e.nameLen)
}

// setOdd gives a message an info of its own, or takes that away.
func (l *entries) setOdd(e *entry, on bool, info string) {
	if !on && e.bits&oddInfo == 0 {
		return
	}
	c, was := l.byID[e.chunk], l.extent(e)
	l.bytes -= was
	base := c.names[e.name : e.name+uint32(e.nameLen)]
	e.bits &^= oddInfo
	if on {
		e.bits |= oddInfo
		if was < len(base)+1+len(info) {
			e.name = uint32(len(c.names))
			c.names = append(c.names, base...)
			c.names = append(c.names, 0)
			c.names = append(c.names, info...)
			c.waste += was
			was = len(base) + 1 + len(info)
		}
		at := int(e.name) + len(base)
		c.names[at] = byte(len(info))
		copy(c.names[at+1:], info)
	}
	now := l.extent(e)
	l.bytes += now
	c.waste += was - now
	c.tidy(l)
}

// footprint is how many bytes of memory all this takes.
func (l *entries) footprint() (n int64) {
	for _, c := range l.chunks {
		n += int64(cap(c.list))*entrySize + int64(cap(c.names)) + chunkSize
	}
	n += int64(cap(l.slab)) * entrySize
	return n + int64(cap(l.chunks)+cap(l.byID))*8 + int64(cap(l.before))*8 + int64(cap(l.first)+cap(l.free))*4
}
