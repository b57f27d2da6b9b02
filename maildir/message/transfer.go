package message

import (
	"errors"
	"io"
)

// ErrUnknownEncoding: a Content-Transfer-Encoding that is none of RFC 2045 §6.
// BINARY answers it with UNKNOWN-CTE (RFC 3516 §4.3).
var ErrUnknownEncoding = errors.New("unknown content transfer encoding")

// DecodeTransfer undoes the Content-Transfer-Encoding of a body read from its
// range of the file. It never fails on the bytes: line noise in base64 is
// skipped (RFC 2045 §6.8) and what is no quoted-printable stays as it is
// (§6.7). Text lines come out with CRLF, decoded base64 as it was encoded.
func DecodeTransfer(r io.Reader, encoding string) (io.Reader, error) {
	switch {
	case encoding == "", equalFoldString(encoding, "7bit"), equalFoldString(encoding, "8bit"),
		equalFoldString(encoding, "binary"):
		return &decoder{src: r, step: (*decoder).plain}, nil
	case equalFoldString(encoding, "base64"):
		return &decoder{src: r, step: (*decoder).base64}, nil
	case equalFoldString(encoding, "quoted-printable"):
		return &decoder{src: r, step: (*decoder).quotedPrintable}, nil
	}
	return nil, ErrUnknownEncoding
}

const decodeSize = 8 << 10

// decoder decodes a buffer at a time: step turns in[:n] into out, keeping what it
// cannot decide yet in its state.
type decoder struct {
	src  io.Reader
	step func(d *decoder, in []byte)
	in   [decodeSize]byte
	out  []byte // decoded; out[pos:] not handed out yet
	pos  int
	err  error

	cr     bool   // plain: the last byte was a CR
	bits   uint32 // base64: bits gathered
	nbits  uint
	held   []byte // quoted-printable: bytes not decided yet
	ending bool   // no more input
}

// Read gives decoded bytes.
func (d *decoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.pos == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		d.out, d.pos = d.out[:0], 0
		n, err := d.src.Read(d.in[:])
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

func (d *decoder) plain(in []byte) {
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

// base64 skips what is not in the alphabet. Padding ends a group; encodings that
// were strung together go on after it.
func (d *decoder) base64(in []byte) {
	bits, nbits := d.bits, d.nbits
	for _, c := range in {
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
			d.out = append(d.out, byte(bits>>nbits))
		}
	}
	d.bits, d.nbits = bits, nbits
}
