package wire

import (
	"errors"
	"fmt"
	"io"
)

// SyntaxError says how a command breaks the grammar. Msg may be sent to the
// client: it holds at most one punctuation character of what the client sent,
// so no piece of a password can reach a log through it.
type SyntaxError struct{ Msg string }

func (e *SyntaxError) Error() string { return e.Msg }

// LimitError says which budget a command exceeds. Msg names limit and value
// for the client. After a Fatal one the start of the next command cannot be
// found at a bearable price and the connection has to end.
type LimitError struct {
	Msg   string
	Limit string // one of the Limit… constants
	Value int64
	Fatal bool
}

func (e *LimitError) Error() string { return e.Msg }

// Names of budgets, as LimitError.Limit has them.
const (
	LimitLine      = "line"
	LimitLiteral   = "literal"
	LimitArgs      = "args"
	LimitDepth     = "depth"
	LimitArguments = "arguments"
	LimitDiscard   = "discard"
)

// Errors of the Encoder. Each is a fault of the calling program, and after
// each the connection is out of step: it has to end.
var (
	ErrLiteralSize = errors.New("literal not filled to its announced size")
	ErrLiteralOpen = errors.New("token written inside an open literal")
	ErrToken       = errors.New("bytes that cannot stand in this token")
)

// Err returns the first error of the current command: *SyntaxError,
// *LimitError, io.EOF when the connection ended between commands, or another
// error of the reader.
func (d *Decoder) Err() error { return d.err }

// Fail sets a *SyntaxError unless there is an error already. Parse functions
// use it for rules that the grammar alone does not hold.
func (d *Decoder) Fail(format string, a ...any) {
	if d.err == nil {
		d.err = &SyntaxError{Msg: fmt.Sprintf(format, a...)}
	}
}

func (d *Decoder) exceed(limit, format string, value int64) {
	if d.err == nil {
		d.err = &LimitError{Msg: fmt.Sprintf(format, value), Limit: limit, Value: value}
	}
}

// ioError keeps io.EOF for a connection that ended between two commands.
func (d *Decoder) ioError(err error) {
	if d.err != nil {
		return
	}
	if errors.Is(err, io.EOF) && d.started {
		err = io.ErrUnexpectedEOF
	}
	d.err = err
}

// unexpected fails with what was wanted and what is there.
func (d *Decoder) unexpected(want string) {
	c := d.Peek()
	if d.err == nil {
		d.Fail("expected %s, found %s", want, describe(c))
	}
}

func describe(c byte) string {
	switch {
	case c == '\r' || c == '\n':
		return "the end of the line"
	case c == ' ':
		return "a space"
	case c < ' ' || c == 0x7f:
		return "a control character"
	case c >= 0x80:
		return "an 8-bit character"
	case classes[c]&classAlnum != 0:
		return "more text"
	}
	return `"` + string(rune(c)) + `"`
}
