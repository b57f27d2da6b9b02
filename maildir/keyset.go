package maildir

import "strings"

// keyword is the bit of a keyword, in any case; -1 when the mailbox does not
// have it.
func (s *state) keyword(name string) int {
	for i, k := range s.keys {
		if k != "" && strings.EqualFold(k, name) {
			return i
		}
	}
	return -1
}

// freeHigh is a free bit of those that have no letter, -1 when all are taken.
func (s *state) freeHigh() int {
	for i := maxLetters; i < len(s.keys); i++ {
		if s.keys[i] == "" {
			return i
		}
	}
	return -1
}

// maxLetters is how many keywords a file name can hold: a to z.
const maxLetters = 26

// setLetters takes over dovecot-keywords. A keyword that has had a bit of our
// own and now has a letter moves to the letter's bit.
func (s *state) setLetters(m keywordMap) {
	for i := range maxLetters {
		if s.keys[i] == m.names[i] {
			continue
		}
		s.keys[i] = m.names[i]
		s.keysGen++
	}
	for high := maxLetters; high < len(s.keys); high++ {
		if s.keys[high] == "" {
			continue
		}
		low := m.find(s.keys[high])
		if low < 0 {
			continue
		}
		s.keys[high] = ""
		s.keysGen++
		for e := range s.list.all() {
			if e.keywords&(1<<high) != 0 {
				info := s.info(e)
				e.keywords = e.keywords&^(1<<high) | 1<<low
				s.noteInfo(e, info)
			}
		}
	}
}

// noteInfo remembers the info of a file whose flags, as known, would give
// another one.
func (s *state) noteInfo(e *entry, info string) {
	var buf [64]byte
	s.list.setOdd(e, string(appendCanonical(buf[:0], e)) != info, info)
}
