package order

import "bytes"

// BaseSubject appends to dst the base subject of RFC 5256 §2.1 of a subject whose encoded words have been
// decoded. reply tells that what was taken off marks a reply or a forward (§3, REFERENCES). Words of the
// grammar are compared without regard to case; the base keeps its own.
func BaseSubject(dst, subject []byte) (base []byte, reply bool) {
	from := len(dst)
	dst = oneSpace(dst, subject) // (1)
	s := dst[from:]
	for {
		s = trailers(s, &reply) // (2)
		s = leaders(s, &reply)  // (3) to (5)
		if len(s) < len(fwdHeader)+1 || !hasPrefixFold(s, fwdHeader) || s[len(s)-1] != ']' {
			break
		}
		s = s[len(fwdHeader) : len(s)-1] // (6)
		reply = true
	}
	n := copy(dst[from:], s)
	return dst[:from+n], reply
}

const (
	fwdHeader  = "[fwd:"
	fwdTrailer = "(fwd)"
)

// oneSpace makes one space of tabs, line ends and runs of them.
func oneSpace(dst, text []byte) []byte {
	from := len(dst)
	for _, c := range text {
		if c == '\t' || c == '\r' || c == '\n' {
			c = ' '
		}
		if c == ' ' && len(dst) > from && dst[len(dst)-1] == ' ' {
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// trailers takes off *subj-trailer.
func trailers(s []byte, reply *bool) []byte {
	for {
		n := len(s)
		switch {
		case n > 0 && s[n-1] == ' ':
			s = s[:n-1]
		case n >= len(fwdTrailer) && hasPrefixFold(s[n-len(fwdTrailer):], fwdTrailer):
			s = s[:n-len(fwdTrailer)]
			*reply = true
		default:
			return s
		}
	}
}

// leaders takes off *subj-leader, and the subj-blobs that leave something. A run of blobs is read once: what
// does not follow the last of them, a subj-refwd, does not follow the others either.
func leaders(s []byte, reply *bool) []byte {
	for {
		s = bytes.TrimLeft(s, " ")
		rest, last := s, s
		for {
			n := blob(rest)
			if n == 0 {
				break
			}
			last, rest = rest, rest[n:]
		}
		switch n := refwd(rest); {
		case n > 0:
			s = rest[n:]
			*reply = true
			continue
		case len(rest) == 0:
			return last // its blobs but the last
		}
		return rest
	}
}

// blob is the length of a subj-blob, with the space behind it.
func blob(s []byte) int {
	if len(s) == 0 || s[0] != '[' {
		return 0
	}
	n := bytes.IndexAny(s[1:], "[]") + 1
	if n == 0 || s[n] == '[' {
		return 0
	}
	for n++; n < len(s) && s[n] == ' '; n++ {
	}
	return n
}

// refwd is the length of a subj-refwd.
func refwd(s []byte) int {
	n := 2
	switch {
	case hasPrefixFold(s, "re"):
	case hasPrefixFold(s, "fwd"):
		n = 3
	case !hasPrefixFold(s, "fw"):
		return 0
	}
	for n < len(s) && s[n] == ' ' {
		n++
	}
	n += blob(s[n:])
	if n == len(s) || s[n] != ':' {
		return 0
	}
	return n + 1
}

// hasPrefixFold compares with lower-case ASCII.
func hasPrefixFold(s []byte, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Display appends the text that an address is shown by (RFC 5957 §3): its decoded display name, else
// mailbox@host. The beginning of a group has no host; its name stands in mailbox (RFC 9051 §7.5.2).
func Display(dst, name, mailbox, host []byte) []byte {
	if len(name) > 0 {
		return append(dst, name...)
	}
	dst = append(dst, mailbox...)
	if len(host) > 0 {
		dst = append(append(dst, '@'), host...)
	}
	return dst
}
