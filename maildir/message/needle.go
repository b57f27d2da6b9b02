package message

import "bytes"

// Needle looks for a folded string in a text that comes in chunks. One goroutine
// at a time uses it.
type Needle struct {
	folded []byte
	tail   []byte // of the text so far, shorter than the needle
}

// NewNeedle makes a Needle for a string as [Fold] writes it, and keeps that.
func NewNeedle(folded []byte) *Needle {
	return &Needle{folded: folded, tail: make([]byte, 0, 2*len(folded))}
}

// Reset begins another text.
func (n *Needle) Reset() { n.tail = n.tail[:0] }

// Feed looks at the next chunk and tells whether the string is in it or ends in
// it. The empty string is in any.
func (n *Needle) Feed(chunk []byte) (found bool) {
	over := len(n.folded) - 1
	if over <= 0 {
		return bytes.Contains(chunk, n.folded)
	}
	if len(n.tail) > 0 {
		k := len(n.tail)
		n.tail = append(n.tail, chunk[:min(len(chunk), over)]...)
		if bytes.Contains(n.tail, n.folded) {
			return true
		}
		if len(chunk) < over {
			n.tail = n.tail[:copy(n.tail, n.tail[max(0, len(n.tail)-over):])]
			return false
		}
		n.tail = n.tail[:k]
	}
	if bytes.Contains(chunk, n.folded) {
		return true
	}
	n.tail = append(n.tail[:0], chunk[max(0, len(chunk)-over):]...)
	return false
}
