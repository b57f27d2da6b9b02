package transcript

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

type kind uint8

const (
	atom kind = iota
	str
	list
)

// value is one token of a response, or of a pattern for one.
type value struct {
	kind  kind
	text  string
	items []value
}

func (v value) String() string {
	switch v.kind {
	case str:
		return strconv.Quote(v.text)
	case list:
		var b strings.Builder
		for i, it := range v.items {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(it.String())
		}
		return "(" + b.String() + ")"
	}
	return v.text
}

// response is one parsed response line.
type response struct {
	tag    string  // "*", "+" or a tag
	status string  // OK NO BAD BYE PREAUTH, "" for data
	code   []value // nil: none; empty: [] in a pattern
	data   []value // of data responses, the keyword at its place; of "+" its text as one atom
	raw    string
}

func isStatus(word string) bool {
	for w := range strings.SplitSeq(word, "|") {
		switch w {
		case "OK", "NO", "BAD", "BYE", "PREAUTH":
		default:
			return false
		}
	}
	return true
}

// parseResponse reads one response, literals included; pattern additionally allows <<text>> strings.
func parseResponse(raw []byte, pattern bool) (*response, error) {
	line := bytes.TrimSuffix(raw, []byte("\r\n"))
	r := &response{raw: string(raw)}
	tag, rest, _ := bytes.Cut(line, []byte(" "))
	r.tag = string(tag)
	if r.tag == "+" {
		if len(rest) > 0 {
			r.data = []value{{kind: atom, text: string(rest)}}
		}
		return r, nil
	}
	word, text, _ := bytes.Cut(rest, []byte(" "))
	if isStatus(string(word)) {
		r.status = string(word)
		if !bytes.HasPrefix(text, []byte("[")) {
			return r, nil
		}
		t := tokens{b: text[1:], pattern: pattern, code: true}
		vals, err := t.until(']')
		if err != nil {
			return nil, fmt.Errorf("response code of %q: %w", raw, err)
		}
		r.code = append([]value{}, vals...)
		return r, nil
	}
	t := tokens{b: rest, pattern: pattern}
	vals, err := t.until(0)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", raw, err)
	}
	r.data = vals
	return r, nil
}

// tokens cuts the text of a response into values.
type tokens struct {
	b       []byte
	pattern bool
	code    bool // inside a response code: ']' ends an atom
	depth   int
}

func (t *tokens) until(end byte) ([]value, error) {
	var vals []value
	for {
		for len(t.b) > 0 && t.b[0] == ' ' {
			t.b = t.b[1:]
		}
		if len(t.b) == 0 {
			if end != 0 {
				return nil, fmt.Errorf("ends before %q", end)
			}
			return vals, nil
		}
		if end != 0 && t.b[0] == end {
			t.b = t.b[1:]
			return vals, nil
		}
		v, err := t.next()
		if err != nil {
			return nil, err
		}
		vals = append(vals, v)
	}
}

func (t *tokens) next() (value, error) {
	switch c := t.b[0]; {
	case c == '(':
		if t.depth++; t.depth > 100 {
			return value{}, fmt.Errorf("nested too deep")
		}
		t.b = t.b[1:]
		items, err := t.until(')')
		t.depth--
		return value{kind: list, items: items}, err
	case c == ')':
		return value{}, fmt.Errorf("unmatched )")
	case c == '"':
		return t.quoted()
	case c == '{' || c == '~' && len(t.b) > 1 && t.b[1] == '{':
		return t.literal()
	case t.pattern && bytes.HasPrefix(t.b, []byte("<<")):
		i := bytes.Index(t.b, []byte(">>"))
		if i < 0 {
			return value{}, fmt.Errorf("<< without >>")
		}
		text, err := unescape(string(t.b[2:i]))
		t.b = t.b[i+2:]
		return value{kind: str, text: text}, err
	}
	return t.atom(), nil
}

func (t *tokens) quoted() (value, error) {
	var text []byte
	for i := 1; i < len(t.b); i++ {
		switch t.b[i] {
		case '\\':
			if i++; i == len(t.b) {
				return value{}, fmt.Errorf("quoted string not closed")
			}
			text = append(text, t.b[i])
		case '"':
			t.b = t.b[i+1:]
			return value{kind: str, text: string(text)}, nil
		default:
			text = append(text, t.b[i])
		}
	}
	return value{}, fmt.Errorf("quoted string not closed")
}

func (t *tokens) literal() (value, error) {
	b := bytes.TrimPrefix(t.b, []byte("~"))
	head, rest, ok := bytes.Cut(b, []byte("}\r\n"))
	if !ok {
		return value{}, fmt.Errorf("literal without }")
	}
	n, err := strconv.Atoi(string(head[1:]))
	if err != nil || n < 0 || n > len(rest) {
		return value{}, fmt.Errorf("literal {%s} with %d bytes", head[1:], len(rest))
	}
	t.b = rest[n:]
	return value{kind: str, text: string(rest[:n])}, nil
}

// atom goes to the next space or parenthesis; a section in brackets belongs to it, spaces and all.
func (t *tokens) atom() value {
	depth, i := 0, 0
scan:
	for ; i < len(t.b); i++ {
		switch t.b[i] {
		case '[':
			depth++
		case ']':
			if depth == 0 && t.code {
				break scan
			}
			depth--
		case ' ', '(', ')':
			if depth == 0 {
				break scan
			}
		}
	}
	v := value{kind: atom, text: string(t.b[:i])}
	t.b = t.b[i:]
	return v
}

// unescape resolves \r \n \t \\ and \xHH.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf("ends in a backslash: %q", s)
		}
		switch s[i] {
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'x':
			if i+2 >= len(s) {
				return "", fmt.Errorf("short \\x in %q", s)
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", err
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
