//go:build interop

package interop

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"maildir-imapd/contrib/interop/peer"
)

// differences lists what SEARCH finds here and not there, with the reason.
const differences = "testdata/search-differences.txt"

// TestSearchBesideDovecot asks both servers the same of the same mailboxes. Ours must find what Dovecot finds;
// every difference, either way, is explained in the list or fails.
func TestSearchBesideDovecot(t *testing.T) {
	if _, err := exec.LookPath("dovecot"); err != nil {
		missing(t, "dovecot", "dovecot-imapd")
		return
	}
	known := readDifferences(t)
	ours, theirs := startPeer(t, "maildir-imapd", peer.Options{}), startPeer(t, "dovecot", peer.Options{})
	user, asked := 0, map[string]bool{} // boxes that were there
	for _, read := range []func(*testing.T) *searched{madeMail, listMail, oddMail} {
		name := fmt.Sprintf("u%d", user)
		user++
		t.Run(name, func(t *testing.T) {
			box := read(t)
			box.lay(t, ours.MailDir(name), ours.UID)
			box.lay(t, theirs.MailDir(name), theirs.UID)
			a, b := openSearch(t, ours, name), openSearch(t, theirs, name)
			if x, y := a.sizes, b.sizes; !slices.Equal(x, y) || len(x) != len(box.mail) {
				t.Fatalf("%d and %d messages, or another order of UIDs", len(x), len(y))
			}
			asked[box.name] = true
			differing, queries := 0, 0
			var agreed []string
			ask := func(q string) int {
				queries++
				n := box.compare(t, known, q, a.search(t, q), b.search(t, q))
				differing += n
				return n
			}
			r := rand.New(rand.NewPCG(77, 5))
			simple := box.simpleKeys(r)
			for _, q := range simple {
				if ask(q) == 0 {
					agreed = append(agreed, q)
				}
			}
			for _, q := range slices.Concat(box.wordQueries(r), combinations(r, agreed, len(box.mail))) {
				ask(q)
			}
			t.Logf("%s: %d messages, %d queries, %d differences", box.name, len(box.mail), queries, differing)
		})
	}
	for _, d := range known {
		if asked[d.box] && !d.seen && !t.Failed() {
			t.Errorf("%s:%d: this difference is no more", differences, d.line)
		}
	}
}

// searcher is a connection with the mailbox selected.
type searcher struct {
	*raw
	sizes []string // of each UID
}

func openSearch(t *testing.T, s *peer.Server, user string) *searcher {
	// Which messages are recent to whom depends on the store (RFC 3501 §2.3.2): after this session, none are.
	first := dialRaw(t, &world{s}, user)
	first.do(t, "SELECT INBOX")
	first.do(t, "LOGOUT")
	k := dialRaw(t, &world{s}, user)
	k.do(t, "SELECT INBOX")
	k.do(t, `UID STORE 3:9,20,40 +FLAGS.SILENT ($Label1 Work)`)
	x := &searcher{raw: k}
	for _, l := range k.do(t, "UID FETCH 1:* (RFC822.SIZE)") {
		if uid := numberAfter(l, "UID "); uid != "" {
			x.sizes = append(x.sizes, uid+" "+numberAfter(l, "RFC822.SIZE "))
		}
	}
	return x
}

// search returns the UIDs found; a refusal is its condition as the only key of negative value.
func (x *searcher) search(t *testing.T, query string) map[int]bool {
	t.Helper()
	lines, said := x.ask(t, "UID SEARCH "+query)
	switch {
	case strings.HasPrefix(said, "NO"):
		return map[int]bool{-1: true}
	case !strings.HasPrefix(said, "OK"):
		return map[int]bool{-2: true}
	}
	found := map[int]bool{}
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "* SEARCH"); ok {
			for _, n := range strings.Fields(rest) {
				if uid, err := strconv.Atoi(n); err == nil {
					found[uid] = true
				}
			}
		}
	}
	return found
}

// compare returns how many messages differ; those that the list does not explain are errors.
func (box *searched) compare(t *testing.T, known []*difference, query string, ours, theirs map[int]bool) (n int) {
	t.Helper()
	for _, uid := range slices.Sorted(maps.Keys(union(ours, theirs))) {
		if ours[uid] == theirs[uid] {
			continue
		}
		n++
		side, name := "ours", fmt.Sprint(uid)
		if theirs[uid] {
			side = "dovecot"
		}
		if uid > 0 {
			name = box.mail[uid-1].name
		}
		if !explained(known, box.name, side, query, name) {
			t.Errorf("unexplained: %s | %s | %s | %s", box.name, side, strings.ReplaceAll(query, "\r\n", " "), name)
		}
	}
	return n
}

func union(a, b map[int]bool) map[int]bool {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// difference is a line of the list: box | who finds it | query | message | reason. Box, query and message are
// patterns of path.Match with * for anything.
type difference struct {
	box, side, query, message string
	line                      int
	seen                      bool
}

func readDifferences(t *testing.T) []*difference {
	t.Helper()
	b, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	var all []*difference
	for i, l := range strings.Split(string(b), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Split(l, " | ")
		if len(f) != 5 || !strings.Contains(f[4], "RFC ") {
			t.Fatalf("%s:%d: not box | ours or dovecot | query | message | reason with its RFC", differences, i+1)
		}
		all = append(all, &difference{box: f[0], side: f[1], query: f[2], message: f[3], line: i + 1})
	}
	return all
}

func explained(known []*difference, box, side, query, message string) bool {
	for _, d := range known {
		if d.side == side && like(d.box, box) && like(d.query, query) && like(d.message, message) {
			d.seen = true
			return true
		}
	}
	return false
}

func like(pattern, s string) bool {
	flat := strings.NewReplacer("/", "\x01", "\r\n", " ", "[", "(", "]", ")", "\\", "\x02")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(s))
	return ok && err == nil
}

// str spells a string so that every server takes it: quoted if it is plain ASCII, else a literal.
func str(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return fmt.Sprintf("{%d+}\r\n%s", len(s), s)
		}
	}
	return `"` + s + `"`
}

// wordQueries look for the box's words and for such as are picked from its messages, the same every time.
func (box *searched) wordQueries(r *rand.Rand) []string {
	var all []string
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	for _, w := range box.words {
		add("CHARSET UTF-8 SUBJECT %s", str(w))
		add("CHARSET UTF-8 BODY %s", str(w))
		add("CHARSET UTF-8 TEXT %s", str(strings.ToUpper(w)))
		add("CHARSET UTF-8 TEXT %s", str(norm.NFD.String(w)))
		add("CHARSET UTF-8 CC %s", str(strings.ToLower(w)))
		add("CHARSET UTF-8 HEADER Comments %s", str(w))
	}
	if box.words != nil {
		box.nativeCharsets(add)
	}
	for range 60 {
		m := box.mail[r.IntN(len(box.mail))].raw
		add("SUBJECT %s", str(pickWord(r, m, true)))
		add("FROM %s", str(pickWord(r, m, true)))
		add("TEXT %s", str(pickWord(r, m, true)))
		add("BODY %s", str(pickWord(r, m, false)))
		add("TEXT %s", str(strings.ToUpper(pickWord(r, m, false))))
		add("HEADER %s %s", []string{"Received", "Message-ID", "To", "X-Mailer", "Content-Type", "References"}[r.IntN(6)], str(pickWord(r, m, true)))
	}
	return all
}

// combinations are made of keys that both servers answered alike: what differs now is how they are combined.
func combinations(r *rand.Rand, keys []string, n int) []string {
	var all []string
	for range 80 {
		a, b := keys[r.IntN(len(keys))], keys[r.IntN(len(keys))]
		all = append(all, fmt.Sprintf("NOT (%s %s)", a, b), fmt.Sprintf("OR %s (%s SEEN)", a, b),
			fmt.Sprintf("NOT %s OR UNSEEN %s UID 1:%d", a, b, n/2), fmt.Sprintf("OR (OR %s NOT %s) (DRAFT 1:%d)", a, b, n/3))
	}
	return all
}

// nativeCharsets looks for each sentence in the charset it was written in.
func (box *searched) nativeCharsets(add func(string, ...any)) {
	for _, m := range box.mail {
		charset, form, _ := strings.Cut(m.name, "/")
		if form != "8bit" || charset == "iso-2022-jp" { // a literal of escapes is fine, but Dovecot wants ASCII-compatible ones
			continue
		}
		_, rest, _ := strings.Cut(string(m.raw), "before ")
		enc, _, _ := strings.Cut(rest, " after")
		add("CHARSET %s BODY %s", charset, str(enc))
		add("CHARSET %s SUBJECT %s", strings.ToUpper(charset), str(enc))
	}
	add("CHARSET x-no-such-charset TEXT abc")
	add("CHARSET US-ASCII TEXT plain")
}

// simpleKeys are all keys of RFC 3501 §6.4.4.
func (box *searched) simpleKeys(r *rand.Rand) []string {
	all := strings.Fields("ALL ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN")
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	n := len(box.mail)
	for _, k := range []string{"$Label1", "Work", "Unheard-Of"} {
		add("KEYWORD %s", k)
		add("UNKEYWORD %s", k)
	}
	for range 6 {
		day := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(400)).Format("2-Jan-2006")
		add("BEFORE %s", day)
		add("ON %s", day)
		add("SINCE %s", day)
	}
	for _, m := range []int{0, n / 3, n / 2, n - 1} {
		day := "5-Mar-2021"
		if box.name != "made" {
			day = sentDay(box.mail[m].raw, day)
		}
		add("SENTBEFORE %s", day)
		add("SENTON %s", day)
		add("SENTSINCE %s", day)
		add("LARGER %d", len(box.mail[m].raw))
		add("SMALLER %d", len(box.mail[m].raw))
	}
	add("1:%d", n/2)
	add("UID %d:*", n-3)
	add("2,4:7,%d:*", n-1)
	for _, name := range []string{"From", "Subject", "X-Mailer", "Cc", "Reply-To", "X-Nowhere", "Mime-Version"} {
		add(`HEADER %s ""`, name)
	}
	for _, w := range []string{"example", "re", "the", "@", ".com"} {
		for _, k := range strings.Fields("BCC BODY CC FROM SUBJECT TEXT TO") {
			add("%s %s", k, str(w))
		}
	}
	return all
}

// sentDay is the day that a message's Date names.
func sentDay(raw []byte, otherwise string) string {
	for l := range strings.Lines(string(raw[:min(len(raw), 8000)])) {
		if rest, ok := strings.CutPrefix(l, "Date: "); ok {
			for _, layout := range []string{time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
				if d, err := time.Parse(layout, strings.TrimSpace(rest)); err == nil {
					return d.Format("2-Jan-2006")
				}
			}
		}
	}
	return cmp.Or(otherwise, "1-Jan-2021")
}
