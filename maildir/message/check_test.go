package message

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// failer is what the checks need of a testing.T or a rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var ignoreSlabs = cmp.Options{cmpopts.IgnoreUnexported(Message{}, Envelope{}), cmpopts.EquateEmpty()}

// sameExactly tells nil from empty texts, which are NIL and "" to a client.
var sameExactly = cmpopts.IgnoreUnexported(Message{}, Envelope{})

func sent(t failer, b []byte) []byte {
	t.Helper()
	var w bytes.Buffer
	n, err := CopyCRLF(&w, bytes.NewReader(b))
	if err != nil || n != int64(w.Len()) {
		t.Fatalf("CopyCRLF wrote %d, said %d, %v", w.Len(), n, err)
	}
	return w.Bytes()
}

func checkExtent(t failer, what string, file []byte, e Extent) {
	t.Helper()
	if e.Start < 0 || e.End < e.Start || e.End > int64(len(file)) {
		t.Fatalf("%s: range %+v outside of %d bytes", what, e, len(file))
	}
	b := file[e.Start:e.End]
	if n := len(sent(t, b)); int64(n) != e.Size {
		t.Fatalf("%s: size %d, sent %d", what, e.Size, n)
	}
	if n := bytes.Count(b, []byte("\n")); int64(n) != e.Lines {
		t.Fatalf("%s: %d lines, has %d", what, e.Lines, n)
	}
}

// checkMessage holds every promise of doc.go against the file.
func checkMessage(t failer, file []byte, m *Message) {
	t.Helper()
	root := &m.Parts[0]
	if root.Header.Start != 0 || root.Body.End != int64(len(file)) || m.FileSize != int64(len(file)) {
		t.Fatalf("root %+v %+v of %d bytes", root.Header, root.Body, len(file))
	}
	if n := len(sent(t, file)); int64(n) != m.Size {
		t.Fatalf("size %d, sent %d", m.Size, n)
	}
	children := make([]int32, len(m.Parts))
	end := make([]int64, len(m.Parts))  // of the newest child
	last := make([]int32, len(m.Parts)) // newest child
	for i := range m.Parts {
		p := &m.Parts[i]
		what := fmt.Sprintf("part %d", i)
		checkExtent(t, what+" header", file, p.Header)
		checkExtent(t, what+" body", file, p.Body)
		if p.Header.End != p.Body.Start {
			t.Fatalf("%s: header %+v body %+v", what, p.Header, p.Body)
		}
		end[i], last[i] = p.Body.Start, -1
		if p.Type == "" || p.Subtype == "" || p.Encoding == "" {
			t.Fatalf("%s: empty type or encoding: %+v", what, p)
		}
		if i == 0 {
			continue
		}
		up := &m.Parts[p.Parent]
		children[p.Parent]++
		if p.Header.Start < end[p.Parent] || p.Body.End > up.Body.End || p.Depth != up.Depth+1 {
			t.Fatalf("%s: %+v not in its parent %+v after %d", what, p, up, end[p.Parent])
		}
		if up.IsMessage() {
			rest := file[p.Body.End:up.Body.End]
			kept := p.Body.Len() == 0 && (string(rest) == "\n" || string(rest) == "\r\n")
			if p.Header.Start != up.Body.Start || len(rest) > 0 && !kept {
				t.Fatalf("%s: message inside %+v is not the whole body %+v", what, p, up)
			}
		}
		end[p.Parent] = p.Body.End
		if prev := last[p.Parent]; prev >= 0 && m.Parts[prev].Next != int32(i) {
			t.Fatalf("%s: sibling before has Next %d", what, m.Parts[prev].Next)
		}
		last[p.Parent] = int32(i)
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Children != children[i] || p.IsMultipart() != (p.Children > 0 && !p.IsMessage()) || p.IsMessage() && p.Children != 1 {
			t.Fatalf("part %d %s/%s: %d children, has %d", i, p.Type, p.Subtype, p.Children, children[i])
		}
	}
	checkSections(t, file, m)
}

// checkRecord sends m through the cache formats.
func checkRecord(t failer, m *Message) {
	t.Helper()
	b := m.AppendBinary([]byte("before"))[6:]
	var back Message
	if err := back.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, &back, ignoreSlabs, cmpopts.IgnoreFields(Message{}, "Envelope")); d != "" {
		t.Fatal("record:", d)
	}
	if !bytes.Equal(back.AppendBinary(nil), b) {
		t.Fatal("record of the record differs")
	}
	b = m.Envelope.AppendBinary([]byte("before"))[6:]
	var e Envelope
	for range 2 {
		if err := e.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m.Envelope, e, ignoreSlabs); d != "" {
			t.Fatal("envelope's record:", d)
		}
	}
}

// checkHeader finds the envelope by the header alone.
func checkHeader(t failer, p *Parser, r io.Reader, m *Message) {
	t.Helper()
	var e Envelope
	n, err := p.ParseHeader(r, &e)
	if err != nil || n != m.Parts[0].Header.End {
		t.Fatalf("header of %d bytes, %v, want %d", n, err, m.Parts[0].Header.End)
	}
	if d := cmp.Diff(m.Envelope, e, sameExactly); d != "" {
		t.Fatal("header alone:", d)
	}
}

// parseAll parses file in several ways, which must agree, and checks the result.
func parseAll(t failer, p *Parser, file []byte) *Message {
	t.Helper()
	m, err := p.Parse(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	checkMessage(t, file, m)
	checkRecord(t, m)
	checkHeader(t, p, bytes.NewReader(file), m)
	checkHeader(t, p, iotest.OneByteReader(bytes.NewReader(file)), m)
	var again Message
	for range 2 { // the second time into the memory of the first
		if err := p.ParseInto(bytes.NewReader(file), &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, &again, sameExactly); d != "" {
			t.Fatal("parsed again:", d)
		}
	}
	for _, r := range []io.Reader{
		iotest.OneByteReader(bytes.NewReader(file)),
		iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(file))),
	} {
		again, err := p.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again, sameExactly); d != "" {
			t.Fatal("read in pieces:", d)
		}
	}
	return m
}

func TestCorpusProperties(t *testing.T) {
	var p Parser
	for i, f := range corpusFiles(t) {
		if i%(1+4*instrumented) == 0 {
			parseAll(t, &p, f)
		}
	}
}
