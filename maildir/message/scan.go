package message

import "bytes"

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
	crlf := s.cr
	lines, bare, i := 0, 0, 0
	for !found {
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
		i++
		found = dashes && (i == len(b) || b[i] == '-')
	}
	if !found {
		i = len(b)
	}
	if lines > 0 {
		s.lastBare = !crlf
	}
	if i > 0 {
		s.cr = b[i-1] == '\r'
	}
	s.at.lines += int64(lines)
	s.at.bare += int64(bare)
	s.at.off += int64(i)
	s.r += i
	return found
}
