package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
)

// Bounds and defaults of SCRAM's iteration count. RFC 7677 §4 asks for at least 4096.
const (
	scramMaxIterations = 2_000_000
	scramIterations    = 10_000 // written by maildir-imapctl passwd
	scramPlain         = 4096   // derived from a {PLAIN} secret at each exchange
	scramSaltLen       = 16
)

// scramHash is one of the two hashes SCRAM is offered with.
type scramHash struct {
	name string // SCRAM-SHA-1, SCRAM-SHA-256
	new  func() hash.Hash
	gen  scram.HashGeneratorFcn
}

var (
	scramSHA1   = &scramHash{"SCRAM-SHA-1", sha1.New, scram.SHA1}
	scramSHA256 = &scramHash{"SCRAM-SHA-256", sha256.New, scram.SHA256}
)

// scramVerifier is what RFC 5802 §3 calls the authentication information.
type scramVerifier struct {
	hash       *scramHash
	iterations int
	salt       string
	stored     []byte // H(ClientKey)
	server     []byte // ServerKey
}

// scramShape is what the first message of the server shows of a verifier.
type scramShape struct{ iterations, saltLen int }

// deriveSCRAM makes the verifier of a password that is already prepared.
func deriveSCRAM(h *scramHash, password, salt string, iterations int) (*scramVerifier, error) {
	salted, err := pbkdf2.Key(h.new, password, []byte(salt), iterations, h.new().Size())
	if err != nil {
		return nil, fmt.Errorf("scram key: %w", err)
	}
	mac := func(text string) []byte {
		m := hmac.New(h.new, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := h.new()
	stored.Write(mac("Client Key"))
	return &scramVerifier{hash: h, iterations: iterations, salt: salt,
		stored: stored.Sum(nil), server: mac("Server Key")}, nil
}

// prepare is SASLprep (RFC 4013), which SCRAM clients apply to passwords. What it
// refuses is used as it is.
func prepare(password string) string {
	if p, err := stringprep.SASLprep.Prepare(password); err == nil {
		return p
	}
	return password
}

// data is what follows {SCRAM-...} in the file, as Dovecot writes it.
func (s *scramVerifier) data() string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%d,%s,%s,%s", s.iterations, b64([]byte(s.salt)), b64(s.stored), b64(s.server))
}

func parseSCRAM(name, data string) (*verifier, error) {
	h := scramSHA256
	if name == scramSHA1.name {
		h = scramSHA1
	}
	fields := strings.Split(data, ",")
	if len(fields) != 4 {
		return nil, fmt.Errorf("is followed by %d fields instead of iterations,salt,StoredKey,ServerKey", len(fields))
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil || n < 1 || n > scramMaxIterations {
		return nil, fmt.Errorf("has an iteration count that is no number from 1 to %d", scramMaxIterations)
	}
	var raw [3][]byte
	for i, f := range fields[1:] {
		if raw[i], err = base64.StdEncoding.DecodeString(f); err != nil || len(raw[i]) == 0 {
			return nil, fmt.Errorf("has a %s that is not base64; the line may have been cut", []string{"salt", "StoredKey", "ServerKey"}[i])
		}
	}
	if size := h.new().Size(); len(raw[1]) != size || len(raw[2]) != size || len(raw[0]) > 1024 {
		return nil, fmt.Errorf("has keys that are not %d bytes long; the line may have been cut", size)
	}
	s := &scramVerifier{hash: h, iterations: n, salt: string(raw[0]), stored: raw[1], server: raw[2]}
	return &verifier{cost: float64(n) / 4000, scram: s, check: s.check}, nil
}

// check lets a SCRAM verifier serve PLAIN. Dovecot hashes the password as it is,
// clients and we after SASLprep: where these differ, both count.
func (s *scramVerifier) check(given string) bool {
	ok := s.matches(given)
	if p := prepare(given); p != given {
		ok = s.matches(p) || ok
	}
	return ok
}

func (s *scramVerifier) matches(password string) bool {
	got, err := deriveSCRAM(s.hash, password, s.salt, s.iterations)
	return err == nil && hmac.Equal(got.stored, s.stored)
}
