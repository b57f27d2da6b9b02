package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// decoding is a new Decoder that has begun.
func decoding(r io.Reader, encoding string) (*Decoder, error) {
	d := new(Decoder)
	return d, d.Reset(r, encoding)
}

func TestDecodeTransfer(t *testing.T) {
	for i, c := range []struct{ encoding, in, want string }{
		{"7bit", "a\nb\r\nc", "a\r\nb\r\nc"},
		{"", "a\x00", "a\x00"},
		{"Base64", "SGVs\r\nbG8=\n", "Hello"},
		{"base64", "S!G-V s bG8", "Hello"},
		{"base64", "SGk=SGk=", "HiHi"},
		{"quoted-printable", "a=3Db=\n c \t\nd=\r\n", "a=b c\r\nd"},
		{"quoted-printable", "=zz =4\n= \t\nx=", "=zz =4\r\nx"},
		{"quoted-printable", "=c3=A9  end", "\xc3\xa9  end"},
	} {
		r, err := decoding(iotest.OneByteReader(strings.NewReader(c.in)), c.encoding)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != c.want {
			t.Errorf("%d: %s %q: %q %v, want %q", i, c.encoding, c.in, got, err, c.want)
		}
		checkResume(t, []byte(c.in), c.encoding, 1, 1)
	}
	if _, err := decoding(nil, "x-uuencode"); !errors.Is(err, ErrUnknownEncoding) {
		t.Errorf("unknown encoding: %v", err)
	}
}

// checkResume reads the decoded body in windows of size bytes, each from the mark that
// the one before left, the source given out in pieces; they must tile the whole.
func checkResume(t failer, in []byte, encoding string, size, piece int) {
	t.Helper()
	r, err := decoding(bytes.NewReader(in), encoding)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	var at Mark
	buf := make([]byte, size)
	for start := 0; ; {
		if at.Encoded > int64(len(in)) || at.Decoded > int64(start) || int64(start)-at.Decoded > 3*decodeSize {
			t.Fatalf("%s: mark %+v for byte %d", encoding, at, start)
		}
		src := &slowReader{b: in[at.Encoded:], n: piece}
		if err := d.Resume(src, encoding, at); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, &d, int64(start)-at.Decoded); err != nil {
			t.Fatalf("%s: before byte %d: %v", encoding, start, err)
		}
		n, err := io.ReadFull(&d, buf)
		if !bytes.Equal(buf[:n], whole[start:min(start+size, len(whole))]) {
			t.Fatalf("%s %q: window at %d is %q, want %q", encoding, in, start, buf[:n], whole[start:min(start+size, len(whole))])
		}
		if start += n; err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF || start != len(whole) {
				t.Fatalf("%s: %v after %d of %d", encoding, err, start, len(whole))
			}
			return
		}
		at = d.Mark()
	}
}

// slowReader reads at most n bytes at a time.
type slowReader struct {
	b []byte
	n int
}

func (p *slowReader) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

// TestResumeIsLinear: all windows of a large part together read it about once.
func TestResumeIsLinear(t *testing.T) {
	for encoding, line := range map[string]string{
		"7bit":             strings.Repeat("x", 70) + "\n",
		"base64":           strings.Repeat("QUJD", 19) + "\r\n",
		"quoted-printable": strings.Repeat("=C3=A4", 12) + "=\n",
	} {
		in := []byte(strings.Repeat(line, 1<<14))
		checkResume(t, in, encoding, 10_007, 1<<20)
		var d Decoder
		var at Mark
		reread := int64(0)
		windows := 0
		for start := int64(0); ; windows++ {
			if err := d.Resume(bytes.NewReader(in[at.Encoded:]), encoding, at); err != nil {
				t.Fatal(err)
			}
			n, err := io.CopyN(io.Discard, &d, start-at.Decoded+10_007)
			start = at.Decoded + n
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			reread += d.read - d.Mark().Encoded
			at = d.Mark()
		}
		if limit := int64(windows) * 2 * decodeSize; reread > limit || windows < 30 {
			t.Errorf("%s: %d windows read %d bytes twice, at most %d", encoding, windows, reread, limit)
		}
	}
}

func TestDecoderIsReused(t *testing.T) {
	var d Decoder
	in := []byte("a=3Db=\n c \t\nd=\r\n")
	r := bytes.NewReader(nil)
	buf := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(in)
		if err := d.Reset(r, "Quoted-Printable"); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(&d, buf); err != io.ErrUnexpectedEOF || string(buf[:n]) != "a=b c\r\nd" {
			t.Fatalf("%q %v", buf[:n], err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecodeTransfer(f *testing.F) {
	f.Add([]byte("SGVsbG8=\nIHdvcmxk"), uint16(2), uint8(3))
	f.Add([]byte("a=20b =\r\n c \t\n=4\n==41=\n"), uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint16, piece uint8) {
		for _, encoding := range []string{"7bit", "base64", "quoted-printable"} {
			whole, err := decoding(bytes.NewReader(in), encoding)
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := decoding(iotest.OneByteReader(bytes.NewReader(in)), encoding)
			if err != nil {
				t.Fatal(err)
			}
			a, err := io.ReadAll(whole)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(iotest.OneByteReader(pieces))
			if err != nil || !bytes.Equal(a, b) {
				t.Fatalf("%s: %q at once, %q in pieces, %v", encoding, a, b, err)
			}
			if len(in) < 1<<12 {
				checkResume(t, in, encoding, int(size)+1, int(piece)+1)
			}
		}
	})
}
