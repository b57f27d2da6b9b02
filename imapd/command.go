package imapd

import (
	"context"

	"maildir-imapd/imapd/wire"
)

// states is the set of session states a command is legal in (RFC 9051 §3).
type states uint8

const (
	authenticated states = 1 << iota
	selected

	anyState = authenticated | selected
)

// effects says what a command does to numbering, mailbox and stream; policy is derived from these flags
// and never from a command's name.
type effects uint8

const (
	// holdsExpunge: no EXPUNGE may be sent while it runs, because its arguments or answers carry message
	// sequence numbers (RFC 9051 §7.5.1: FETCH, STORE, SEARCH and the like without UID).
	holdsExpunge effects = 1 << iota
	// opensMailbox: it ends the current selection or starts another; its own answers replace updates.
	opensMailbox
	// readsMore: run goes on reading from the client (APPEND's literal, AUTHENTICATE, IDLE).
	readsMore
	// quiet: nothing about the mailbox is said at its end (LOGOUT).
	quiet
	// onlyAnswers: it changes nothing and may take long, so that it is stopped when its client is gone.
	onlyAnswers
)

// command is one row of the command table. S is the side of the login it is for: *front or *session.
type command[S any] struct {
	name string // upper case; "UID FETCH" is a name of its own
	in   states // unused before login, where there is one state
	does effects
	// parse reads the arguments up to and including CRLF (readsMore: up to the literal) and touches no
	// store. Syntax errors stay in the decoder; a returned error is for arguments that parse but make
	// no sense.
	parse func(d *wire.Decoder, s S) (action[S], error)
}

// action is a parsed command. A nil error means OK; a *statusError says NO, BAD or BYE; anything else is
// answered NO [SERVERBUG] and logged.
type action[S any] interface {
	run(ctx context.Context, s S, w *responder) error
}

// actionFunc makes an action of a func.
type actionFunc[S any] func(ctx context.Context, s S, w *responder) error

func (f actionFunc[S]) run(ctx context.Context, s S, w *responder) error { return f(ctx, s, w) }

// noArgs is the parse of commands that take no arguments.
func noArgs[S any](run actionFunc[S]) func(*wire.Decoder, S) (action[S], error) {
	return func(d *wire.Decoder, _ S) (action[S], error) {
		d.CRLF()
		return run, nil
	}
}
