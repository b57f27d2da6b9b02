package imapd

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// bodyAhead reads the messages of a FETCH that sends them whole: while the session's goroutine writes the files
// of one batch, the crew of readers opens, reads and converts those of the next one. There is never more than one
// batch ahead, so that a client that does not read stops the reading, and what is held for it is two rooms.
//
// sendfile(2) is not used: a message in a Maildir has bare LFs as a rule, and whether one has a NUL is known only
// to who has read it; TLS and compression want the bytes in memory in any case.
type bodyAhead struct {
	s          *session
	rooms      [2]*bodyRoom
	read, sent int   // batches: their rooms take turns
	mean       int64 // of the files read last: a guess at those whose size nobody knows
}

// bodyRoom holds the messages of a batch as they are sent.
type bodyRoom struct {
	space  []byte
	used   atomic.Int64
	bodies [][]byte // by the place in the batch; nil: not here, the session reads the file
}

const (
	// bodySpace is a room's size: two of them, the connection's buffers, a window of the cache and the two batches
	// are less than the 1 MiB that may be held for a client that does not read.
	bodySpace = 320 << 10
	// bodyMost is the largest file that is read ahead; larger ones are streamed.
	bodyMost = 192 << 10
	// bodyGuess is the size of a message that nobody knows, at first.
	bodyGuess = 8 << 10
)

var bodyRooms = sync.Pool{New: func() any { return &bodyRoom{space: make([]byte, bodySpace)} }}

// readsBodies tells whether files are read for the sake of whole messages alone.
func (a *fetchAction) readsBodies() bool {
	if a.need&needFile == 0 || a.need&needStructure != 0 {
		return false
	}
	for _, att := range a.items {
		if att.needs()&needFile == 0 {
			continue
		}
		if sec, ok := att.(*sectionAtt); !ok || !sec.whole() || sec.partial != nil {
			return false
		}
	}
	return true
}

// bodiesFrom is how many messages a FETCH names at least for them to be read ahead.
const bodiesFrom = 4

// ahead is the reading ahead that the command deserves, nil when it is none.
func (a *fetchAction) ahead(s *session, uids imap.UIDSet) *bodyAhead {
	if !a.readsBodies() || s.c.compressed() { // a compressor holds that much, and is the slower half
		return nil
	}
	n := uint64(0)
	for _, r := range uids {
		n += uint64(r.Stop-r.Start) + 1
	}
	if n < bodiesFrom {
		return nil
	}
	return &bodyAhead{s: s, mean: bodyGuess}
}

// close gives the rooms back. Nothing in them waits to be sent any more.
func (b *bodyAhead) close() {
	for i, r := range b.rooms {
		if r != nil {
			clear(r.bodies)
			bodyRooms.Put(r)
			b.rooms[i] = nil
		}
	}
}

// fits is how many of the messages go into a room, one at least.
func (b *bodyAhead) fits(batch []maildir.Message) int {
	var sum int64
	for i := range batch {
		size := batch[i].Size
		switch {
		case size < 0:
			size = b.mean
		case size > bodyMost:
			continue // takes none
		}
		if sum += bodyRoomFor(size); sum > bodySpace && i > 0 {
			return i
		}
	}
	return len(batch)
}

// bodyRoomFor is what a file of this size takes: a CR for each of its lines comes to it, if they have 16 bytes
// or more on the average.
func bodyRoomFor(size int64) int64 { return size + size/16 + 64 }

// prepare reads the files of a batch into the room that is free. It is called once for each batch, in order.
func (b *bodyAhead) prepare(ctx context.Context, batch []maildir.Message) error {
	turn := b.read % 2
	b.read++
	room := b.rooms[turn]
	if room == nil {
		room = bodyRooms.Get().(*bodyRoom)
		b.rooms[turn] = room
	}
	room.used.Store(0)
	if cap(room.bodies) < len(batch) {
		room.bodies = make([][]byte, batchSize)
	}
	room.bodies = room.bodies[:len(batch)]
	clear(room.bodies)
	err := b.s.sel.Readers().Run(ctx, len(batch), func(_, i int) error {
		if m := &batch[i]; !m.Gone && m.Size <= bodyMost {
			room.bodies[i] = b.load(ctx, room, m)
		}
		return nil
	})
	if used := room.used.Load(); used > 0 {
		b.mean = max(used/int64(len(batch)), 1)
	}
	return err
}

// next is what prepare has made of the batch that is sent now.
func (b *bodyAhead) next() [][]byte {
	room := b.rooms[b.sent%2]
	b.sent++
	return room.bodies
}

// load returns a message as it is sent; nil when it is too large for the room, or cannot be read: the session
// will find out why.
func (b *bodyAhead) load(ctx context.Context, room *bodyRoom, m *maildir.Message) []byte {
	var f maildir.File
	if b.s.sel.Open(ctx, m.UID, &f) != nil {
		return nil
	}
	defer f.Close()
	size := f.FileSize()
	if size > bodyMost {
		return nil
	}
	need := bodyRoomFor(size)
	end := room.used.Add(need)
	if end > bodySpace {
		return nil
	}
	// The file goes to the end of its room and moves down as CRs come in.
	space := room.space[end-need : end : end]
	raw := space[need-size:]
	n, err := f.ReadAt(raw, 0)
	if err != nil && err != io.EOF { // one that has become shorter is sent as it is
		return nil
	}
	raw = raw[:n]
	if int64(bytes.Count(raw, lf)) > need-size {
		return nil
	}
	return message.AppendCRLF(space[:0], raw)
}

var lf = []byte{'\n'}
