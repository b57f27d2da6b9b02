package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// runSCRAM lets the library's client talk to an exchange.
func runSCRAM(x Exchange, conv *scram.ClientConversation) error {
	var challenge []byte
	for {
		response, err := conv.Step(string(challenge))
		if err != nil {
			return err
		}
		var done bool
		challenge, done, err = x.Next(context.Background(), []byte(response))
		if err != nil {
			return err
		}
		if done {
			if !conv.Valid() {
				return errors.New("the client has not seen the server's proof")
			}
			return nil
		}
	}
}

// RFC 5802 §5 and RFC 7677 §3: password "pencil".
func TestSCRAMVectors(t *testing.T) {
	for h, want := range map[*scramHash]string{
		scramSHA1:   "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
		scramSHA256: "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	} {
		salt, err := base64.StdEncoding.DecodeString(strings.Split(want, ",")[1])
		if err != nil {
			t.Fatal(err)
		}
		v, err := deriveSCRAM(h, "pencil", string(salt), 4096)
		if err != nil || v.data() != want {
			t.Errorf("%s: %s, %v", h.name, v.data(), err)
		}
	}
}

func TestSCRAM(t *testing.T) {
	a := quick(testFile(t, "alice:"+bcryptPW, "alice:"+scramLine, "alice:"+scram1, "bob:{PLAIN}secret", "carol:"+shaLine,
		"a,b=c:{PLAIN}secret", "ünï:{PLAIN}pa\u00a0ss"))
	gens := map[string]scram.HashGeneratorFcn{"SCRAM-SHA-1": scram.SHA1, "SCRAM-SHA-256": scram.SHA256}
	for mech, gen := range gens {
		for _, tt := range []struct {
			user, password string
			cause          error
		}{
			{"alice", "secret", nil},
			{"bob", "secret", nil},
			{"a,b=c", "secret", nil},
			{"ünï", "pa ss", nil}, // SASLprep on both sides: RFC 4013 §2.1
			{"alice", "wrong", ErrBadPassword},
			{"bob", "wrong", ErrBadPassword},
			{"carol", "secret", ErrNoVerifier},
			{"dave", "secret", ErrNoUser},
			{"../alice", "secret", ErrBadName},
		} {
			client, err := gen.NewClient(tt.user, tt.password, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, plus := range []bool{false, true} {
				name, conv := mech, client.NewConversation()
				if plus {
					name = mech + "-PLUS"
					conv = client.NewConversationWithChannelBinding(scram.ChannelBinding{Type: "tls-exporter", Data: []byte("exported")})
				}
				x := start(t, a, name, bound)
				err = runSCRAM(x, conv)
				if tt.cause != nil {
					cause(t, err, tt.cause)
					if x.User().Name != "" {
						t.Errorf("%s %s: a user after failure", name, tt.user)
					}
				} else if err != nil || x.User().Name != tt.user || x.User().Mechanism != name {
					t.Errorf("%s %s: %v %+v", name, tt.user, err, x.User())
				}
			}
		}
	}
}

func TestSCRAMWithoutInitialResponse(t *testing.T) {
	a := quick(testFile(t, "alice:"+scramLine))
	x := start(t, a, "SCRAM-SHA-256", inClear)
	if c, done, err := x.Next(context.Background(), nil); c == nil || len(c) != 0 || done || err != nil {
		t.Fatalf("%q %v %v", c, done, err)
	}
	client, err := scram.SHA256.NewClient("alice", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := runSCRAM(x, client.NewConversation()); err != nil {
		t.Error(err)
	}
}

func TestChannelBinding(t *testing.T) {
	a := quick(testFile(t, "alice:"+scramLine))
	client, err := scram.SHA256.NewClient("alice", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	with := func(typ scram.ChannelBindingType, data string) *scram.ClientConversation {
		return client.NewConversationWithChannelBinding(scram.ChannelBinding{Type: typ, Data: []byte(data)})
	}
	for _, tt := range []struct {
		name, mech string
		c          Conn
		conv       *scram.ClientConversation
		cause      error
	}{
		{"exporter", "SCRAM-SHA-256-PLUS", bound, with("tls-exporter", "exported"), nil},
		{"certificate", "SCRAM-SHA-256-PLUS", bound, with("tls-server-end-point", "certificate"), nil},
		{"other connection", "SCRAM-SHA-256-PLUS", bound, with("tls-exporter", "other"), ErrBadPassword},
		{"type not there", "SCRAM-SHA-256-PLUS", bound, with("tls-unique", "exported"), ErrBinding},
		{"no binding in PLUS", "SCRAM-SHA-256-PLUS", bound, client.NewConversation(), ErrBinding},
		{"binding without PLUS", "SCRAM-SHA-256", bound, with("tls-exporter", "exported"), ErrBinding},
		{"PLUS taken out on the way", "SCRAM-SHA-256", bound, client.NewConversationAdvertisingChannelBinding(), ErrProtocol},
		{"PLUS not offered", "SCRAM-SHA-256", overTLS, client.NewConversationAdvertisingChannelBinding(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runSCRAM(start(t, a, tt.mech, tt.c), tt.conv)
			if tt.cause != nil {
				cause(t, err, tt.cause)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// An unknown user's first answer looks like a known one's, and is the same every
// time, also after a restart with the same seed.
func TestFakeSCRAM(t *testing.T) {
	f := testFile(t, "alice:"+scramLine, "carol:"+shaLine)
	ask := func(a *Authenticator, user string) (salt, iterations string) {
		got, _, err := converse(t, start(t, a, "SCRAM-SHA-256", inClear), []byte("n,,n="+user+",r=nonce"))
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Split(got[0], ",")
		return fields[1], fields[2]
	}
	opts := Options{File: f, Seed: []byte("of this installation")}
	a, restarted := New(opts), New(opts)
	known, n := ask(a, "alice")
	seen := map[string]string{}
	for _, user := range []string{"carol", "dave", "eve", "../x"} {
		salt, i := ask(a, user)
		if len(salt) != len(known) || i != n {
			t.Errorf("%s: %s,%s does not look like %s,%s", user, salt, i, known, n)
		}
		if again, _ := ask(restarted, user); again != salt {
			t.Errorf("%s: the salt changes", user)
		}
		if other := seen[salt]; other != "" {
			t.Errorf("%s and %s share a salt", user, other)
		}
		seen[salt] = user
	}
}
