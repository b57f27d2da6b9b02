package order

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// Values gives equal texts equal numbers, from 1 on in the order they come, and ranks them. It costs a text's
// bytes, and 20 to 24 bytes for each that differs. The zero value is ready. One goroutine at a time.
type Values struct {
	seed  maphash.Seed
	arena []byte
	ends  []uint32 // of value i+1 in the arena
	slots []uint32 // open addressing, a power of two; 0 is free

	sorted []uint32 // numbers by ascending text, of those ranked so far
	ranks  []uint32 // rank of number i
}

// Footprint is about how many bytes they take.
func (v *Values) Footprint() int64 {
	return int64(cap(v.arena)) + 4*int64(cap(v.ends)+cap(v.slots)+cap(v.sorted)+cap(v.ranks))
}

// Len is how many values differ; their numbers are 1 to Len.
func (v *Values) Len() int { return len(v.ends) }

// Text is a value, valid as long as v.
func (v *Values) Text(number uint32) []byte {
	start := uint32(0)
	if number > 1 {
		start = v.ends[number-2]
	}
	return v.arena[start:v.ends[number-1]]
}

// Number returns the number of a text, a new one if need be. 0: there is no room, for text of 4 GiB in all.
func (v *Values) Number(text []byte) uint32 {
	if 4*(len(v.ends)+1) > 3*len(v.slots) {
		v.grow()
	}
	mask := uint64(len(v.slots) - 1)
	at := maphash.Bytes(v.seed, text) & mask
	for ; v.slots[at] != 0; at = (at + 1) & mask {
		if n := v.slots[at]; bytes.Equal(v.Text(n), text) {
			return n
		}
	}
	if uint64(len(v.arena))+uint64(len(text)) > 1<<32-1 {
		return 0
	}
	v.arena = append(v.arena, text...)
	v.ends = append(v.ends, uint32(len(v.arena)))
	v.slots[at] = uint32(len(v.ends))
	return uint32(len(v.ends))
}

// grow doubles the table.
func (v *Values) grow() {
	if v.slots == nil {
		v.seed = maphash.MakeSeed()
	}
	v.slots = make([]uint32, max(64, 2*len(v.slots)))
	mask := uint64(len(v.slots) - 1)
	for n := uint32(1); n <= uint32(len(v.ends)); n++ {
		at := maphash.Bytes(v.seed, v.Text(n)) & mask
		for ; v.slots[at] != 0; at = (at + 1) & mask {
		}
		v.slots[at] = n
	}
}

// Ranks tells for each number where its text stands among all, by bytes: 1 for the smallest. Index 0 is 0.
// Values that came since the last call are sorted alone and merged in. The slice is valid until then.
func (v *Values) Ranks() []uint32 {
	old, all := len(v.sorted), len(v.ends)
	if old == all && v.ranks != nil {
		return v.ranks
	}
	fresh := make([]uint32, all-old)
	for i := range fresh {
		fresh[i] = uint32(old + i + 1)
	}
	slices.SortFunc(fresh, func(a, b uint32) int { return bytes.Compare(v.Text(a), v.Text(b)) })
	v.sorted = slices.Grow(v.sorted, len(fresh))[:all]
	// From the end, so that what is there moves once: each fresh value finds its place by halving.
	to := all
	for j := len(fresh) - 1; j >= 0; j-- {
		text := v.Text(fresh[j])
		at, _ := slices.BinarySearchFunc(v.sorted[:old], text, func(n uint32, text []byte) int { return bytes.Compare(v.Text(n), text) })
		to -= copy(v.sorted[to-(old-at):to], v.sorted[at:old])
		to--
		v.sorted[to] = fresh[j]
		old = at
	}
	v.ranks = slices.Grow(v.ranks[:0], all+1)[:all+1]
	v.ranks[0] = 0
	for i, n := range v.sorted {
		v.ranks[n] = uint32(i + 1)
	}
	return v.ranks
}
