package message

import "bytes"

// header hands out the fields of one header. What it hands out does not depend on
// how the windows lie: the text index is made with one scope and asked for another.
func (t *SearchText) header(part *Part) {
	h := part.Header
	words, stars := true, false
	if b := t.window(h.Start, h.End); int64(len(b)) == h.Len() {
		words = bytes.Contains(b, wordStart)
	}
	t.field = t.field[:0]
	begun, start := false, true // within a field; at the start of a line
	cr := false                 // a window ended in CRs, which may belong to the line end
	for off := h.Start; ; {
		b := t.window(off, h.End)
		if len(b) == 0 {
			break
		}
		line := cutLine(b)
		off += int64(len(line))
		ends := line[len(line)-1] == '\n'
		if start && !isWSP(line[0]) && begun {
			t.endUnit()
			t.decodedField()
		}
		value := bytes.TrimRight(line, "\r\n")
		if cr && len(value) > 0 {
			t.value(crlf[:1], words)
		}
		cr = !ends && (len(value) < len(line) || cr && len(value) == 0)
		start, begun = ends, begun || len(value) > 0
		stars = stars || bytes.IndexByte(value, '*') >= 0
		t.value(value, words)
	}
	if begun {
		t.endUnit()
		t.decodedField()
	}
	if stars {
		t.params(part.Params)
		t.params(part.DispParams)
	}
}

// value hands out a piece of the field at hand, which is kept too where it may have
// encoded words.
func (t *SearchText) value(b []byte, words bool) {
	t.size += int64(len(b))
	t.emit(b)
	if words {
		t.collect(b)
	}
}

// collect adds to the field; one that is too long is decoded in pieces.
func (t *SearchText) collect(line []byte) {
	if len(t.field)+len(line) > windowSize {
		if i := bytes.LastIndexByte(t.field, ' '); i > 0 {
			rest := t.field[i:]
			t.field = t.field[:i]
			t.decodedField()
			t.field = append(t.field, rest...)
		} else {
			t.decodedField()
		}
	}
	t.field = append(t.field, line...)
}

// decodedField hands out the field that was collected if it has encoded words.
func (t *SearchText) decodedField() {
	if bytes.Contains(t.field, wordStart) {
		t.utf = DecodeWords(t.utf[:0], t.field)
		if !bytes.Equal(t.utf, t.field) {
			t.emit(t.utf)
			t.endUnit()
		}
	}
	t.field = t.field[:0]
}

// params hands out parameters that were written in pieces or with another
// charset (RFC 2231).
func (t *SearchText) params(list []Param) {
	for _, p := range list {
		name, extended := bytes.CutSuffix(p.Name, []byte("*"))
		if equalFold(name, "charset") {
			continue
		}
		t.utf = append(append(t.utf[:0], name...), '=')
		if extended {
			t.utf = DecodeExtended(t.utf, p.Value)
		} else {
			t.utf = DecodeWords(t.utf, p.Value)
		}
		t.emit(t.utf)
		t.endUnit()
	}
}
