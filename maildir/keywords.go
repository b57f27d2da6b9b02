package maildir

import (
	"strconv"
	"strings"
)

const keywordsFile = "dovecot-keywords"

// maxKeyword is the longest keyword that Dovecot takes by default.
const maxKeyword = 50

// keywordMap is dovecot-keywords: which keyword the letters a-z of file names
// stand for. Lines are "<n> <name>", n from 0 (a) to 25 (z), in any order;
// names differ in more than case. Lines of another shape, greater numbers and
// second uses of a number or a name are ignored, as Dovecot does.
type keywordMap struct {
	names [26]string
}

func parseKeywords(b []byte) keywordMap {
	var m keywordMap
	for line := range strings.SplitSeq(string(b), "\n") {
		number, name, ok := strings.Cut(line, " ")
		n, err := strconv.ParseUint(number, 10, 8)
		if !ok || err != nil || n >= uint64(len(m.names)) || !validKeyword(name) {
			continue
		}
		if m.names[n] != "" || m.find(name) >= 0 {
			continue
		}
		m.names[n] = name
	}
	return m
}

// validKeyword tells whether a name can stand in the file and in IMAP: an
// atom without a leading backslash.
func validKeyword(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// encode appends the file.
func (m *keywordMap) encode(b []byte) []byte {
	for i, name := range m.names {
		if name == "" {
			continue
		}
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, ' ')
		b = append(b, name...)
		b = append(b, '\n')
	}
	return b
}

// find returns the number of a keyword, in any case; -1 if it has none.
func (m *keywordMap) find(name string) int {
	for i, n := range m.names {
		if n != "" && strings.EqualFold(n, name) {
			return i
		}
	}
	return -1
}

// firstFree returns the number that a new keyword gets; -1 when all are taken.
func (m *keywordMap) firstFree() int {
	for i, n := range m.names {
		if n == "" {
			return i
		}
	}
	return -1
}
