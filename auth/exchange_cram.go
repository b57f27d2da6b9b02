package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// cramExchange is CRAM-MD5 (RFC 2195): the server speaks first.
type cramExchange struct {
	a         *Authenticator
	c         Conn
	challenge []byte
	done      bool
	user      User
}

func startCRAM(a *Authenticator, c Conn, _ []string) Exchange { return &cramExchange{a: a, c: c} }

func (x *cramExchange) User() User { return x.user }

func (x *cramExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	switch {
	case x.done:
		return nil, false, malformed("exchange is over")
	case x.challenge == nil && response != nil:
		x.done = true
		return nil, false, x.a.late(ctx, start, malformed("CRAM-MD5 has no initial response"))
	case x.challenge == nil:
		// RFC 2195 §2: a string of the form of a msg-id that no one can foresee.
		var random [16]byte
		rand.Read(random[:])
		x.challenge = fmt.Appendf(nil, "<%x.%s@%s>", random, strconv.FormatInt(start.Unix(), 10), x.a.hostname)
		return x.challenge, false, nil
	}
	x.done = true
	u, err := x.check(response)
	if err != nil {
		return nil, false, x.a.late(ctx, start, err)
	}
	x.user = u
	x.user.Mechanism = "CRAM-MD5"
	return nil, true, nil
}

// check takes user SP hex-digest. The name may contain blanks, the digest cannot.
func (x *cramExchange) check(response []byte) (User, *Error) {
	sp := bytes.LastIndexByte(response, ' ')
	if sp < 0 {
		return User{}, malformed("CRAM-MD5 is user SP digest")
	}
	name := string(response[:sp])
	given := make([]byte, 16)
	if len(response)-sp-1 != 32 {
		return User{}, malformed("CRAM-MD5 digest is not 32 hexadecimal digits")
	}
	if _, err := hex.Decode(given, response[sp+1:]); err != nil {
		return User{}, malformed("CRAM-MD5 digest is not 32 hexadecimal digits")
	}
	acct, cause := x.a.file.Load().lookup(name)
	contexts := new(cramContexts)
	if acct != nil {
		if own := acct.forCRAM(); own != nil {
			contexts = own
		} else {
			acct, cause = nil, ErrNoVerifier
		}
	}
	right := subtle.ConstantTimeCompare(contexts.mac(x.challenge), given) == 1 && *contexts != *newCRAM("")
	switch {
	case acct == nil:
		return User{}, failed(name, cause)
	case !right:
		return User{}, failed(name, ErrBadPassword)
	}
	return acct.authorize(x.c, "")
}
