package message

import (
	"io"
	"strings"
	"sync"
)

// HeaderFields appends the fields of a header block whose names are in names, or
// with not those whose names are not (HEADER.FIELDS and HEADER.FIELDS.NOT,
// RFC 9051 §6.4.5.1): whole, in their order, folds kept, as [CopyCRLF] sends
// them, and the blank line at the end. A line without a colon belongs to no name.
func HeaderFields(dst, header []byte, names []string, not bool) []byte {
	var set nameSet
	set.reset(names)
	for len(header) > 0 {
		line := cutLine(header)
		if blank(line) {
			break
		}
		n := len(line)
		for n < len(header) && isWSP(header[n]) {
			n += len(cutLine(header[n:]))
		}
		if set.holds(line) != not {
			dst = AppendCRLF(dst, header[:n])
			if header[n-1] != '\n' {
				dst = append(dst, crlf...)
			}
		}
		header = header[n:]
	}
	return append(dst, crlf...)
}

// SelectFields writes what [HeaderFields] appends, for a header of any size in the
// memory of one window: r gives the header as it lies on disk. n is what w was
// given; with [io.Discard] that is the size of the section.
func SelectFields(w io.Writer, r io.Reader, names []string, not bool) (n int64, err error) {
	s := selectors.Get().(*selector)
	defer s.release()
	s.win.reset(r)
	s.set.reset(names)
	s.unended = false
	if n, err = s.copy(w, not); err != nil {
		return n, err
	}
	end := crlf
	if s.unended {
		end = crlfTwice
	}
	k, err := w.Write(end)
	return n + int64(k), err
}

var crlfTwice = []byte("\r\n\r\n")

var selectors = sync.Pool{New: func() any { return new(selector) }}

// selector is the memory of one SelectFields.
type selector struct {
	win     window
	set     nameSet
	unended bool // the last selected line has no line end of its own
}

func (s *selector) release() {
	s.win.src = nil
	s.set.names = nil
	selectors.Put(s)
}

// copy writes the selected fields up to the blank line.
func (s *selector) copy(w io.Writer, not bool) (n int64, err error) {
	selected := false
	for first := true; ; first = false {
		line := s.line()
		if len(line) == 0 || blank(line) {
			return n, s.win.err
		}
		if first || !isWSP(line[0]) {
			selected = s.set.holds(line) != not
		}
		for {
			ended := line[len(line)-1] == '\n'
			cr := s.win.cr
			s.win.skip(len(line))
			if selected {
				replaceNUL(line)
				k, err := writeCRLF(w, line, cr)
				if n += k; err != nil {
					return n, err
				}
			}
			if ended {
				break
			}
			if line = s.line(); len(line) == 0 {
				s.unended = selected
				return n, s.win.err
			}
		}
	}
}

// line is the line at hand, or as much of it as the window holds.
func (s *selector) line() []byte {
	n := s.win.lineEnd()
	return s.win.buf[s.win.r : s.win.r+n]
}

// nameSet is a set of field names, in any case.
type nameSet struct {
	names []string
	many  map[string]struct{} // in lower case; used past fewNames
	lower []byte
}

// fewNames: up to here comparing beats hashing, and nothing is prepared.
const fewNames = 32

func (s *nameSet) reset(names []string) {
	s.names = names
	clear(s.many)
	if len(names) <= fewNames {
		return
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, len(names))
	}
	for _, n := range names {
		s.many[strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r | 0x20
			}
			return r
		}, n)] = struct{}{}
	}
}

// holds says whether line begins with a name of the set.
func (s *nameSet) holds(line []byte) bool {
	name, _, ok := cutName(line)
	if !ok {
		return false
	}
	if len(s.names) > fewNames {
		s.lower = s.lower[:0]
		for _, c := range name {
			s.lower = append(s.lower, lower(c))
		}
		_, ok := s.many[string(s.lower)]
		return ok
	}
	for _, n := range s.names {
		if equalFold(name, n) {
			return true
		}
	}
	return false
}

// cutLine is the first line of b with its LF.
func cutLine(b []byte) []byte {
	if i := indexLF(b); i >= 0 {
		return b[:i+1]
	}
	return b
}

// blank says whether b begins with an empty line.
func blank(b []byte) bool {
	return b[0] == '\n' || len(b) > 1 && b[0] == '\r' && b[1] == '\n'
}
