package imapd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildir-imapd/imapd/order"
	"maildir-imapd/imapd/wire"
)

// letter is a message for threading: n answers n-1 and all before it, seven to a thread.
func letter(n int) string {
	var refs strings.Builder
	for i := n - n%7; i < n; i++ {
		fmt.Fprintf(&refs, " <%d@x>\n", i)
	}
	s := fmt.Sprintf("From: w%d@x\nTo: b@x\nSubject: Re: talk %d\nDate: Mon, 1 Jan 2024 10:%02d:%02d +0000\nMessage-ID: <%d@x>\n", n%5, n/7%10, n/60%60, n%60, n)
	if refs.Len() > 0 {
		s += "References:" + refs.String()
	}
	return s + "\ntext\n"
}

func putLetters(t testing.TB, dir string, from, to int) {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for n := from; n < to; n++ {
		tmp := filepath.Join(dir, "tmp", fmt.Sprintf("%d.M%dP1.host", 1700000000+n, n))
		if err := os.WriteFile(tmp, []byte(letter(n)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "new", filepath.Base(tmp))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSecondThreadReadsNothing: the first THREAD and SORT read headers; the next ones, of any session, open no
// message and believe nothing that the cache says by then; an arrival is one header.
func TestSecondThreadReadsNothing(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	putLetters(t, s.mail, 0, 300)
	var opened atomic.Int32
	hook := func(op, path string) error {
		if dir := filepath.Base(filepath.Dir(path)); op == "open" && (dir == "cur" || dir == "new") {
			opened.Add(1)
		}
		return nil
	}
	s.hook.Store(&hook)
	a, b := s.client(t).login(), s.client(t).login()
	a.do("a SELECT INBOX")
	b.do("a EXAMINE INBOX")
	ask := func(c *client) string {
		return c.untagged("THREAD", "REFERENCES UTF-8 ALL") + c.untagged("SORT", "(SUBJECT REVERSE DATE FROM) UTF-8 ALL")
	}
	first := ask(a)
	if n := opened.Swap(0); n != 300 {
		t.Errorf("the first THREAD opened %d messages", n)
	}
	scribble(t, filepath.Join(s.mail, "maildir-imapd.cache"))
	for _, c := range []*client{a, b} {
		if diff := cmp.Diff(first, ask(c)); diff != "" {
			t.Error(diff)
		}
	}
	if n := opened.Swap(0); n != 0 {
		t.Errorf("the second THREAD opened %d messages", n)
	}
	putLetters(t, s.mail, 300, 301)
	a.do("c NOOP")
	opened.Store(0)
	if now := ask(a); cmp.Equal(first, now) || !strings.Contains(now, "301") {
		t.Errorf("no 301 in %q", now)
	}
	if n := opened.Load(); n > 1 {
		t.Errorf("one arrival, and THREAD opened %d messages", n)
	}
}

// TestSortGrammar is what Dovecot is laxer about (RFC 5256 §5: one REVERSE a key).
func TestSortGrammar(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	c := s.client(t).login()
	c.do("a SELECT INBOX")
	for _, args := range []string{"(REVERSE REVERSE DATE) UTF-8 ALL", "(DATE)  UTF-8 ALL", "(DATE ) UTF-8 ALL", "RETURN (ALL) UTF-8 ALL", "(RELEVANCY) UTF-8 ALL"} {
		if got := c.do("b SORT " + args); !strings.HasPrefix(got, "b BAD") {
			t.Errorf("%s: %s", args, got)
		}
	}
}

// untagged runs a command whose answer is one line, and returns that.
func (c *client) untagged(name, args string) string {
	c.t.Helper()
	c.send("u " + name + " " + args + "\r\n")
	line := c.expect("* " + strings.TrimPrefix(name, "UID "))
	c.expect("u OK")
	return line
}

// scribble leaves a file its length and nothing else.
func scribble(t *testing.T, path string) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("x", int(st.Size())-64)), 64); err != nil {
		t.Fatal(err)
	}
}

// TestSortTable compares the table with a map of what was put, whatever is asked for in whatever order, and
// after rows of the dead are gone.
func TestSortTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := &sortTable{building: make(chan struct{}, 1)}
		model := map[imap.UID]*sortValues{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			uids := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) imap.UID {
				return imap.UID(rapid.IntRange(1, 40).Draw(t, "uid"))
			}), 1, 20).Draw(t, "uids"))))
			table.rows(nil, uids)
			for _, uid := range uids {
				if rapid.Bool().Draw(t, "read") {
					v := drawValues(t)
					if model[uid] == nil {
						table.put(uid, v)
						model[uid] = v
					}
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "purge") == 0 {
				table.purge(uids)
				for uid := range model {
					if !slices.Contains(uids, uid) && uid <= uids[len(uids)-1] {
						delete(model, uid)
					}
				}
			}
			checkTable(t, table, model)
		}
	})
}

func drawValues(t *rapid.T) *sortValues {
	v := &sortValues{has: 1<<sortKeys - 1, reply: rapid.Bool().Draw(t, "reply")}
	for k := range v.numbers {
		v.numbers[k] = int64(rapid.IntRange(-3, 3).Draw(t, "number"))
	}
	for k := numberKeys; k < keyThread; k++ {
		v.setText(k, []byte(rapid.SampledFrom([]string{"", "A", "B", "CC"}).Draw(t, "text")))
	}
	for range rapid.IntRange(1, 4).Draw(t, "ids") {
		v.addID([]byte(rapid.SampledFrom([]string{"a@x", "b@x", "c@x"}).Draw(t, "id")))
	}
	return v
}

func checkTable(t *rapid.T, table *sortTable, model map[imap.UID]*sortValues) {
	var got sortValues
	n := 0
	for row, uid := range table.uids {
		table.values(int32(row), &got)
		want := model[uid]
		if want == nil {
			if got.has != 0 {
				t.Fatalf("UID %d: nothing was put", uid)
			}
			continue
		}
		n++
		if got.has != want.has || got.reply != want.reply || got.numbers != want.numbers || len(got.ids) != len(want.ids) {
			t.Fatalf("UID %d: %+v, want %+v", uid, got, want)
		}
		for k := numberKeys; k < keyThread; k++ {
			if string(got.text(k)) != string(want.text(k)) {
				t.Fatalf("UID %d: %q, want %q", uid, got.text(k), want.text(k))
			}
		}
		for i := range got.ids {
			if string(got.id(i)) != string(want.id(i)) {
				t.Fatalf("UID %d: %q, want %q", uid, got.id(i), want.id(i))
			}
		}
	}
	if n != len(model) || !slices.IsSorted(table.uids) {
		t.Fatalf("%d rows of %d: %v", n, len(model), table.uids)
	}
}

// TestSortTogether lets sessions sort and thread parts of one mailbox while mail arrives and goes. In the end
// all see what a server sees that has just begun.
func TestSortTogether(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	putLetters(t, s.mail, 0, 200)
	var wg sync.WaitGroup
	clients := make([]*client, 4)
	for i := range clients {
		clients[i] = s.client(t).login()
		clients[i].do("a SELECT INBOX")
	}
	for i, c := range clients {
		wg.Go(func() {
			for n := range 20 {
				set := fmt.Sprintf("UID %d:%d", 1+(i*37+n*11)%150, 40+(i*53+n*29)%200)
				c.do("b UID THREAD REFERENCES UTF-8 " + set)
				c.do("c UID SORT (SUBJECT REVERSE DATE) UTF-8 " + set)
				c.do("d UID SORT (FROM ARRIVAL SIZE DISPLAYTO) UTF-8 NOT " + set)
				if i == 0 {
					putLetters(t, s.mail, 200+n, 201+n)
					c.do(fmt.Sprintf(`e UID STORE %d +FLAGS.SILENT (\Deleted)`, 1+7*n))
					c.do("f EXPUNGE")
				}
			}
		})
	}
	wg.Wait()
	ask := func(c *client) string {
		c.do("g NOOP")
		return c.untagged("UID THREAD", "REFERENCES UTF-8 ALL") + c.untagged("UID SORT", "(SUBJECT REVERSE DATE FROM) UTF-8 ALL")
	}
	var answers []string
	for _, c := range clients {
		answers = append(answers, ask(c))
	}
	if err := s.restart(); err != nil {
		t.Fatal(err)
	}
	fresh := s.client(t).login()
	fresh.do("a SELECT INBOX")
	want := ask(fresh)
	for _, got := range answers {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestSortWaitEnds: who waits for another session that reads for the table goes when its command ends.
func TestSortWaitEnds(t *testing.T) {
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	putLetters(t, s.mail, 0, 3)
	c := s.client(t).login()
	c.do("a SELECT INBOX")
	mail, err := s.openMail(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Namespaces[0].Tree.Close()
	h, err := mail.Namespaces[0].Tree.Open(t.Context(), "INBOX", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	table := tableOf(h)
	table.building <- struct{}{} // a session that never ends
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waiting := &session{sel: &selection{Handle: h}}
	g := &sorting{uids: []imap.UID{1, 2, 3}, seqs: []uint32{1, 2, 3}}
	if err := table.fill(ctx, waiting, g, setOfKeys(keySubject)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting ended with %v", err)
	}
	<-table.building
	if got := c.untagged("SORT", "(FROM) UTF-8 ALL"); got != "* SORT 1 2 3\r\n" {
		t.Errorf("%q", got)
	}
}

// written is a forest as THREAD answers it.
func written(f *order.Forest, n int) string {
	var b strings.Builder
	g := &sorting{seqs: make([]uint32, n)}
	for i := range g.seqs {
		g.seqs[i] = uint32(i + 1)
	}
	out := bufio.NewWriter(&b)
	w := &responder{Encoder: wire.NewEncoder()}
	w.Reset(out)
	g.writeThreads(w, f, false)
	_ = out.Flush()
	return b.String()
}

// TestThreadAnswer is RFC 5256 §4's example, and a tree as deep as it has messages.
func TestThreadAnswer(t *testing.T) {
	f := &order.Forest{First: 1, Messages: 96, Child: make([]int32, 97), Next: make([]int32, 97)}
	for i := range f.Child {
		f.Child[i], f.Next[i] = -1, -1
	}
	link := func(list []int32, from, to int32) { list[from-1] = to - 1 }
	link(f.Next, 2, 3)
	link(f.Child, 3, 6)
	link(f.Child, 6, 4)
	link(f.Child, 4, 23)
	link(f.Next, 4, 44)
	link(f.Child, 44, 7)
	link(f.Child, 7, 96)
	if got, want := written(f, 97), "(2)(3 6 (4 23)(44 7 96))"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	const deep = 300_001 // every second one has a brother without children
	f = &order.Forest{First: 0, Messages: deep, Child: make([]int32, deep), Next: make([]int32, deep)}
	for i := range int32(deep) {
		f.Child[i], f.Next[i] = -1, -1
	}
	for i := int32(0); i+2 < deep; i += 2 {
		f.Child[i], f.Next[i+1] = i+1, i+2
	}
	got := written(f, deep)
	if n := strings.Count(got, "("); n != strings.Count(got, ")") || n != deep || len(strings.FieldsFunc(got, func(r rune) bool { return r < '0' || r > '9' })) != deep {
		t.Errorf("%d lists", n)
	}
}

// BenchmarkTable is SORT and THREAD of 100,000 messages without their network: what the second one costs.
func BenchmarkTable(b *testing.B) {
	const n = 100_000
	table := &sortTable{building: make(chan struct{}, 1)}
	g := &sorting{}
	for i := range n {
		g.uids, g.seqs = append(g.uids, imap.UID(3*i+1)), append(g.seqs, uint32(i+1))
	}
	g.scores = make([]uint8, n)
	table.rows(nil, g.uids)
	var v sortValues
	for i, uid := range g.uids {
		v.reset()
		v.has = 1<<sortKeys - 1
		v.numbers[keySent] = 1_700_000_000 + int64(i*7919%n)
		v.setText(keySubject, fmt.Appendf(nil, "SUBJECT NUMBER %d", i*31%(n/5)))
		v.addID(fmt.Appendf(nil, "%d.some-host.of.a.list@example.org", i))
		for r := i - i%6; r < i; r++ {
			v.addID(fmt.Appendf(nil, "%d.some-host.of.a.list@example.org", r))
		}
		table.put(uid, &v)
	}
	w := &responder{Encoder: wire.NewEncoder()}
	w.Reset(bufio.NewWriter(io.Discard))
	for _, c := range []struct {
		name string
		key  sortKey
	}{{"SubjectSort", keySubject}, {"DateSort", keySent}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.sort(g, []sortCriterion{{key: c.key}})
				for _, row := range g.rows {
					w.SP().Number(g.number(false, row))
				}
			}
		})
	}
	b.Run("References", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := g.threader.References(table.threads(g, threadAlgorithms[1].need))
			g.writeThreads(w, f, false)
		}
	})
}

// TestSortingIsGivenBack: memory that is kept for the next SORT holds no table, and no large mailbox's.
func TestSortingIsGivenBack(t *testing.T) {
	g := &sorting{refs: make([][]uint32, 10)}
	for i := range g.refs {
		g.refs[i] = []uint32{1}
	}
	g.refs = g.refs[:3]
	g.release()
	for i, r := range g.refs[:10] {
		if r != nil {
			t.Errorf("the references of row %d are kept", i)
		}
	}
	large := &sorting{uids: make([]imap.UID, mostSorted+1)}
	large.release()
	for range 100 {
		if sortings.Get() == any(large) {
			t.Fatal("memory for a large mailbox is kept")
		}
	}
}
