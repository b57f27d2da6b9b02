package imapd

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// bodyAhead reads and sends the messages of a FETCH that wants them whole. Two hands take the batches in turn:
// while one writes what it has read, the other opens, reads and converts the files of the next batch, and writes it
// in its turn. Nothing is handed over between them but the turn, so that on a busy machine neither waits for the
// other to be woken, and a room is as a rule written from the processor that has filled it. There is never more than one batch
// ahead, so that a client that does not read stops the reading, and what is held for it is two rooms.
//
// sendfile(2) is not used: a message in a Maildir has bare LFs as a rule, and whether one has a NUL is known only
// to who has read it; TLS and compression want the bytes in memory in any case.
type bodyAhead struct {
	s *session
	// learn finds out what else is asked for of a batch; send writes one, in its turn.
	learn func(ctx context.Context, batch []maildir.Message) error
	send  func(ctx context.Context, batch []maildir.Message, bodies [][]byte) error

	learning sync.Mutex
	at       walker // whose turn it is
	mean     int64  // likewise: of the files read last, a guess at those whose size nobody knows
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

// run walks the messages.
func (b *bodyAhead) run(ctx context.Context, uids imap.UIDSet) error {
	b.at = walker{sel: b.s.sel, left: uids, fits: b.fits}
	one, two := newBodyHand(b), newBodyHand(b)
	defer one.close()
	defer two.close()
	one.other, two.other = two, one
	one.take()
	two.take()
	one.turn <- struct{}{}
	if len(two.batch) == 0 {
		return one.work(ctx)
	}
	return besides(ctx, two.work, func() error { return one.work(ctx) })
}

// bodyHand is one of the two.
type bodyHand struct {
	b      *bodyAhead
	other  *bodyHand
	turn   chan struct{} // to write, and to touch what is whose turn it is
	gone   chan struct{} // closed when it has ended
	pooled *[]maildir.Message
	batch  []maildir.Message
	room   *bodyRoom
}

func newBodyHand(b *bodyAhead) *bodyHand {
	return &bodyHand{
		b: b, turn: make(chan struct{}, 1), gone: make(chan struct{}),
		pooled: batches.Get().(*[]maildir.Message), room: bodyRooms.Get().(*bodyRoom),
	}
}

// close gives room and batch back. What of the room waits to be sent, after an answer that was cut short or a panic,
// never is: the room is the next session's now, and its mail would go out instead.
func (h *bodyHand) close() {
	if g := h.b.s.c.gather; g != nil {
		g.drop()
	}
	clear(h.room.bodies)
	bodyRooms.Put(h.room)
	batches.Put(h.pooled)
}

func (h *bodyHand) take() { h.batch = h.b.at.next((*h.pooled)[:0]) }

// work does every other batch, until there is none, or either of the two has failed. An error is met in its turn:
// what was read before is written.
func (h *bodyHand) work(ctx context.Context) error {
	defer close(h.gone)
	for len(h.batch) > 0 {
		n, err := h.prepare(ctx, h.batch)
		if !h.wait() {
			return nil
		}
		for left := h.batch; err == nil; {
			if err = h.b.send(ctx, left[:n], h.room.bodies[:n]); err != nil {
				break
			}
			if used := min(h.room.used.Load(), bodySpace); used > 0 {
				h.b.mean = max(used/int64(n), 1)
			}
			if left = left[n:]; len(left) == 0 {
				break
			}
			n, err = h.prepare(ctx, left)
		}
		if err != nil {
			return err
		}
		h.take()
		h.other.turn <- struct{}{}
	}
	return nil
}

// wait waits for the turn. False: it will not come.
func (h *bodyHand) wait() bool {
	select {
	case <-h.turn:
		return true
	case <-h.other.gone:
	}
	select {
	case <-h.turn: // given before
		return true
	default:
		return false
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

// bodyLook is how many files are read one after the other before it is known whether that is good enough.
const bodyLook = 8

// bodySlow is how long that many take when they come from a disk and not from memory: then all of the Readers fetch
// the others. Tests change it.
var bodySlow = bodyLook * 50 * time.Microsecond

// prepare reads the files of a batch into the room, and tells how many of them are in it.
func (h *bodyHand) prepare(ctx context.Context, batch []maildir.Message) (int, error) {
	h.b.learning.Lock()
	err := h.b.learn(ctx, batch)
	h.b.learning.Unlock()
	if err != nil {
		return 0, err
	}
	h.room.empty(len(batch))
	for i := 0; i < len(batch); {
		begin := time.Now()
		for end := min(i+bodyLook, len(batch)); i < end; i++ {
			if !h.load(ctx, batch, i) && i > 0 {
				return i, nil
			}
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if left := len(batch) - i; left > 0 && time.Since(begin) > bodySlow {
			return len(batch), h.b.s.sel.Readers().Run(ctx, left, func(_, k int) error {
				h.load(ctx, batch, i+k)
				return nil
			})
		}
	}
	return len(batch), nil
}

func (r *bodyRoom) empty(n int) {
	r.used.Store(0)
	if cap(r.bodies) < n {
		r.bodies = make([][]byte, batchSize)
	}
	r.bodies = r.bodies[:n]
	clear(r.bodies)
}

// load brings the i-th message to the room as it is sent; not when it is too large, or cannot be read: the session
// will find out why. False: the room is full.
func (h *bodyHand) load(ctx context.Context, batch []maildir.Message, i int) bool {
	if batch[i].Gone || batch[i].Size > bodyMost {
		return true
	}
	var f maildir.File
	if h.b.s.sel.Open(ctx, batch[i].UID, &f) != nil {
		return true
	}
	defer f.Close()
	size := f.FileSize()
	if size > bodyMost {
		return true
	}
	r, need := h.room, bodyRoomFor(size)
	end := r.used.Add(need)
	if end > bodySpace {
		return false
	}
	// The file goes to the end of its room and moves down as CRs come in.
	space := r.space[end-need : end : end]
	raw := space[need-size:]
	n, err := f.ReadAt(raw, 0)
	if err != nil && err != io.EOF { // one that has become shorter is sent as it is
		return true
	}
	raw = raw[:n]
	if int64(bytes.Count(raw, lf)) > need-size {
		return true
	}
	body := message.AppendCRLF(space[:0], raw)
	r.bodies[i] = body
	r.used.CompareAndSwap(end, end-need+int64(len(body))) // what is left of it is the next one's
	return true
}

var lf = []byte{'\n'}
