package message

import "bytes"

// flowed joins the lines of a format=flowed text (RFC 3676) as it comes in
// pieces: lines that end in a space go on in the next of the same depth, quote
// marks and stuffed spaces at their beginning go.
type flowed struct {
	delsp bool // the space at the end of a soft line goes too

	start bool // before the text of a line
	depth int  // quote marks of this line
	last  int  // and of the one before
	soft  bool // the line before goes on here
	size  int  // bytes of this line's text
	sig   int  // of them, those at the beginning that are dashes
	held  [2]byte
	nheld int // white space that may end the line
}

func (w *flowed) append(dst, src []byte) []byte {
	for len(src) > 0 {
		if w.start {
			if src[0] == '>' {
				w.depth++
				src = src[1:]
				continue
			}
			w.start, w.size, w.sig, w.nheld = false, 0, 0, 0
			if !w.soft || w.depth != w.last {
				dst = append(dst, '\n')
				for range min(w.depth, 100) {
					dst = append(dst, '>')
				}
				if w.depth > 0 {
					dst = append(dst, ' ')
				}
			}
			if src[0] == ' ' {
				src = src[1:]
				continue
			}
		}
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return w.text(dst, src)
		}
		dst = w.text(dst, src[:i])
		src = src[i+1:]
		dst = w.end(dst)
	}
	return dst
}

// text writes what is certainly not the end of the line.
func (w *flowed) text(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	n := len(b)
	for n > 0 && len(b)-n < len(w.held) && (b[n-1] == ' ' || b[n-1] == '\r') {
		n--
	}
	if n == 0 { // no more than held can have; what was held before goes as far as there is no room
		if over := w.nheld + len(b) - len(w.held); over > 0 {
			dst = append(dst, w.held[:over]...)
			w.size += over
			w.nheld = copy(w.held[:], w.held[over:w.nheld])
		}
		w.nheld += copy(w.held[w.nheld:], b)
		return dst
	}
	dst = append(dst, w.held[:w.nheld]...)
	w.size += w.nheld
	for i := 0; i < n && w.size+i == w.sig && b[i] == '-'; i++ {
		w.sig++
	}
	w.size += n
	dst = append(dst, b[:n]...)
	w.nheld = copy(w.held[:], b[n:])
	return dst
}

// end ends a line; "-- " is no soft one (RFC 3676 §4.3).
func (w *flowed) end(dst []byte) []byte {
	tail := bytes.TrimRight(w.held[:w.nheld], "\r")
	w.soft = len(tail) > 0 && (w.size != 2 || w.sig != 2)
	if !w.soft || !w.delsp {
		dst = append(dst, tail...)
	} else {
		dst = append(dst, tail[1:]...)
	}
	w.last, w.depth, w.start = w.depth, 0, true
	return dst
}
