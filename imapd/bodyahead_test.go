package imapd

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"maildir-imapd/maildir/message"
)

// oddBodies are of all kinds that reading ahead tells apart: more than fit into two batches.
func oddBodies() (texts []string) {
	line := "a line of text that is about as long as lines of text are\n"
	for i := range 300 {
		texts = append(texts, fmt.Sprintf("Subject: %d\n\n%s", i, strings.Repeat(line, i)))
	}
	for _, n := range []int{bodyMost - 1, bodyMost, bodyMost + 1, bodySpace + 1} {
		texts = append(texts, "Subject: large\n\n"+strings.Repeat(line, n/len(line)+1)[:n-16])
	}
	return append(texts, "", "\n", "\r", "no line end", strings.Repeat("\n", 5000), strings.Repeat("x\n", 3000)+"\r",
		strings.ReplaceAll(strings.Repeat(line, 30), "\n", "\r\n"), "Subject: \x00\n\n\x00\x00\r\n\n", strings.Repeat("\r\n\n", 100))
}

// wholeOfAll sends a FETCH of all and returns the first literal of each message.
func (c *client) wholeOfAll(items string) (bodies map[int]string) {
	c.t.Helper()
	bodies = map[int]string{}
	c.send("f FETCH 1:* " + items + "\r\n")
	for {
		l := c.line()
		if strings.HasPrefix(l, "f ") {
			if !strings.HasPrefix(l, "f OK") {
				c.t.Fatal(l)
			}
			return bodies
		}
		var seq, n int
		if _, err := fmt.Sscanf(l, "* %d FETCH", &seq); err != nil {
			c.t.Fatalf("%.100q", l)
		}
		if i := strings.LastIndexByte(l, '{'); i < 0 {
			continue
		} else if n, _ = strconv.Atoi(strings.TrimRight(l[i+1:], "}\r\n")); n < 0 {
			c.t.Fatalf("%.100q", l)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			c.t.Fatal(err)
		}
		bodies[seq] = string(b)
		if l := c.line(); !strings.HasSuffix(l, ")\r\n") {
			c.t.Fatalf("%d: after the body: %.100q", seq, l)
		}
	}
}

// TestBodiesReadAhead: every message arrives whole, over each kind of connection, with whatever else is asked for
// along with it, and so does one that grew, shrank or was renamed since it was last looked at.
func TestBodiesReadAhead(t *testing.T) {
	t.Run("from memory", bodiesReadAhead)
	t.Run("from a slow disk", func(t *testing.T) {
		was := bodySlow
		t.Cleanup(func() { bodySlow = was }) // after the server has ended
		bodySlow = 0
		bodiesReadAhead(t)
	})
}

func bodiesReadAhead(t *testing.T) {
	s := startServer(t, nil)
	plain := s.client(t).login()
	var want []string
	for _, text := range oddBodies() {
		s.put(t, text)
		want = append(want, string(message.AppendCRLF(nil, []byte(text))))
	}
	secure := s.client(t)
	secure.do("b STARTTLS")
	tc := tls.Client(secure.Conn, s.transcript().TLS)
	secure = (&client{t, tc, bufio.NewReader(tc)}).login()
	for _, c := range []*client{plain, secure} {
		c.do("s SELECT INBOX")
		for _, items := range []string{
			"BODY.PEEK[]", "(UID FLAGS BODY.PEEK[])", "(BODY.PEEK[] RFC822.SIZE INTERNALDATE)", "RFC822", "(FLAGS BODY[] UID)",
		} {
			got := c.wholeOfAll(items)
			for i, w := range want {
				if got[i+1] != w {
					t.Fatalf("%s: message %d: %d bytes, want %d", items, i+1, len(got[i+1]), len(w))
				}
			}
		}
	}
	names, _ := filepath.Glob(filepath.Join(s.mail, "*", "1*.test.h*"))
	for i, name := range names[:40] {
		switch i % 4 {
		case 0:
			_ = os.Truncate(name, 5)
		case 1:
			_ = os.WriteFile(name, []byte(strings.Repeat("longer\n", 20000)), 0o600)
		case 2:
			_ = os.Remove(name)
		}
	}
	plain.send("f FETCH 1:* BODY.PEEK[]\r\n")
	for l := ""; !strings.HasPrefix(l, "f "); { // what is gone is told to be; the connection goes on
		l = plain.line()
		if i := strings.LastIndexByte(l, '{'); strings.HasPrefix(l, "* ") && i > 0 {
			n, _ := strconv.Atoi(strings.TrimRight(l[i+1:], "}\r\n"))
			_, _ = io.CopyN(io.Discard, plain.r, int64(n))
			if l := plain.line(); l != ")\r\n" {
				t.Fatalf("after the body: %.100q", l)
			}
		}
	}
	if l := plain.do("n NOOP"); !strings.HasPrefix(l, "n OK") {
		t.Error(l)
	}
	for _, name := range names[:40] { // the check at the end holds them against the index
		_ = os.Remove(name)
	}
	plain.do("n NOOP")
	plain.do("n NOOP")
}

// TestSlowClientStopsReadingAhead: while a client does not read, no more than the next batch is read for it.
func TestSlowClientStopsReadingAhead(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	text := "Subject: x\n\n" + strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz\n", 100<<10/37)
	const n = 200
	for range n {
		s.put(t, text)
	}
	c.do("s SELECT INBOX")
	c.send("f FETCH 1:* BODY.PEEK[]\r\n")
	time.Sleep(300 * time.Millisecond)
	for _, name := range must(filepath.Glob(filepath.Join(s.mail, "*", "1*.test.h*"))) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	sent := 0
	for {
		l := c.line()
		if strings.HasPrefix(l, "f ") {
			break
		}
		if strings.HasPrefix(l, "* ") && strings.Contains(l, "BODY[]") {
			sent++
		}
	}
	if sent == 0 || sent > n/2 {
		t.Errorf("%d of %d messages had been read for a client that did not read", sent, n)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestGather: text and pieces arrive in order, counted, also when there are more of them than go out at once.
func TestGather(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	near := must(net.Dial("tcp", ln.Addr().String()))
	far := must(ln.Accept())
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		_ = far.Close()
		got <- b
	}()
	c := newConn(near, time.Second)
	var want bytes.Buffer
	c.startGather()
	if c.gather == nil {
		t.Fatal("a TCP connection gathers nothing")
	}
	for i := range 1000 {
		text, piece := fmt.Sprintf("<%d>", i), bytes.Repeat([]byte{byte(i)}, i%700*(1+i%3))
		want.WriteString(text)
		want.Write(piece)
		if _, err := c.writer().WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := c.piece(piece); err != nil {
			t.Fatal(err)
		}
		if i%100 == 7 { // more than the buffers hold
			large := bytes.Repeat([]byte{'L'}, 100<<10)
			want.Write(large)
			if _, err := c.writer().Write(large); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.endGather(); err != nil {
		t.Fatal(err)
	}
	if c.out.Load() != int64(want.Len()) {
		t.Errorf("%d bytes counted, want %d", c.out.Load(), want.Len())
	}
	_ = c.close()
	if b := <-got; !bytes.Equal(b, want.Bytes()) {
		t.Errorf("%d bytes arrived that differ from the %d sent", len(b), want.Len())
	}
}

// TestBodiesAheadBesideOthers: what a FETCH asks for beside whole messages comes from where it always does, though no
// file was opened for those: fields of a header that is too long to be kept, and previews that no cache has.
func TestBodiesAheadBesideOthers(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	long := "Subject: long\r\nTo: " + strings.Repeat("somebody@example.org,\r\n ", 3000) + "last@example.org\r\n\r\ntext of it\r\n"
	for range 6 {
		s.put(t, strings.ReplaceAll(long, "\r\n", "\n"))
	}
	c.do("s SELECT INBOX")
	for _, items := range []string{"PREVIEW (LAZY)", "PREVIEW"} {
		c.send("f FETCH 1:* (" + items + " BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[])\r\n")
		for seq := 1; seq <= 6; seq++ {
			l := c.line()
			if !strings.Contains(l, `PREVIEW "text of it"`) || !strings.HasSuffix(l, "{17}\r\n") {
				t.Fatalf("%s: %.200q", items, l)
			}
			for _, want := range []string{"Subject: long\r\n\r\n", long} {
				b := make([]byte, len(want))
				if _, err := io.ReadFull(c.r, b); err != nil || string(b) != want {
					t.Fatalf("%s, message %d: %v, %.100q", items, seq, err, b)
				}
				l = c.line()
			}
			if l != ")\r\n" {
				t.Fatalf("%.100q", l)
			}
		}
		if l := c.line(); !strings.HasPrefix(l, "f OK") {
			t.Fatal(l)
		}
	}
}

// TestRoomOfAnother: what lies in a room that was given back is not sent any more.
func TestRoomOfAnother(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	near := must(net.Dial("tcp", ln.Addr().String()))
	far := must(ln.Accept())
	defer far.Close()
	c := newConn(near, time.Second)
	h := newBodyHand(&bodyAhead{s: &session{peer: peer{c: c}}})
	c.startGather()
	mail := h.room.space[:100]
	copy(mail, strings.Repeat("m", len(mail)))
	if err := c.piece(mail); err != nil {
		t.Fatal(err)
	}
	h.close() // the answer was cut short
	copy(mail, strings.Repeat("S", len(mail)))
	if err := c.endGather(); err != nil {
		t.Fatal(err)
	}
	_ = c.close()
	if b := must(io.ReadAll(far)); bytes.ContainsRune(b, 'S') {
		t.Errorf("another session's mail was sent: %q", b)
	}
}
