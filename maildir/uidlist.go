package maildir

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// maxUID is the greatest UID a file may hold: the next one must exist too.
const maxUID = 1<<32 - 2

const uidlistFile = "dovecot-uidlist"

// uidRecord is one line of dovecot-uidlist.
type uidRecord struct {
	uid  imap.UID
	base string
	keys string // as found, with a space after each: "W2481 Gabc "
}

// uidlist is dovecot-uidlist in memory: version 3, or 1 (Courier's shape).
//
// Its lines are ascending by UID. A line whose UID is not above the one before
// it is skipped (appended lines read twice); a line that cannot be read is
// dropped and marks the file for rewriting; both as Dovecot does. Only a header
// without UIDVALIDITY makes the whole file useless. A base name may occur twice:
// the later line counts, and whoever has the names in a table drops the earlier.
type uidlist struct {
	validity uint32
	next     imap.UID
	guid     string      // 32 hex digits, "" when the file has none
	ext      []string    // further words of the header, kept
	records  []uidRecord // ascending
	rewrite  bool        // version 1, no GUID, dropped lines
	bad      int         // lines that cannot be read
	partial  []byte      // an unfinished last line, completed by parseAppended
	version  byte
	line     int
}

// parseUIDList reads a whole file.
func parseUIDList(b []byte) (*uidlist, error) {
	u := &uidlist{}
	head, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return nil, corrupt(uidlistFile, 1, "no complete header")
	}
	u.line = 1
	if err := u.parseHeader(string(head)); err != nil {
		return nil, err
	}
	u.records = make([]uidRecord, 0, bytes.Count(rest, []byte{'\n'}))
	return u, u.parseAppended(rest)
}

func (u *uidlist) parseHeader(s string) error {
	s = strings.TrimSuffix(s, "\r")
	if len(s) < 2 || s[1] != ' ' {
		return corrupt(uidlistFile, 1, "no version")
	}
	u.version = s[0]
	switch u.version {
	case '1':
		u.rewrite = true
		words := strings.Fields(s[2:])
		if len(words) != 2 {
			return corrupt(uidlistFile, 1, "version 1 wants UIDVALIDITY and next UID")
		}
		return u.setNumbers(words[0], words[1])
	case '3':
	default:
		return corrupt(uidlistFile, 1, "unknown version %q", s[0])
	}
	var validity, next string
	for word := range strings.SplitSeq(s[2:], " ") {
		switch {
		case word == "":
		case word[0] == 'V':
			validity = word[1:]
		case word[0] == 'N':
			next = word[1:]
		case word[0] == 'G' && isGUID(word[1:]):
			u.guid = word[1:]
		case word[0] == 'G': // a broken one is replaced
		default:
			u.ext = append(u.ext, word)
		}
	}
	if u.guid == "" {
		u.rewrite = true
	}
	return u.setNumbers(validity, next)
}

func (u *uidlist) setNumbers(validity, next string) error {
	v, err := strconv.ParseUint(validity, 10, 32)
	if err != nil || v == 0 {
		return corrupt(uidlistFile, 1, "bad UIDVALIDITY %q", validity)
	}
	n, err := strconv.ParseUint(next, 10, 32)
	if err != nil || n == 0 {
		return corrupt(uidlistFile, 1, "bad next UID %q", next)
	}
	u.validity, u.next = uint32(v), imap.UID(n)
	return nil
}

func isGUID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// parseAppended reads further lines of the same file. An unfinished last line
// waits for the next call: its writer may still be at it.
func (u *uidlist) parseAppended(b []byte) error {
	if len(u.partial) > 0 {
		b = append(u.partial, b...)
		u.partial = nil
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	if whole < len(b) {
		u.partial = bytes.Clone(b[whole:])
	}
	// One string for all lines, of which records are pieces: whoever keeps some of
	// them for longer copies those.
	for text := string(b[:whole]); text != ""; {
		i := strings.IndexByte(text, '\n')
		u.line++
		u.parseLine(text[:i])
		text = text[i+1:]
	}
	return nil
}

func (u *uidlist) parseLine(line string) {
	line = strings.TrimSuffix(line, "\r")
	number, rest, ok := strings.Cut(line, " ")
	n, valid := parseUID(number)
	if !ok || !valid || u.version == '1' && imap.UID(n) >= u.next {
		u.rewrite = true
		u.bad++
		return
	}
	uid := imap.UID(n)
	if len(u.records) > 0 && uid <= u.records[len(u.records)-1].uid {
		return
	}
	keysLen := 0
	if u.version != '1' {
		if keysLen = strings.IndexByte(rest, ':'); keysLen < 0 || keysLen > 0 && rest[keysLen-1] != ' ' {
			if keysLen = strings.Index(rest, " :") + 1; keysLen == 0 {
				u.rewrite = true
				u.bad++
				return
			}
		}
	}
	keys, name := rest[:keysLen], rest[keysLen:]
	if u.version != '1' {
		name = name[1:]
	}
	if i := strings.IndexByte(name, ':'); i >= 0 {
		name = name[:i]
	}
	if name == "" || strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0 || strings.IndexByte(name, '\r') >= 0 {
		u.rewrite = true
		u.bad++
		return
	}
	u.records = append(u.records, uidRecord{uid: uid, base: name, keys: u.cleanKeys(keys)})
	if uid >= u.next {
		u.next = uid + 1 // the header may lag behind, FORMATS: N1 with records up to 5 is served
	}
}

// parseUID reads a UID that may be in a record: not 0, and one below the top.
func parseUID(b string) (uint32, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var n uint64
	for i := range len(b) {
		c := b[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return uint32(n), n > 0 && n <= maxUID
}

// cleanKeys drops words that do not begin with A-Z, which the file must not have.
func (u *uidlist) cleanKeys(s string) string {
	start, bad := true, false
	for i := range len(s) {
		c := s[i]
		if start && (c < 'A' || c > 'Z') {
			bad = true
			break
		}
		start = c == ' '
	}
	if !bad {
		return s
	}
	u.rewrite = true
	var keys strings.Builder
	for word := range strings.FieldsSeq(s) {
		if word[0] >= 'A' && word[0] <= 'Z' {
			keys.WriteString(word)
			keys.WriteByte(' ')
		}
	}
	return keys.String()
}

// encode appends the whole file in version 3.
func (u *uidlist) encode(b []byte) []byte {
	b = u.appendHead(b)
	for i := range u.records {
		b = appendUIDRecord(b, u.records[i])
	}
	return b
}

// writeTo writes what encode appends, a piece at a time.
func (u *uidlist) writeTo(w io.Writer) error {
	const piece = 256 << 10
	b := u.appendHead(make([]byte, 0, min(piece+4096, 128+80*len(u.records))))
	for i := range u.records {
		if b = appendUIDRecord(b, u.records[i]); len(b) >= piece {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	if len(b) == 0 {
		return nil
	}
	_, err := w.Write(b)
	return err
}

func (u *uidlist) appendHead(b []byte) []byte {
	b = append(b, "3 V"...)
	b = strconv.AppendUint(b, uint64(u.validity), 10)
	b = append(b, " N"...)
	b = strconv.AppendUint(b, uint64(u.next), 10)
	if u.guid != "" {
		b = append(b, " G"...)
		b = append(b, u.guid...)
	}
	for _, e := range u.ext {
		b = append(b, ' ')
		b = append(b, e...)
	}
	return append(b, '\n')
}

// appendUIDRecord appends one line.
func appendUIDRecord(b []byte, r uidRecord) []byte {
	b = strconv.AppendUint(b, uint64(r.uid), 10)
	b = append(b, ' ')
	b = append(b, r.keys...)
	b = append(b, ':')
	b = append(b, r.base...)
	return append(b, '\n')
}
