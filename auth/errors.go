package auth

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// Causes that an Error may carry, for errors.Is. They are for the log: the client
// learns Text and Code only, which are the same for the first four.
var (
	ErrNoUser      = errors.New("no such user")
	ErrNoVerifier  = errors.New("user has no verifier for this mechanism")
	ErrBadPassword = errors.New("wrong password")
	ErrBadName     = errors.New("user name not allowed")
	ErrAuthzid     = errors.New("authorization identity differs from the login name")
	ErrMechanism   = errors.New("mechanism not available")
	ErrPrivacy     = errors.New("mechanism needs TLS")
	ErrProtocol    = errors.New("malformed SASL response")
	ErrBinding     = errors.New("channel binding refused")
)

// Error is a refused or failed login. Cause is for the log, Text and Code for the
// client; neither contains a secret.
type Error struct {
	Cause error
	User  string // login name as the client gave it, as far as it was known
	Text  string
	Code  imap.ResponseCode
}

func (e *Error) Error() string {
	if e.User == "" {
		return "login: " + e.Cause.Error()
	}
	return fmt.Sprintf("login %q: %v", e.User, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClientText is what the client may be told.
func (e *Error) ClientText() string { return e.Text }

// LoginName is the user as far as the exchange got to know it, for the log.
func (e *Error) LoginName() string { return e.User }

// ResponseCode is the RFC 5530 code of the refusal, empty for none.
func (e *Error) ResponseCode() imap.ResponseCode { return e.Code }

const failedText = "Authentication failed"

func failed(user string, cause error) *Error {
	return &Error{Cause: cause, User: user, Text: failedText, Code: imap.ResponseCodeAuthenticationFailed}
}

func malformed(detail string) *Error {
	return failed("", fmt.Errorf("%w: %s", ErrProtocol, detail))
}

// denied is for a user who proved who they are and asked to be someone else
// (RFC 5530 §3).
func denied(user string) *Error {
	return &Error{Cause: ErrAuthzid, User: user, Code: imap.ResponseCodeAuthorizationFailed,
		Text: "Logging in on behalf of another user is not allowed"}
}

func interrupted(user string, cause error) *Error {
	return &Error{Cause: cause, User: user, Code: imap.ResponseCodeUnavailable,
		Text: "Login could not be completed"}
}

// LineError is one bad line of a password or group file. It never quotes a secret.
type LineError struct {
	Path string
	Line int
	User string // whose line it is, as far as that can be told; not of a group file
	Msg  string // what is wrong, and what to do
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Msg)
}
