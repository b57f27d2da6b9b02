package maildir

import (
	"unsafe"

	"github.com/emersion/go-imap/v2"
)

const (
	entrySize = int64(unsafe.Sizeof(entry{}))
	chunkSize = int64(unsafe.Sizeof(chunk{}))
)

// expect announces messages: so many in a short time are given their place at once,
// for each large allocation is a reason to collect garbage. The place lives as long
// as one of the chunks that have a part of it.
func (l *entries) expect(messages, bytes int) {
	more := messages
	if k := len(l.chunks) - 1; k >= 0 {
		more -= chunkFull - len(l.chunks[k].list)
	}
	if more > 0 {
		n := max(more+more/32, chunkLeast)
		l.slab, l.slabNames = make([]entry, 0, n), make([]byte, 0, bytes*n/messages)
	}
}

// appendTo adds a message whose UID is above all others.
func appendTo[B []byte | string](l *entries, e entry, base B) *entry {
	c := l.room(e.uid)
	e.chunk, e.name, e.nameLen = c.id, uint32(len(c.names)), uint8(len(base))
	c.names = append(c.names, base...)
	c.list = append(c.list, e)
	l.n++
	l.bytes += len(base)
	return &c.list[len(c.list)-1]
}

// room is a chunk with room for one more message at the end.
func (l *entries) room(uid imap.UID) *chunk {
	if k := len(l.chunks) - 1; k >= 0 && len(l.chunks[k].list) < chunkFull {
		c := l.chunks[k]
		if len(c.list) == cap(c.list) {
			l.resize(c, min(2*len(c.list), chunkFull))
		}
		return c
	}
	c := &chunk{}
	l.place(c)
	if k := len(l.free) - 1; k >= 0 {
		c.id, l.free = l.free[k], l.free[:k]
		l.byID[c.id] = c
	} else {
		c.id = uint32(len(l.byID))
		l.byID = append(l.byID, c)
	}
	l.chunks, l.first, l.before = append(l.chunks, c), append(l.first, uid), append(l.before, l.n)
	return c
}

// place gives a new chunk its part of what expect has made. For names, that is all the
// rest, of which the chunk before has left what it has not used.
func (l *entries) place(c *chunk) {
	n := min(cap(l.slab), chunkFull)
	if n == 0 {
		c.list = make([]entry, 0, chunkLeast)
		return
	}
	c.list, l.slab = l.slab[:0:n], l.slab[n:n]
	if k := len(l.chunks) - 1; k >= 0 {
		names, rest := &l.chunks[k].names, l.slabNames
		if cap(*names) > 0 && cap(rest) > 0 && &(*names)[:1][0] == &rest[:1][0] {
			n := len(*names)
			*names, l.slabNames = (*names)[:n:n], rest[n:n]
		}
	}
	c.names = l.slabNames
}

// resize gives a chunk's messages another place.
func (l *entries) resize(c *chunk, room int) {
	l.moved += len(c.list)
	c.list = append(make([]entry, 0, room), c.list...)
}

// drop takes out messages, whose UIDs are sorted; each is passed to f before.
func (l *entries) drop(uids []imap.UID, f func(*entry)) {
	touched := -1
	for len(uids) > 0 {
		k, j := l.seek(uids[0])
		if k == len(l.chunks) {
			break
		}
		if touched < 0 {
			touched = k
		}
		uids = l.dropFrom(l.chunks[k], j, uids, f)
	}
	if touched >= 0 {
		l.settle(max(0, touched-1))
	}
}

// dropFrom takes messages out of one chunk, from a place in it on, and returns the
// UIDs that lie behind it.
func (l *entries) dropFrom(c *chunk, at int, uids []imap.UID, f func(*entry)) []imap.UID {
	out := at
	for ; at < len(c.list); at++ {
		e := &c.list[at]
		for len(uids) > 0 && uids[0] < e.uid {
			uids = uids[1:]
		}
		switch {
		case len(uids) == 0 && out == at:
			return nil
		case len(uids) == 0:
			n := copy(c.list[out:], c.list[at:])
			l.moved += n
			c.list = c.list[:out+n]
			return nil
		case uids[0] == e.uid:
			f(e)
			size := l.extent(e)
			c.waste += size
			l.bytes -= size
			l.n--
			uids = uids[1:]
			continue
		case out < at:
			c.list[out] = *e
			l.moved++
		}
		out++
	}
	c.list = c.list[:out]
	return uids
}

// settle makes the table right again from one chunk on: empty ones go, and small
// neighbours become one.
func (l *entries) settle(from int) {
	out, n := from, l.before[from]
	for _, c := range l.chunks[from:] {
		if len(c.list) == 0 {
			l.release(c)
			continue
		}
		n += len(c.list)
		if out > 0 && len(l.chunks[out-1].list)+len(c.list) <= chunkJoin {
			l.absorb(l.chunks[out-1], c)
			continue
		}
		l.chunks[out], l.first[out], l.before[out] = c, c.list[0].uid, n-len(c.list)
		out++
		c.tidy(l)
		if room := max(2*len(c.list), chunkLeast); room < cap(c.list)/2 {
			l.resize(c, room)
		}
	}
	clear(l.chunks[out:])
	l.chunks, l.first, l.before = l.chunks[:out], l.first[:out], l.before[:out]
}

func (l *entries) release(c *chunk) {
	l.byID[c.id] = nil
	l.free = append(l.free, c.id)
}

// absorb adds to one chunk the messages of the next.
func (l *entries) absorb(c, next *chunk) {
	if n := len(c.list) + len(next.list); n > cap(c.list) {
		l.resize(c, chunkFull)
	}
	for i := range next.list {
		e := next.list[i]
		name := next.names[e.name:][:l.extent(&e)]
		e.chunk, e.name = c.id, uint32(len(c.names))
		c.names = append(c.names, name...)
		c.list = append(c.list, e)
	}
	l.moved += len(next.list)
	l.release(next)
	c.tidy(l)
}

// tidy makes the arena anew when it is mostly waste.
func (c *chunk) tidy(l *entries) {
	if c.waste < 1024 || c.waste < len(c.names)/2 {
		return
	}
	names := make([]byte, 0, len(c.names)-c.waste)
	for i := range c.list {
		e := &c.list[i]
		name := c.names[e.name:][:l.extent(e)]
		e.name = uint32(len(names))
		names = append(names, name...)
	}
	c.names, c.waste = names, 0
}
