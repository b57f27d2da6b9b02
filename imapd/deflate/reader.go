package deflate

import (
	"errors"
	"io"
	"sync"
)

// ErrCorrupt is input that is no deflate stream.
var ErrCorrupt = errors.New("deflate: corrupt stream")

const windowSize = 32 << 10

var inputs = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// Reader inflates a stream.
type Reader struct {
	src  io.Reader
	buf  *[4 << 10]byte // borrowed while there is input in it
	in   []byte         // unread part of buf
	bits uint64         // read and not used, lowest first
	n    uint           // how many

	window [windowSize]byte
	head   int // where the next byte goes
	filled int // bytes of history, at most windowSize
	ready  int // decoded bytes before head that were not handed out

	step  func(*Reader) error // what comes next in the stream; errMore leaves all as it was
	final bool                // this is the last block
	left  int                 // of a stored block, or of a match that is being copied
	dist  int                 // of that match
	dyn   dynamic
	lit   code
	off   code
	busy  bool // the last read filled its buffer: more is there
	err   error
}

// errMore: the bits at hand do not decide the next step.
var errMore = errors.New("more input")

// NewReader inflates src.
func NewReader(src io.Reader) *Reader { return &Reader{src: src, step: (*Reader).blockHeader} }

// Read hands out what is decoded. It reads from src only when nothing more can be decoded without.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.ready == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.decode()
		if r.ready == 0 && r.err == nil {
			if err := r.fetch(); err != nil {
				return 0, err // time-outs are not sticky: the stream may go on
			}
		}
	}
	start := (r.head - r.ready) & (windowSize - 1)
	n := copy(p, r.window[start:min(start+r.ready, windowSize)])
	r.ready -= n
	return n, nil
}

// decode goes on until input or room runs out.
func (r *Reader) decode() {
	for r.err == nil && r.ready < windowSize/2 {
		r.refill()
		if err := r.step(r); err == errMore {
			return
		} else if err != nil {
			r.err = err
		}
	}
}

// fetch waits for input, in a small buffer of its own: a pooled one is borrowed once there is something to
// put into it, or more is known to be there.
func (r *Reader) fetch() error {
	var first [64]byte
	dst := first[:]
	if r.busy {
		r.buf = inputs.Get().(*[4 << 10]byte)
		dst = r.buf[:]
	}
	n, err := r.src.Read(dst)
	r.busy = n == len(dst)
	switch {
	case n > 0 && r.buf == nil:
		r.buf = inputs.Get().(*[4 << 10]byte)
		copy(r.buf[:], first[:n])
	case n == 0 && r.buf != nil:
		inputs.Put(r.buf)
		r.buf = nil
	}
	if n > 0 {
		r.in = r.buf[:n]
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a stream ends with a final block, a client without one has gone
	}
	return err
}

// refill tops the bits up from the input at hand, and gives the buffer back with its last byte.
func (r *Reader) refill() {
	for r.n <= 56 && len(r.in) > 0 {
		r.bits |= uint64(r.in[0]) << r.n
		r.n += 8
		r.in = r.in[1:]
	}
	if len(r.in) == 0 && r.buf != nil {
		inputs.Put(r.buf)
		r.buf, r.in = nil, nil
	}
}

// take uses up n bits, at most 32.
func (r *Reader) take(n uint) (uint32, bool) {
	if r.n < n {
		return 0, false
	}
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v, true
}

// blockHeader is RFC 1951 §3.2.3.
func (r *Reader) blockHeader() error {
	if r.final {
		return io.EOF
	}
	v, ok := r.take(3)
	if !ok {
		return errMore
	}
	r.final = v&1 != 0
	switch v >> 1 {
	case 0:
		r.take(r.n & 7) // to the byte
		r.step = (*Reader).storedHeader
	case 1:
		r.lit, r.off = fixedLit, fixedOff
		r.step = (*Reader).symbol
	case 2:
		r.step = (*Reader).dynamicHeader
	default:
		return ErrCorrupt
	}
	return nil
}

// storedHeader is RFC 1951 §3.2.4.
func (r *Reader) storedHeader() error {
	v, ok := r.take(32)
	if !ok {
		return errMore
	}
	if v&0xffff != ^v>>16 {
		return ErrCorrupt
	}
	r.left = int(v & 0xffff)
	r.step = (*Reader).stored
	return nil
}

func (r *Reader) stored() error {
	for ; r.left > 0; r.left-- {
		if r.ready == windowSize/2 {
			return nil
		}
		b, ok := r.take(8)
		if !ok {
			if r.refill(); r.n < 8 {
				return errMore
			}
			b, _ = r.take(8)
		}
		r.put(byte(b))
	}
	r.step = (*Reader).blockHeader
	return nil
}

// put appends one byte to window and output.
func (r *Reader) put(b byte) {
	r.window[r.head] = b
	r.head = (r.head + 1) & (windowSize - 1)
	r.filled = min(r.filled+1, windowSize)
	r.ready++
}

// RFC 1951 §3.2.5.
var (
	lengthBase  = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	offsetBase  = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	offsetExtra = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// symbol decodes one literal or match, or the end of the block. Nothing is used up before all of it is at
// hand: at most 48 bits, fewer than refill provides.
func (r *Reader) symbol() error {
	bits, n := r.bits, r.n
	sym, err := r.lit.decode(r)
	switch {
	case err != nil:
	case sym < 256:
		r.put(byte(sym))
		return nil
	case sym == 256:
		r.step = (*Reader).blockHeader
		return nil
	default:
		err = r.match(int(sym) - 257)
	}
	if err == errMore {
		r.bits, r.n = bits, n
	}
	return err
}

// match reads the rest of a length and its distance.
func (r *Reader) match(length int) error {
	if length >= len(lengthBase) {
		return ErrCorrupt
	}
	extra, ok := r.take(uint(lengthExtra[length]))
	if !ok {
		return errMore
	}
	sym, err := r.off.decode(r)
	if err != nil {
		return err
	}
	if int(sym) >= len(offsetBase) {
		return ErrCorrupt
	}
	back, ok := r.take(uint(offsetExtra[sym]))
	if !ok {
		return errMore
	}
	r.left = int(lengthBase[length]) + int(extra)
	r.dist = int(offsetBase[sym]) + int(back)
	if r.dist > r.filled {
		return ErrCorrupt
	}
	for ; r.left > 0; r.left-- { // at most 258 bytes over half a window: always room
		r.put(r.window[(r.head-r.dist)&(windowSize-1)])
	}
	return nil
}
