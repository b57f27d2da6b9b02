package wire

import "strings"

// class is a set of bytes named by a rule of RFC 9051 §9.
type class uint16

const (
	classAtom    class = 1 << iota // ATOM-CHAR
	classAString                   // ASTRING-CHAR: ATOM-CHAR or "]"
	classTag                       // ASTRING-CHAR but "+"
	classList                      // list-char: ASTRING-CHAR, "%" or "*"
	classKeyword                   // ATOM-CHAR but "["
	classAlnum                     // letters and digits
	classDigit
	classNumSet  // what a sequence-set is made of
	classBase64  // base64-char and "="
	classDate    // letters, digits, "-"
	classSection // letters, digits, "."
	class8bit    // what UTF-8 beyond ASCII is made of
)

var classes = makeClasses()

func makeClasses() (t [256]class) {
	for c := byte(0x21); c < 0x7f; c++ {
		var m class
		digit := '0' <= c && c <= '9'
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if strings.IndexByte(`(){%*\"]`, c) < 0 {
			m |= classAtom | classAString | classTag | classList | classKeyword
		}
		switch c {
		case ']':
			m |= classAString | classTag | classList
		case '%':
			m |= classList
		case '*':
			m |= classList | classNumSet
		case '+':
			m &^= classTag
			m |= classBase64
		case '[':
			m &^= classKeyword
		case ',', ':':
			m |= classNumSet
		case '/', '=':
			m |= classBase64
		case '-':
			m |= classDate
		case '.':
			m |= classSection
		}
		if digit {
			m |= classDigit | classNumSet
		}
		if digit || letter {
			m |= classAlnum | classBase64 | classDate | classSection
		}
		t[c] = m
	}
	for c := 0x80; c < len(t); c++ {
		t[c] = class8bit
	}
	return t
}

func all[T string | []byte](s T, c class) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&c == 0 {
			return false
		}
	}
	return true
}

// words are the protocol words that clients send all day: a hit in this table
// saves the allocation of the string.
var words = makeWords(`
	CAPABILITY NOOP LOGOUT ID STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE
	CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB XLIST NAMESPACE STATUS
	APPEND IDLE DONE CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY MOVE
	UID COMPRESS DEFLATE SORT THREAD NOTIFY
	ALL FAST FULL ENVELOPE FLAGS INTERNALDATE RFC822 RFC822.SIZE RFC822.HEADER
	RFC822.TEXT BODY BODY.PEEK BODYSTRUCTURE BINARY BINARY.PEEK BINARY.SIZE
	MODSEQ SAVEDATE PREVIEW EMAILID THREADID FLAGS.SILENT +FLAGS -FLAGS
	+FLAGS.SILENT -FLAGS.SILENT
	ANSWERED BCC BEFORE CC DELETED FLAGGED FROM KEYWORD LARGER NEW NOT OLD ON OR
	RECENT SEEN SENTBEFORE SENTON SENTSINCE SINCE SMALLER SUBJECT TEXT TO
	UNANSWERED UNDELETED UNFLAGGED UNKEYWORD UNSEEN HEADER DRAFT UNDRAFT OLDER
	YOUNGER CHARSET UTF-8 US-ASCII RETURN MIN MAX COUNT SAVE
	MESSAGES UIDNEXT UIDVALIDITY SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID
	SUBSCRIBED CHILDREN SPECIAL-USE RECURSIVEMATCH REMOTE CONDSTORE QRESYNC
	CHANGEDSINCE UNCHANGEDSINCE VANISHED`)

func makeWords(s string) map[string]string {
	m := make(map[string]string)
	for _, w := range strings.Fields(s) {
		m[w] = w
	}
	return m
}
