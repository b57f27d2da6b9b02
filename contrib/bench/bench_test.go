package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The same seed must give the same mailbox, or two runs measure different things.
func TestBoxIsTheSameEveryTime(t *testing.T) {
	read := func(dir string) map[string]string {
		got := map[string]string{}
		paths, err := filepath.Glob(filepath.Join(dir, "cur", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			got[filepath.Base(p)] = string(b)
		}
		return got
	}
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := box(dir, 60, 7); err != nil {
			t.Fatal(err)
		}
	}
	one, two := read(a), read(b)
	if len(one) != 60 || len(two) != 60 {
		t.Fatalf("%d and %d messages", len(one), len(two))
	}
	for name, text := range one {
		if two[name] != text {
			t.Errorf("%s differs", name)
		}
	}
}

func TestLettersAreMail(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		m, err := mail.ReadMessage(bytes.NewReader(letter(r, i, time.Unix(1e9, 0))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Header.Date(); err != nil {
			t.Error(err)
		}
	}
}

func TestParseStat(t *testing.T) {
	p, err := parseStat([]byte("42 (a) b (c)) S 7 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7\n"))
	if err != nil || p.pid != 42 || p.parent != 7 || p.cpu != time.Second {
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
