package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// cramContexts is what CRAM-MD5 (RFC 2195) can be checked with instead of the
// password: the MD5 states after the key's outer and inner pad block, each four
// little-endian words, outer first, as Dovecot stores them. Whoever has them can
// log in by CRAM-MD5, but does not know the password.
type cramContexts [32]byte

func newCRAM(password string) *cramContexts {
	key := []byte(password)
	if len(key) > md5.BlockSize { // RFC 2104 §2
		sum := md5.Sum(key)
		key = sum[:]
	}
	var c cramContexts
	for i, pad := range []byte{0x5c, 0x36} {
		block := make([]byte, md5.BlockSize)
		copy(block, key)
		for j := range block {
			block[j] ^= pad
		}
		h := md5.New()
		h.Write(block)
		// The standard library's state is "md5\x01", four big-endian words, the
		// partial block, the length.
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			panic("internal error: md5 state: " + err.Error())
		}
		for w := 0; w < 4; w++ {
			word := binary.BigEndian.Uint32(state[4+4*w:])
			binary.LittleEndian.PutUint32(c[16*i+4*w:], word)
		}
	}
	return &c
}

// sum goes on from the state after a pad block and hashes data: i is 0 for the
// outer, 1 for the inner one.
func (c *cramContexts) sum(i int, data []byte) []byte {
	state := make([]byte, 0, 4+16+md5.BlockSize+8)
	state = append(state, "md5\x01"...)
	for w := 0; w < 4; w++ {
		state = binary.BigEndian.AppendUint32(state, binary.LittleEndian.Uint32(c[16*i+4*w:]))
	}
	state = append(state, make([]byte, md5.BlockSize)...)
	state = binary.BigEndian.AppendUint64(state, md5.BlockSize)
	h := md5.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("internal error: md5 state: " + err.Error())
	}
	h.Write(data)
	return h.Sum(nil)
}

// mac is HMAC-MD5 of the challenge under the key the contexts were made of.
func (c *cramContexts) mac(challenge []byte) []byte {
	return c.sum(0, c.sum(1, challenge))
}

// hex is the data of a {CRAM-MD5} line.
func (c *cramContexts) hex() string { return hex.EncodeToString(c[:]) }

func parseCRAM(_, data string) (*verifier, error) {
	var c cramContexts
	if len(data) != len(c) {
		return nil, fmt.Errorf("is followed by %d bytes instead of %d; the line may have been cut", len(data), len(c))
	}
	copy(c[:], data)
	return &verifier{cost: 0.002, cram: &c, check: func(given string) bool {
		return hmac.Equal(newCRAM(given)[:], c[:])
	}}, nil
}
