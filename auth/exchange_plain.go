package auth

import (
	"context"
	"time"

	"github.com/emersion/go-sasl"
)

// startPlain begins PLAIN (RFC 4616).
func startPlain(a *Authenticator, c Conn, _ []string) Exchange {
	judge := func(ctx context.Context, message []byte) (u User, fail *Error) {
		fail = malformed("PLAIN is authzid NUL authcid NUL password")
		server := sasl.NewPlainServer(func(authzid, name, password string) error {
			u, fail = a.password(ctx, c, name, authzid, password)
			return nil
		})
		_, _, _ = server.Next(message) // its only errors are the malformed message
		return u, fail
	}
	return &onceExchange{a: a, name: "PLAIN", judge: judge}
}

// loginExchange is LOGIN, the undocumented elder of PLAIN: two prompts, two
// answers. Some clients send the name as initial response.
type loginExchange struct {
	a        *Authenticator
	c        Conn
	name     string
	prompted bool // for the password
	done     bool
	user     User
}

func startLogin(a *Authenticator, c Conn, _ []string) Exchange { return &loginExchange{a: a, c: c} }

func (x *loginExchange) User() User { return x.user }

func (x *loginExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	switch {
	case x.done:
		return nil, false, malformed("exchange is over")
	case response == nil && !x.prompted:
		return []byte("Username:"), false, nil
	case !x.prompted:
		x.name, x.prompted = string(response), true
		return []byte("Password:"), false, nil
	}
	x.done = true
	u, err := x.a.password(ctx, x.c, x.name, "", string(response))
	if err != nil {
		return nil, false, x.a.late(ctx, start, err)
	}
	x.user = u
	x.user.Mechanism = "LOGIN"
	return nil, true, nil
}
