package imapd

import (
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir/message"
)

// searchParser reads a search program (RFC 9051 §9, search-program).
type searchParser struct {
	d *wire.Decoder
	s *session
	// charset of the strings; empty: UTF-8, of which US-ASCII is a part.
	charset string
	refused error
	// fuzzy: the key being read is to be matched inexactly.
	fuzzy, anyFuzzy bool
	texts           int // to be looked for in files
}

// mostTexts bounds what one search looks for in each file: every reader has a matcher for each of them, and every
// byte passes all of them. Programs that look for hundreds of message ids at once are served.
const mostTexts = 1000

// program reads an optional CHARSET and the keys after it; a space has been read.
func (p *searchParser) program() program { return p.programFrom(p.word()) }

// programFrom is program where the first word has been read.
func (p *searchParser) programFrom(word string) program {
	if word == "CHARSET" {
		if p.s.utf8 { // RFC 6855 §3: not even UTF-8 is named
			p.d.Fail("CHARSET is not allowed after ENABLE UTF8=ACCEPT")
		}
		p.d.SP()
		p.setCharset(p.d.AString())
		p.d.SP()
		word = p.word()
	}
	nodes := []searchNode{p.key(word)}
	for p.d.TrySP() {
		nodes = append(nodes, p.key(p.word()))
	}
	return program{keys: newAllOf(nodes), refused: p.refused, fuzzy: p.anyFuzzy}
}

// word reads the name of a key, "" where the next key is a set or a group.
func (p *searchParser) word() string {
	switch c := p.d.Peek(); {
	case c == '(', c == '*', c == '$', c >= '0' && c <= '9':
		return ""
	}
	return p.d.Keyword()
}

// key reads one search key whose name has been read. What does not parse becomes a key that can be sorted
// and nested like any other, though it is never run.
func (p *searchParser) key(word string) searchNode {
	if p.d.Err() == nil {
		if n := p.knownKey(word); p.d.Err() == nil {
			return n
		}
	}
	return noMessage{}
}

func (p *searchParser) knownKey(word string) searchNode {
	d := p.d
	if word == "" {
		if d.Peek() == '(' {
			var nodes []searchNode
			d.List(func() { nodes = append(nodes, p.key(p.word())) })
			if len(nodes) == 0 {
				d.Fail("an empty group of search keys")
			}
			return newAllOf(nodes)
		}
		return &setNode{set: numSet(d, false)}
	}
	k := p.s.srv.index.searchKeys[word]
	if k == nil {
		d.Fail("unknown search key %s", word)
		return nil
	}
	return k.parse(p)
}

// setCharset names the charset of the strings that follow. An unknown one is a NO, given once the command
// has been read.
func (p *searchParser) setCharset(name string) {
	switch strings.ToUpper(name) {
	case "UTF-8", "US-ASCII":
		return
	}
	if _, err := message.CharsetReader(name, strings.NewReader("")); err != nil {
		p.refused = &statusError{statusNO, string(imap.ResponseCodeBadCharset) + knownCharsets(), "Unknown charset", err}
		return
	}
	p.charset = name
}

// knownCharsets is the argument of BADCHARSET.
func knownCharsets() string {
	var b strings.Builder
	b.WriteString(" (UTF-8 US-ASCII")
	for _, name := range message.Charsets() {
		switch strings.ToUpper(name) {
		case "UTF-8", "US-ASCII":
			continue
		}
		b.WriteByte(' ')
		b.WriteString(name)
	}
	b.WriteByte(')')
	return b.String()
}

// fileText reads a string to look for in files.
func (p *searchParser) fileText() *pattern {
	if p.texts++; p.texts > mostTexts && p.refused == nil {
		p.refused = no(imap.ResponseCodeLimit, "A search looks for %d texts in messages at most", mostTexts)
	}
	return p.text()
}

// text reads a string to look for.
func (p *searchParser) text() *pattern {
	p.d.SP()
	s := p.d.AString()
	if p.charset != "" {
		r, err := message.CharsetReader(p.charset, strings.NewReader(s))
		if err == nil {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				s = string(b)
			}
		}
		if err != nil {
			p.d.Fail("a search string is not in the charset named")
		}
	}
	return newPattern(s, p.fuzzy)
}
