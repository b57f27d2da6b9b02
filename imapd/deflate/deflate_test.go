package deflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

// text makes compressible bytes.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	words := strings.Fields("fetch uid flags body.peek[] inbox seen answered a1 a2 OK BAD 1:* header.fields (from to subject)")
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(" \r\n"[r.IntN(3)])
	}
	return b.Bytes()[:n]
}

// TestAgainstLibrary inflates what the standard library deflates, at every level, in pieces of every kind.
func TestAgainstLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.IntRange(-2, 9).Draw(t, "level")
		var z bytes.Buffer
		w, err := flate.NewWriter(&z, level)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			var p []byte
			if rapid.Bool().Draw(t, "random") {
				p = rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
			} else {
				p = text(rapid.IntRange(0, 90000).Draw(t, "size"))
			}
			w.Write(p)
			w.Flush()
			want = append(want, p...)
		}
		w.Close()
		src := io.Reader(&z)
		if rapid.Bool().Draw(t, "one byte") {
			src = iotest.OneByteReader(src)
		}
		got, err := io.ReadAll(NewReader(src))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	})
}

// TestWriter inflates our own stream: several compressors without a final block between them.
func TestWriter(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() {
		w := NewWriter(a)
		for _, s := range []string{"* OK hello\r\n", strings.Repeat("x", 70000), "a OK done\r\n"} {
			w.Write([]byte(s))
		}
	}()
	got := make([]byte, 12+70000+11)
	if _, err := io.ReadFull(flate.NewReader(b), got); err != nil || !bytes.HasSuffix(got, []byte("a OK done\r\n")) {
		t.Errorf("%v, ends %q", err, got[len(got)-11:])
	}
}

// TestPartialFlush: zlib's Z_PARTIAL_FLUSH and Z_BLOCK leave the stream in the middle of a byte or block.
// Every byte that the bits decide must come out while the connection stays open.
func TestPartialFlush(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3, whose zlib can flush in the middle of a block, is not installed")
	}
	const script = `
import sys, zlib
flush = {"partial": 1, "sync": zlib.Z_SYNC_FLUSH, "full": zlib.Z_FULL_FLUSH}[sys.argv[1]]
c = zlib.compressobj(6, zlib.DEFLATED, -15)
for line in [b"a1 NOOP\r\n", b"a2 SELECT INBOX\r\n" * 200, b"a3 LOGOUT\r\n"]:
    sys.stdout.buffer.write(c.compress(line) + c.flush(flush)); sys.stdout.buffer.flush()
sys.stdin.read()  # stay open: an end of file would decide the matter
`
	for _, mode := range []string{"partial", "sync", "full"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command("python3", "-c", script, mode)
			stdin, _ := cmd.StdinPipe()
			out, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer stdin.Close()
			want := "a1 NOOP\r\n" + strings.Repeat("a2 SELECT INBOX\r\n", 200) + "a3 LOGOUT\r\n"
			done := make(chan string, 1)
			go func() {
				got := make([]byte, len(want))
				n, _ := io.ReadFull(NewReader(out), got)
				done <- string(got[:n])
			}()
			select {
			case got := <-done:
				if got != want {
					t.Errorf("got %q", got)
				}
			case <-time.After(10 * time.Second):
				t.Error("the reader waits for input though all of the text has arrived")
			}
		})
	}
}

// TestTimeout: a read that timed out can be tried again.
func TestTimeout(t *testing.T) {
	var z bytes.Buffer
	NewWriter(&z).Write([]byte("a NOOP\r\n"))
	rd := NewReader(iotest.TimeoutReader(iotest.OneByteReader(&z)))
	var got []byte
	buf := make([]byte, 8)
	timeouts := 0
	for len(got) < 8 {
		n, err := rd.Read(buf)
		got = append(got, buf[:n]...)
		if err == iotest.ErrTimeout {
			timeouts++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if timeouts != 1 || string(got) != "a NOOP\r\n" {
		t.Errorf("%d time-outs, %q", timeouts, got)
	}
}

// FuzzReader: any bytes inflate as the library does, or are an error, and never more.
func FuzzReader(f *testing.F) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, 9)
	w.Write(text(5000))
	w.Close()
	f.Add(z.Bytes())
	f.Add([]byte{0x4b, 0x04, 0x00})
	f.Add([]byte{1, 2, 0, 0xfd, 0xff, 'a', 'b'})
	f.Fuzz(func(t *testing.T, in []byte) {
		const most = 1 << 20
		want, werr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(in)), most))
		got, gerr := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(in)), most))
		if werr == nil && (gerr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("the library gives %d bytes, we give %d and %v", len(want), len(got), gerr)
		}
		if gerr == nil && werr == nil && !bytes.Equal(got, want) {
			t.Fatal("differs")
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, 6)
	plain := text(1 << 20)
	w.Write(plain)
	w.Close()
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		io.Copy(io.Discard, NewReader(bytes.NewReader(z.Bytes())))
	}
}
