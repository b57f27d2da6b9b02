package message

import (
	"errors"
	"io"
)

// ErrUnknownEncoding: a Content-Transfer-Encoding that is none of RFC 2045 §6.
// BINARY answers it with UNKNOWN-CTE (RFC 3516 §4.3).
var ErrUnknownEncoding = errors.New("unknown content transfer encoding")

const decodeSize = 8 << 10

// Decoder undoes the Content-Transfer-Encoding of a body read from its range of
// the file. It never fails on the bytes: line noise in base64 is skipped (RFC 2045
// §6.8) and what is no quoted-printable stays as it is (§6.7). Text lines come out
// with CRLF, decoded base64 as it was encoded. Reset or Resume comes first, and
// again for another body. It belongs to one goroutine.
type Decoder struct {
	src  io.Reader
	step func(d *Decoder, in []byte)
	in   [decodeSize]byte
	out  []byte // decoded; out[pos:] not handed out yet
	pos  int
	err  error

	read    int64 // bytes of the body that were taken from src
	decoded int64 // bytes that went through out before what is in it now
	from    Mark  // where out begins

	cr     bool   // plain: the last byte was a CR
	bits   uint32 // base64: bits gathered
	nbits  uint
	held   []byte // quoted-printable: bytes not decided yet, the newest ones read
	ending bool   // no more input
}

// Mark is a place in an encoded body from which decoding can go on, with what
// the decoder knew there. The zero Mark is the beginning. It holds for the
// bytes and the encoding that it was made with.
type Mark struct {
	Encoded int64 // bytes of the body before it, as they lie on disk
	Decoded int64 // bytes decoded from them
	bits    uint8 // base64: the bits of the group at hand
	nbits   uint8
	cr      bool // others: the byte before was a CR
}

// Reset makes d decode r from the beginning of a body. The only error is
// [ErrUnknownEncoding].
func (d *Decoder) Reset(r io.Reader, encoding string) error {
	return d.Resume(r, encoding, Mark{})
}

// Resume makes d go on at a mark: r begins at.Encoded bytes into the body, and the
// first byte that Read gives is number at.Decoded of the decoded body.
func (d *Decoder) Resume(r io.Reader, encoding string, at Mark) error {
	step := (*Decoder).plain
	switch {
	case isIdentity(encoding):
	case equalFoldString(encoding, "base64"):
		step = (*Decoder).base64
	case equalFoldString(encoding, "quoted-printable"):
		step = (*Decoder).quotedPrintable
	default:
		return ErrUnknownEncoding
	}
	d.src, d.step, d.err, d.ending = r, step, nil, false
	d.out, d.pos, d.held = d.out[:0], 0, d.held[:0]
	d.read, d.decoded, d.from = at.Encoded, at.Decoded, at
	d.bits, d.nbits, d.cr = uint32(at.bits), uint(at.nbits), at.cr
	return nil
}

// isIdentity tells that an encoding leaves the bytes as they are (RFC 2045 §6.2);
// the default one is 7bit.
func isIdentity(encoding string) bool {
	return encoding == "" || equalFoldString(encoding, "7bit") || equalFoldString(encoding, "8bit") || equalFoldString(encoding, "binary")
}

// Mark is the newest place not behind what Read gave: at most a buffer before it.
func (d *Decoder) Mark() Mark {
	if d.pos < len(d.out) {
		return d.from
	}
	return d.here()
}

// here is the place between two steps. What is held is read again: it is
// what the decoder would hold after these bytes, whatever came before them.
func (d *Decoder) here() Mark {
	return Mark{
		Encoded: d.read - int64(len(d.held)),
		Decoded: d.decoded + int64(len(d.out)),
		bits:    uint8(d.bits & (1<<d.nbits - 1)),
		nbits:   uint8(d.nbits),
		cr:      d.cr,
	}
}

// Read gives decoded bytes.
func (d *Decoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.pos == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		d.from = d.here()
		d.decoded += int64(len(d.out))
		d.out, d.pos = d.out[:0], 0
		n, err := d.src.Read(d.in[:])
		d.read += int64(n)
		if n > 0 {
			d.step(d, d.in[:n])
		}
		if err != nil {
			d.err = err
			d.ending = true
			d.step(d, nil)
		}
	}
	n := copy(p, d.out[d.pos:])
	d.pos += n
	return n, nil
}

func (d *Decoder) plain(in []byte) {
	for _, c := range in {
		if c == '\n' && !d.cr {
			d.out = append(d.out, '\r')
		}
		d.out = append(d.out, c)
		d.cr = c == '\r'
	}
}

const noBase64 = 0xff

var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = noBase64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	return t
}()

func (d *Decoder) base64(in []byte) {
	d.out, d.bits, d.nbits = appendBase64(d.out, in, d.bits, d.nbits)
}

// appendBase64 decodes, going on with the bits of the group at hand, and skips what
// is not in the alphabet. Padding ends a group; encodings that were strung together
// go on after it.
func appendBase64(dst, b []byte, bits uint32, nbits uint) ([]byte, uint32, uint) {
	for _, c := range b {
		v := base64Values[c]
		if v == noBase64 {
			if c == '=' {
				bits, nbits = 0, 0
			}
			continue
		}
		bits = bits<<6 | uint32(v)
		if nbits += 6; nbits >= 8 {
			nbits -= 8
			dst = append(dst, byte(bits>>nbits))
		}
	}
	return dst, bits, nbits
}
