package auth

import (
	"context"
	"time"
)

// onceExchange is a mechanism in which the client sends one message and nothing else, with the command or when it is
// asked for it.
type onceExchange struct {
	a    *Authenticator
	name string
	// judge tells who the message says it is, or what is wrong with it.
	judge func(ctx context.Context, message []byte) (User, *Error)
	done  bool
	user  User
}

func (x *onceExchange) User() User { return x.user }

func (x *onceExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	if x.done {
		return nil, false, malformed("exchange is over")
	}
	if response == nil {
		return []byte{}, false, nil
	}
	x.done = true
	u, err := x.judge(ctx, response)
	if err != nil {
		return nil, false, x.a.late(ctx, start, err)
	}
	x.user = u
	x.user.Mechanism = x.name
	return nil, true, nil
}
