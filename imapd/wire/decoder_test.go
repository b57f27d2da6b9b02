package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
)

// eachReader runs f with decoders that get the input whole, through the
// smallest buffer, and a byte at a time.
func eachReader(input string, lim Limits, f func(how string, d *Decoder, r *bufio.Reader)) {
	for _, v := range []struct {
		how  string
		wrap func(io.Reader) io.Reader
		size int
	}{
		{"whole", func(r io.Reader) io.Reader { return r }, 4096},
		{"small buffer", func(r io.Reader) io.Reader { return r }, 16},
		{"one byte", iotest.OneByteReader, 4096},
		{"one byte, small buffer", iotest.OneByteReader, 16},
		{"data with error", iotest.DataErrReader, 4096},
	} {
		r := bufio.NewReaderSize(v.wrap(strings.NewReader(input)), v.size)
		d := NewDecoder(lim)
		d.Reset(r)
		f(v.how, d, r)
	}
}

type nstring struct {
	S  string
	OK bool
}

type numSet struct {
	Set    string
	Dollar bool
}

var grammar = map[string]func(*Decoder) any{
	"tag":      func(d *Decoder) any { return d.Tag() },
	"command":  func(d *Decoder) any { return d.Command() },
	"keyword":  func(d *Decoder) any { return d.Keyword() },
	"atom":     func(d *Decoder) any { return d.Atom() },
	"astring":  func(d *Decoder) any { return d.AString() },
	"string":   func(d *Decoder) any { return d.String() },
	"nstring":  func(d *Decoder) any { s, ok := d.NString(); return nstring{s, ok} },
	"nstring8": func(d *Decoder) any { s, ok := d.NString8(); return nstring{s, ok} },
	"number":   func(d *Decoder) any { return d.Number() },
	"nznumber": func(d *Decoder) any { return d.NZNumber() },
	"number64": func(d *Decoder) any { return d.Number64() },
	"mailbox":  func(d *Decoder) any { return d.Mailbox() },
	"mailbox8": func(d *Decoder) any { d.SetUTF8(true); return d.Mailbox() },
	"pattern":  func(d *Decoder) any { return d.ListMailbox() },
	"pattern8": func(d *Decoder) any { d.SetUTF8(true); return d.ListMailbox() },
	"optional": func(d *Decoder) any { return d.PeekText(" (X") },
	"flag":     func(d *Decoder) any { return d.Flag() },
	"flags":    func(d *Decoder) any { return d.FlagList() },
	"store":    func(d *Decoder) any { return d.StoreFlags() },
	"seqset":   func(d *Decoder) any { return d.SeqSet() },
	"uidset":   func(d *Decoder) any { return d.UIDSet() },
	"numset": func(d *Decoder) any {
		s, dollar := d.NumSet(true)
		if s == nil {
			return numSet{Dollar: dollar}
		}
		return numSet{s.String(), dollar}
	},
	"seqnumset": func(d *Decoder) any {
		s, dollar := d.NumSet(false)
		if s == nil {
			return numSet{Dollar: dollar}
		}
		return numSet{s.String(), dollar}
	},
	"date":     func(d *Decoder) any { return d.Date().Format(time.RFC3339) },
	"datetime": func(d *Decoder) any { return d.DateTime().Format(time.RFC3339) },
	"section":  func(d *Decoder) any { return d.Section() },
	"binary":   func(d *Decoder) any { return d.SectionBinary() },
	"partial":  func(d *Decoder) any { return d.Partial() },
	"ir":       func(d *Decoder) any { return d.InitialResponse() },
	"atoms": func(d *Decoder) any {
		var out []string
		d.List(func() { out = append(out, d.Atom()) })
		return out
	},
}

func decodeOne(d *Decoder, rule string) (any, error) {
	d.SetContinue(func() error { return nil })
	v := grammar[rule](d)
	d.CRLF()
	return v, d.Err()
}

func TestGrammar(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for i, c := range []struct {
		rule, in string
		want     any
	}{
		{"tag", "a.1]#[", "a.1]#["},
		{"tag", long, long},
		{"command", "sElEcT", "SELECT"},
		{"command", "x-" + long, "X-" + strings.ToUpper(long)},
		{"keyword", "body.peek", "BODY.PEEK"},
		{"keyword", "+flags.silent", "+FLAGS.SILENT"},
		{"keyword", "x-other", "X-OTHER"},
		{"atom", "$Forwarded", "$Forwarded"},
		{"atom", "[x~!@#$^&|;:'<>,./?`_-+=", "[x~!@#$^&|;:'<>,./?`_-+="},
		{"astring", "a]b", "a]b"},
		{"astring", "NIL", "NIL"},
		{"astring", `""`, ""},
		{"astring", `"a b"`, "a b"},
		{"astring", `"\"\\"`, `"\`},
		{"astring", `"` + long + `\"` + long + `"`, long + `"` + long},
		{"astring", `"` + long + `"`, long},
		{"astring", "\"Entw\u00fcrfe\"", "Entw\u00fcrfe"},
		{"astring", "\"\x01\t\x7f\"", "\x01\t\x7f"},
		{"astring", "{0}\r\n", ""},
		{"astring", "{3}\r\na\nb", "a\nb"},
		{"astring", "{3+}\r\n\r\n\xff", "\r\n\xff"},
		{"astring", "{3+}\nabc", "abc"},
		{"astring", "{05+}\r\n" + "hello", "hello"},
		{"astring", "{5000+}\r\n" + long, long},
		{"string", `"NIL"`, "NIL"},
		{"nstring", "nIl", nstring{}},
		{"nstring", `"NIL"`, nstring{"NIL", true}},
		{"nstring", `{0}` + "\r\n", nstring{"", true}},
		{"nstring8", "~{3}\r\na\x00b", nstring{"a\x00b", true}},
		{"nstring8", "~{1+}\r\n\x00", nstring{"\x00", true}},
		{"nstring8", "NIL", nstring{}},
		{"nstring8", `"x"`, nstring{"x", true}},
		{"number", "0", uint32(0)},
		{"number", "007", uint32(7)},
		{"number", "4294967295", uint32(math.MaxUint32)},
		{"nznumber", "10", uint32(10)},
		{"number64", "9223372036854775807", int64(math.MaxInt64)},
		{"mailbox", "inbox", "INBOX"},
		{"mailbox", `"iNbOx"`, "INBOX"},
		{"mailbox", "inbox/x", "inbox/x"},
		{"mailbox", "{5+}\r\nInbox", "INBOX"},
		{"mailbox", "Entw&APw-rfe", "Entw\u00fcrfe"},
		{"mailbox", `"R&-D"`, "R&D"},
		{"mailbox", "\"R&D \u00fc\"", "R&D \u00fc"},
		{"mailbox", "Entw\u00fcrfe]", "Entw\u00fcrfe]"},
		{"pattern", "Entw\u00fcrfe/%", "Entw\u00fcrfe/%"},
		{"mailbox", "{4+}\r\n\u00fc\u00fc", "\u00fc\u00fc"},
		{"mailbox", "&2D3eAA-", "\U0001f600"},
		{"mailbox8", `"R&D"`, "R&D"},
		{"mailbox8", "&APw-", "&APw-"},
		{"mailbox8", "\"\u00fc\"", "\u00fc"},
		{"pattern", "%", "%"},
		{"pattern", "a/*]", "a/*]"},
		{"pattern", `""`, ""},
		{"pattern", `"&APw-/%"`, "\u00fc/%"},
		{"pattern", "&APw-*", "\u00fc*"},
		{"flag", `\sEEN`, imap.FlagSeen},
		{"flag", `\RECENT`, imap.Flag(`\Recent`)},
		{"flag", `\Extension`, imap.Flag(`\Extension`)},
		{"flag", `$junk`, imap.Flag(`$junk`)},
		{"flags", `()`, []imap.Flag{}},
		{"flags", `(\Deleted a \draft)`, []imap.Flag{imap.FlagDeleted, "a", imap.FlagDraft}},
		{"store", `(\Deleted a)`, []imap.Flag{imap.FlagDeleted, "a"}},
		{"store", `\answered \Flagged`, []imap.Flag{imap.FlagAnswered, imap.FlagFlagged}},
		{"store", `()`, []imap.Flag{}},
		{"seqset", "1", imap.SeqSet{{Start: 1, Stop: 1}}},
		{"seqset", "*", imap.SeqSet{{}}},
		{"seqset", "*:5", imap.SeqSet{{Start: 5}}},
		{"seqset", "*:*", imap.SeqSet{{}}},
		{"seqset", "5,3:1,4", imap.SeqSet{{Start: 1, Stop: 5}}},
		{"seqset", "7,5,*", imap.SeqSet{{Start: 5, Stop: 5}, {Start: 7, Stop: 7}, {}}},
		{"seqset", "*,9:*,1", imap.SeqSet{{Start: 1, Stop: 1}, {Start: 9}}},
		{"uidset", "4294967295,*", imap.UIDSet{{Start: math.MaxUint32, Stop: math.MaxUint32}, {}}},
		{"uidset", "1:4294967295", imap.UIDSet{{Start: 1, Stop: math.MaxUint32}}},
		{"numset", "$", numSet{"", true}},
		{"numset", "2,1", numSet{"1:2", false}},
		{"seqnumset", "$", numSet{"", true}},
		{"seqnumset", "2,1,*", numSet{"1:2,*", false}},
		{"date", "1-Feb-2020", "2020-02-01T00:00:00Z"},
		{"date", "01-fEB-2020", "2020-02-01T00:00:00Z"},
		{"date", `"29-Feb-2020"`, "2020-02-29T00:00:00Z"},
		{"date", `" 1-Jan-2020"`, "2020-01-01T00:00:00Z"},
		{"date", `"1-Dec-0000"`, "0000-12-01T00:00:00Z"},
		{"datetime", `" 1-Jan-2020 01:02:03 +0200"`, "2020-01-01T01:02:03+02:00"},
		{"datetime", `"31-dec-1999 23:59:60 -0730"`, "2000-01-01T00:00:00-07:30"},
		{"datetime", `"01-Jan-1970 00:00:00 +0000"`, "1970-01-01T00:00:00Z"},
		{"section", "[]", Section{}},
		{"section", "[text]", Section{Specifier: "TEXT"}},
		{"section", "[HEADER]", Section{Specifier: "HEADER"}},
		{"section", "[1]", Section{Part: []int{1}}},
		{"section", "[10.2.MIME]", Section{Part: []int{10, 2}, Specifier: "MIME"}},
		{"section", "[4294967295]", Section{Part: []int{4294967295}}},
		{"section", "[Header.Fields (From \"To\" {2+}\r\nCc)]", Section{Specifier: "HEADER.FIELDS", Fields: []string{"From", "To", "Cc"}}},
		{"section", "[3.header.fields.not (x)]", Section{Part: []int{3}, Specifier: "HEADER.FIELDS.NOT", Fields: []string{"x"}}},
		{"binary", "[1.2]", Section{Part: []int{1, 2}}},
		{"binary", "[]", Section{}},
		{"partial", "<0.1>", &Partial{0, 1}},
		{"partial", "<9223372036854775807.9223372036854775807>", &Partial{math.MaxInt64, math.MaxInt64}},
		{"partial", "", (*Partial)(nil)},
		{"ir", "=", []byte{}},
		{"ir", "AGEAYg==", []byte("\x00a\x00b")},
		{"atoms", "()", []string(nil)},
		{"atoms", "(a b)", []string{"a", "b"}},
	} {
		for _, eol := range []string{"\r\n", "\n"} {
			const next = "next NOOP\r\n"
			eachReader(c.in+eol+next, PostLogin, func(how string, d *Decoder, r *bufio.Reader) {
				got, err := decodeOne(d, c.rule)
				name := fmt.Sprintf("case %d: %s %.60q (%s, eol %q)", i, c.rule, c.in, how, eol)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s: -want +got\n%s", name, diff)
				}
				if err := d.DiscardLine(); err != nil {
					t.Errorf("%s: DiscardLine after the line end: %v", name, err)
				}
				if rest, _ := io.ReadAll(r); string(rest) != next {
					t.Errorf("%s: left %.60q", name, rest)
				}
			})
		}
	}
}

// TestSyntaxErrors also proves that the next command is found after each.
func TestSyntaxErrors(t *testing.T) {
	for i, c := range []struct{ rule, in, msg string }{
		{"tag", " x", "expected a tag, found a space"},
		{"tag", "", "expected a tag, found the end of the line"},
		{"tag", "+", `expected a tag, found "+"`},
		{"tag", "a+", `expected the end of the line, found "+"`},
		{"tag", "\x00", "NUL is not allowed in a command"},
		{"tag", "a\x00", "NUL is not allowed in a command"},
		{"atom", "\x80", "expected an atom, found an 8-bit character"},
		{"atom", "a\tb", "expected the end of the line, found a control character"},
		{"atom", "a\rb", "CR without LF"},
		{"atom", "(", `expected an atom, found "("`},
		{"keyword", "[", `expected a keyword, found "["`},
		{"astring", "~{1+}\r\nx", `expected the end of the line, found "{"`},
		{"astring", `"a`, "the line ends inside a quoted string"},
		{"astring", "\"a {3+}\r\nx\"\n", "the line ends inside a quoted string"},
		{"astring", `"a\`, `only \" and \\ are allowed after a backslash in a quoted string`},
		{"astring", `"\a"`, `only \" and \\ are allowed after a backslash in a quoted string`},
		{"astring", "\"a\x00\"", "NUL is not allowed in a command"},
		{"astring", "\"\xff\"", "8-bit text in a quoted string is not UTF-8: use a literal"},
		{"astring", `"a"b`, "expected the end of the line, found more text"},
		{"astring", "{", "expected a number, found the end of the line"},
		{"astring", "{1", `expected "}", found the end of the line`},
		{"astring", "{1-}", `expected "}", found "-"`},
		{"astring", "{1+} ", "expected the end of the line, found a space"},
		{"astring", "{1+}\r", "CR without LF"},
		{"astring", "{3+}\r\na\x00b", "NUL is allowed in a literal8, ~{n}, only"},
		{"astring", "{3+}\r\n\r\n\n x {2+}\r\n\n\n{2+}\r\nA\n", "expected the end of the line, found a space"},
		{"astring", "\xc3\xbc", "expected an atom or string, found an 8-bit character"},
		{"string", "a", "expected a string, found more text"},
		{"nstring", "NILL", "expected a string or NIL, found an atom"},
		{"number", "4294967296", "number is larger than 4294967295"},
		{"number", "-1", `expected a number, found "-"`},
		{"number", "1x", "expected the end of the line, found more text"},
		{"nznumber", "0", "expected a number that does not start with 0"},
		{"nznumber", "01", "expected a number that does not start with 0"},
		{"number64", "9223372036854775808", "number is larger than 9223372036854775807"},
		{"number64", strings.Repeat("9", 6000), "number is larger than 9223372036854775807"},
		{"mailbox", "R&D", `mailbox name is not modified UTF-7: "&" is not followed by an encoded character and "-" (a plain "&" is written "&-")`},
		{"mailbox", "{1+}\r\n\xff", "mailbox name is neither modified UTF-7 nor UTF-8"},
		{"mailbox", "&AAA-", "NUL is not allowed in a mailbox name"},
		{"mailbox8", "{1+}\r\n\xff", "mailbox name is neither modified UTF-7 nor UTF-8"},
		{"mailbox", "\xff", "mailbox name is neither modified UTF-7 nor UTF-8"},
		{"mailbox", "%", `expected a mailbox name, found "%"`},
		{"pattern", "(", `expected a mailbox pattern, found "("`},
		{"flag", `\`, "expected the name of a flag, found the end of the line"},
		{"flag", `\*`, `expected the name of a flag, found "*"`},
		{"flag", `a]`, `expected the end of the line, found "]"`},
		{"flags", `(a`, `expected a space or ")", found the end of the line`},
		{"flags", `(a )`, `expected a flag, found ")"`},
		{"flags", `( a)`, `expected a flag, found a space`},
		{"flags", `a`, `expected "(", found more text`},
		{"store", ``, `expected a flag, found the end of the line`},
		{"seqset", "0", "invalid number set"},
		{"seqset", "01", "invalid number set"},
		{"seqset", "1,", "invalid number set"},
		{"seqset", ",1", "invalid number set"},
		{"seqset", "1:", "invalid number set"},
		{"seqset", "1:2:3", "invalid number set"},
		{"seqset", "**", "invalid number set"},
		{"seqset", "4294967296", "invalid number set"},
		{"seqset", "$", `expected a number set, found "$"`},
		{"numset", "x", "expected a number set, found more text"},
		{"seqnumset", "x", "expected a number set, found more text"},
		{"datetime", `"01-Jan-2020`, "the line ends inside a quoted string"},
		{"numset", "$,1", `expected the end of the line, found ","`},
		{"date", "30-Feb-2020", "invalid date: write it as 2-Jan-2006"},
		{"date", "0-Jan-2020", "invalid date: write it as 2-Jan-2006"},
		{"date", "1-anf-2020", "invalid date: write it as 2-Jan-2006"},
		{"date", "1-Jan-20", "invalid date: write it as 2-Jan-2006"},
		{"date", "2020-01-01", "invalid date: write it as 2-Jan-2006"},
		{"date", `"1-Jan-2020`, "the line ends inside a quoted string"},
		{"datetime", `"1-Jan-2020 00:00:00 +0000"`, `invalid date-time: write it as "02-Jan-2006 15:04:05 +0000"`},
		{"datetime", `"01-Jan-2020 24:00:00 +0000"`, `invalid date-time: write it as "02-Jan-2006 15:04:05 +0000"`},
		{"datetime", `"01-Jan-2020 00:00:00 +0060"`, `invalid date-time: write it as "02-Jan-2006 15:04:05 +0000"`},
		{"datetime", `"01-Jan-2020 00:00:00 00000"`, `invalid date-time: write it as "02-Jan-2006 15:04:05 +0000"`},
		{"datetime", `x`, "expected a date-time in quotes, found more text"},
		{"section", "[MIME]", "MIME needs a part number before it"},
		{"section", "[0]", "invalid part number"},
		{"section", "[1.]", "invalid part number"},
		{"section", "[1..2]", "unknown section"},
		{"section", "[4294967296]", "invalid part number"},
		{"section", "[1x]", "invalid part number"},
		{"section", "[FOO]", "unknown section"},
		{"section", "[TEXT.1]", "unknown section"},
		{"section", "[HEADER.FIELDS]", `expected a space, found "]"`},
		{"section", "[HEADER.FIELDS ()]", "HEADER.FIELDS needs the name of a field"},
		{"section", "[HEADER.FIELDS (a)", `expected "]", found the end of the line`},
		{"section", "TEXT]", `expected "[", found more text`},
		{"binary", "[1.MIME]", "BINARY takes a part number only"},
		{"partial", "<0.0>", "expected a number that does not start with 0"},
		{"partial", "<1>", `expected ".", found ">"`},
		{"ir", "AGEAYg=", "invalid base64"},
		{"ir", "AGEAYh==", "invalid base64"},
		{"ir", "*", `expected base64, found "*"`},
	} {
		const next = "next NOOP\r\n"
		eachReader(c.in+"\r\n"+next, PostLogin, func(how string, d *Decoder, r *bufio.Reader) {
			name := fmt.Sprintf("case %d: %s %.60q (%s)", i, c.rule, c.in, how)
			_, err := decodeOne(d, c.rule)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Msg != c.msg {
				t.Errorf("%s: got error %v, want %s", name, err, c.msg)
			}
			if d.Atom() != "" || d.AString() != "" || d.Number() != 0 || d.Peek() != 0 || d.TrySP() ||
				d.UIDSet() != nil || !d.DateTime().IsZero() || d.Section().Part != nil || d.Partial() != nil ||
				d.LiteralHeader() != (Literal{}) || d.FlagList() != nil {
				t.Errorf("%s: a value after the error", name)
			}
			if d.Err() != err {
				t.Errorf("%s: the first error did not stick", name)
			}
			if err := d.DiscardLine(); err != nil {
				t.Errorf("%s: DiscardLine: %v", name, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != next {
				t.Errorf("%s: left %.60q", name, rest)
			}
		})
	}
}

func TestUnexpectedEnd(t *testing.T) {
	for i, in := range []string{
		"a", `"a`, `"a\`, "{", "{5+}", "{5+}\r", "{5+}\r\n", "{5+}\r\nabc", "(", "a\r", " ",
	} {
		eachReader(in, PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
			if d.TrySpecial('('); d.Peek() == ' ' {
				d.SP()
			}
			d.AString()
			d.CRLF()
			if d.Err() != io.ErrUnexpectedEOF {
				t.Errorf("case %d: %q (%s): %v", i, in, how, d.Err())
			}
			if err := d.DiscardLine(); err != io.ErrUnexpectedEOF {
				t.Errorf("case %d: %q (%s): DiscardLine: %v", i, in, how, err)
			}
		})
	}
	eachReader("", PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
		if d.Tag(); d.Err() != io.EOF {
			t.Errorf("no input (%s): %v, want EOF", how, d.Err())
		}
	})
}

// The connection ends, or its deadline comes, while a bad command is skipped.
func TestEndWhileSkipping(t *testing.T) {
	for i, in := range []string{"( no line end", "( {5+}\r\n", "( {5+}\r\nabc", "( {3+}\r\nabc more"} {
		for _, c := range []struct{ end, want error }{
			{io.EOF, io.ErrUnexpectedEOF},
			{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		} {
			d := NewDecoder(PostLogin)
			d.Reset(bufio.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(c.end))))
			d.Tag()
			if err := d.DiscardLine(); err != c.want {
				t.Errorf("case %d: %q then %v: %v", i, in, c.end, err)
			}
		}
	}
}

func TestContinuation(t *testing.T) {
	eachReader("x {3}\r\nabc {2+}\r\nde {1}\r\nf\r\n", PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
		asked := 0
		d.SetContinue(func() error { asked++; return nil })
		d.Tag()
		var got []string
		for range 3 {
			d.SP()
			got = append(got, d.AString())
		}
		d.CRLF()
		if d.Err() != nil || asked != 2 || !cmp.Equal(got, []string{"abc", "de", "f"}) {
			t.Errorf("%s: %q, asked %d times, error %v", how, got, asked, d.Err())
		}
	})
	broken := errors.New("broken pipe")
	d := NewDecoder(PostLogin)
	d.Reset(bufio.NewReader(strings.NewReader("{3}\r\nabc\r\n")))
	d.SetContinue(func() error { return broken })
	if s := d.AString(); s != "" || d.Err() != broken || d.DiscardLine() != broken {
		t.Errorf("got %q, %v", s, d.Err())
	}
	d.SetContinue(nil)
	d.Reset(bufio.NewReader(strings.NewReader("{3}\r\nnext\r\n")))
	if d.AString(); d.Err() == nil || d.DiscardLine() != nil {
		t.Errorf("without a continuation: %v", d.Err())
	}
	if d.Begin(); d.Tag() != "next" {
		t.Errorf("the client's next command was lost: %v", d.Err())
	}
}

func TestBase64Line(t *testing.T) {
	for i, c := range []struct {
		in        string
		want      string
		cancelled bool
		bad       bool
	}{
		{in: "", want: ""},
		{in: "*", cancelled: true},
		{in: "AGEAYg==", want: "\x00a\x00b"},
		{in: strings.Repeat("QUJD", 1500), want: strings.Repeat("ABC", 1500)},
		{in: "QUJ", bad: true},
		{in: "Q U=", bad: true},
		{in: "*x", bad: true},
		{in: "=", bad: true},
		{in: "Q\x00==", bad: true},
	} {
		eachReader("x AUTHENTICATE\r\n"+c.in+"\r\nnext NOOP\r\n", PreLogin, func(how string, d *Decoder, _ *bufio.Reader) {
			d.Tag()
			d.SP()
			d.Command()
			d.CRLF()
			got, cancelled := d.Base64Line()
			if string(got) != c.want || cancelled != c.cancelled || (d.Err() != nil) != c.bad || got == nil != (c.bad || cancelled) {
				t.Errorf("case %d: %.30q (%s): got %q, %v, %v", i, c.in, how, got, cancelled, d.Err())
			}
			if err := d.DiscardLine(); err != nil {
				t.Errorf("case %d (%s): %v", i, how, err)
			}
			if d.Begin(); d.Tag() != "next" {
				t.Errorf("case %d (%s): next command lost: %v", i, how, d.Err())
			}
		})
	}
}

// TestPeekTextWaitsForNothing: the client may have sent all that it will.
func TestPeekTextWaitsForNothing(t *testing.T) {
	for line, want := range map[string]bool{
		"\r\n": false, " \r\n": false, " (A)\r\n": false, " (LA\r\n": false, " (lazy\r\n": true, " (LaZy) x\r\n": true, ")\r\n": false,
	} {
		more := false
		r := io.MultiReader(strings.NewReader(line), readerFunc(func([]byte) (int, error) { more = true; return 0, io.EOF }))
		d := NewDecoder(PostLogin)
		d.Reset(bufio.NewReader(iotest.OneByteReader(r)))
		if got := d.PeekText(" (LAZY"); got != want || d.Err() != nil || more {
			t.Errorf("%q: %v, %v; read on: %v", line, got, d.Err(), more)
		}
		if rest, err := io.ReadAll(d.r); string(rest) != line || err != nil {
			t.Errorf("%q: %q is left, %v", line, rest, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
