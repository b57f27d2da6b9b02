package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"
)

// scramExchange is SCRAM (RFC 5802, RFC 7677), with channel binding where plus is
// set.
type scramExchange struct {
	a       *Authenticator
	c       Conn
	hash    *scramHash
	plus    bool
	offered bool // the client could have had channel binding

	step  int // messages of the client seen
	conv  *scram.ServerConversation
	acct  *account
	cause error // why the exchange is a fake one
	user  User
}

func startSCRAM(h *scramHash, plus bool) func(*Authenticator, Conn, []string) Exchange {
	return func(a *Authenticator, c Conn, offered []string) Exchange {
		return &scramExchange{a: a, c: c, hash: h, plus: plus, offered: slices.Contains(offered, h.name+"-PLUS")}
	}
}

func (x *scramExchange) User() User { return x.user }

func (x *scramExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	start := time.Now()
	if response == nil && x.step == 0 {
		return []byte{}, false, nil
	}
	x.step++
	var challenge []byte
	var err *Error
	switch x.step {
	case 1:
		challenge, err = x.first(ctx, string(response))
	case 2:
		challenge, err = x.final(string(response))
	case 3:
		// IMAP has no data with success: the server's signature was a challenge, and
		// the client's answer to it is empty (RFC 5802 §5, RFC 4422 §3.3).
		if len(response) == 0 {
			return nil, true, nil
		}
		x.user = User{}
		err = malformed("text after the server's signature")
	default:
		return nil, false, malformed("exchange is over")
	}
	if err != nil {
		x.step = over
		return nil, false, x.a.late(ctx, start, err)
	}
	return challenge, false, nil
}

// over is a step no exchange reaches.
const over = 1 << 16

// first answers client-first-message with nonce, salt and iteration count.
func (x *scramExchange) first(ctx context.Context, message string) ([]byte, *Error) {
	server, err := x.hash.gen.NewServer(func(name string) (scram.StoredCredentials, error) {
		return x.credentials(ctx, name)
	})
	if err != nil {
		return nil, failed("", err)
	}
	flag, _, _ := strings.Cut(message, ",")
	typ, asks := strings.CutPrefix(flag, "p=")
	switch {
	case asks != x.plus:
		// RFC 5802 §6: "p" goes with the PLUS names and only with them.
		return nil, failed("", fmt.Errorf("%w: the client's flag does not fit the mechanism", ErrBinding))
	case x.plus:
		b := x.c.binding(typ)
		if !b.IsSupported() {
			return nil, failed("", fmt.Errorf("%w: the connection has no such binding", ErrBinding))
		}
		x.conv = server.NewConversationWithChannelBindingRequired(b)
	case x.offered:
		// "y" says that the client saw no PLUS among the mechanisms: someone between took it out.
		x.conv = server.NewConversationWithChannelBinding(x.c.binding(""))
	default:
		x.conv = server.NewConversation()
	}
	answer, err := x.conv.Step(message)
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return nil, interrupted("", err)
		}
		return nil, malformed("client-first-message")
	}
	return []byte(answer), nil
}

// final checks the proof of client-final-message and answers with the server's
// signature.
func (x *scramExchange) final(message string) ([]byte, *Error) {
	name := x.conv.Username()
	answer, err := x.conv.Step(message)
	switch {
	case x.acct == nil:
		return nil, failed(name, x.cause)
	case err != nil || !x.conv.Valid():
		return nil, failed(name, ErrBadPassword)
	}
	u, fail := x.acct.authorize(x.c, x.conv.AuthzID())
	if fail != nil {
		return nil, fail
	}
	x.user = u
	x.user.Mechanism = x.hash.name
	if x.plus {
		x.user.Mechanism += "-PLUS"
	}
	return []byte(answer), nil
}

// credentials is the library's question for a user's verifier. Those who have none
// get one that no password fits, the same at every try.
func (x *scramExchange) credentials(ctx context.Context, name string) (scram.StoredCredentials, error) {
	f := x.a.file.Load()
	v, password := (*scramVerifier)(nil), (*string)(nil)
	x.acct, x.cause = f.lookup(name)
	if x.acct != nil {
		if v, password = x.acct.forSCRAM(x.hash); v == nil && password == nil {
			x.acct, x.cause = nil, ErrNoVerifier
		}
	}
	fake := x.a.fake(f, x.hash, name)
	if f.hasPlain {
		// {PLAIN} lines mean a derivation here. Everyone goes through it, or the time
		// of this step would tell who has such a line.
		secret := ""
		if password != nil {
			secret = prepare(*password)
		}
		var derived *scramVerifier
		var err error
		salt := x.a.derive(x.hash.name+" plain salt", name, scramSaltLen)
		if werr := x.a.work(ctx, func() { derived, err = deriveSCRAM(x.hash, secret, string(salt), scramPlain) }); werr != nil {
			return scram.StoredCredentials{}, werr
		}
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		if password != nil {
			v = derived
		}
	}
	if v == nil {
		v = fake
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: v.salt, Iters: v.iterations},
		StoredKey:  v.stored, ServerKey: v.server,
	}, nil
}

// fake is the verifier shown for a name that has none: of a shape that some user of
// the file has, with a salt that depends on the name alone.
func (a *Authenticator) fake(f *File, h *scramHash, name string) *scramVerifier {
	shape := scramShape{scramIterations, scramSaltLen}
	if s := f.shapes[h]; len(s) > 0 {
		shape = s[binary.BigEndian.Uint32(a.derive(h.name+" shape", name, 4))%uint32(len(s))]
	}
	size := h.new().Size()
	return &scramVerifier{hash: h, iterations: shape.iterations,
		salt:   string(a.derive(h.name+" salt", name, shape.saltLen)),
		stored: a.derive(h.name+" stored", name, size),
		server: a.derive(h.name+" server", name, size),
	}
}

// derive makes n bytes that look random and depend on the seed, purpose and name.
func (a *Authenticator) derive(purpose, name string, n int) []byte {
	var out []byte
	for block := byte(0); len(out) < n; block++ {
		mac := hmac.New(sha256.New, a.seed)
		mac.Write([]byte(purpose))
		mac.Write([]byte{0, block})
		mac.Write([]byte(name))
		out = mac.Sum(out)
	}
	return out[:n]
}
