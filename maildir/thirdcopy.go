package maildir

import (
	"bytes"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// The third copy of what makes UIDs valid is a file for each tree in the
// daemon's state directory, trees/<SHA-256 of the root's path, in hex>: the
// other two, dovecot-uidlist and our index, lie in the same directory and are
// lost together. It begins with a line that names the tree, for people:
//
//	maildir-imapd tree 1 "/srv/mail/alice"
//
// and goes on with lines that are appended, of which the last about a mailbox
// wins:
//
//	<CRC-32C of the rest> <kind> <UIDVALIDITY> <next UID> <process> <GUID> "<path below the root>"
//
//	=  so it was found: UIDs below this one have been given
//	+  the process gives UIDs below this one, and says so no more
//	-  the process gives no more: this one is the next
//	x  the mailbox was deleted; only its UIDVALIDITY is of use, to give none below it
//
// So a thousand messages cost one line, and a mailbox that was closed in order
// has its exact next UID here. What a process claimed that died is skipped: at
// worst a thousand UIDs go unused. A line that does not check is no line.
const (
	treesDir    = "trees"
	treeMagic   = "maildir-imapd tree 1 "
	claimAhead  = 1000
	treeLimit   = 256 << 20
	lineFound   = '='
	lineClaim   = '+'
	lineBack    = '-'
	lineDeleted = 'x'
)

// treeLine is one line of a tree's file.
type treeLine struct {
	kind     byte
	validity uint32
	next     imap.UID
	process  string // "" is written as "-", as is an empty GUID
	guid     string
	rel      string
}

// identity is what the third copy knows of a mailbox.
type identity struct {
	validity uint32
	guid     string
	next     imap.UID
	claims   map[string]imap.UID // by process
}

// most is above every UID that may have been given.
func (id *identity) most() imap.UID {
	next := id.next
	for _, n := range id.claims {
		next = max(next, n)
	}
	return next
}

// least is above every UID that was given by those who are not there any more
// to remember it.
func (id *identity) least(alive func(process string) bool) imap.UID {
	next := id.next
	for p, n := range id.claims {
		if n > next && !alive(p) {
			next = n
		}
	}
	return next
}

// treeCopy is a tree's file in memory.
type treeCopy struct {
	boxes map[string]*identity
	high  uint32 // the greatest UIDVALIDITY of any line
	lines int
	bad   int // lines that do not check
}

func newTreeCopy() *treeCopy { return &treeCopy{boxes: make(map[string]*identity)} }

// parse reads whole lines and returns how many bytes they are.
func (c *treeCopy) parse(b []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 {
			return n
		}
		line := b[n : n+i]
		n += i + 1
		if bytes.HasPrefix(line, []byte(treeMagic)) {
			continue
		}
		l, ok := parseTreeLine(line)
		if !ok {
			c.bad++
			continue
		}
		c.take(&l)
	}
}

// take folds one line in.
func (c *treeCopy) take(l *treeLine) {
	c.lines++
	c.high = max(c.high, l.validity)
	if l.kind == lineDeleted {
		delete(c.boxes, l.rel)
		return
	}
	id := c.boxes[l.rel]
	if id == nil || id.validity != l.validity {
		id = &identity{validity: l.validity, next: 1}
		c.boxes[l.rel] = id
	}
	if l.guid != "" {
		id.guid = l.guid
	}
	switch l.kind {
	case lineFound:
		id.next = max(id.next, l.next)
	case lineClaim:
		if id.claims == nil {
			id.claims = make(map[string]imap.UID)
		}
		id.claims[l.process] = max(id.claims[l.process], l.next)
	case lineBack:
		id.next = max(id.next, l.next)
		delete(id.claims, l.process)
	}
}

// encode is the whole file. Claims of processes that are gone become part of
// the number that everybody goes by.
func (c *treeCopy) encode(root string, alive func(process string) bool) []byte {
	b := append([]byte(treeMagic), strconv.QuoteToASCII(root)...)
	b = append(b, '\n')
	rels := make([]string, 0, len(c.boxes))
	high := uint32(0)
	for rel, id := range c.boxes {
		rels = append(rels, rel)
		high = max(high, id.validity)
	}
	if c.high > high { // before the others: "" is INBOX, which is not deleted
		b = appendTreeLine(b, &treeLine{kind: lineDeleted, validity: c.high, next: 1})
	}
	slices.Sort(rels)
	for _, rel := range rels {
		id := c.boxes[rel]
		b = appendTreeLine(b, &treeLine{kind: lineFound, validity: id.validity, next: id.least(alive), guid: id.guid, rel: rel})
		for p, n := range id.claims {
			if alive(p) {
				b = appendTreeLine(b, &treeLine{kind: lineClaim, validity: id.validity, next: n, process: p, guid: id.guid, rel: rel})
			}
		}
	}
	return b
}

// twin tells that another mailbox of the tree has this GUID: the line about
// this one was left behind by a rename.
func (c *treeCopy) twin(rel, guid string) bool {
	for r, id := range c.boxes {
		if r != rel && id.guid == guid {
			return true
		}
	}
	return false
}

// moved gives the mailbox at from, and those below it in directories, the path
// to, as lines to be appended.
func (c *treeCopy) moved(from, to string) (lines []treeLine) {
	for rel, id := range c.boxes {
		rest, ok := strings.CutPrefix(rel, from)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		lines = append(lines, treeLine{kind: lineDeleted, validity: id.validity, next: id.next, guid: id.guid, rel: rel},
			treeLine{kind: lineFound, validity: id.validity, next: id.next, guid: id.guid, rel: to + rest})
		for p, n := range id.claims {
			lines = append(lines, treeLine{kind: lineClaim, validity: id.validity, next: n, process: p, guid: id.guid, rel: to + rest})
		}
	}
	return lines
}

func appendTreeLine(b []byte, l *treeLine) []byte {
	text := make([]byte, 0, 128)
	text = append(text, l.kind, ' ')
	text = strconv.AppendUint(text, uint64(l.validity), 10)
	text = append(text, ' ')
	text = strconv.AppendUint(text, uint64(l.next), 10)
	for _, word := range []string{l.process, l.guid} {
		if word == "" {
			word = "-"
		}
		text = append(append(text, ' '), word...)
	}
	text = append(text, ' ')
	text = strconv.AppendQuoteToASCII(text, l.rel)
	sum := strconv.FormatUint(uint64(crc32.Checksum(text, castagnoli)), 16)
	b = append(b, "00000000"[len(sum):]...)
	b = append(b, sum...)
	b = append(b, ' ')
	b = append(b, text...)
	return append(b, '\n')
}

func parseTreeLine(b []byte) (l treeLine, ok bool) {
	if len(b) < 11 || b[8] != ' ' || b[10] != ' ' {
		return l, false
	}
	sum, err := strconv.ParseUint(string(b[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(b[9:], castagnoli) {
		return l, false
	}
	words := strings.SplitN(string(b[9:]), " ", 6)
	if len(words) != 6 || len(words[0]) != 1 {
		return l, false
	}
	validity, err := strconv.ParseUint(words[1], 10, 32)
	if err != nil || validity == 0 {
		return l, false
	}
	next, err := strconv.ParseUint(words[2], 10, 32)
	if err != nil || next == 0 {
		return l, false
	}
	l = treeLine{kind: words[0][0], validity: uint32(validity), next: imap.UID(next), process: words[3], guid: words[4]}
	if l.process == "-" {
		l.process = ""
	}
	if !isGUID(l.guid) {
		l.guid = ""
	}
	l.rel, err = strconv.Unquote(words[5])
	return l, err == nil
}
