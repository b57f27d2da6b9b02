package auth

import (
	"context"
	"time"

	"github.com/emersion/go-sasl"
)

// plainExchange is PLAIN (RFC 4616).
type plainExchange struct {
	a    *Authenticator
	c    Conn
	done bool
	user User
}

func startPlain(a *Authenticator, c Conn, _ []string) Exchange { return &plainExchange{a: a, c: c} }

func (x *plainExchange) User() User { return x.user }

func (x *plainExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	if x.done {
		return nil, false, malformed("exchange is over")
	}
	if response == nil {
		return []byte{}, false, nil
	}
	x.done = true
	fail := malformed("PLAIN is authzid NUL authcid NUL password")
	server := sasl.NewPlainServer(func(authzid, name, password string) error {
		x.user, fail = x.a.password(ctx, x.c, name, authzid, password)
		return nil
	})
	_, _, _ = server.Next(response) // its only errors are the malformed response
	if fail != nil {
		return nil, false, x.a.late(ctx, start, fail)
	}
	x.user.Mechanism = "PLAIN"
	return nil, true, nil
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
