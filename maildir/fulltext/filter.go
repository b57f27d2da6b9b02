package fulltext

import (
	"bytes"
	"math/bits"
)

const (
	trigrams = 1 << 24
	hashMul  = 0x9e3779b1 // 2^32 by the golden ratio

	// Beyond eight bits a trigram, more prove little more.
	bitsMost = 8

	queryMost = 64 // trigrams of a query that are looked at

	// Beyond this many the bits are faster gone through than a list of them, which
	// would take more memory than they.
	listMost = trigrams / 512
)

// Builder gathers the trigrams of one text after the other.
type Builder struct {
	seen []uint64 // a bit for each trigram
	list []uint32 // those that are set, if they are not too many
	n    int      // how many are set
	last uint32   // the last bytes of the run
	run  int      // how many there are, up to two
}

// Reset begins another text.
func (b *Builder) Reset() {
	if b.seen == nil {
		b.seen = make([]uint64, trigrams/64)
	}
	if b.n > len(b.list) {
		clear(b.seen)
	} else {
		for _, k := range b.list {
			b.seen[k/64] = 0
		}
	}
	b.list, b.n = b.list[:0], 0
	b.last, b.run = 0, 0
}

// Add takes the next piece of the text. A NUL ends a run: no string reaches over
// it. The cut between two pieces does not.
func (b *Builder) Add(chunk []byte) {
	if b.seen == nil {
		b.Reset()
	}
	for len(chunk) > 0 {
		n := bytes.IndexByte(chunk, 0)
		if n < 0 {
			b.add(chunk)
			return
		}
		b.add(chunk[:n])
		b.run = 0
		chunk = chunk[n+1:]
	}
}

func (b *Builder) add(s []byte) {
	for len(s) > 0 && b.run < 2 {
		b.last = b.last<<8 | uint32(s[0])
		b.run++
		s = s[1:]
	}
	k, seen := b.last, b.seen
	for _, c := range s {
		k = (k<<8 | uint32(c)) & (trigrams - 1)
		if w := &seen[k/64]; *w&(1<<(k%64)) == 0 {
			*w |= 1 << (k % 64)
			if b.n++; b.n <= listMost {
				b.list = append(b.list, k)
			}
		}
	}
	b.last = k
}

// Filter appends the filter of the text, of at most limit bytes. It is empty for a
// text too short for a trigram, or without room.
func (b *Builder) Filter(dst []byte, limit int) []byte {
	n := min(limit, (b.n*bitsMost+7)/8)
	if n <= 0 {
		return dst
	}
	start := len(dst)
	dst = append(dst, make([]byte, n)...)
	filter := dst[start:]
	if b.n == len(b.list) {
		for _, k := range b.list {
			set(filter, k)
		}
		return dst
	}
	for i, w := range b.seen {
		for ; w != 0; w &= w - 1 {
			set(filter, uint32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return dst
}

// set sets the bit of a trigram.
func set(filter []byte, k uint32) {
	bit := uint64(k*hashMul) * (uint64(len(filter)) * 8) >> 32
	filter[bit/8] |= 1 << (bit % 8)
}

// Query is a string to look for.
type Query struct {
	hashes []uint32
}

// NewQuery makes a Query. ok is false for a string that is shorter than a trigram
// or holds a NUL: of that nothing can be proved.
func NewQuery(needle []byte) (q Query, ok bool) {
	if len(needle) < 3 || bytes.IndexByte(needle, 0) >= 0 {
		return q, false
	}
	have := make(map[uint32]bool)
	for i := 0; i+3 <= len(needle) && len(q.hashes) < queryMost; i++ {
		k := uint32(needle[i])<<16 | uint32(needle[i+1])<<8 | uint32(needle[i+2])
		if !have[k] {
			have[k] = true
			q.hashes = append(q.hashes, k*hashMul)
		}
	}
	return q, true
}

// May tells whether the text of the filter can contain the string. It is never
// false for one that does.
func (q Query) May(filter []byte) bool {
	m := uint64(len(filter)) * 8
	if m == 0 {
		return true
	}
	for _, h := range q.hashes {
		bit := uint64(h) * m >> 32
		if filter[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}
