package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	lim := Limits{Line: 100, Literal: 20, Args: 10, Depth: 3, Arguments: 150, Discard: 1000}
	var nested func(d *Decoder)
	nested = func(d *Decoder) {
		if d.Peek() == '(' {
			d.List(func() { nested(d) })
		} else {
			d.Atom()
		}
	}
	var not func(d *Decoder)
	not = func(d *Decoder) {
		d.Nest(func() {
			if d.Keyword() == "NOT" {
				d.SP()
				not(d)
			}
		})
	}
	strs := func(d *Decoder) {
		d.AString()
		for d.TrySP() {
			d.AString()
		}
	}
	for i, c := range []struct {
		in    string
		parse func(*Decoder)
		limit string // "" = within all limits
		value int64
		fatal bool
		bytes int64 // Limits.Arguments, if not the above
	}{
		{in: strings.Repeat("x", 100), parse: strs},
		{in: strings.Repeat("x", 101), parse: strs, limit: LimitLine, value: 100},
		{in: `"` + strings.Repeat("x", 98) + `"`, parse: strs},
		{in: `"` + strings.Repeat("x", 99) + `"`, parse: strs, limit: LimitLine, value: 100},
		{in: strings.Repeat("x", 998), parse: strs, limit: LimitLine, value: 100},
		{in: strings.Repeat("x", 1100), parse: strs, limit: LimitLine, value: 100, fatal: true},
		{in: "{20+}\r\n" + strings.Repeat("x", 20), parse: strs},
		{in: "{21+}\r\n" + strings.Repeat("\n", 21), parse: strs, limit: LimitLiteral, value: 20},
		{in: "{21}", parse: strs, limit: LimitLiteral, value: 20},
		{in: "{99999999999999999999999999999999}", parse: strs, limit: LimitLiteral, value: 20},
		{in: "{1001+}\r\n" + strings.Repeat("\n", 1001), parse: strs, limit: LimitLiteral, value: 20, fatal: true},
		{in: "{99999999999999999999999999999999+}", parse: strs, limit: LimitLiteral, value: 20, fatal: true},
		{in: `"` + strings.Repeat("x", 90) + ` {99999999999999999999999999999999+}`, parse: strs, limit: LimitLine, value: 100, fatal: true},
		// The limit hits inside the header of a literal.
		{in: strings.Repeat("x", 97) + " {12+}\r\n" + strings.Repeat("\n", 12), parse: strs, limit: LimitLine, value: 100},
		{in: `"` + strings.Repeat("x", 94) + " {12+}\r\n" + strings.Repeat("\n", 12), parse: strs, limit: LimitLine, value: 100},
		{in: "1 2 3 4 5 6 7 8 9 10", parse: strs},
		{in: "1 2 3 4 5 6 7 8 9 10 11", parse: strs, limit: LimitArgs, value: 10},
		{in: strings.Repeat("{20+}\r\n12345678901234567890 ", 6) + "x", parse: strs, limit: LimitArgs, value: 10},
		// The digits of a literal's header are a token too.
		{in: "{20+}\r\n12345678901234567890 {20+}\r\n12345678901234567890 x", parse: strs, bytes: 45},
		{in: "{20+}\r\n12345678901234567890 {20+}\r\n12345678901234567890 x", parse: strs, bytes: 44, limit: LimitArguments, value: 44},
		{in: "{20+}\r\n12345678901234567890 {20+}\r\n\n\n\n\n\n678901234567890 x", parse: strs, bytes: 43, limit: LimitArguments, value: 43},
		{in: "(((x)))", parse: nested},
		{in: "((((x))))", parse: nested, limit: LimitDepth, value: 3},
		{in: "(((x) (x)) x ((x)))", parse: nested},
		{in: "NOT NOT x", parse: not},
		{in: "NOT NOT NOT x", parse: not, limit: LimitDepth, value: 3},
		{in: "[1.2.3]", parse: func(d *Decoder) { d.Section() }},
		{in: "[1.2.3.4]", parse: func(d *Decoder) { d.Section() }, limit: LimitDepth, value: 3},
	} {
		l := lim
		if c.bytes > 0 {
			l.Arguments = c.bytes
		}
		const next = "next NOOP\r\n"
		eachReader(c.in+"\r\n"+next, l, func(how string, d *Decoder, r *bufio.Reader) {
			name := fmt.Sprintf("case %d: %.40q (%s)", i, c.in, how)
			d.SetContinue(func() error { t.Errorf("%s: asked for the literal", name); return nil })
			c.parse(d)
			d.CRLF()
			if c.limit == "" {
				if d.Err() != nil {
					t.Errorf("%s: %v", name, d.Err())
				}
				return
			}
			var e *LimitError
			if !errors.As(d.Err(), &e) || e.Limit != c.limit || e.Value != c.value ||
				!strings.Contains(e.Msg, fmt.Sprint(e.Value)) {
				t.Fatalf("%s: got %#v", name, d.Err())
			}
			err := d.DiscardLine()
			if c.fatal {
				if !errors.As(err, &e) || !e.Fatal {
					t.Errorf("%s: DiscardLine: %v, want a fatal limit", name, err)
				}
				return
			}
			if err != nil {
				t.Errorf("%s: DiscardLine: %v", name, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != next {
				t.Errorf("%s: left %q", name, rest)
			}
		})
	}
}

func prepared(in string, l Limits) *Decoder {
	d := NewDecoder(l)
	d.Reset(bufio.NewReader(strings.NewReader(in)))
	return d
}

// Each command has the budgets to itself, and zero fields have a default.
func TestLimitsAreOfOneCommand(t *testing.T) {
	d := prepared(strings.Repeat("abcdefgh (x (y))\r\n", 5), Limits{Line: 20, Args: 4, Depth: 2, Arguments: 20})
	for i := range 5 {
		d.Begin()
		d.Tag()
		d.SP()
		d.Special('(')
		d.Atom()
		d.SP()
		d.List(func() { d.Atom() })
		d.Special(')')
		d.CRLF()
		if d.Err() != nil {
			t.Fatalf("command %d: %v", i, d.Err())
		}
	}
	if got := (Limits{}).withDefaults(); got != PostLogin {
		t.Errorf("defaults: %+v", got)
	}
}

func TestPreLoginIsSmall(t *testing.T) {
	for i, in := range []string{
		strings.Repeat("x", PreLogin.Line+1),
		"{4097}\r\n",
		"{99999999+}\r\n",
	} {
		d := prepared(in, PreLogin)
		d.AString()
		var e *LimitError
		if !errors.As(d.Err(), &e) {
			t.Errorf("case %d: %v", i, d.Err())
		}
	}
}

// An endless line costs the client a connection and the server nothing.
func TestEndlessLine(t *testing.T) {
	r := &endless{}
	d := NewDecoder(PreLogin)
	d.Reset(bufio.NewReaderSize(r, 4096))
	d.Tag()
	var e *LimitError
	if err := d.DiscardLine(); !errors.As(err, &e) || !e.Fatal || e.Limit != LimitDiscard {
		t.Errorf("got %v", err)
	}
	if r.n > int(PreLogin.Discard)+PreLogin.Line+2*4096 {
		t.Errorf("read %d bytes", r.n)
	}
}

type endless struct{ n int }

func (r *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	r.n += len(p)
	return len(p), nil
}

// An idle decoder keeps no memory of the long command before.
func TestScratchIsGivenBack(t *testing.T) {
	d := prepared("\""+strings.Repeat("x", 30000)+"\"\r\n", PostLogin)
	if d.AString(); cap(d.buf) < 30000 {
		t.Fatal("the test tests nothing")
	}
	if d.Begin(); cap(d.buf) > keepScratch {
		t.Errorf("%d bytes kept", cap(d.buf))
	}
}
