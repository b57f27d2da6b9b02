package imapd

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"maildir-imapd/maildir/message"
)

// fuzzyPattern is a text that need not be there as it is (RFC 6203): each of its words must be, in any order,
// accents apart, with a letter or two wrong, or as the beginning of a longer word.
type fuzzyPattern struct {
	phrase []byte
	words  [][]rune
}

const (
	maxFuzzyWords = 32 // of a pattern; more are not looked for
	maxFuzzyRunes = 40 // of a word; longer ones are only found as they are
)

func newFuzzyPattern(folded []byte) *fuzzyPattern {
	p := &fuzzyPattern{phrase: folded}
	var word []rune
	end := func() {
		if len(word) > 0 && len(word) <= maxFuzzyRunes && len(p.words) < maxFuzzyWords {
			p.words = append(p.words, slices.Clone(word))
		}
		word = word[:0]
	}
	for _, r := range string(folded) {
		switch {
		case unicode.IsMark(r):
		case unicode.IsLetter(r), unicode.IsDigit(r):
			word = appendPlain(word, r)
		default:
			end()
		}
	}
	end()
	return p
}

// appendPlain spells a folded letter as those do who have no key for it. Accents come apart in folding and are
// left out; these letters do not.
func appendPlain(word []rune, r rune) []rune {
	switch r {
	case 'ß':
		return append(word, 'S', 'S')
	case 'Æ':
		return append(word, 'A', 'E')
	case 'Œ':
		return append(word, 'O', 'E')
	case 'Ø':
		r = 'O'
	case 'Ł':
		r = 'L'
	case 'Đ':
		r = 'D'
	}
	return append(word, r)
}

func (p *fuzzyPattern) matcher() *fuzzyMatcher {
	m := &fuzzyMatcher{pattern: p, phrase: message.NewNeedle(p.phrase), best: make([]uint8, len(p.words))}
	m.Reset()
	return m
}

// fuzzyMatcher is one look at a text.
type fuzzyMatcher struct {
	pattern *fuzzyPattern
	phrase  *message.Needle
	exact   bool    // the phrase is there
	best    []uint8 // per word: how bad its best match is, in percent; missing for none
	word    []rune
	long    bool   // the word at hand is longer than those looked for can be
	held    []byte // the beginning of a character that is not whole yet
	rows    [3][maxFuzzyRunes + maxEdits + 1]uint8
}

const (
	missing  = 255
	maxEdits = 2
)

// Reset begins another text.
func (m *fuzzyMatcher) Reset() {
	m.phrase.Reset()
	m.exact, m.long, m.word, m.held = false, false, m.word[:0], m.held[:0]
	for i := range m.best {
		m.best[i] = missing
	}
}

// Feed looks at the next chunk. Only the phrase itself cannot be bettered.
func (m *fuzzyMatcher) Feed(chunk []byte) bool {
	if m.exact = m.exact || m.phrase.Feed(chunk); m.exact {
		return true
	}
	for len(m.held) > 0 && len(chunk) > 0 {
		m.held = append(m.held, chunk[0])
		chunk = chunk[1:]
		if utf8.FullRune(m.held) {
			r, _ := utf8.DecodeRune(m.held)
			m.held = m.held[:0]
			m.rune(r)
		}
	}
	for len(chunk) > 0 {
		if chunk[0] < utf8.RuneSelf {
			m.rune(rune(chunk[0]))
			chunk = chunk[1:]
			continue
		}
		if !utf8.FullRune(chunk) {
			m.held = append(m.held, chunk...)
			return false
		}
		r, n := utf8.DecodeRune(chunk)
		chunk = chunk[n:]
		m.rune(r)
	}
	return false
}

func (m *fuzzyMatcher) rune(r rune) {
	switch {
	case r < utf8.RuneSelf && ('A' <= r && r <= 'Z' || '0' <= r && r <= '9'), // folded: there are no small ones
		r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		if m.word = appendPlain(m.word, r); len(m.word) > maxFuzzyRunes+maxEdits {
			m.word, m.long = m.word[:maxFuzzyRunes+maxEdits], true
		}
	case r >= utf8.RuneSelf && unicode.IsMark(r):
	default:
		m.endWord()
	}
}

// endWord compares the word at hand with those looked for.
func (m *fuzzyMatcher) endWord() {
	if len(m.word) > 0 {
		for i, want := range m.pattern.words {
			if m.best[i] > 0 {
				m.best[i] = min(m.best[i], m.compare(want))
			}
		}
	}
	m.word, m.long = m.word[:0], false
}

// compare tells how far the word at hand is from one looked for.
func (m *fuzzyMatcher) compare(want []rune) uint8 {
	n := len(want)
	switch {
	case slices.Equal(m.word, want) && !m.long:
		return 0
	case len(m.word) > n && n >= 3 && slices.Equal(m.word[:n], want): // the beginning of a longer word
		return 10
	case m.long || n < 4:
		return missing // of a short word, one letter wrong is another word
	}
	edits := 1
	if n >= 8 {
		edits = maxEdits
	}
	if d := m.distance(want, edits); d <= edits {
		return uint8(15 + 200*d/n)
	}
	return missing
}

// distance counts the letters to insert, delete, replace or swap with their neighbour, as far as limit.
func (m *fuzzyMatcher) distance(want []rune, limit int) int {
	if d := len(m.word) - len(want); d > limit || -d > limit {
		return limit + 1
	}
	before, last, row := m.rows[0][:], m.rows[1][:], m.rows[2][:]
	for j := range len(m.word) + 1 {
		last[j] = uint8(j)
	}
	for i := range want {
		row[0] = uint8(i + 1)
		least := row[0]
		for j := range m.word {
			d := last[j]
			if want[i] != m.word[j] {
				d = min(d, last[j+1], row[j]) + 1
			}
			if i > 0 && j > 0 && want[i] == m.word[j-1] && want[i-1] == m.word[j] {
				d = min(d, before[j-1]+1)
			}
			row[j+1] = d
			least = min(least, d)
		}
		if int(least) > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return int(last[len(m.word)])
}

// score is how well the text fits, 0 for not at all. It ends the last word: nothing may be fed afterwards.
func (m *fuzzyMatcher) score() uint8 {
	if m.exact {
		return maxScore
	}
	m.endWord()
	sum := 0
	for _, b := range m.best {
		if b == missing {
			return 0
		}
		sum += int(b)
	}
	if len(m.best) == 0 {
		return 0
	}
	return uint8(max(1, 95-sum/len(m.best)))
}
