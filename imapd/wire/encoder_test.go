package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func encode(utf8 bool, f func(e *Encoder)) (string, error) {
	var b bytes.Buffer
	e := NewEncoder()
	e.SetUTF8(utf8)
	e.Reset(bufio.NewWriterSize(&b, 16))
	f(e)
	err := e.Flush()
	return b.String(), err
}

func TestEncoder(t *testing.T) {
	long := strings.Repeat("x", maxQuoted)
	east := time.FixedZone("", 5*3600+30*60)
	for i, c := range []struct {
		name string
		f    func(e *Encoder)
		want string // in 7-bit mode
		utf8 string // "" = the same
	}{
		{name: "line", want: "* 3 EXISTS\r\n", f: func(e *Encoder) { e.Special('*').SP().Number(3).SP().Atom("EXISTS").CRLF() }},
		{name: "numbers", want: "4294967295 0 9223372036854775807", f: func(e *Encoder) {
			e.Number(math.MaxUint32).SP().Number64(0).SP().Number64(math.MaxInt64)
		}},
		{name: "quoted", want: `"" "a b" "\"\\x\""`, f: func(e *Encoder) { e.String("").SP().String("a b").SP().StringBytes([]byte(`"\x"`)) }},
		{name: "controls", want: "\"a\tb\x01\"", f: func(e *Encoder) { e.String("a\tb\x01") }},
		{name: "line ends", want: "{1}\r\n\r{1}\r\n\n{8}\r\na\uFFFD\uFFFDb", f: func(e *Encoder) { e.String("\r").StringBytes([]byte("\n")).String("a\x00\x00b") }},
		{name: "8-bit", want: "{2}\r\n\u00fc", utf8: "\"\u00fc\"", f: func(e *Encoder) { e.String("\u00fc") }},
		{name: "8-bit, not UTF-8", want: "{1}\r\n\xff", f: func(e *Encoder) { e.String("\xff") }},
		{name: "long", want: `"` + long + `"{4097}` + "\r\n" + long + "x", f: func(e *Encoder) { e.String(long).String(long + "x") }},
		{name: "nstring", want: `NIL "" "NIL"`, f: func(e *Encoder) { e.NString(nil).SP().NString([]byte{}).SP().NString([]byte("NIL")) }},
		{name: "astring", want: `a.b "nil" "" "a b" "[x]" "100%"`, f: func(e *Encoder) {
			e.AString("a.b").SP().AString("nil").SP().AString("").SP().AString("a b").SP().AString("[x]").SP().AString("100%")
		}},
		{name: "mailbox", want: `INBOX "" "a b" R&-D Entw&APw-rfe`, utf8: "INBOX \"\" \"a b\" R&D \"Entw\u00fcrfe\"", f: func(e *Encoder) {
			e.Mailbox("INBOX").SP().Mailbox("").SP().Mailbox("a b").SP().Mailbox("R&D").SP().Mailbox("Entw\u00fcrfe")
		}},
		{name: "mailbox as a string", want: `"" "INBOX" "R&-D/" "Entw&APw-rfe/"`, utf8: "\"\" \"INBOX\" \"R&D/\" \"Entw\u00fcrfe/\"", f: func(e *Encoder) {
			e.MailboxString("").SP().MailboxString("INBOX").SP().MailboxString("R&D/").SP().MailboxString("Entw\u00fcrfe/")
		}},
		{name: "mailbox with line end", want: "a&AAo-*", utf8: "{2}\r\na\n*", f: func(e *Encoder) { e.Mailbox("a\n").Special('*') }},
		{name: "long mailbox", want: "{4101}\r\n" + long + "&APw-", utf8: "{4098}\r\n" + long + "\u00fc", f: func(e *Encoder) { e.Mailbox(long + "\u00fc") }},
		{name: "flags", want: `() (\Seen $x \*) \Draft`, f: func(e *Encoder) {
			e.Flags(nil).SP().Flags([]imap.Flag{imap.FlagSeen, "", "a b", "$x", `\`, "x)\r\n* BYE", imap.FlagWildcard, "\u00fc"}).SP().Flag(imap.FlagDraft)
		}},
		{name: "date-time", want: `"02-Jan-2006 15:04:05 +0530" "01-Jan-0000 00:00:00 +0000" "31-Dec-9999 23:59:59 +0000"`, f: func(e *Encoder) {
			e.DateTime(time.Date(2006, 1, 2, 15, 4, 5, 999, east)).SP().DateTime(time.Unix(-1<<40, 0).UTC()).SP().DateTime(time.Unix(1<<40, 0).UTC())
		}},
		{name: "sets", want: "1:3,5:* * 7 $", f: func(e *Encoder) {
			e.NumSet(imap.UIDSet{{Start: 1, Stop: 3}, {Start: 5}}).SP().NumSet(imap.SeqSet{{}}).SP().NumSet(imap.SeqSetNum(7)).SP().NumSet(imap.SearchRes())
		}},
		{name: "text", want: "a  b * OK ??", utf8: "a  b * OK \u00fc?", f: func(e *Encoder) { e.Text("a\r\nb\x00* OK \u00fc\xff") }},
		{name: "text, all", want: "", f: func(e *Encoder) { e.Text("") }},
		{name: "raw", want: "BODY[1] x NIL", f: func(e *Encoder) { e.Raw("BODY[1]").SP().RawBytes([]byte("x")).SP().NIL() }},
	} {
		got, err := encode(false, c.f)
		if err != nil || got != c.want {
			t.Errorf("case %d: %s: got %.200q, %v, want %.200q", i, c.name, got, err, c.want)
		}
		if c.utf8 == "" {
			c.utf8 = c.want
		}
		if got, err = encode(true, c.f); err != nil || got != c.utf8 {
			t.Errorf("case %d: %s in UTF-8: got %.200q, %v, want %.200q", i, c.name, got, err, c.utf8)
		}
	}
}

func TestEncoderErrors(t *testing.T) {
	for i, c := range []struct {
		name string
		f    func(e *Encoder)
		want error
	}{
		{"empty atom", func(e *Encoder) { e.Atom("") }, ErrToken},
		{"atom with space", func(e *Encoder) { e.Atom("a b") }, ErrToken},
		{"atom with DEL", func(e *Encoder) { e.Atom("a\x7f") }, ErrToken},
		{"atom with parenthesis", func(e *Encoder) { e.Atom("(a") }, ErrToken},
		{"atom with CR", func(e *Encoder) { e.Atom("a\r") }, ErrToken},
		{"flag", func(e *Encoder) { e.Flag("a b") }, ErrToken},
		{"number", func(e *Encoder) { e.Number64(-1) }, ErrToken},
		{"set", func(e *Encoder) { e.NumSet(imap.UIDSet{}) }, ErrToken},
		{"no set", func(e *Encoder) { e.NumSet(nil) }, ErrToken},
		{"literal size", func(e *Encoder) { e.Literal(-1, false) }, ErrToken},
		{"short literal", func(e *Encoder) { e.Literal(1, false).Close() }, ErrLiteralSize},
		{"long literal", func(e *Encoder) { io.WriteString(e.Literal(1, false), "ab") }, ErrLiteralSize},
		{"long literal by copy", func(e *Encoder) { io.Copy(e.Literal(1, false), onlyReader{strings.NewReader("ab")}) }, ErrLiteralSize},
		{"short literal by copy", func(e *Encoder) {
			w := e.Literal(3, false)
			io.Copy(w, onlyReader{strings.NewReader("ab")})
			w.Close()
		}, ErrLiteralSize},
		{"write after close", func(e *Encoder) {
			w := e.Literal(1, false)
			io.WriteString(w, "a")
			w.Close()
			io.WriteString(w, "b")
		}, ErrLiteralSize},
		{"source of a copy fails", func(e *Encoder) { io.Copy(e.Literal(3, false), iotest.ErrReader(errBroken)) }, errBroken},
		{"token in literal", func(e *Encoder) { e.Literal(1, false); e.SP() }, ErrLiteralOpen},
		{"string in literal", func(e *Encoder) { e.Literal(1, false); e.String("a") }, ErrLiteralOpen},
		{"literal in literal", func(e *Encoder) { e.Literal(1, false); e.Literal(1, false) }, ErrLiteralOpen},
	} {
		out, err := encode(false, func(e *Encoder) {
			c.f(e)
			first := e.Err()
			e.String("after").Number(1).CRLF()
			w := e.Literal(1, false)
			if _, err := io.WriteString(w, "z"); err == nil {
				t.Errorf("case %d: %s: literal written after the error", i, c.name)
			}
			if w.Close() != first || e.Err() != first {
				t.Errorf("case %d: %s: error changed from %v to %v", i, c.name, first, e.Err())
			}
		})
		if !errors.Is(err, c.want) || strings.Contains(out, "after") {
			t.Errorf("case %d: %s: %v, wrote %q", i, c.name, err, out)
		}
	}
}

// onlyReader hides io.WriterTo, so that io.Copy uses the literal's ReadFrom.
type onlyReader struct{ io.Reader }

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write(p []byte) (int, error) { return 0, errBroken }

func TestEncoderWriteError(t *testing.T) {
	e := NewEncoder()
	e.Reset(bufio.NewWriterSize(brokenWriter{}, 16))
	e.String(strings.Repeat("x", 100)).CRLF()
	if e.Err() != errBroken || e.Flush() != errBroken {
		t.Errorf("%v", e.Err())
	}
	e.Reset(bufio.NewWriterSize(brokenWriter{}, 16))
	w := e.Literal(100, false)
	if _, err := io.Copy(w, onlyReader{strings.NewReader(strings.Repeat("x", 100))}); err != errBroken && e.Flush() != errBroken {
		t.Errorf("copy: %v", err)
	}
}

func TestEncoderLiteral(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	for i, c := range []struct {
		binary bool
		fill   func(w io.Writer) (int64, error)
		want   string
	}{
		{false, func(w io.Writer) (int64, error) { return io.Copy(w, strings.NewReader(body)) }, "{10000}\r\n"},
		{true, func(w io.Writer) (int64, error) {
			return io.Copy(w, io.MultiReader(strings.NewReader(body[:7]), strings.NewReader(body[7:])))
		}, "~{10000}\r\n"},
		{false, func(w io.Writer) (n int64, err error) {
			for b := []byte(body); len(b) > 0 && err == nil; b = b[8:] {
				var m int
				m, err = w.Write(b[:8])
				n += int64(m)
			}
			return n, err
		}, "{10000}\r\n"},
	} {
		got, err := encode(false, func(e *Encoder) {
			w := e.Literal(int64(len(body)), c.binary)
			if n, err := c.fill(w); n != int64(len(body)) || err != nil {
				t.Errorf("case %d: %d, %v", i, n, err)
			}
			if err := errors.Join(w.Close(), w.Close()); err != nil {
				t.Errorf("case %d: close: %v", i, err)
			}
			e.Special(')')
		})
		if got != c.want+body+")" || err != nil {
			t.Errorf("case %d: %.40q, %v", i, got, err)
		}
	}
	if got, err := encode(false, func(e *Encoder) { e.Literal(0, false).Close() }); got != "{0}\r\n" || err != nil {
		t.Errorf("empty: %q, %v", got, err)
	}
}

// TestEncoderLiteralNUL: RFC 3501 §4.3.1 has no NUL in a literal; sizes stay, and a literal8 passes it.
func TestEncoderLiteralNUL(t *testing.T) {
	body := "\x00a\x00\x00b" + strings.Repeat("0123456789\x00", 1000) + "\x00"
	clean := strings.ReplaceAll(body, "\x00", "\x80")
	for name, fill := range map[string]func(w io.Writer) (int64, error){
		"write": func(w io.Writer) (int64, error) { n, err := io.WriteString(w, body); return int64(n), err },
		"bytes": func(w io.Writer) (n int64, err error) {
			for i := range body {
				m, e := w.Write([]byte{body[i]})
				n, err = n+int64(m), errors.Join(err, e)
			}
			return n, err
		},
		"copy":     func(w io.Writer) (int64, error) { return io.Copy(w, onlyReader{strings.NewReader(body)}) },
		"one byte": func(w io.Writer) (int64, error) { return io.Copy(w, iotest.OneByteReader(strings.NewReader(body))) },
	} {
		for _, binary := range []bool{false, true} {
			got, err := encode(false, func(e *Encoder) {
				w := e.Literal(int64(len(body)), binary)
				if n, err := fill(w); n != int64(len(body)) || err != nil {
					t.Errorf("%s: %d, %v", name, n, err)
				}
				w.Close()
			})
			want := fmt.Sprintf("{%d}\r\n%s", len(body), clean)
			if binary {
				want = fmt.Sprintf("~{%d}\r\n%s", len(body), body)
			}
			if got != want || err != nil {
				t.Errorf("%s, binary %v: %.60q, %v", name, binary, got, err)
			}
		}
	}
	mine := []byte("a\x00b")
	if _, err := encode(false, func(e *Encoder) { e.Literal(3, false).Write(mine); e.StringBytes(mine) }); !errors.Is(err, ErrLiteralOpen) || mine[1] != 0 {
		t.Errorf("the caller's bytes are %q now, %v", mine, err)
	}
}

func TestQuotable(t *testing.T) {
	for i, c := range []struct {
		s    string
		want bool
	}{
		{"", true}, {`a"\`, true}, {"\t\x7f", true}, {"\r", false}, {"\n", false}, {"\x00", false}, {"\u00fc", false},
		{strings.Repeat("x", maxQuoted), true}, {strings.Repeat("x", maxQuoted+1), false},
	} {
		if quotable([]byte(c.s), false) != c.want {
			t.Errorf("case %d: %.20q", i, c.s)
		}
	}
}

// TestRoundTrip: what the encoder writes, the decoder reads as the same value.
// The server's literals are of the synchronising form, so it is asked for each.
func TestRoundTrip(t *testing.T) {
	octets := rapid.Custom(func(t *rapid.T) string {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a\"\\ \r\n{}3+&-()%*]"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "octets")
		return strings.ReplaceAll(s, "\x00", "\x01")
	})
	name := rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "&") })
	flag := rapid.Custom(func(t *rapid.T) imap.Flag {
		if rapid.Bool().Draw(t, "system") {
			return rapid.SampledFrom(systemFlags[:]).Draw(t, "flag")
		}
		return imap.Flag(rapid.StringMatching(`\\?[A-Za-z0-9$_.\[-]{1,10}`).Filter(func(s string) bool {
			for _, f := range systemFlags {
				if strings.EqualFold(s, string(f)) {
					return false
				}
			}
			return true
		}).Draw(t, "keyword"))
	})
	rapid.Check(t, func(t *rapid.T) {
		utf8 := rapid.Bool().Draw(t, "utf8")
		str, ast, mbox := octets.Draw(t, "str"), octets.Draw(t, "ast"), name.Draw(t, "mbox")
		flags := rapid.SliceOfN(flag, 0, 5).Draw(t, "flags")
		n, n64 := rapid.Uint32().Draw(t, "n"), rapid.Int64Min(0).Draw(t, "n64")
		when := time.Unix(rapid.Int64Range(-62167132800, 253402214400).Draw(t, "when"), 0).
			In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone")))
		var set imap.UIDSet
		for range rapid.IntRange(1, 5).Draw(t, "ranges") {
			set.AddRange(imap.UID(rapid.Uint32().Draw(t, "lo")), imap.UID(rapid.Uint32().Draw(t, "hi")))
		}
		text, err := encode(utf8, func(e *Encoder) {
			e.String(str).SP().AString(ast).SP().Mailbox(mbox).SP().MailboxString(mbox).SP().Flags(flags).SP().Number(n).SP().Number64(n64)
			e.SP().DateTime(when).SP().NumSet(set).SP().NIL().SP().NString([]byte(str)).CRLF()
		})
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(PostLogin)
		d.SetUTF8(utf8)
		d.SetContinue(func() error { return nil })
		d.Reset(bufio.NewReaderSize(strings.NewReader(text), 16))
		wantName := mbox
		if strings.EqualFold(mbox, "inbox") {
			wantName = "INBOX"
		}
		check := func(what string, got, want any) {
			if diff := cmp.Diff(want, got); diff != "" || d.Err() != nil {
				t.Fatalf("%s in %q: %s%v", what, text, diff, d.Err())
			}
			if what != "nstring" {
				d.SP()
			}
		}
		check("string", d.String(), str)
		check("astring", d.AString(), ast)
		check("mailbox", d.Mailbox(), wantName)
		check("mailbox as a string", d.Mailbox(), wantName)
		check("flags", d.FlagList(), append([]imap.Flag{}, flags...))
		check("number", d.Number(), n)
		check("number64", d.Number64(), n64)
		check("date-time", d.DateTime().Format(time.RFC3339), when.Format(time.RFC3339))
		check("set", d.UIDSet(), set)
		s, ok := d.NString()
		check("NIL", nstring{s, ok}, nstring{})
		s, ok = d.NString()
		check("nstring", nstring{s, ok}, nstring{str, true})
		if d.CRLF(); d.Err() != nil {
			t.Fatal(d.Err())
		}
	})
}
