package imapd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What no message may do, however it is made: cost memory in proportion to its size, stop the answer for the
// others, or put a literal out of step.

// good is the message that lies between the bad ones.
const good = "From: good@example.org\r\nSubject: good\r\nMessage-ID: <good@example.org>\r\n\r\nplain and simple\r\n"

const (
	bigSize    = 200 << 20
	headerSize = 64 << 20
	fullHeader = 16 << 20 // of one that is no hole
	worstPeak  = 64 << 20 // of the heap, garbage with it, while 370 MB of messages are read; 20,000 parts are most of it
)

// worst are the messages, by what is wrong with them. A value is written piece by piece; sparse is a hole.
var worst = []struct {
	name  string
	write func(f *os.File) error
}{
	{"20,000 parts", func(f *os.File) error {
		return pieces(f, "Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n",
			strings.Repeat("--b\nContent-Type: text/plain; name=part\n\npart\n", 20_000), "--b--\n")
	}},
	{"1,000 multiparts in one another", func(f *os.File) error {
		var b strings.Builder
		b.WriteString("Subject: deep\nMIME-Version: 1.0\n")
		for i := range 1000 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return pieces(f, b.String(), "\nbottom\n")
	}},
	{"1,000 messages in one another", func(f *os.File) error {
		return pieces(f, strings.Repeat("Subject: matryoshka\nContent-Type: message/rfc822\n\n", 1000), "Subject: last\n\nbottom\n")
	}},
	{"200 MB", func(f *os.File) error {
		if err := pieces(f, "Subject: large\nContent-Type: application/octet-stream\n\nbegin\n"); err != nil {
			return err
		}
		if err := f.Truncate(bigSize - 4); err != nil {
			return err
		}
		_, err := f.WriteAt([]byte("end\n"), bigSize-4)
		return err
	}},
	{"a header of 64 MB in one field", func(f *os.File) error {
		if err := pieces(f, "From: a@example.org\nSubject: one field\nX-Large: "); err != nil {
			return err
		}
		_, err := f.WriteAt([]byte("\n\nbody\n"), headerSize)
		return err
	}},
	{"a header of 16 MB in 260,000 fields", func(f *os.File) error {
		if err := pieces(f, "From: a@example.org\nSubject: many fields\n"); err != nil {
			return err
		}
		block := strings.Repeat("X-Field: 0123456789012345678901234567890123456789012345678901\n", 1<<14)
		for range fullHeader / len(block) {
			if err := pieces(f, block); err != nil {
				return err
			}
		}
		return pieces(f, "\nbody\n")
	}},
	{"a subject of 64 MB", func(f *os.File) error {
		if err := pieces(f, "From: a@example.org\nSubject: long "); err != nil {
			return err
		}
		_, err := f.WriteAt([]byte("x\n\nbody\n"), headerSize)
		return err
	}},
	{"half a million recipients", func(f *os.File) error {
		if err := pieces(f, "From: a@example.org\nSubject: recipients\nTo: "); err != nil {
			return err
		}
		block := strings.Repeat("somebody <someone@example.org>,\n ", 1<<14)
		for range fullHeader / len(block) {
			if err := pieces(f, block); err != nil {
				return err
			}
		}
		return pieces(f, "last@example.org\n\nbody\n")
	}},
	{"NUL", func(f *os.File) error { return pieces(f, "Subject: \x00\n\x00\n\n\x00body\x00\n") }},
	{"nothing", func(f *os.File) error { return pieces(f, "\n") }},
	{"no header, no line end", func(f *os.File) error { return pieces(f, "\x00\xff\r\r--\r\xfe") }},
	{"an encoding nobody knows", func(f *os.File) error {
		return pieces(f, "Subject: x\nContent-Transfer-Encoding: x-nonsense\n\nbody\n")
	}},
}

func pieces(f *os.File, texts ...string) error {
	for _, text := range texts {
		if _, err := f.WriteString(text); err != nil {
			return err
		}
	}
	return nil
}

// putWorst delivers them with a good one before, between and behind.
func (s *testServer) putWorst(t *testing.T) (messages int) {
	t.Helper()
	s.put(t, good)
	for _, m := range worst {
		f, err := os.Create(filepath.Join(s.mail, "new", fmt.Sprintf("%d.test.h", 1_000_000_000+delivered.Add(1))))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.write(f); err != nil {
			t.Fatal(m.name, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		s.put(t, good)
	}
	return 2*len(worst) + 1
}

// clientRequests are what clients ask of a mailbox they have not seen yet.
var clientRequests = []string{
	"(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
	"(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", "(ENVELOPE BODYSTRUCTURE)", "FULL", "BODYSTRUCTURE", "PREVIEW", "PREVIEW (LAZY)",
	"BODY.PEEK[]<0.65536>", "BODY.PEEK[TEXT]<100000.1000>", "BODY.PEEK[1]<0.100>", "BODY.PEEK[1.MIME]", "BODY.PEEK[2.1.1.HEADER]",
	"BODY.PEEK[HEADER]<0.4096>", "BODY.PEEK[HEADER.FIELDS.NOT (Received)]<0.1024>", "RFC822.HEADER",
	"BINARY.SIZE[1]", "BINARY.PEEK[1]<0.100>", "BODY.PEEK[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]<0.5>",
}

// TestWorstMessages: every message is answered, the good ones right, within bounded memory.
func TestWorstMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 370 MB over and over")
	}
	s := startServer(t, nil)
	c := s.client(t).login()
	messages := s.putWorst(t)
	c.do("s SELECT INBOX")
	for _, utf8 := range []bool{false, true} {
		if utf8 {
			c.do("e ENABLE UTF8=ACCEPT")
		}
		for i, items := range clientRequests {
			if utf8 && i > 5 {
				break // what differs is how strings are written
			}
			if raceDetector && i%4 != 0 {
				continue // some of each: the paths are the same, and each reads all of it
			}
			peak, start := watchHeap(), time.Now()
			answer := c.fetchAll(items)
			m := peak()
			t.Logf("%5.1f s, %3d MB of heap: %.60s", time.Since(start).Seconds(), m>>20, items)
			if m > worstPeak {
				t.Errorf("%s: %d MB of heap at the peak", items, m>>20)
			}
			if !strings.HasPrefix(answer.tagged, "f OK") && !strings.HasPrefix(answer.tagged, "f NO [UNKNOWN-CTE]") {
				t.Errorf("%s: %s", items, answer.tagged)
			}
			refused := 0
			if strings.HasPrefix(answer.tagged, "f NO") {
				refused = 1
			}
			if len(answer.lengths)+refused != messages {
				t.Errorf("%s: %d of %d messages are answered", items, len(answer.lengths), messages)
			}
			for n := 3; n <= messages; n += 2 {
				if answer.lengths[n] != answer.lengths[1] {
					t.Errorf("%s: the good message %d has an answer of %d bytes, the first of %d", items, n, answer.lengths[n], answer.lengths[1])
				}
			}
		}
	}
}

// watchHeap samples the heap until the func it returns is called, which tells by how much it grew at most.
func watchHeap() func() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	base := stats.HeapAlloc
	var peak atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			peak.Store(max(peak.Load(), stats.HeapAlloc))
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return max(peak.Load(), base) - base
	}
}

// fetchAnswer is how long the answer for each message is, in bytes without its number, and the last line.
type fetchAnswer struct {
	lengths map[int]int64
	tagged  string
}

var fetchLineStart = regexp.MustCompile(`^\* (\d+) FETCH `)

// fetchAll reads an answer of any length without keeping it. It ends the test where a literal is out of step.
func (c *client) fetchAll(items string) fetchAnswer {
	c.t.Helper()
	c.send("f FETCH 1:* " + items + "\r\n")
	a := fetchAnswer{lengths: map[int]int64{}}
	message := 0
	for {
		_ = c.SetReadDeadline(time.Now().Add(60 * time.Second))
		n, tail, err := readLong(c.r)
		if err != nil {
			c.t.Fatalf("%s: after the message %d: %v", items, message, err)
		}
		if message == 0 {
			if strings.HasPrefix(tail.head, "f ") {
				a.tagged = tail.head
				return a
			}
			m := fetchLineStart.FindStringSubmatch(tail.head)
			if m == nil {
				c.t.Fatalf("%s: out of step: %.200q", items, tail.head)
			}
			message, _ = strconv.Atoi(m[1])
			n -= int64(len(m[1]) * (1 + strings.Count(items, "UID"))) // UIDs are the numbers here
		}
		a.lengths[message] += n
		literal := literalEnd.FindStringSubmatch(tail.end)
		if literal == nil {
			if !strings.HasSuffix(tail.end, ")\r\n") {
				c.t.Fatalf("%s: the answer for message %d ends with %q", items, message, tail.end)
			}
			message = 0
			continue
		}
		size, _ := strconv.ParseInt(literal[1], 10, 64)
		if _, err := io.CopyN(io.Discard, onlyReader{c.r}, size); err != nil {
			c.t.Fatal(err)
		}
		a.lengths[message] += size
	}
}

type lineEnds struct{ head, end string }

// readLong reads a line of any length and keeps its beginning and its end.
func readLong(r *bufio.Reader) (n int64, ends lineEnds, err error) {
	for {
		b, err := r.ReadSlice('\n')
		n += int64(len(b))
		if len(ends.head) < 200 {
			ends.head += string(b[:min(len(b), 200)])
		}
		ends.end += string(b[max(0, len(b)-40):])
		ends.end = ends.end[max(0, len(ends.end)-40):]
		if err != bufio.ErrBufferFull {
			return n, ends, err
		}
	}
}

// TestLargeMessageInWindows reads 200 MB from its ends and its middle, and all of it.
func TestLargeMessageInWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200 MB")
	}
	s := startServer(t, nil)
	c := s.client(t).login()
	f, err := os.Create(filepath.Join(s.mail, "new", "1.large.h"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range worst {
		if m.name == "200 MB" {
			err = m.write(f)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	c.do("s SELECT INBOX")
	const size = bigSize + 5 // five line ends became two bytes
	peak := watchHeap()
	for window, want := range map[string]string{
		"BODY.PEEK[]<0.14>":                                "Subject: large",
		fmt.Sprintf("BODY.PEEK[]<%d.100>", size-5):         "end\r\n",
		fmt.Sprintf("BODY.PEEK[]<%d.100>", size):           "",
		fmt.Sprintf("BODY.PEEK[]<%d.100>", int64(1)<<40):   "",
		fmt.Sprintf("BODY.PEEK[]<%d.3>", size/2):           "\x80\x80\x80",
		fmt.Sprintf("BINARY.PEEK[1]<%d.3>", 100<<20):       "\x00\x00\x00",
		fmt.Sprintf("BODY.PEEK[1]<%d.100>", 7):             strings.Repeat("\x80", 100),
		fmt.Sprintf("BODY.PEEK[TEXT]<0.%d>", len("begin")): "begin",
	} {
		if got := c.fetched(window); got != want {
			t.Errorf("%s: %.100q, want %q", window, got, want)
		}
	}
	answer := c.fetchAll("BODY.PEEK[]")
	if got := answer.lengths[1]; got < size || got > size+60 {
		t.Errorf("the whole is answered in %d bytes", got)
	}
	if m := peak(); m > worstPeak {
		t.Errorf("%d MB of heap at the peak", m>>20)
	}
}

// TestFileCutShort: a message that has lost its end since it was parsed answers with what is left.
func TestFileCutShort(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	s.put(t, "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"+strings.Repeat("one\n", 100)+"--b\n\ntwo\n--b--\n")
	s.put(t, good)
	c.do("s SELECT INBOX")
	c.fetchAll("BODYSTRUCTURE")
	files, err := filepath.Glob(filepath.Join(s.mail, "*", "*.test.h*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], 100); err != nil {
		t.Fatal(err)
	}
	for _, items := range append([]string{"BODY.PEEK[]", "BODY.PEEK[2]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[1]<300.50>"}, clientRequests...) {
		if a := c.fetchAll(items); len(a.lengths) != 2 || !strings.HasPrefix(a.tagged, "f OK") {
			t.Errorf("%s: %d answers, %s", items, len(a.lengths), a.tagged)
		}
	}
	if err := os.WriteFile(files[0], whole, 0o600); err != nil { // sizes are what the store's check holds it to
		t.Fatal(err)
	}
}
