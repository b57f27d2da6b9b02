package wire

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestStreamedLiteral(t *testing.T) {
	body := strings.Repeat("0123456789\r\n", 1000)
	for i, c := range []struct {
		header string
		want   Literal
	}{
		{"{12000}", Literal{Size: 12000}},
		{"{12000+}", Literal{Size: 12000, NonSync: true}},
		{"~{12000}", Literal{Size: 12000, Binary: true}},
		{"~{12000+}", Literal{Size: 12000, NonSync: true, Binary: true}},
	} {
		eachReader("x "+c.header+"\r\n"+body+" z\r\n", PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
			d.Tag()
			d.SP()
			l := d.LiteralHeader()
			if l != c.want {
				t.Fatalf("case %d (%s): %+v, %v", i, how, l, d.Err())
			}
			b, err := io.ReadAll(d.LiteralReader(l))
			if err != nil || string(b) != body {
				t.Errorf("case %d (%s): %d bytes, %v", i, how, len(b), err)
			}
			d.SP()
			d.Special('z')
			d.CRLF()
			if d.Err() != nil {
				t.Errorf("case %d (%s): %v", i, how, d.Err())
			}
		})
	}
}

func TestLiteralNUL(t *testing.T) {
	const in = "{5+}\r\nab\x00\n\n more\r\nnext\r\n"
	eachReader(in, PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
		b, err := io.ReadAll(d.LiteralReader(d.LiteralHeader()))
		var e *SyntaxError
		if string(b) != "ab" || !errors.As(err, &e) || d.Err() != err {
			t.Errorf("%s: %q, %v", how, b, err)
		}
		if err := d.DiscardLine(); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if d.Begin(); d.Tag() != "next" {
			t.Errorf("%s: %v", how, d.Err())
		}
	})
	eachReader("~"+in, PostLogin, func(how string, d *Decoder, _ *bufio.Reader) {
		if b, err := io.ReadAll(d.LiteralReader(d.LiteralHeader())); string(b) != "ab\x00\n\n" || err != nil {
			t.Errorf("literal8 (%s): %q, %v", how, b, err)
		}
	})
}

// What a server does that refuses a literal, or stops in the middle of one.
func TestRefusedLiteral(t *testing.T) {
	for i, c := range []struct {
		name, in string
		f        func(d *Decoder, l Literal) error
	}{
		{"sync, not asked for", "{9}\r\n", func(d *Decoder, l Literal) error { return d.DiscardLine() }},
		{"sync, not asked for, both calls", "{9}\r\n", func(d *Decoder, l Literal) error {
			return errors.Join(d.DiscardLiteral(l), d.DiscardLine())
		}},
		{"sync, Fail", "{9}\r\n", func(d *Decoder, l Literal) error { d.Fail("no"); return d.DiscardLine() }},
		{"nonsync", "{9+}\r\n12345678\n) {1+}\r\n\n\r\n", func(d *Decoder, l Literal) error { return d.DiscardLine() }},
		{"nonsync, both calls", "{9+}\r\n12345678\n\r\n", func(d *Decoder, l Literal) error {
			return errors.Join(d.DiscardLiteral(l), d.DiscardLine())
		}},
		{"nonsync, then the line is read", "{9+}\r\n12345678\n\r\n", func(d *Decoder, l Literal) error {
			err := d.DiscardLiteral(l)
			d.CRLF()
			return errors.Join(err, d.Err())
		}},
		{"stopped half-way", "{9}\r\n12345678\n (\r\n", func(d *Decoder, l Literal) error {
			_, _ = io.CopyN(io.Discard, d.LiteralReader(l), 4)
			return d.DiscardLine()
		}},
		{"stopped half-way, literal only", "{9}\r\n12345678\n\r\n", func(d *Decoder, l Literal) error {
			_, _ = io.CopyN(io.Discard, d.LiteralReader(l), 4)
			err := d.DiscardLiteral(l)
			d.CRLF()
			return errors.Join(err, d.Err())
		}},
	} {
		eachReader(c.in+"next NOOP\r\n", PostLogin, func(how string, d *Decoder, r *bufio.Reader) {
			if err := c.f(d, d.LiteralHeader()); err != nil {
				t.Errorf("case %d: %s (%s): %v", i, c.name, how, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "next NOOP\r\n" {
				t.Errorf("case %d: %s (%s): left %q", i, c.name, how, rest)
			}
		})
	}
}

func TestRefusedLiteralTooLong(t *testing.T) {
	eachReader("{1000+}\r\n", Limits{Discard: 999}, func(how string, d *Decoder, _ *bufio.Reader) {
		var e *LimitError
		if err := d.DiscardLiteral(d.LiteralHeader()); !errors.As(err, &e) || !e.Fatal || e.Value != 999 {
			t.Errorf("%s: %v", how, err)
		}
	})
}
