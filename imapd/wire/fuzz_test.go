package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// dictionary is what a fuzzer should not have to find out: the tokens of the
// grammar and what lies just beside them. The fuzzer mixes the seeds.
var dictionary = []string{
	"a1 LOGIN user pass\r\n", "a1 LOGIN {4}\r\nuser {4+}\r\npass\r\n", `a1 LOGIN "u\"" "p\\"` + "\r\n",
	"a1 UID FETCH 1:*,5,$ (FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO)]<0.100>)\r\n",
	"a1 FETCH *:1 BODY[1.2.MIME]\r\n", "a1 FETCH 1 BINARY.PEEK[1]<5.6>\r\n",
	"a1 SEARCH OR NOT SINCE 1-Jan-2020 (SUBJECT {1}\r\nx)\r\n",
	"a1 APPEND INBOX (\\Seen $x) \" 1-Jan-2020 00:00:00 +0000\" ~{3+}\r\n\x00\r\n\r\n",
	"a1 LIST (SUBSCRIBED) \"\" (% *) RETURN (CHILDREN)\r\n", "a1 SELECT &APw-\r\n", "a1 SELECT \"\xc3\xbc\"\r\n",
	"a1 AUTHENTICATE PLAIN =\r\nAGEAYg==\r\n*\r\n", "((((((((((", "))))", "{99999999999999999999+}\r\n", "{0}\r\n", "~{0+}\r\n",
	"\"unterminated {3+}\r\nabc\r\n", "\x00", "\r", "\n", "\r\n", " ", "NIL", "\\", "\xff", "&", "4294967296", "*",
}

// ops is one call of each rule: the fuzzer's first bytes choose which and in
// which order.
var ops = func() []string {
	var names []string
	for name := range grammar {
		names = append(names, name)
	}
	slices.Sort(names)
	return append(names, "sp", "crlf", "literal", "refuse", "line", "begin", "nest")
}()

// FuzzDecoder: no input and no order of calls panics, hangs, or exceeds the
// budgets; the same bytes give the same result however they arrive; and after
// DiscardLine either the error is final or the stream stands behind a LF.
func FuzzDecoder(f *testing.F) {
	for i, s := range dictionary {
		f.Add([]byte{byte(i), byte(i * 7), 3, byte(i * 3), 5}, []byte(s+dictionary[(i+1)%len(dictionary)]))
	}
	f.Fuzz(func(t *testing.T, calls, input []byte) {
		lim := Limits{Line: 200, Literal: 50, Args: 20, Depth: 4, Arguments: 100, Discard: 500}
		whole := fuzzRun(t, calls, bufio.NewReader(strings.NewReader(string(input))), lim)
		slow := fuzzRun(t, calls, bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(string(input))), 16), lim)
		if whole != slow {
			t.Errorf("calls %v of %q:\nwhole  %s\nslow   %s", calls, input, whole, slow)
		}
	})
}

// fuzzRun makes the calls and returns what they left behind.
func fuzzRun(t *testing.T, calls []byte, r *bufio.Reader, lim Limits) string {
	d := NewDecoder(lim)
	d.Reset(r)
	d.SetContinue(func() error { return nil })
	var state strings.Builder
	for _, c := range calls {
		switch op := ops[int(c)%len(ops)]; op {
		case "sp":
			d.SP()
		case "crlf":
			d.CRLF()
		case "literal":
			b, err := io.ReadAll(d.LiteralReader(d.LiteralHeader()))
			state.WriteString(string(b))
			if err != nil && d.Err() == nil {
				t.Fatalf("literal reader: %v, but no error of the decoder", err)
			}
		case "refuse":
			_ = d.DiscardLiteral(d.LiteralHeader())
		case "nest":
			d.Nest(func() { d.List(func() { d.AString() }) })
		case "begin":
			d.Begin()
		case "line":
			if !fuzzDiscard(t, d, &state) {
				return state.String() // a server ends the connection
			}
		default:
			grammar[op](d)
		}
		if cap(d.buf) > 2*(lim.Line+int(lim.Literal))+512 {
			t.Fatalf("%d bytes of scratch", cap(d.buf))
		}
	}
	if err := d.Err(); err != nil {
		state.WriteString(" error: " + err.Error())
	}
	return state.String()
}

func fuzzDiscard(t *testing.T, d *Decoder, state *strings.Builder) bool {
	if err := d.DiscardLine(); err != nil {
		var e *LimitError
		var s *SyntaxError
		if errors.As(err, &s) || errors.As(err, &e) && !e.Fatal {
			t.Fatalf("DiscardLine: %v", err)
		}
		state.WriteString(" discard: " + err.Error())
		return false
	}
	if !d.ended && !d.awaiting {
		t.Fatal("DiscardLine did not reach the end of the command")
	}
	d.Begin()
	return true
}

// FuzzEncoderString: every string without NUL comes back, in both modes, and
// nothing after it is lost.
func FuzzEncoderString(f *testing.F) {
	for _, s := range dictionary {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 20<<10 || strings.IndexByte(s, 0) >= 0 {
			return
		}
		for _, utf8 := range []bool{false, true} {
			text, err := encode(utf8, func(e *Encoder) { e.String(s).SP().AString(s).SP().NString([]byte(s)).CRLF() })
			if err != nil {
				t.Fatal(err)
			}
			d := NewDecoder(PostLogin)
			d.SetContinue(func() error { return nil })
			d.Reset(bufio.NewReaderSize(strings.NewReader(text), 16))
			a := d.String()
			d.SP()
			b := d.AString()
			d.SP()
			c, ok := d.NString()
			d.CRLF()
			if d.Err() != nil || a != s || b != s || c != s || !ok {
				t.Errorf("%q as %q: %q, %q, %q, %v", s, text, a, b, c, d.Err())
			}
		}
	})
}

// FuzzMailboxName: every name comes back as it went out, in both modes, as an astring and as a string; so does
// every name that the decoder takes, whatever its bytes. In UTF-8 "&" is a character like any other.
func FuzzMailboxName(f *testing.F) {
	for _, s := range []string{"INBOX", "R&D", "&APw-", "Entw\u00fcrfe", "e\u0301", "\U0001f600", "a\nb", "\xff", `a"b\`, "NIL", "%*", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 8<<10 || strings.IndexByte(s, 0) >= 0 {
			return
		}
		for _, utf8 := range []bool{false, true} {
			read := func(text string) (string, error) {
				d := NewDecoder(PostLogin)
				d.SetUTF8(utf8)
				d.SetContinue(func() error { return nil })
				d.Reset(bufio.NewReaderSize(strings.NewReader(text), 16))
				name := d.Mailbox()
				d.CRLF()
				return name, d.Err()
			}
			name, err := read(literalOf(s))
			if err != nil {
				continue // no name in this mode
			}
			if utf8 && name != s && name != "INBOX" {
				t.Errorf("%q is read as %q", s, name)
			}
			for _, write := range []func(*Encoder, string) *Encoder{(*Encoder).Mailbox, (*Encoder).MailboxString} {
				text, err := encode(utf8, func(e *Encoder) { write(e, name).CRLF() })
				if err != nil {
					t.Fatal(err)
				}
				if again, err := read(text); again != name || err != nil {
					t.Errorf("UTF-8 %v: %q goes out as %q and comes back as %q, %v", utf8, name, text, again, err)
				}
			}
		}
	})
}

func literalOf(s string) string { return fmt.Sprintf("{%d}\r\n%s\r\n", len(s), s) }
