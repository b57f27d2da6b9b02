package deflate

// code is a canonical Huffman code (RFC 1951 §3.2.2): how many codes there are of each length, and their
// symbols in order. It is small, which matters more here than the last bit of speed: clients send commands.
type code struct {
	count  [16]uint16
	symbol [288]uint16
}

// build makes the code of lengths. A set of lengths that claims more codes than there are is corrupt; one
// that claims fewer is used in practice for a single distance.
func (c *code) build(lengths []uint8) bool {
	*c = code{}
	for _, l := range lengths {
		c.count[l]++
	}
	left := 1
	var start [16]uint16
	for l := 1; l < 16; l++ {
		left = left<<1 - int(c.count[l])
		if left < 0 {
			return false
		}
		if l < 15 {
			start[l+1] = start[l] + c.count[l]
		}
	}
	for sym, l := range lengths {
		if l > 0 {
			c.symbol[start[l]] = uint16(sym)
			start[l]++
		}
	}
	c.count[0] = 0
	return true
}

// decode uses up one code's bits.
func (c *code) decode(r *Reader) (uint16, error) {
	value, first, index := 0, 0, 0
	for l := uint(1); l < 16; l++ {
		if l > r.n {
			return 0, errMore
		}
		value |= int(r.bits>>(l-1)) & 1
		count := int(c.count[l])
		if value-first < count {
			r.bits >>= l
			r.n -= l
			return c.symbol[index+value-first], nil
		}
		index += count
		first = (first + count) << 1
		value <<= 1
	}
	return 0, ErrCorrupt
}

// fixedLit and fixedOff are the codes of RFC 1951 §3.2.6.
var fixedLit, fixedOff = func() (lit, off code) {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	lit.build(l[:])
	var o [30]uint8
	for i := range o {
		o[i] = 5
	}
	off.build(o[:])
	return lit, off
}()

// dynamic is the header of a block with codes of its own, as far as it has been read.
type dynamic struct {
	nlit, noff, nlen int
	read             int // lengths read so far, of either kind
	lengths          [288 + 32]uint8
}

// order is that of RFC 1951 §3.2.7.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (r *Reader) dynamicHeader() error {
	v, ok := r.take(14)
	if !ok {
		return errMore
	}
	r.dyn = dynamic{nlit: int(v&31) + 257, noff: int(v>>5&31) + 1, nlen: int(v>>10) + 4}
	if r.dyn.nlit > 286 || r.dyn.noff > 30 {
		return ErrCorrupt
	}
	r.step = (*Reader).codeLengths
	return nil
}

func (r *Reader) codeLengths() error {
	for ; r.dyn.read < r.dyn.nlen; r.dyn.read++ {
		r.refill()
		v, ok := r.take(3)
		if !ok {
			return errMore
		}
		r.dyn.lengths[order[r.dyn.read]] = uint8(v)
	}
	if !r.lit.build(r.dyn.lengths[:19]) { // the code of the lengths, for as long as they are read
		return ErrCorrupt
	}
	r.dyn.read, r.dyn.lengths = 0, [288 + 32]uint8{}
	r.step = (*Reader).symbolLengths
	return nil
}

func (r *Reader) symbolLengths() error {
	d := &r.dyn
	for d.read < d.nlit+d.noff {
		r.refill()
		bits, n := r.bits, r.n
		sym, err := r.lit.decode(r)
		if err == nil {
			err = r.repeat(int(sym))
		}
		if err == errMore {
			r.bits, r.n = bits, n
		}
		if err != nil {
			return err
		}
	}
	all := d.lengths[:d.nlit+d.noff]
	if all[256] == 0 || !r.lit.build(all[:d.nlit]) || !r.off.build(all[d.nlit:]) {
		return ErrCorrupt
	}
	r.step = (*Reader).symbol
	return nil
}

// repeat stores one length, or several by the codes 16 to 18.
func (r *Reader) repeat(sym int) error {
	d := &r.dyn
	value, times, extra := uint8(sym), 1, uint(0)
	switch sym {
	case 16:
		if d.read == 0 {
			return ErrCorrupt
		}
		value, times, extra = d.lengths[d.read-1], 3, 2
	case 17:
		value, times, extra = 0, 3, 3
	case 18:
		value, times, extra = 0, 11, 7
	}
	more, ok := r.take(extra)
	if !ok {
		return errMore
	}
	times += int(more)
	if d.read+times > d.nlit+d.noff {
		return ErrCorrupt
	}
	for range times {
		d.lengths[d.read] = value
		d.read++
	}
	return nil
}
