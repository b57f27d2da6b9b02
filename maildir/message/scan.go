package message

import "bytes"

func indexLF(b []byte) int { return bytes.IndexByte(b, '\n') }

// skipLines moves to the end of what the window can hold; false at the end of
// the message.
func (s *window) skipLines() bool {
	if s.r == s.w && !s.fill() {
		return false
	}
	s.count(s.buf[s.r:s.w])
	return true
}

// count moves past b, which begins at r.
func (s *window) count(b []byte) {
	crlf := s.cr
	lines, bare, i := 0, 0, 0
	for {
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
	}
	if lines > 0 {
		s.lastBare = !crlf
	}
	s.cr = b[len(b)-1] == '\r'
	s.at.lines += int64(lines)
	s.at.bare += int64(bare)
	s.at.off += int64(len(b))
	s.r += len(b)
}

// skipToDashes moves at least one line on, to the next line that begins
// with a dash; false at the end of the message.
func (s *window) skipToDashes() bool {
	for {
		b := s.buf[s.r:s.w]
		crlf := s.cr
		lines, bare, i := 0, 0, 0
		found := false
		for {
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
			if i == len(b) || b[i] == '-' {
				found = true
				break
			}
		}
		n := i
		if !found {
			n = len(b)
		}
		if lines > 0 {
			s.lastBare = !crlf
		}
		if n > 0 {
			s.cr = b[n-1] == '\r'
		}
		s.at.lines += int64(lines)
		s.at.bare += int64(bare)
		s.at.off += int64(n)
		s.r += n
		if found {
			return true
		}
		if !s.fill() {
			return false
		}
	}
}
