package main

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The same seed must give the same messages, or two runs measure different things.
func TestLettersAreTheSameEveryTime(t *testing.T) {
	a, b := newMailing(60, 7, false), newMailing(60, 7, false)
	for i := range 60 {
		x, y := a.letter(i), b.letter(i)
		if x.name != y.name || !bytes.Equal(x.raw, y.raw) {
			t.Errorf("message %d differs", i)
		}
	}
}

// Letters are mail, and what a reply refers to is there.
func TestLettersAreMail(t *testing.T) {
	g := newMailing(300, 1, false)
	ids := map[string]bool{}
	replies := 0
	for i := range 300 {
		l := g.letter(i)
		m, err := mail.ReadMessage(bytes.NewReader(l.raw))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Header.Date(); err != nil {
			t.Error(err)
		}
		for _, ref := range strings.Fields(m.Header.Get("References") + " " + m.Header.Get("In-Reply-To")) {
			replies++
			if !ids[ref] {
				t.Errorf("message %d refers to %s, which is not there", i, ref)
			}
		}
		ids[m.Header.Get("Message-Id")] = true
		if l.text <= 0 || l.text > len(l.raw) {
			t.Errorf("message %d: %d of %d bytes are text", i, l.text, len(l.raw))
		}
	}
	if replies < 100 {
		t.Errorf("%d references only", replies)
	}
}

// A library is made once, and every clone holds all of it.
func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	made, err := openLibrary(dir, 30, 1, os.Getuid(), false)
	if err != nil {
		t.Fatal(err)
	}
	found, err := openLibrary(dir, 30, 1, os.Getuid(), false)
	if err != nil || *found != *made || found.Text == 0 {
		t.Fatalf("%+v, then %+v, %v", made, found, err)
	}
	if err := found.clone(filepath.Join(dir, "box"), os.Getuid()); err != nil {
		t.Fatal(err)
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "box", "cur", "*")); len(all) != 30 {
		t.Errorf("%d messages in the clone", len(all))
	}
}

// Rows that want a fresh mailbox must not be more than there are accounts for.
func TestBoxesSuffice(t *testing.T) {
	boxes := 0
	for _, r := range rows {
		if r.box != same {
			boxes++
		}
		if r.count < 1 {
			t.Errorf("%s is never run", r.name)
		}
	}
	if boxes > boxesPerRun {
		t.Errorf("%d rows want a fresh mailbox, a run has %d", boxes, boxesPerRun)
	}
}

func TestAnswersAreCompared(t *testing.T) {
	thread := parseAnswer([]byte("* 3 EXISTS\r\n* THREAD (1 (2)(3 4))(5)\r\nx OK\r\n"))
	if thread.count != 5 {
		t.Errorf("%+v", thread)
	}
	one := answer{1, "* SEARCH 1"}
	a := &contender{answers: map[string]answer{rows[0].name: one, rows[1].name: one}}
	b := &contender{answers: map[string]answer{rows[0].name: {1, "* SEARCH 2"}}}
	if err := compare(a, b); err != nil {
		t.Error(err)
	}
	b.answers[rows[1].name] = parseAnswer([]byte("* SEARCH\r\n"))
	if err := compare(a, b); err == nil {
		t.Error("one message and none are taken for the same")
	}
}

func TestParseStat(t *testing.T) {
	p, err := parseStat([]byte("42 (a) b (c)) S 7 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7\n"))
	if err != nil || p.pid != 42 || p.parent != 7 || p.own != 300*time.Millisecond || p.ended != 700*time.Millisecond {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := parseStat([]byte("nonsense")); err == nil {
		t.Error("nonsense is accepted")
	}
	if d, err := cpu(os.Getpid()); err != nil || d < 0 {
		t.Error(d, err)
	}
}

// The client must neither stop inside a message that looks like an answer nor miss the answer's end when it
// arrives in pieces.
func TestClientReadsToTheTag(t *testing.T) {
	c, s := net.Pipe()
	defer s.Close()
	k := &client{c: c, buf: make([]byte, 64)}
	go func() {
		b := make([]byte, 100)
		_, _ = s.Read(b)
		for _, piece := range []string{"* 1 FETCH (BODY[] {16}\r\nbEnCh9 OK no\r\n..", ")\r\nbEnCh", "1 O", "K done\r", "\n"} {
			_, _ = s.Write([]byte(piece))
		}
		_, _ = s.Read(b)
		_, _ = s.Write([]byte("bEnCh2 NO sorry\r\n"))
	}()
	if err := k.do("FETCH 1 BODY[]"); err != nil {
		t.Error(err)
	}
	if err := k.do("NOOP"); err == nil {
		t.Error("NO is taken for OK")
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Error(m)
	}
	if m := median([]time.Duration(nil)); m != 0 {
		t.Error(m)
	}
}

// The second table holds what was measured only, and a server that has logins only has a column.
func TestExtras(t *testing.T) {
	ours, stock := &contender{label: "ours"}, &contender{label: "stock"}
	ours.note("logins", "%.0f", 7)
	ours.note("logins", "%.0f", 9)
	ours.note("logins", "%.0f", 8)
	ours.note("index", "%.1f", 5)
	stock.note("logins", "%.0f", 3)
	stock.note("more", "%.0f", 1)
	var b strings.Builder
	extras(&b, []*contender{ours, stock})
	want := "\n| | ours | stock |\n| --- | ---: | ---: |\n| logins | 8 | 3 |\n| index | 5.0 | - |\n| more | - | 1 |\n"
	if b.String() != want {
		t.Errorf("%s, want %s", b.String(), want)
	}
}

// Small messages are a KiB.
func TestShortLetters(t *testing.T) {
	g := newMailing(50, 1, true)
	sum := 0
	for i := range 50 {
		sum += len(g.letter(i).raw)
	}
	if sum < 50*800 || sum > 50*1300 {
		t.Errorf("%d bytes in 50 messages", sum)
	}
}

// What a client says after COMPRESS must be a deflate stream, of whatever length.
func TestStoredBlocks(t *testing.T) {
	a, b := net.Pipe()
	said := bytes.Repeat([]byte("0123456789"), 20000)
	go func() {
		_, _ = deflated{Conn: a}.Write(said)
		a.Close()
	}()
	got := make([]byte, len(said))
	if _, err := io.ReadFull(flate.NewReader(b), got); err != nil || !bytes.Equal(got, said) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestQuantile(t *testing.T) {
	v := make([]time.Duration, 100)
	for i := range v {
		v[99-i] = time.Duration(i)
	}
	if quantile(v, 0.5) != 50 || quantile(v, 0.99) != 99 || quantile(v[:1], 0.99) != 99 {
		t.Error(quantile(v, 0.5), quantile(v, 0.99), quantile(v[:1], 0.99))
	}
}
