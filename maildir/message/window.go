package message

import "io"

const windowSize = 64 << 10

// mark is a place in the message and what came before it.
type mark struct {
	off   int64 // bytes on disk
	bare  int64 // of them LF without CR
	lines int64 // of them LF
}

// extent is what lies between two marks.
func (from mark) extent(to mark) Extent {
	return Extent{
		Range: Range{from.off, to.off},
		Size:  to.off - from.off + to.bare - from.bare,
		Lines: to.lines - from.lines,
	}
}

// window is the part of the message in memory: buf[r:w] is still to be read.
type window struct {
	src  io.Reader
	buf  []byte
	r, w int
	at   mark // of buf[r]
	cr   bool // the byte before buf[r] was a CR
	// lastBare: the newest line end was a bare LF; used to find the place
	// before the line end that belongs to a boundary.
	lastBare bool
	eof      bool
	err      error
}

func (s *window) reset(src io.Reader) {
	if s.buf == nil {
		s.buf = make([]byte, windowSize)
	}
	*s = window{src: src, buf: s.buf}
}

// fill reads more; false when nothing more comes or fits.
func (s *window) fill() bool {
	if s.eof {
		return false
	}
	if s.r > 0 {
		copy(s.buf, s.buf[s.r:s.w])
		s.w -= s.r
		s.r = 0
	}
	if s.w == len(s.buf) {
		return false
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.w:])
		s.w += n
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.err = err
			}
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	s.eof, s.err = true, io.ErrNoProgress
	return false
}

// ahead makes n bytes available if the message has them.
func (s *window) ahead(n int) []byte {
	for s.w-s.r < n && s.fill() {
	}
	return s.buf[s.r:s.w]
}

// lineEnd is the length of the line at r with its LF. Without an LF in
// reach it is all that the window holds.
func (s *window) lineEnd() int {
	seen := 0
	for {
		if i := indexLF(s.buf[s.r+seen : s.w]); i >= 0 {
			return seen + i + 1
		}
		seen = s.w - s.r
		if !s.fill() {
			return s.w - s.r
		}
	}
}

// skip moves past n bytes that hold at most one LF, at their end.
func (s *window) skip(n int) {
	if n == 0 {
		return
	}
	b := s.buf[s.r : s.r+n]
	last := b[n-1]
	if last == '\n' {
		crlf := s.cr
		if n > 1 {
			crlf = b[n-2] == '\r'
		}
		s.at.lines++
		s.lastBare = !crlf
		if !crlf {
			s.at.bare++
		}
	}
	s.cr = last == '\r'
	s.at.off += int64(n)
	s.r += n
}

// skipLine moves past the rest of the line; false when it has no line end.
func (s *window) skipLine() bool {
	for {
		n := s.lineEnd()
		if n == 0 {
			return false
		}
		done := s.buf[s.r+n-1] == '\n'
		s.skip(n)
		if done {
			return true
		}
	}
}

// beforeLineEnd is the place before the line end that ends at the current one.
func (s *window) beforeLineEnd() mark {
	m := s.at
	m.lines--
	if s.lastBare {
		m.bare--
		m.off--
	} else {
		m.off -= 2
	}
	return m
}
