package wire

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

var (
	allocFlags = []imap.Flag{imap.FlagSeen, "$Forwarded"}
	allocTime  = time.Date(2020, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	allocBytes = []byte(`a "quoted" subject`)
	allocUTF8  = []byte("gr\u00fc\u00dfe")
	allocName  = "Entw\u00fcrfe"
	allocBig   = []byte(strings.Repeat("x", 10000))
)

func encodeTokens(e *Encoder) {
	e.Special('*').SP().Number(1234).SP().Atom("FETCH").SP().Special('(')
	e.Raw("FLAGS ").Flags(allocFlags).SP().Raw("RFC822.SIZE ").Number64(1 << 40)
	e.Raw(" INTERNALDATE ").DateTime(allocTime).SP().StringBytes(allocBytes).SP().NString(nil).SP().String("x\ny")
	e.SP().StringBytes(allocUTF8).SP().AString("text").SP().Mailbox("INBOX").SP().Mailbox(allocName).SP().Flag("x")
	e.Special(')').CRLF().Raw("* OK ").Text("done\r\n").CRLF()
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	e := NewEncoder()
	e.Reset(bufio.NewWriter(io.Discard))
	for _, utf8 := range []bool{false, true} {
		e.SetUTF8(utf8)
		if n := testing.AllocsPerRun(100, func() { encodeTokens(e) }); n != 0 {
			t.Errorf("utf8 %v: %v allocations", utf8, n)
		}
	}
	var set imap.NumSet = imap.UIDSet{{Start: 1, Stop: 9}, {Start: 12, Stop: 12}}
	if n := testing.AllocsPerRun(100, func() { e.NumSet(set) }); n != 0 {
		t.Errorf("NumSet: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		w := e.Literal(int64(len(allocBig)), false)
		_, _ = w.Write(allocBig)
		_ = w.Close()
	}); n != 0 {
		t.Errorf("Literal: %v allocations", n)
	}
	src := strings.NewReader(strings.Repeat("y", 10000))
	if n := testing.AllocsPerRun(100, func() {
		_, _ = src.Seek(0, io.SeekStart)
		w := e.Literal(10000, false)
		_, _ = w.(io.ReaderFrom).ReadFrom(src)
		_ = w.Close()
	}); n != 0 {
		t.Errorf("Literal by copy: %v allocations", n)
	}
	if e.Err() != nil {
		t.Fatal(e.Err())
	}
}

const fetchLine = "a12 UID FETCH 1:500 (UID FLAGS INTERNALDATE RFC822.SIZE)\r\n"

func parseFetch(d *Decoder) {
	d.Begin()
	d.Tag()
	d.SP()
	d.Command()
	d.SP()
	d.Command()
	d.SP()
	d.UIDSet()
	d.SP()
	d.List(func() { d.Keyword() })
	d.CRLF()
}

// A parsed command costs its results: tag and set (with its ranges), no more
// for each word of the protocol.
func TestDecoderAllocations(t *testing.T) {
	src := strings.NewReader(fetchLine)
	r := bufio.NewReader(src)
	d := NewDecoder(PostLogin)
	d.Reset(r)
	n := testing.AllocsPerRun(100, func() {
		src.Reset(fetchLine)
		r.Reset(src)
		parseFetch(d)
		if d.Err() != nil {
			t.Fatal(d.Err())
		}
	})
	if n > 3 {
		t.Errorf("%v allocations, want at most 3", n)
	}
}

func benchmarkDecode(b *testing.B, text string, parse func(*Decoder)) {
	src := strings.NewReader(text)
	r := bufio.NewReader(src)
	d := NewDecoder(PostLogin)
	d.Reset(r)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(text)
		r.Reset(src)
		d.Begin()
		if parse(d); d.Err() != nil {
			b.Fatal(d.Err())
		}
	}
}

func BenchmarkDecodeFetch(b *testing.B) { benchmarkDecode(b, fetchLine, parseFetch) }

func BenchmarkDecodeQuoted(b *testing.B) {
	benchmarkDecode(b, `"`+strings.Repeat("subject ", 1000)+`"`, func(d *Decoder) { d.AString() })
}

func BenchmarkEncodeFetch(b *testing.B) {
	e := NewEncoder()
	e.Reset(bufio.NewWriter(io.Discard))
	b.ReportAllocs()
	for b.Loop() {
		encodeTokens(e)
	}
}

func BenchmarkMUTF7(b *testing.B) {
	for b.Loop() {
		if _, err := DecodeMUTF7(EncodeMUTF7(allocName)); err != nil {
			b.Fatal(err)
		}
	}
}
