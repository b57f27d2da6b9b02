package message

import "bytes"

var lf = []byte{'\n'}

func indexLF(b []byte) int { return bytes.IndexByte(b, '\n') }

// skipLines moves to the end of what the window can hold; false at the end of
// the message.
func (s *window) skipLines() bool {
	if s.r == s.w && !s.fill() {
		return false
	}
	s.count(s.buf[s.r:s.w], false)
	return true
}

// skipToDashes moves at least one line on, to the next line that begins
// with a dash; false at the end of the message.
func (s *window) skipToDashes() bool {
	for !s.count(s.buf[s.r:s.w], true) {
		if !s.fill() {
			return false
		}
	}
	return true
}

// count moves past b, which begins at r; with dashes it stops behind the first
// line end that is followed by a dash, or by what is not read yet, and says so.
func (s *window) count(b []byte, dashes bool) (found bool) {
	if dashes {
		b, found = untilDash(b)
	}
	if len(b) == 0 {
		return found
	}
	lines, bare := s.lineEnds(b)
	s.cr = b[len(b)-1] == '\r'
	s.at.lines += int64(lines)
	s.at.bare += int64(bare)
	s.at.off += int64(len(b))
	s.r += len(b)
	return found
}

// untilDash cuts b behind the first line end in it that a dash or nothing
// follows. Encoded attachments have no dashes: it is them that are looked for, in
// long strides, and no line is looked at twice however many it has.
func untilDash(b []byte) (head []byte, found bool) {
	for i := 1; i < len(b); {
		j := bytes.IndexByte(b[i:], '-')
		if j < 0 {
			break
		}
		if i += j; b[i-1] == '\n' {
			return b[:i], true
		}
		j = indexLF(b[i:])
		if j < 0 {
			break
		}
		if i += j + 1; i < len(b) && b[i] == '-' {
			return b[:i], true
		}
	}
	return b, len(b) > 0 && b[len(b)-1] == '\n'
}

// lineEnds counts those in b, which begins at r, and the bare ones.
func (s *window) lineEnds(b []byte) (lines, bare int) {
	if bytes.IndexByte(b, '\r') < 0 {
		lines = bytes.Count(b, lf)
		bare = lines
		if s.cr && b[0] == '\n' {
			bare--
		}
		if lines > 0 {
			s.lastBare = bare > 0
		}
		return lines, bare
	}
	crlf := s.cr
	for i := 0; ; i++ {
		j := indexLF(b[i:])
		if j < 0 {
			break
		}
		if i += j; i > 0 {
			crlf = b[i-1] == '\r'
		}
		lines++
		if !crlf {
			bare++
		}
	}
	if lines > 0 {
		s.lastBare = !crlf
	}
	return lines, bare
}
