package wire

import (
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// digits reads 1*DIGIT up to max; ok is false when the number is larger.
func (d *Decoder) digits(maximum uint64) (n uint64, ok bool) {
	b := d.token(classDigit, "a number")
	if d.err != nil {
		return 0, false
	}
	for _, c := range b {
		v := uint64(c - '0')
		if n > (maximum-v)/10 {
			return 0, false
		}
		n = n*10 + v
	}
	return n, true
}

func (d *Decoder) number(maximum uint64) uint64 {
	n, ok := d.digits(maximum)
	if !ok {
		d.Fail("number is larger than %d", maximum)
	}
	return n
}

// Number reads a number of 32 bits.
func (d *Decoder) Number() uint32 { return uint32(d.number(math.MaxUint32)) }

// Number64 reads a number of 63 bits (RFC 9051 §9, number64).
func (d *Decoder) Number64() int64 { return int64(d.number(math.MaxInt64)) }

// NZNumber reads an nz-number: 32 bits, and the first digit is not 0.
func (d *Decoder) NZNumber() uint32 {
	d.nonZero()
	return d.Number()
}

// nonZero refuses a number that starts with 0, as digit-nz does.
func (d *Decoder) nonZero() {
	if d.Peek() == '0' {
		d.Fail("expected a number that does not start with 0")
	}
}

// SeqSet reads a set of sequence numbers, sorted and merged. "*" is 0, as
// imap.SeqSet has it.
func (d *Decoder) SeqSet() imap.SeqSet {
	r := d.ranges()
	if d.err != nil {
		return nil
	}
	set := make(imap.SeqSet, len(r))
	for i, r := range r {
		set[i] = imap.SeqRange{Start: r.first(), Stop: r.last()}
	}
	return set
}

// UIDSet reads a set of UIDs in the form of SeqSet.
func (d *Decoder) UIDSet() imap.UIDSet {
	r := d.ranges()
	if d.err != nil {
		return nil
	}
	set := make(imap.UIDSet, len(r))
	for i, r := range r {
		set[i] = imap.UIDRange{Start: imap.UID(r.first()), Stop: imap.UID(r.last())}
	}
	return set
}

// NumSet reads a set of UIDs or sequence numbers, or "$", the saved search
// result (RFC 5182), for which it returns (nil, true).
func (d *Decoder) NumSet(uid bool) (set imap.NumSet, isDollar bool) {
	if d.TrySpecial('$') {
		d.argument(1)
		return nil, d.err == nil
	}
	if uid {
		u := d.UIDSet()
		if d.err != nil {
			return nil, false
		}
		return u, false
	}
	s := d.SeqSet()
	if d.err != nil {
		return nil, false
	}
	return s, false
}

// numRange is one seq-range, lo <= hi, with star for "*".
type numRange struct{ lo, hi uint64 }

const star = math.MaxUint32 + 1

// first and last translate to go-imap's form: "*" is {0, 0}, "n:*" is {n, 0}.
func (r numRange) first() uint32 { return uint32(r.lo) }
func (r numRange) last() uint32  { return uint32(r.hi) }

// ranges reads a sequence-set. Sorting once, instead of inserting each range
// where it belongs, keeps a line of 30,000 numbers in bad order cheap.
func (d *Decoder) ranges() []numRange {
	b := d.token(classNumSet, "a number set")
	if d.err != nil {
		return nil
	}
	set := make([]numRange, 0, 1+countByte(b, ','))
	for {
		var r numRange
		var ok bool
		if r.lo, b, ok = seqNumber(b); ok {
			r.hi = r.lo
			if len(b) > 0 && b[0] == ':' {
				r.hi, b, ok = seqNumber(b[1:])
			}
		}
		if !ok || len(b) > 0 && b[0] != ',' {
			d.Fail("invalid number set")
			return nil
		}
		if r.lo > r.hi {
			r.lo, r.hi = r.hi, r.lo
		}
		set = append(set, r)
		if len(b) == 0 {
			return merge(set)
		}
		b = b[1:]
	}
}

func countByte(b []byte, c byte) (n int) {
	for _, x := range b {
		if x == c {
			n++
		}
	}
	return n
}

// seqNumber cuts a seq-number, nz-number or "*", from b.
func seqNumber(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] == '0' {
		return 0, b, false
	}
	if b[0] == '*' {
		return star, b[1:], true
	}
	i := 0
	for ; i < len(b) && classes[b[i]]&classDigit != 0; i++ {
		if n = n*10 + uint64(b[i]-'0'); n > math.MaxUint32 {
			return 0, b, false
		}
	}
	return n, b[i:], i > 0
}

// merge sorts the ranges and joins those that overlap or touch. "*" touches
// nothing but "n:*", since nobody knows yet which number it is.
func merge(set []numRange) []numRange {
	less := func(a, b numRange) int {
		if a.lo != b.lo {
			if a.lo < b.lo {
				return -1
			}
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(set, less) {
		slices.SortFunc(set, less)
	}
	out := set[:1]
	for _, r := range set[1:] {
		last := &out[len(out)-1]
		if r.lo <= last.hi || r.lo == last.hi+1 && r.lo != star {
			last.hi = max(last.hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}
