package message

import "bytes"

// HeaderFields appends the fields of a header block whose names are in names, or
// with not those whose names are not (HEADER.FIELDS and HEADER.FIELDS.NOT,
// RFC 9051 §6.4.5.1): whole, in their order, folds kept, line ends CRLF, and the
// blank line at the end.
func HeaderFields(dst, header []byte, names []string, not bool) []byte {
	for len(header) > 0 {
		line := cutLine(header)
		if blank(line) {
			break
		}
		n := len(line)
		for n < len(header) && isWSP(header[n]) {
			n += len(cutLine(header[n:]))
		}
		if named(line, names) != not {
			dst = appendCRLF(dst, header[:n])
			if header[n-1] != '\n' {
				dst = append(dst, crlf...)
			}
		}
		header = header[n:]
	}
	return append(dst, crlf...)
}

// cutLine is the first line of b with its LF.
func cutLine(b []byte) []byte {
	if i := indexLF(b); i >= 0 {
		return b[:i+1]
	}
	return b
}

// blank says whether b begins with an empty line.
func blank(b []byte) bool {
	return b[0] == '\n' || len(b) > 1 && b[0] == '\r' && b[1] == '\n'
}

func named(line []byte, names []string) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return false
	}
	name := line[:colon]
	for len(name) > 0 && isWSP(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	for _, n := range names {
		if equalFold(name, n) {
			return true
		}
	}
	return false
}
