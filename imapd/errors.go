package imapd

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// status is the word of a tagged answer.
type status string

const (
	statusNO  status = "NO"
	statusBAD status = "BAD"
	statusBYE status = "BYE" // ends the connection
)

// statusError is a refusal: what the client is told, and the cause only the log sees.
type statusError struct {
	status status
	code   string // response code with its arguments, without brackets; empty for none
	text   string // safe for the client: no path, no secret
	cause  error
}

func (e *statusError) Error() string {
	if e.cause != nil {
		return e.text + ": " + e.cause.Error()
	}
	return e.text
}

func (e *statusError) Unwrap() error { return e.cause }

// no is a command refused for a reason of its own.
func no(code imap.ResponseCode, format string, args ...any) *statusError {
	return &statusError{status: statusNO, code: string(code), text: fmt.Sprintf(format, args...)}
}

// bad is a command that should not have been sent.
func bad(format string, args ...any) *statusError {
	return &statusError{status: statusBAD, text: fmt.Sprintf(format, args...)}
}

// bye ends the connection after saying why.
func bye(code imap.ResponseCode, format string, args ...any) *statusError {
	return &statusError{status: statusBYE, code: string(code), text: fmt.Sprintf(format, args...)}
}

// Response codes that go-imap's vocabulary lacks.
const (
	codeExpungeIssued imap.ResponseCode = "EXPUNGEISSUED" // RFC 5530 §3
	codeUseAttr       imap.ResponseCode = "USEATTR"       // RFC 6154 §3
	codeCompressed    imap.ResponseCode = "COMPRESSIONACTIVE"
)

// errBrokenAnswer is an answer cut short after its literal's size had been promised: only closing the
// connection keeps the client from reading the next line as message text.
var errBrokenAnswer = errors.New("answer cut short")

// storeErrors maps what the store detects to what RFC 5530 calls it, first match wins.
var storeErrors = []struct {
	is   error
	code imap.ResponseCode
	text string
}{
	{maildir.ErrNotExist, imap.ResponseCodeNonExistent, "No such mailbox"},
	{maildir.ErrExist, imap.ResponseCodeAlreadyExists, "Mailbox exists already"},
	{maildir.ErrExpunged, codeExpungeIssued, "Some of the messages no longer exist"},
	{maildir.ErrReadOnly, imap.ResponseCodeNoPerm, "Mailbox is read-only"},
	{maildir.ErrAnyone, imap.ResponseCodeNoPerm, `Rights are given to single users and groups only, unless the administrator has set "anyone = yes" for the namespace`},
	{maildir.ErrOwner, imap.ResponseCodeNoPerm, "These mailboxes have no owner that you could give rights to"},
	{maildir.ErrLockout, imap.ResponseCodeNoPerm, "An owner keeps the right to administer the mailbox"},
	{maildir.ErrListFile, imap.ResponseCodeNoPerm, "The mailbox's list of rights is damaged; the administrator has been told"},
	{maildir.ErrNoPermission, imap.ResponseCodeNoPerm, "Permission denied"},
	{maildir.ErrInUse, imap.ResponseCodeInUse, "Mailbox is locked by another program, try again later"},
	{maildir.ErrFull, imap.ResponseCodeOverQuota, "Not enough disk space or quota"},
	{maildir.ErrKeywordLimit, imap.ResponseCodeLimit, "Too many different keywords in this mailbox"},
	{maildir.ErrTemporary, imap.ResponseCodeUnavailable, "The server has trouble with its disk or its limits, try again later"},
	{maildir.ErrCorrupt, imap.ResponseCodeCorruption, "Mailbox state is damaged; the administrator has been told"},
}

// mapError turns any error of a command into what the client is told. It is the one place that does.
func mapError(err error) *statusError {
	var se *statusError
	if errors.As(err, &se) {
		return se
	}
	if reason := maildir.Reason(err); reason != "" {
		return &statusError{statusNO, string(imap.ResponseCodeCannot), "Mailbox name refused: " + reason, nil}
	}
	if over := quotaRefusal(err); over != nil {
		return over
	}
	for _, m := range storeErrors {
		if errors.Is(err, m.is) {
			return &statusError{statusNO, string(m.code), m.text, err}
		}
	}
	return &statusError{statusNO, string(imap.ResponseCodeServerBug), "Internal error, see the server's log", err}
}

// mapSyntax turns a decoder's error into BAD, or BYE where the stream cannot go on; nil for an I/O error.
func mapSyntax(err error) *statusError {
	var se *wire.SyntaxError
	if errors.As(err, &se) {
		return bad("%s", se.Msg)
	}
	var le *wire.LimitError
	if errors.As(err, &le) {
		if le.Fatal {
			return bye(imap.ResponseCodeLimit, "%s", le.Msg)
		}
		return &statusError{status: statusBAD, code: string(imap.ResponseCodeLimit), text: le.Msg}
	}
	return nil
}
