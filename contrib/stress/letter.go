package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// sum is what a message is known by, with the line ends that it has in IMAP.
type sum = [sha256.Size]byte

// letter is a message that can be told from all others, and each of its bytes from those of others. Most are
// small; some fill more than one buffer of anybody's, some end in the midst of a line.
func (l *ledger) letter(id string, r *rand.Rand) string {
	lines := r.IntN(40)
	switch r.IntN(200) {
	case 0:
		lines = 4000 + r.IntN(2000)
	case 1, 2, 3, 4:
		lines = 300 + r.IntN(1000)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: fighter@example.org\r\nMessage-ID: <%s@stress>\r\nSubject: %s\r\n\r\n", id, id)
	for i := range lines {
		fmt.Fprintf(&b, "%s %d %x ü\r\n", id, i, r.Uint64())
	}
	if r.IntN(5) == 0 {
		b.WriteString("the end, without one")
	}
	text := b.String()
	l.mu.Lock()
	l.sums[id] = sha256.Sum256([]byte(text))
	l.mu.Unlock()
	return text
}

var (
	bodyItem = regexp.MustCompile(`[( ]BODY\[\] \{(\d+)\}\r\n`)
	// mbsync adds a line to what it copies, to find it again.
	tuid = regexp.MustCompile(`(?m)^X-TUID: [^\r\n]*\r\n`)
)

// synchronised tells whether mbsync has brought the message to a server.
func synchronised(id string) bool { return strings.HasPrefix(id, "sync-") }

// body compares what a FETCH has brought with what was put there.
func (k *client) body(uid uint32, id, line string) {
	m := bodyItem.FindStringSubmatchIndex(line)
	if m == nil {
		return
	}
	n, _ := strconv.Atoi(line[m[2]:m[3]])
	if len(line) < m[1]+n { // client.line trims the last line ends: they are behind the parenthesis
		k.l.fail("%s: UID %d (%s) of %s: %d bytes announced, %d sent", k.who, uid, id, k.box, n, len(line)-m[1])
		return
	}
	k.l.same(fmt.Sprintf("%s: UID %d of %s", k.who, uid, k.box), id, line[m[1]:m[1]+n], synchronised(id))
	k.read[uid] = true
}

// same holds a message to the bytes that were written; copied: and, by mbsync, copied.
func (l *ledger) same(where, id, text string, copied bool) {
	if copied {
		text = tuid.ReplaceAllString(text, "")
	}
	got := sha256.Sum256([]byte(text))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bodies.Add(1)
	switch want, ok := l.sums[id]; {
	case !ok:
		l.failed("%s is %s, which nobody has written", where, id)
	case got != want:
		l.failed("%s, %s: %d bytes that are not what was written", where, id, len(text))
	}
}

// file holds a file to the bytes that were written, and returns which message it is. Line ends in files are LF
// or CRLF, as their writer had them.
func (l *ledger) file(path string, copied bool) (id string) {
	b, err := os.ReadFile(path)
	if err != nil {
		l.fail("%v", err)
		return ""
	}
	if !bytes.Contains(b, []byte("\r")) {
		b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	m := idItem.FindSubmatch(b)
	if m == nil {
		l.fail("%s: %d bytes, no message of ours", path, len(b))
		return ""
	}
	id = string(m[1])
	l.same(path, id, string(b), copied || synchronised(id))
	return id
}
