package message

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// corpusFiles are the messages of the open corpus, in memory.
func corpusFiles(t testing.TB) [][]byte {
	dir := filepath.Join(corpus(t), "open")
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Skip("no corpus of test mail")
	}
	var files [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}

func BenchmarkParse(b *testing.B) {
	files := corpusFiles(b)
	var p Parser
	var r bytes.Reader
	total, parts := 0, 0
	for _, f := range files {
		total += len(f)
	}
	b.SetBytes(int64(total))
	b.ReportAllocs()
	for b.Loop() {
		parts = 0
		for _, f := range files {
			r.Reset(f)
			m, err := p.Parse(&r)
			if err != nil {
				b.Fatal(err)
			}
			parts += len(m.Parts)
		}
	}
	b.ReportMetric(float64(len(files)), "messages/op")
	b.ReportMetric(float64(parts), "parts/op")
}

func BenchmarkParseLarge(b *testing.B) {
	line := bytes.Repeat([]byte("VGhpcyBpcyBhIGxpbmUgb2YgYmFzZTY0IGluIGEgYmlnIGF0dGFjaG1lbnQuIEl0IGhhcyA3Ng==\n"), 1<<18)
	file := append([]byte("Subject: x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n--x\n\n"), line...)
	var p Parser
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseHeader(b *testing.B) {
	files := corpusFiles(b)
	var p Parser
	var r bytes.Reader
	var e Envelope
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			r.Reset(f)
			if _, err := p.ParseHeader(&r, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(files)), "ns/message")
}

func BenchmarkUnmarshalEnvelope(b *testing.B) {
	records, _ := corpusRecords(b)
	var e Envelope
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range records {
			if err := e.UnmarshalBinary(r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/message")
}

func BenchmarkUnmarshalBinary(b *testing.B) {
	_, records := corpusRecords(b)
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range records {
			if err := m.UnmarshalBinary(r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/message")
}

func BenchmarkCopyCRLF(b *testing.B) {
	line := bytes.Repeat([]byte("This is a line of text in a Maildir, with a bare LF at its end as they all have.\n"), 1<<14)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CopyCRLF(io.Discard, bytes.NewReader(line)); err != nil {
			b.Fatal(err)
		}
	}
}

func corpusRecords(t testing.TB) (envelopes, records [][]byte) {
	var p Parser
	for _, f := range corpusFiles(t) {
		m, err := p.Parse(bytes.NewReader(f))
		if err != nil {
			t.Fatal(err)
		}
		envelopes = append(envelopes, m.Envelope.AppendBinary(nil))
		records = append(records, m.AppendBinary(nil))
	}
	return envelopes, records
}
