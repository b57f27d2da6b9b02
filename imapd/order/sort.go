package order

import (
	"math/bits"
	"slices"
)

// Key is one criterion of a sort: a number for each row, smaller ones first.
type Key struct {
	Of      []uint64
	Reverse bool // larger ones first (RFC 5256 §3)
}

// Unsigned maps signed numbers to unsigned ones in the same order.
func Unsigned(v int64) uint64 { return uint64(v) ^ 1<<63 }

// Sorter has the memory that sorting takes; it is reused.
type Sorter struct {
	spare  []uint32
	counts [1 << radixBits]uint32
}

const (
	radixBits = 11
	fewRows   = 256 // below, comparing is faster than counting
)

// Sort brings rows, which index the keys, into order: by the first key, where that is equal by the second,
// and so on. Rows that are equal in all keys keep their order, whatever is reversed.
func (s *Sorter) Sort(rows []uint32, keys ...Key) {
	if len(rows) < fewRows {
		slices.SortStableFunc(rows, func(a, b uint32) int { return compareRows(keys, a, b) })
		return
	}
	for i := len(keys) - 1; i >= 0; i-- { // stable, so the key that matters most comes last
		s.radix(rows, keys[i])
	}
}

func compareRows(keys []Key, a, b uint32) int {
	for _, k := range keys {
		x, y := k.Of[a], k.Of[b]
		if k.Reverse {
			x, y = y, x
		}
		if x < y {
			return -1
		}
		if x > y {
			return 1
		}
	}
	return 0
}

// radix sorts by one key, from its lowest digit up. Digits that all rows share are passed over.
func (s *Sorter) radix(rows []uint32, k Key) {
	lo, hi := k.Of[rows[0]], k.Of[rows[0]]
	for _, r := range rows {
		lo, hi = min(lo, k.Of[r]), max(hi, k.Of[r])
	}
	s.spare = slices.Grow(s.spare[:0], len(rows))[:len(rows)]
	from, to := rows, s.spare
	for shift := 0; shift < bits.Len64(hi-lo); shift += radixBits {
		s.pass(from, to, k, lo, hi, shift)
		from, to = to, from
	}
	if &from[0] != &rows[0] {
		copy(rows, from)
	}
}

// pass deals rows out by one digit.
func (s *Sorter) pass(from, to []uint32, k Key, lo, hi uint64, shift int) {
	clear(s.counts[:])
	digit := func(r uint32) uint64 {
		v := k.Of[r] - lo
		if k.Reverse {
			v = hi - k.Of[r]
		}
		return v >> shift & (1<<radixBits - 1)
	}
	for _, r := range from {
		s.counts[digit(r)]++
	}
	at := uint32(0)
	for i, n := range s.counts {
		s.counts[i] = at
		at += n
	}
	for _, r := range from {
		d := digit(r)
		to[s.counts[d]] = r
		s.counts[d]++
	}
}
