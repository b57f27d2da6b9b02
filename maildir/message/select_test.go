package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// splitFields cuts a header as it is sent into its fields.
func splitFields(header []byte) (fields []string) {
	for len(header) > 0 && !blank(header) {
		n := len(cutLine(header))
		for n < len(header) && isWSP(header[n]) {
			n += len(cutLine(header[n:]))
		}
		fields = append(fields, string(header[:n]))
		header = header[n:]
	}
	return fields
}

// checkSelect holds both ways of selecting fields against each other, and what is
// selected and what is not against the header.
func checkSelect(t failer, header []byte, names []string) {
	t.Helper()
	var both []string
	for _, not := range []bool{false, true} {
		want := HeaderFields(nil, header, names, not)
		if !bytes.HasSuffix(want, crlf) || !bytes.Equal(want, sent(t, want)) {
			t.Fatalf("%q is not what is sent", want)
		}
		both = append(both, splitFields(want)...)
		for _, r := range []io.Reader{
			bytes.NewReader(header),
			iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(header))),
		} {
			var w bytes.Buffer
			n, err := SelectFields(&w, r, names, not)
			if err != nil || n != int64(w.Len()) || !bytes.Equal(w.Bytes(), want) {
				t.Fatalf("streamed %q (%d, %v), at once %q", w.Bytes(), n, err, want)
			}
		}
	}
	all := splitFields(HeaderFields(nil, header, nil, true))
	slices.Sort(both)
	slices.Sort(all)
	if !slices.Equal(both, all) {
		t.Fatalf("selected and not selected are %q, the header is %q", both, all)
	}
	end := len(header)
	for i := 0; i < len(header); i += len(cutLine(header[i:])) {
		if blank(header[i:]) {
			end = i
			break
		}
	}
	want := string(sent(t, header[:end]))
	if end > 0 && header[end-1] != '\n' {
		want += "\r\n"
	}
	if got := strings.Join(splitFields(HeaderFields(nil, header, nil, true)), ""); got != want {
		t.Fatalf("all fields are %q, the header is %q", got, want)
	}
}

func TestHeaderFields(t *testing.T) {
	const header = "A: 1\n folded\r\nB : 2\r\nno colon\na: 3\x00\n\nbody: x\n"
	for i, c := range []struct {
		header string
		names  []string
		not    bool
		want   string
	}{
		{header, []string{"a", "X"}, false, "A: 1\r\n folded\r\na: 3\x80\r\n\r\n"},
		{header, []string{"a", "X"}, true, "B : 2\r\nno colon\r\n\r\n"},
		{header, []string{"B"}, false, "B : 2\r\n\r\n"},
		{header, nil, false, "\r\n"},
		{"b: 2", []string{"B"}, false, "b: 2\r\n\r\n"},
		{"b: 2\r", []string{"B"}, false, "b: 2\r\r\n\r\n"},
		{"b: 2\r\n x", []string{"B"}, false, "b: 2\r\n x\r\n\r\n"},
		{" a: 1\n b\nB: 2\n", []string{"a"}, true, " a: 1\r\n b\r\nB: 2\r\n\r\n"},
		{"a: 1\nA: 2\na: 3\n", []string{"A"}, false, "a: 1\r\nA: 2\r\na: 3\r\n\r\n"},
		{"", []string{"A"}, false, "\r\n"},
		{"\n", []string{"A"}, true, "\r\n"},
	} {
		if got := HeaderFields(nil, []byte(c.header), c.names, c.not); string(got) != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
		checkSelect(t, []byte(c.header), c.names)
	}
}

// TestSelectFieldsLarge: fields behind many MiB, longer than the window, and one
// that crosses its edge at every place.
func TestSelectFieldsLarge(t *testing.T) {
	var many []string
	for i := range 3 * fewNames {
		many = append(many, fmt.Sprintf("X-%d", i))
	}
	head := strings.Repeat("Received: from a by b\n\twith c\n", 1<<15)
	long := "Subject: " + strings.Repeat("x", 5*windowSize) + "\n folded"
	header := []byte(head + "x-40: y\n" + long + "\nTo: a\n\n")
	for _, names := range [][]string{{"to"}, {"subject", "TO"}, append(many, "Received")} {
		checkSelect(t, header, names)
	}
	if got := HeaderFields(nil, header, many, false); string(got) != "x-40: y\r\n\r\n" {
		t.Errorf("many names: %.100q", got)
	}
	for short := range 12 {
		checkSelect(t, []byte("A: "+strings.Repeat("x", windowSize-short-3)+"\r\nB \t: c\r\n d\r\n\r\n"), []string{"b"})
	}
	r := bytes.NewReader(header)
	if n := testing.AllocsPerRun(20, func() {
		r.Reset(header)
		if _, err := SelectFields(io.Discard, r, []string{"to"}, false); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // a collection may empty the pool
		t.Errorf("%v allocations", n)
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("full")

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return f.room, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestSelectFieldsErrors(t *testing.T) {
	broken := errors.New("broken disk")
	r := io.MultiReader(strings.NewReader("A: b\nA"), iotest.ErrReader(broken))
	if _, err := SelectFields(io.Discard, r, []string{"a"}, false); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	for room := range 8 {
		n, err := SelectFields(&fullDisk{room}, strings.NewReader("A: b\r\n\r\n"), []string{"a"}, false)
		if !errors.Is(err, errFull) || n != int64(room) {
			t.Errorf("writer with room for %d: %d, %v", room, n, err)
		}
	}
}

func FuzzHeaderFields(f *testing.F) {
	f.Add([]byte("A: b\r\n c\nB: d\n\n"))
	f.Add([]byte("a : b\n\tc"))
	f.Add([]byte(" a: b\r\n\nSubject: c\r"))
	f.Fuzz(func(t *testing.T, header []byte) {
		checkSelect(t, header, []string{"A", "Subject"})
		checkSelect(t, header, nil)
	})
}
