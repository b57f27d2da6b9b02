package maildir

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

const propsFile = "maildir-imapd.props"

// props is maildir-imapd.props: what a mailbox was given by clients and no
// other file has a place for. Each line is a word, a space and its value:
//
//	special-use \Sent \Archive
//
// Lines with other words, and any damaged ones, are kept where they are.
type props struct {
	lines []string
}

const propSpecialUse = "special-use"

func parseProps(b []byte) *props {
	p := &props{}
	for line := range strings.SplitSeq(string(b), "\n") {
		if line != "" {
			p.lines = append(p.lines, line)
		}
	}
	return p
}

// encode appends the file; nothing when there is nothing to say.
func (p *props) encode(b []byte) []byte {
	for _, l := range p.lines {
		b = append(b, l...)
		b = append(b, '\n')
	}
	return b
}

// get returns the value of the first line with this word.
func (p *props) get(key string) (string, bool) {
	for _, l := range p.lines {
		if k, v, _ := strings.Cut(l, " "); k == key {
			return v, true
		}
	}
	return "", false
}

// set replaces the first line with this word, or adds one; "" removes it.
func (p *props) set(key, value string) {
	for i, l := range p.lines {
		if k, _, _ := strings.Cut(l, " "); k == key {
			if value == "" {
				p.lines = append(p.lines[:i], p.lines[i+1:]...)
			} else {
				p.lines[i] = key + " " + value
			}
			return
		}
	}
	if value != "" {
		p.lines = append(p.lines, key+" "+value)
	}
}

func (p *props) specialUse() []imap.MailboxAttr {
	v, _ := p.get(propSpecialUse)
	var use []imap.MailboxAttr
	for word := range strings.FieldsSeq(v) {
		if word[0] == '\\' && len(word) > 1 && validKeyword(word[1:]) {
			use = append(use, imap.MailboxAttr(word))
		}
	}
	return use
}

func (p *props) setSpecialUse(use []imap.MailboxAttr) {
	words := make([]string, len(use))
	for i, u := range use {
		words[i] = string(u)
	}
	p.set(propSpecialUse, strings.Join(words, " "))
}
