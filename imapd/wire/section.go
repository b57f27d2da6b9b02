package wire

import (
	"math"
	"strings"
)

// Section is a section-spec (RFC 9051 §6.4.5.1).
type Section struct {
	Part      []int
	Specifier string   // "", HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME
	Fields    []string // of HEADER.FIELDS and HEADER.FIELDS.NOT, as sent
}

// Partial is the range that a client wants of a section.
type Partial struct{ Offset, Size int64 }

// Section reads "[" [section-spec] "]".
func (d *Decoder) Section() Section {
	s := d.sectionStart()
	if d.err == nil {
		switch s.Specifier {
		case "", "HEADER", "TEXT":
		case "MIME":
			if len(s.Part) == 0 {
				d.Fail("MIME needs a part number before it")
			}
		case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
			d.SP()
			d.List(func() { s.Fields = append(s.Fields, d.AString()) })
			if d.err == nil && len(s.Fields) == 0 {
				d.Fail("%s needs the name of a field", s.Specifier)
			}
		default:
			d.Fail("unknown section")
		}
	}
	return d.sectionEnd(s)
}

// SectionBinary reads the section of BINARY: "[" [section-part] "]"
// (RFC 3516 §7).
func (d *Decoder) SectionBinary() Section {
	s := d.sectionStart()
	if d.err == nil && s.Specifier != "" {
		d.Fail("BINARY takes a part number only")
	}
	return d.sectionEnd(s)
}

func (d *Decoder) sectionEnd(s Section) Section {
	d.Special(']')
	if d.err != nil {
		return Section{}
	}
	return s
}

// sectionStart reads "[", the part numbers and the name of the specifier.
func (d *Decoder) sectionStart() (s Section) {
	d.Special('[')
	text := string(d.span(classSection))
	if !d.argument(int64(len(text))) {
		return Section{}
	}
	for text != "" && '0' <= text[0] && text[0] <= '9' {
		number, rest, more := strings.Cut(text, ".")
		n := partNumber(number)
		if n == 0 || more && rest == "" {
			d.Fail("invalid part number")
			return Section{}
		}
		if len(s.Part) == d.lim.Depth {
			d.exceed(LimitDepth, "section is nested more than %d levels deep", int64(d.lim.Depth))
			return Section{}
		}
		s.Part = append(s.Part, n)
		text = rest
	}
	s.Specifier = strings.ToUpper(text)
	return s
}

// partNumber reads an nz-number; 0 for anything else.
func partNumber(s string) int {
	if s[0] == '0' || len(s) > len("4294967295") {
		return 0
	}
	if n := decimal(s); n > 0 && int64(n) <= math.MaxUint32 {
		return n
	}
	return 0
}

// Partial reads "<" number64 "." nz-number64 ">", or returns nil when no "<"
// comes next.
func (d *Decoder) Partial() *Partial {
	if !d.TrySpecial('<') {
		return nil
	}
	var p Partial
	p.Offset = d.Number64()
	d.Special('.')
	d.nonZero()
	p.Size = d.Number64()
	d.Special('>')
	if d.err != nil {
		return nil
	}
	return &p
}
