package auth

import (
	"context"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
)

// AnonymousName is what users are called who did not say who they are. A user of the password file may have the same
// name and is somebody else: User.Anonymous tells.
const AnonymousName = "anonymous"

// maxTrace is how long a trace token may be (RFC 4505 §2: 255 characters).
const maxTrace = 255

// startAnonymous begins ANONYMOUS (RFC 4505). What the client says of itself proves nothing and is not kept.
func startAnonymous(a *Authenticator, _ Conn, _ []string) Exchange {
	return &onceExchange{a: a, name: "ANONYMOUS", judge: anonymous}
}

func anonymous(_ context.Context, message []byte) (User, *Error) {
	fail := malformed("ANONYMOUS takes a trace token")
	server := sasl.NewAnonymousServer(func(trace string) error {
		if utf8.RuneCountInString(trace) <= maxTrace && checkText(trace) == nil {
			fail = nil
		}
		return nil
	})
	_, _, _ = server.Next(message)
	if fail != nil {
		return User{}, fail
	}
	return User{Name: AnonymousName, Anonymous: true}, nil
}
