package imapd

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// searched is a message as the naive search of these tests knows it.
type searched struct {
	from, subject, body string
	flags               string // letters: S F A T D
	size                int
	day                 int
}

var someWords = []string{"alpha", "Beta", "gamma", "DELTA", "café", "Straße", "日本語", "ß", "a"}

// searchMail makes a mailbox of n messages and a session that has it selected.
func searchMail(t testing.TB, n int) (*session, []searched) {
	ses, msgs, _ := searchServer(t, n)
	return ses, msgs
}

func searchServer(t testing.TB, n int) (*session, []searched, *testServer) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	mail, err := s.openMail(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := mail.Namespaces[0].Tree
	t.Cleanup(func() { _ = tree.Close() })
	dst, err := tree.Open(context.Background(), "INBOX", maildir.Target)
	if err != nil {
		t.Fatal(err)
	}
	letters := map[byte]imap.Flag{'S': imap.FlagSeen, 'F': imap.FlagFlagged, 'A': imap.FlagAnswered, 'T': imap.FlagDeleted, 'D': imap.FlagDraft}
	msgs := make([]searched, n)
	for i := range msgs {
		m := &msgs[i]
		pick := func(salt int) string { return someWords[(i*7+i*i*salt+salt)%len(someWords)] }
		m.from, m.subject, m.body = "x"+pick(3), pick(1)+" "+pick(5), pick(2)+" middle "+pick(4)+" "+strings.Repeat("filler ", i)
		m.day = 1 + i%28
		for k, c := range "SFATD" {
			if (i>>k)&1 == 1 {
				m.flags += string(c)
			}
		}
		text := fmt.Sprintf("From: %s <u%d@example.org>\r\nSubject: %s\r\nDate: %d Mar 2024 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
			m.from, i, m.subject, m.day, m.body)
		m.size = len(text)
		d, err := dst.Deliver(context.Background(), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var flags []imap.Flag
		for j := range len(m.flags) {
			flags = append(flags, letters[m.flags[j]])
		}
		if _, err := d.Commit(context.Background(), flags, time.Date(2024, 1, m.day, 12, 0, 0, 0, time.Local)); err != nil {
			t.Fatal(err)
		}
	}
	_ = dst.Close()
	h, err := tree.Open(context.Background(), "INBOX", maildir.Select)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _, _, _ = h.Close(), ours.Close(), theirs.Close() })
	ses := &session{peer: peer{srv: s.server, c: newConn(ours, time.Second), log: quietLog}, mail: mail}
	ses.sel = &selection{Handle: h, name: "INBOX"}
	return ses, msgs, s
}

// failing is what a testing.TB and a rapid.T have in common here.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// ask runs a search program and returns the sequence numbers found; ok is false when it does not parse.
func ask(t failing, s *session, text string) (found []uint32, ok bool) {
	t.Helper()
	d := wire.NewDecoder(wire.PostLogin)
	d.SetUTF8(true)
	d.Reset(bufio.NewReader(strings.NewReader(text + "\r\n")))
	d.Begin()
	p := &searchParser{d: d, s: s}
	prog := p.program()
	d.CRLF()
	if d.Err() != nil || prog.refused != nil {
		return nil, false
	}
	if err := s.findIn(context.Background(), s.sel, prog, func(m *maildir.Message, _ uint8) { found = append(found, m.Seq) }); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if !slices.IsSorted(found) || len(slices.Compact(slices.Clone(found))) != len(found) {
		t.Fatalf("%q: %v is not in order", text, found)
	}
	return found, true
}

// naive is a search key and what it means, told apart from the engine.
type naive struct {
	text string
	is   func(seq int, m *searched) bool
}

func has(text, part string) bool {
	fold := strings.NewReplacer("ß", "ss", "é", "e\u0301") // of someWords, what lower case leaves
	return strings.Contains(fold.Replace(strings.ToLower(text)), fold.Replace(strings.ToLower(part)))
}

// quoteWords makes a search string of words; the decoder of these tests takes UTF-8.
func quoteWords(s string) string { return `"` + s + `"` }

// naiveKey draws a key, with keys under it up to depth.
func naiveKey(t *rapid.T, depth, n int) naive {
	kinds := 10
	if depth > 0 {
		kinds = 14
	}
	word := rapid.SampledFrom(append(someWords, "", "middle", "filler filler", "lph", "nothing-like-it")).Draw(t, "word")
	day := rapid.IntRange(1, 30).Draw(t, "day")
	switch kind := rapid.IntRange(0, kinds-1).Draw(t, "kind"); kind {
	case 0:
		return naive{"SUBJECT " + quoteWords(word), func(_ int, m *searched) bool { return has(m.subject, word) }}
	case 1:
		return naive{"FROM " + quoteWords(word), func(i int, m *searched) bool {
			return has(fmt.Sprintf("%s <u%d@example.org>", m.from, i-1), word)
		}}
	case 2:
		return naive{"BODY " + quoteWords(word), func(_ int, m *searched) bool { return has(m.body, word) }}
	case 3:
		return naive{"HEADER Subject " + quoteWords(word), func(_ int, m *searched) bool { return has(m.subject, word) }}
	case 4:
		size := rapid.IntRange(100, 900).Draw(t, "size")
		return naive{fmt.Sprint("LARGER ", size), func(_ int, m *searched) bool { return m.size > size }}
	case 5:
		return naive{fmt.Sprintf("SINCE %d-Jan-2024", day), func(_ int, m *searched) bool { return m.day >= day }}
	case 6:
		return naive{fmt.Sprintf("SENTBEFORE %d-Mar-2024", day), func(_ int, m *searched) bool { return m.day < day }}
	case 7:
		lo, hi := rapid.IntRange(1, n+3).Draw(t, "lo"), rapid.IntRange(1, n+3).Draw(t, "hi")
		return naive{fmt.Sprintf("%d:%d", lo, hi), func(i int, _ *searched) bool { return min(lo, hi) <= i && i <= max(lo, hi) }}
	case 8:
		flag := rapid.SampledFrom([]string{"SEEN S", "FLAGGED F", "ANSWERED A", "DELETED T", "DRAFT D"}).Draw(t, "flag")
		name, letter, _ := strings.Cut(flag, " ")
		if rapid.Bool().Draw(t, "un") {
			return naive{"UN" + name, func(_ int, m *searched) bool { return !strings.Contains(m.flags, letter) }}
		}
		return naive{name, func(_ int, m *searched) bool { return strings.Contains(m.flags, letter) }}
	case 9:
		return naive{"ALL", func(int, *searched) bool { return true }}
	case 10, 11:
		k := naiveKey(t, depth-1, n)
		return naive{"NOT " + k.text, func(i int, m *searched) bool { return !k.is(i, m) }}
	case 12:
		a, b := naiveKey(t, depth-1, n), naiveKey(t, depth-1, n)
		return naive{"OR " + a.text + " " + b.text, func(i int, m *searched) bool { return a.is(i, m) || b.is(i, m) }}
	}
	a, b := naiveKey(t, depth-1, n), naiveKey(t, depth-1, n)
	return naive{"(" + a.text + " " + b.text + ")", func(i int, m *searched) bool { return a.is(i, m) && b.is(i, m) }}
}

// TestSearchIsWhatItSays compares programs of every kind of key, in any order and depth, with an evaluation that
// knows no phases, no cache and no index.
func TestSearchIsWhatItSays(t *testing.T) {
	const n = 60
	s, msgs := searchMail(t, n)
	rapid.Check(t, func(t *rapid.T) {
		k := naiveKey(t, 4, n)
		var want []uint32
		for i := range msgs {
			if k.is(i+1, &msgs[i]) {
				want = append(want, uint32(i+1))
			}
		}
		got, ok := ask(t, s, k.text)
		if !ok {
			t.Fatalf("%q does not parse", k.text)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: got %v, want %v", k.text, got, want)
		}
	})
}

// TestIndexedSearch: what the text index proves spares files, and changes no answer.
func TestIndexedSearch(t *testing.T) {
	const n = 300
	s, _, server := searchServer(t, n)
	var programs []string
	for _, word := range append(slices.Clone(someWords), "middle", "nothing-like-it", "filler filler", "ab", "u17@example") {
		programs = append(programs, "TEXT "+quoteWords(word), "NOT BODY "+quoteWords(word), "OR (SEEN BODY "+quoteWords(word)+") NOT TEXT beta",
			"HEADER Subject "+quoteWords(word), "NOT HEADER X-None "+quoteWords(word), "FUZZY TEXT "+quoteWords(word))
	}
	before := map[string][]uint32{}
	for _, p := range programs {
		before[p], _ = ask(t, s, p)
	}
	var opened atomic.Int64
	hook := func(op, path string) error {
		if op == "open" && strings.Contains(path, "/cur/") {
			opened.Add(1)
		}
		return nil
	}
	server.hook.Store(&hook)
	t.Cleanup(func() { server.hook.Store(nil) })
	eventually(t, "the index spares the files", func() bool {
		opened.Store(0)
		found, _ := ask(t, s, "TEXT nothing-like-it")
		return opened.Load() < n/10 && len(found) == 0 // a filter of a short text proves less
	})
	for _, p := range programs {
		if got, _ := ask(t, s, p); !slices.Equal(got, before[p]) {
			t.Errorf("%q: %v with the index, %v without", p, got, before[p])
		}
	}
	// A search of a few messages costs these: the index, which is as large as the mailbox, is left alone.
	var asked atomic.Int64
	watch := func(op, path string) error {
		if strings.HasSuffix(path, "maildir-imapd.text") {
			asked.Add(1)
		}
		return nil
	}
	server.hook.Store(&watch)
	for _, p := range []string{"UID 5 TEXT beta", "10:20 BODY beta", "HEADER Subject beta"} {
		ask(t, s, p)
		if n := asked.Swap(0); n != 0 {
			t.Errorf("%q reads the index (%d calls)", p, n)
		}
	}
	if ask(t, s, "TEXT beta"); asked.Load() == 0 {
		t.Error("the test does not see the index being read")
	}
}

// TestUnreadableMessages: they match nothing, and the others are found all the same.
func TestUnreadableMessages(t *testing.T) {
	const n = 30
	s, _, server := searchServer(t, n)
	var bad atomic.Int64
	var names sync.Map
	hook := func(op, path string) error {
		if op != "open" || !strings.Contains(path, "/cur/") {
			return nil
		}
		if _, known := names.LoadOrStore(path, bad.Load() < 3); !known {
			bad.Add(1)
		}
		if fail, _ := names.Load(path); fail.(bool) {
			return syscall.EIO
		}
		return nil
	}
	server.hook.Store(&hook)
	t.Cleanup(func() { server.hook.Store(nil) })
	for _, p := range []string{"BODY middle", "NOT BODY nothing-like-it", "OR TEXT middle TEXT filler"} {
		if got, _ := ask(t, s, p); len(got) != n-3 {
			t.Errorf("%q: %d messages, want %d", p, len(got), n-3)
		}
	}
}

// TestEveryCharsetIsTaken: BADCHARSET names what CHARSET takes, as atoms.
func TestEveryCharsetIsTaken(t *testing.T) {
	s, _ := searchMail(t, 1)
	list := strings.Fields(strings.Trim(knownCharsets(), " ()"))
	if len(list) < 50 {
		t.Errorf("%d charsets only", len(list))
	}
	for _, name := range list {
		if _, ok := ask(t, s, "CHARSET "+name+" ALL"); !ok {
			t.Errorf("CHARSET %s is refused", name)
		}
	}
	if _, ok := ask(t, s, "CHARSET x-unheard-of ALL"); ok {
		t.Error("an unknown charset was taken")
	}
}

// TestFuzzyScores: what people mistype, and what is something else.
func TestFuzzyScores(t *testing.T) {
	for _, c := range []struct {
		want, text string
		least, top uint8
	}{
		{"hello world", "well, hello  World!", 100, 100},
		{"world hello", "hello world", 95, 95},
		{"helo", "hello", 30, 80}, {"help", "hello", 0, 0}, {"cafés", "CAFE", 30, 80},
		{"swim", "swimming", 100, 100}, {"swim pool", "pool for swimming", 85, 94}, {"im", "i am", 0, 0}, {"cat", "cut", 0, 0},
		{"recieve", "I receive mail", 40, 80}, {"responsable", "responsible", 40, 80}, {"responsable", "response", 0, 0},
		{"Grusse", "Grüße", 95, 95}, {"Grüße", "GRUSSE", 95, 95}, {"lodz", "Łódź", 95, 95}, {"aeroskobing", "Ærøskøbing", 95, 95},
		{strings.Repeat("ß", 21), strings.Repeat("s", 43), 0, 0}, {strings.Repeat("a", 40), strings.Repeat("ß", 60), 0, 0},
		{"日本", "新日本語", 100, 100}, {"!?", "what!?", 100, 100}, {"!?", "what", 0, 0},
		{"a" + strings.Repeat("b", 50), "a", 0, 0}, {"alpha", "alphx\x00bet", 30, 80},
	} {
		m := newPattern(c.want, true).fuzzy.matcher()
		folded := message.Fold(nil, []byte(c.text))
		m.Feed(folded)
		score := m.score()
		if score < c.least || score > c.top {
			t.Errorf("%q in %q: %d, want %d to %d", c.want, c.text, score, c.least, c.top)
		}
		for cut := range folded { // the same wherever the text is cut
			m.Reset()
			m.Feed(folded[:cut])
			m.Feed(folded[cut:])
			if got := m.score(); got != score {
				t.Fatalf("%q in %q cut at %d: %d, want %d", c.want, c.text, cut, got, score)
			}
		}
	}
}

// TestManyTexts: hundreds are looked for; what a whole line holds would cost every reader a matcher each.
func TestManyTexts(t *testing.T) {
	s, _ := searchMail(t, 3)
	for n, want := range map[int]bool{mostTexts: true, mostTexts + 1: false} {
		if _, ok := ask(t, s, "ALL"+strings.Repeat(" TEXT a", n)); ok != want {
			t.Errorf("%d texts are taken: %v", n, ok)
		}
	}
	if _, ok := ask(t, s, "ALL"+strings.Repeat(" SUBJECT a", 2*mostTexts)); !ok { // costs no reader anything
		t.Error("subjects are counted")
	}
}

// TestSavedSet: "$" is what was saved, and of a million messages, however they lie, a megabyte at most.
func TestSavedSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set imap.UIDSet
		for last := uint64(0); ; {
			start := last + uint64(rapid.Uint32Range(2, 1<<28).Draw(t, "gap"))>>rapid.IntRange(0, 26).Draw(t, "near") + 2
			stop := start + uint64(rapid.Uint32Range(0, 1<<28).Draw(t, "more"))>>rapid.IntRange(0, 28).Draw(t, "short")
			if stop >= 1<<32 || len(set) > 40 {
				break
			}
			set, last = append(set, imap.UIDRange{Start: imap.UID(start), Stop: imap.UID(stop)}), stop
		}
		if got := saved(set).uids(); !slices.Equal(got, set) {
			t.Fatalf("%v is saved as %v", set, got)
		}
	})
	var second imap.UIDSet
	for uid := imap.UID(2); uid <= 1_000_000; uid += 2 {
		second = append(second, imap.UIDRange{Start: uid, Stop: uid})
	}
	if n := cap(saved(second)); n > 1<<20 {
		t.Errorf("every second of a million messages is %d bytes", n)
	}
	s, _ := searchMail(t, 9)
	one := func(uid imap.UID) imap.UIDRange { return imap.UIDRange{Start: uid, Stop: uid} }
	got := s.sel.joined(imap.UIDSet{one(1), one(2), one(4), one(6), one(7), one(8), {Start: 20, Stop: 30}})
	if want := (imap.UIDSet{{Start: 1, Stop: 2}, one(4), {Start: 6, Stop: 8}}); !slices.Equal(got, want) {
		t.Errorf("joined are %v, want %v", got, want)
	}
}

// TestSourcesCostTheirWords: what a command names and what mailboxes there are does not multiply.
func TestSourcesCostTheirWords(t *testing.T) {
	const mailboxes, sources = 10_000, 3000
	x := searchSources{named: map[string]int{}}
	d := wire.NewDecoder(wire.PostLogin)
	var line strings.Builder
	line.WriteByte('(')
	for i := range sources {
		fmt.Fprintf(&line, "subtree x%d ", i)
	}
	line.WriteString("subtree-one a/b mailboxes (c c/d) subtree e/f/g)\r\n")
	d.Reset(bufio.NewReader(strings.NewReader(line.String())))
	d.Begin()
	if d.List(func() { x.add(d) }); d.Err() != nil {
		t.Fatal(d.Err())
	}
	for name, want := range map[string]bool{
		"a": false, "a/b": true, "a/b/c": true, "a/b/c/d": false, "a/bc": false, "c": true, "c/d": true, "c/x": false,
		"e/f": false, "e/f/g": true, "e/f/g/h/i": true, "x17/y": true, "x": false, "x3000": false, "/x1": false,
	} {
		if got := x.mean(nil, &listed{name: name, separator: '/'}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	e := &listed{name: "archive/2024/lists", separator: '/'}
	start := time.Now()
	if allocs := testing.AllocsPerRun(mailboxes, func() { x.mean(nil, e) }); allocs != 0 {
		t.Errorf("%v allocations a mailbox", allocs)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("%d sources and %d mailboxes take %v", sources, mailboxes, took)
	}
}

// TestPartialRange compares pages with a count on the fingers (RFC 9394 §3.1).
func TestPartialRange(t *testing.T) {
	for n := range 8 {
		for first := range uint32(10) {
			for last := range uint32(10) {
				for _, backward := range []bool{false, true} {
					lo, hi := partialRange{first + 1, last + 1, backward}.keeps(n)
					for i := range n {
						place := i + 1
						if backward {
							place = n - i
						}
						want := int(min(first, last))+1 <= place && place <= int(max(first, last))+1
						if got := lo <= i && i < hi; got != want {
							t.Fatalf("%d:%d of %d, backward %v: %d to %d", first+1, last+1, n, backward, lo, hi)
						}
					}
				}
			}
		}
	}
}

// FuzzSearch gives any text to the parser of search programs. What parses must run, NOT of it must be the
// complement, and OR and AND with others what they are of sets.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{"ALL", "SUBJECT alpha BODY beta", "OR FROM xa NOT TEXT gamma", "1:3,9:* UID 5 KEYWORD $x", "FUZZY (BODY alfa)",
		"SENTON 3-Mar-2024 LARGER 300", `HEADER Subject "" NOT ()`, "CHARSET koi8-r TEXT x", "OLDER 5 YOUNGER 7 SAVEDON 1-Jan-2024", "$", "NOT NOT $"} {
		f.Add(seed)
	}
	const n = 40
	s, _ := searchMail(f, n)
	s.sel.saved = saved(imap.UIDSet{{Start: 3, Stop: 7}})
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<10 || strings.ContainsAny(text, "\r\n{") || strings.HasPrefix(strings.ToUpper(text), "CHARSET") {
			t.Skip()
		}
		x, ok := ask(t, s, text)
		if !ok {
			return
		}
		all := make([]bool, n+1)
		for _, i := range x {
			all[i] = true
		}
		same := func(program string, want func(i int) bool) {
			t.Helper()
			got, ok := ask(t, s, program)
			if !ok { // it nests too deep now
				return
			}
			for i := 1; i <= n; i++ {
				if slices.Contains(got, uint32(i)) != want(i) {
					t.Fatalf("%q is %v; %q is %v", text, x, program, got)
				}
			}
		}
		same("NOT ("+text+")", func(i int) bool { return !all[i] })
		same("NOT (NOT ("+text+"))", func(i int) bool { return all[i] })
		same("OR ("+text+") SEEN", func(i int) bool { return all[i] || (i-1)&1 == 1 })
		same("OR BODY alpha ("+text+") ("+text+")", func(i int) bool { return all[i] })
		same("10:20 ("+text+")", func(i int) bool { return all[i] && 10 <= i && i <= 20 })
	})
}

// BenchmarkSearch measures searches of a thousand messages, all cached.
func BenchmarkSearch(b *testing.B) {
	const n = 1000
	s, _ := searchMail(b, n)
	for _, keys := range []string{"ALL", "UNSEEN", "UID 500", "LARGER 300", "SUBJECT nothing-like-it", "SUBJECT alpha", "FROM xbeta", "HEADER Subject x", "TEXT nothing-like-it", "TEXT q"} {
		ask(b, s, keys)
		b.Run(keys, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask(b, s, keys)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
		})
	}
}
