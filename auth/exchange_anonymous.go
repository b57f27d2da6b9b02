package auth

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
)

// AnonymousName is what users are called who did not say who they are. A user of the password file may have the same
// name and is somebody else: User.Anonymous tells.
const AnonymousName = "anonymous"

// maxTrace is how long a trace token may be (RFC 4505 §2: 255 characters).
const maxTrace = 255

// anonymousExchange is ANONYMOUS (RFC 4505). What the client says of itself proves nothing and is not kept.
type anonymousExchange struct {
	a    *Authenticator
	done bool
	user User
}

func startAnonymous(a *Authenticator, _ Conn, _ []string) Exchange { return &anonymousExchange{a: a} }

func (x *anonymousExchange) User() User { return x.user }

func (x *anonymousExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	if x.done {
		return nil, false, malformed("exchange is over")
	}
	if response == nil {
		return []byte{}, false, nil
	}
	x.done = true
	fail := malformed("ANONYMOUS takes a trace token")
	server := sasl.NewAnonymousServer(func(trace string) error {
		if utf8.RuneCountInString(trace) <= maxTrace && checkText(trace) == nil {
			fail = nil
		}
		return nil
	})
	_, _, _ = server.Next(response)
	if fail != nil {
		return nil, false, x.a.late(ctx, start, fail)
	}
	x.user = User{Name: AnonymousName, Mechanism: "ANONYMOUS", Anonymous: true}
	return nil, true, nil
}
