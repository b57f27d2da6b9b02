package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// headerNode is HEADER: the fields of one name in the message's own header.
type headerNode struct {
	sought
	names []string
	// listed: the cache keeps these fields, all of them, as they are written.
	listed bool
	// params: values may be in parameters that RFC 2231 has cut into pieces or encoded.
	params func(*message.Part) []message.Param
}

var headerKey = searchKey{"HEADER", func(p *searchParser) searchNode {
	p.d.SP()
	name := p.d.AString()
	n := &headerNode{sought: sought{want: p.fileText()}, names: []string{name}, listed: maildir.ListField(name)}
	switch strings.ToUpper(name) {
	case "CONTENT-TYPE":
		n.params = func(p *message.Part) []message.Param { return p.Params }
	case "CONTENT-DISPOSITION":
		n.params = func(p *message.Part) []message.Param { return p.DispParams }
	}
	return n
}}

func (*headerNode) cost() cost { return costHeader }

func (n *headerNode) bind(r *searchRun) {
	n.sought.bind(r)
	if n.listed {
		r.learns(maildir.KindFields)
	}
}

func (n *headerNode) match(ctx context.Context, c *candidate) (verdict, error) {
	v := open
	if n.provable(c) {
		v = n.known(c.UID)
	}
	if v == open && c.depth >= costCached && n.listed {
		fields, err := c.reader.Fields(ctx, c.Message)
		if err != nil {
			return fails, err
		}
		if fields != nil { // else they are too long to be kept
			c.field = message.HeaderFields(c.field[:0], fields, n.names, false)
			c.fields.begin(c, n)
			_, _ = c.fields.Write(c.field)
			v = n.settle(&c.fields)
		}
	}
	if v != open || c.depth < costHeader {
		return v, nil
	}
	if err := c.load(ctx, needFile); err != nil {
		return fails, err
	}
	c.fields.begin(c, n)
	_, err := message.SelectFields(&c.fields, io.NewSectionReader(c.file, 0, c.file.FileSize()), n.names, false)
	if err != nil && !errors.Is(err, errFound) {
		return fails, err
	}
	if v = n.settle(&c.fields); v == open {
		return n.inParams(ctx, c)
	}
	return v, nil
}

// provable tells that the text index has the fields as they are compared here. Parameters are compared
// without their quoting, which its text has; and a field longer than maxValue is decoded in other pieces there.
func (n *headerNode) provable(c *candidate) bool {
	return n.params == nil && 0 <= c.Size && c.Size <= maxValue
}

// settle is what the fields alone tell.
func (n *headerNode) settle(s *fieldScan) verdict {
	s.finish()
	if !s.found && n.params != nil {
		return open
	}
	return verdictOf(s.found)
}

// inParams looks into parameters as the structure has them, whole.
func (n *headerNode) inParams(ctx context.Context, c *candidate) (verdict, error) {
	if err := c.load(ctx, needStructure); err != nil {
		return fails, err
	}
	for _, p := range n.params(&c.structure.Parts[0]) {
		if name, _ := bytes.CutSuffix(p.Name, []byte("*")); bytes.EqualFold(name, []byte("charset")) {
			continue // nobody may have written it: a text that names no charset gets us-ascii
		}
		value := p.Value
		if bytes.HasSuffix(p.Name, []byte("*")) {
			c.field = message.DecodeExtended(c.field[:0], value)
			value = c.field
		}
		if c.inValue(n.want, value) {
			return holds, nil
		}
	}
	return fails, nil
}

// errFound ends the reading of a header.
var errFound = errors.New("found")

// fieldScan is a writer for header fields that looks for a text in their values, as they are written and
// decoded. A long field is decoded in pieces, so that memory does not grow with it.
type fieldScan struct {
	c     *candidate
	n     *headerNode
	found bool

	begun  bool // a field has begun
	inName bool // its colon is still to come
	start  bool // at the start of a line
	fold   message.Folder
	value  []byte // collected for decoding
}

// maxValue is how much of a value is decoded in one piece.
const maxValue = 32 << 10

func (s *fieldScan) begin(c *candidate, n *headerNode) {
	s.c, s.n = c, n
	s.found, s.begun, s.start, s.value = false, false, true, s.value[:0]
	s.fold.Reset()
	s.matcher().Reset()
}

func (s *fieldScan) matcher() textMatcher { return s.c.matchers[s.n.slot] }

// Write takes the next piece of the fields.
func (s *fieldScan) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !s.found {
		if s.start && p[0] != ' ' && p[0] != '\t' {
			s.finish()
			s.begun, s.inName = true, true
		}
		line := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line = p[:i+1]
		}
		p = p[len(line):]
		s.start = line[len(line)-1] == '\n'
		line = bytes.TrimRight(line, "\r\n")
		if s.inName {
			i := bytes.IndexByte(line, ':')
			if i < 0 {
				continue
			}
			line, s.inName = bytes.TrimLeft(line[i+1:], " \t"), false
		}
		s.feed(line)
	}
	if s.found {
		return n, errFound
	}
	return n, nil
}

// feed looks at a piece of the value.
func (s *fieldScan) feed(b []byte) {
	if s.n.want.empty() {
		s.found = true // the field is there (RFC 9051 §6.4.4)
		return
	}
	c := s.c
	c.folded = s.fold.Append(c.folded[:0], b)
	s.look()
	for len(b) > 0 && !s.found {
		k := min(len(b), maxValue-len(s.value))
		s.value = append(s.value, b[:k]...)
		if b = b[k:]; len(s.value) == maxValue {
			s.decoded(bytes.LastIndexByte(s.value, ' '))
		}
	}
}

func (s *fieldScan) look() {
	m := s.matcher()
	if m.Feed(s.c.folded) {
		s.found = s.c.result(m, true)
	}
}

// finish ends a field.
func (s *fieldScan) finish() {
	if s.begun && !s.inName && !s.found {
		c := s.c
		c.folded = s.fold.Finish(c.folded[:0])
		s.look()
		if m := s.matcher(); !s.found {
			if f, ok := m.(*fuzzyMatcher); ok {
				s.found = c.result(f, false)
			}
			m.Reset()
		}
		if !s.found {
			s.decoded(len(s.value))
		}
	}
	s.begun, s.value = false, s.value[:0]
	s.fold.Reset()
}

// decoded looks into the first n bytes collected, if they have encoded words, and keeps the rest.
func (s *fieldScan) decoded(n int) {
	if n <= 0 {
		n = len(s.value)
	}
	c := s.c
	if bytes.Contains(s.value[:n], encodedWord) {
		c.text = message.DecodeWords(c.text[:0], s.value[:n])
		c.folded = message.Fold(c.folded[:0], c.text)
		s.found = s.found || c.inFolded(s.n.want)
	}
	s.value = s.value[:copy(s.value, s.value[n:])]
}
