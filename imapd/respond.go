package imapd

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// responder writes answers. Actions write untagged lines and name the tagged line's code; the tagged line
// itself is the loop's.
type responder struct {
	*wire.Encoder
	c *conn
	// code and text replace the tagged OK's "completed": "READ-WRITE", "APPENDUID 1 5".
	code, text string
}

// untagged begins an untagged line; the caller ends it with CRLF.
func (w *responder) untagged() *wire.Encoder { return w.Raw("* ") }

// untaggedStatus writes "* OK [code] text".
func (w *responder) untaggedStatus(word, code, text string) {
	w.untagged().Raw(word)
	w.statusTail(code, text)
}

func (w *responder) statusTail(code, text string) {
	w.SP()
	if code != "" {
		w.Special('[').Raw(code).Raw("] ")
	}
	w.Text(text).CRLF()
}

// number writes "* n WORD".
func (w *responder) number(n uint32, word string) {
	w.untagged().Number(n).SP().Raw(word).CRLF()
}

// numericCode writes "* OK [CODE n] text".
func (w *responder) numericCode(code string, n uint64, text string) {
	w.untagged().Raw("OK [").Raw(code).SP().Number64(int64(n)).Raw("] ").Text(text).CRLF()
}

// list writes "(" items ")" with single spaces between.
func (w *responder) list(n int, item func(i int)) {
	w.Special('(')
	for i := range n {
		if i > 0 {
			w.SP()
		}
		item(i)
	}
	w.Special(')')
}

// flagList writes a parenthesized list of flags or attributes.
func (w *responder) flagList(flags []imap.Flag) {
	w.list(len(flags), func(i int) { w.Flag(flags[i]) })
}

// continuation asks the client to go on (RFC 9051 §7.6) and sends it at once.
func (w *responder) continuation(text string) error {
	w.Raw("+ ").Raw(text).CRLF()
	return w.send()
}

// send hands what is encoded to the network.
func (w *responder) send() error {
	if err := w.Err(); err != nil {
		return err
	}
	return w.c.flush()
}
