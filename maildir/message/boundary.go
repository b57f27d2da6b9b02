package message

import "bytes"

const (
	maxBoundary = 80 // RFC 2046 §5.1.1 allows 70; of longer ones this many bytes are compared
	fewOpen     = 8  // up to here comparing beats hashing
	hashPrime   = 0x100000001b3
	hashSeed    = 0xcbf29ce484222325
)

// boundaries are the boundary strings in force, innermost last.
//
// A line that begins with -- and a boundary is a boundary line whatever follows
// on it (RFC 2046 §5.1.1: "it is sufficient that the boundary appear in its
// entirety"). Of several that fit the longest wins, so that an inner boundary that
// extends the outer one is found; of equal ones the innermost.
//
// Deep nesting must not make a line cost its depth: past fewOpen the prefixes
// of the line are hashed as they grow and looked up.
type boundaries struct {
	open   []boundary
	text   []byte // the boundary strings one after another
	byHash map[uint64]int32
	lens   [maxBoundary + 1]uint16 // how many open ones have this length
	// longest is no less than the longest open one: how far to look ahead.
	longest int
}

type boundary struct {
	start, end int32 // in text
	frame      int32 // whose it is
	shadows    int32 // what byHash held before, -1 nothing
	hash       uint64
}

func (bs *boundaries) reset() {
	for i := range bs.open {
		bs.lens[bs.open[i].end-bs.open[i].start] = 0
	}
	bs.open, bs.text, bs.longest = bs.open[:0], bs.text[:0], 0
	clear(bs.byHash)
}

func (bs *boundaries) push(s []byte, frame int32) {
	if len(s) > maxBoundary {
		s = s[:maxBoundary]
	}
	b := boundary{start: int32(len(bs.text)), frame: frame, shadows: -1, hash: hashSeed}
	bs.text = append(bs.text, s...)
	b.end = int32(len(bs.text))
	for _, c := range s {
		b.hash = (b.hash ^ uint64(c)) * hashPrime
	}
	if bs.byHash == nil {
		bs.byHash = make(map[uint64]int32)
	}
	if old, ok := bs.byHash[b.hash]; ok {
		b.shadows = old
	}
	bs.byHash[b.hash] = int32(len(bs.open))
	bs.lens[len(s)]++
	bs.longest = max(bs.longest, len(s))
	bs.open = append(bs.open, b)
}

// popAbove drops the boundaries of frames above frame, and its own if own.
func (bs *boundaries) popAbove(frame int32, own bool) {
	for n := len(bs.open); n > 0; n-- {
		b := &bs.open[n-1]
		if b.frame < frame || b.frame == frame && !own {
			return
		}
		if b.shadows >= 0 {
			bs.byHash[b.hash] = b.shadows
		} else {
			delete(bs.byHash, b.hash)
		}
		bs.lens[b.end-b.start]--
		bs.text = bs.text[:b.start]
		bs.open = bs.open[:n-1]
	}
	bs.longest = 0
}

// find matches line, which begins with -- and ends before the line end. It
// returns the frame whose boundary it is, -1 for none, and whether it is the
// closing one.
func (bs *boundaries) find(line []byte) (frame int32, closing bool) {
	line = line[2:]
	best := -1
	if len(bs.open) <= fewOpen {
		best = bs.compare(line)
	} else {
		best = bs.lookup(line)
	}
	if best < 0 {
		return -1, false
	}
	b := &bs.open[best]
	return b.frame, bytes.HasPrefix(line[b.end-b.start:], []byte("--"))
}

func (bs *boundaries) compare(line []byte) int {
	best, length := -1, int32(-1)
	for i := len(bs.open) - 1; i >= 0; i-- {
		b := &bs.open[i]
		if b.end-b.start > length && bytes.HasPrefix(line, bs.text[b.start:b.end]) {
			best, length = i, b.end-b.start
		}
	}
	return best
}

func (bs *boundaries) lookup(line []byte) int {
	best, h := -1, uint64(hashSeed)
	for n := 0; ; n++ {
		if bs.lens[n] > 0 {
			if i, ok := bs.byHash[h]; ok {
				b := &bs.open[i]
				if int(b.end-b.start) == n && bytes.Equal(line[:n], bs.text[b.start:b.end]) {
					best = int(i)
				}
			}
		}
		if n == len(line) || n == bs.longest {
			return best
		}
		h = (h ^ uint64(line[n])) * hashPrime
	}
}
