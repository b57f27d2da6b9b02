package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/GehirnInc/crypt"
	"github.com/GehirnInc/crypt/apr1_crypt"
	"github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha256_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
	"github.com/go-crypt/x/yescrypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Bounds on what a line may make one check cost. They are above everything that
// htpasswd, mkpasswd and doveadm write unless told to; what is beyond would let one
// login hold a processor for long, or all memory.
const (
	maxBcryptCost   = 17 // htpasswd's own limit
	maxCryptRounds  = 2_000_000
	maxMemoryKiB    = 1 << 20
	maxArgonPasses  = 64
	maxArgonMemPass = 4 << 20 // passes * KiB
)

// cryptFamilies is the table of $id$ prefixes.
var cryptFamilies = []struct {
	prefix string
	parse  func(prefix, secret string) (*verifier, error)
}{
	{"$2a$", parseBcrypt},
	{"$2b$", parseBcrypt},
	{"$2y$", parseBcrypt},
	{"$apr1$", modular(apr1_crypt.New, 8, 22, 0.5)},
	{"$1$", modular(md5_crypt.New, 8, 22, 0.5)},
	{"$5$", modular(sha256_crypt.New, 16, 43, 3)},
	{"$6$", modular(sha512_crypt.New, 16, 86, 4)},
	{"$y$", parseYescrypt},
	{"$7$", parseScrypt},
	{"$argon2id$", parseArgon2},
	{"$argon2i$", parseArgon2},
}

// parseCrypt reads a hash in the $id$ form of crypt(3).
func parseCrypt(secret string) (*verifier, error) {
	for _, f := range cryptFamilies {
		if !strings.HasPrefix(secret, f.prefix) {
			continue
		}
		v, err := f.parse(f.prefix, secret)
		if err != nil {
			return nil, fmt.Errorf("%s hash %w", f.prefix, err)
		}
		v.scheme = f.prefix
		return v, nil
	}
	if !strings.HasPrefix(secret, "$") {
		return nil, fmt.Errorf("must be followed by a hash that begins with $id$")
	}
	id, _, _ := strings.Cut(secret[1:], "$")
	return nil, fmt.Errorf("hash $%s$ is not supported; set the password anew with maildir-imapctl passwd", strings.ToLower(printable(id)))
}

var errCut = fmt.Errorf("is malformed; the line may have been cut or wrapped")

// parseBcrypt reads $2y$10$ and 53 characters. $2x$ is refused by not being in the
// table: it marks hashes of a broken implementation.
func parseBcrypt(_, secret string) (*verifier, error) {
	if len(secret) != 60 || secret[6] != '$' || !isCrypt64(secret[7:]) {
		return nil, errCut
	}
	cost, err := bcrypt.Cost([]byte(secret))
	if err != nil {
		return nil, errCut
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("has cost %d; the most that is accepted is %d", cost, maxBcryptCost)
	}
	stored := []byte(secret)
	return &verifier{cost: 0.05 * math.Pow(2, float64(cost)), check: func(given string) bool {
		// bcrypt reads 72 bytes. A longer password is refused, not cut: otherwise
		// its first 72 bytes would be a password too.
		fits := len(given) <= 72
		if !fits {
			given = given[:72]
		}
		return bcrypt.CompareHashAndPassword(stored, []byte(given)) == nil && fits
	}}, nil
}

// modular reads $id$[rounds=N$]salt$hash. The library gets the setting rebuilt from
// its parts: handed a whole hash with rounds= and a short salt it would take the
// hash's first characters for salt.
func modular(newCrypter func() crypt.Crypter, maxSalt, hashLen int, cost float64) func(prefix, secret string) (*verifier, error) {
	return func(prefix, secret string) (*verifier, error) {
		fields := strings.Split(secret[len(prefix):], "$")
		setting, cost := prefix, cost
		if len(fields) == 3 && maxSalt == 16 {
			n, ok := strings.CutPrefix(fields[0], "rounds=")
			rounds, err := strconv.Atoi(n)
			if !ok || err != nil || rounds < 1 || n[0] == '+' {
				return nil, errCut
			}
			if rounds > maxCryptRounds {
				return nil, fmt.Errorf("has %d rounds; the most that is accepted is %d", rounds, maxCryptRounds)
			}
			setting += fields[0] + "$"
			cost = cost * float64(rounds) / 5000
			fields = fields[1:]
		}
		if len(fields) != 2 || fields[0] == "" || len(fields[1]) != hashLen || !isCrypt64(fields[1]) {
			return nil, errCut
		}
		if len(fields[0]) > maxSalt {
			fields[0] = fields[0][:maxSalt] // crypt(3) ignores the rest
		}
		salt, want := []byte(setting+fields[0]), []byte(fields[1])
		c := newCrypter()
		return &verifier{cost: cost, check: func(given string) bool {
			if given == "" {
				return false
			}
			made, err := c.Generate([]byte(given), salt)
			if err != nil {
				return false
			}
			got := made[strings.LastIndexByte(made, '$')+1:]
			return subtle.ConstantTimeCompare([]byte(got), want) == 1
		}}, nil
	}
}

// parseYescrypt reads $y$params$salt$hash, as Debian's crypt(3) writes them.
func parseYescrypt(prefix, secret string) (*verifier, error) {
	fields := strings.Split(secret[len(prefix):], "$")
	if len(fields) != 3 || len(fields[2]) != 43 || !isCrypt64(fields[0]+fields[1]+fields[2]) {
		return nil, errCut
	}
	if len(fields[0]) != 3 || fields[0][0] != 'j' {
		return nil, fmt.Errorf("has parameters that are not supported; set the password anew with maildir-imapctl passwd")
	}
	n, r := strings.IndexByte(crypt64, fields[0][1])+1, strings.IndexByte(crypt64, fields[0][2])+1
	if n < 10 || n > 18 || r > 32 {
		return nil, fmt.Errorf("has parameters beyond those accepted (N from 2^10 to 2^18, r to 32)")
	}
	if len(yescrypt.Decode64([]byte(fields[1]))) == 0 {
		return nil, errCut
	}
	setting := []byte(secret[:strings.LastIndexByte(secret, '$')])
	want := []byte(secret)
	return &verifier{cost: float64(int(1)<<n*r) / 4096, check: func(given string) bool {
		got, err := yescrypt.Hash([]byte(given), append(setting[:len(setting):len(setting)], '$'))
		return err == nil && subtle.ConstantTimeCompare(got, want) == 1
	}}, nil
}

const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// parseScrypt reads $7$, then one character of log2 N, five of r, five of p, a
// salt that is used as text, '$' and 43 characters of hash.
func parseScrypt(prefix, secret string) (*verifier, error) {
	setting, sum, ok := strings.Cut(secret[len(prefix):], "$")
	if !ok || len(setting) < 12 || len(sum) != 43 || !isCrypt64(setting+sum) {
		return nil, errCut
	}
	n := strings.IndexByte(crypt64, setting[0])
	r, p := uint30(setting[1:6]), uint30(setting[6:11])
	if n < 1 || r < 1 || p < 1 {
		return nil, errCut
	}
	if n > 20 || r > 32 || p > 16 || (uint64(r)<<n)/8 > maxMemoryKiB {
		return nil, fmt.Errorf("has parameters beyond those accepted (1 GiB of memory, r to 32, p to 16)")
	}
	want := yescrypt.Decode64([]byte(sum))
	if len(want) != 32 {
		return nil, errCut
	}
	salt := []byte(setting[11:])
	return &verifier{cost: float64(int(1)<<n*r*p) / 2048, check: func(given string) bool {
		got, err := scrypt.Key([]byte(given), salt, 1<<n, r, p, 32)
		return err == nil && subtle.ConstantTimeCompare(got, want) == 1
	}}, nil
}

// uint30 reads five characters of crypt's base 64, least significant first.
func uint30(s string) int {
	v := 0
	for i := 0; i < 5; i++ {
		v |= strings.IndexByte(crypt64, s[i]) << (6 * i)
	}
	return v
}

// parseArgon2 reads $argon2id$v=19$m=65536,t=3,p=1$salt$hash.
func parseArgon2(prefix, secret string) (*verifier, error) {
	fields := strings.Split(secret[len(prefix):], "$")
	if fields[0] != "v=19" {
		return nil, fmt.Errorf("is not of version 19; set the password anew with maildir-imapctl passwd")
	}
	if len(fields) != 4 {
		return nil, errCut
	}
	var memory, passes uint32
	var lanes uint8
	if n, err := fmt.Sscanf(fields[1]+"\n", "m=%d,t=%d,p=%d\n", &memory, &passes, &lanes); err != nil || n != 3 {
		return nil, errCut
	}
	if memory < 8 || passes < 1 || lanes < 1 {
		return nil, errCut
	}
	if memory > maxMemoryKiB || passes > maxArgonPasses || uint64(memory)*uint64(passes) > maxArgonMemPass {
		return nil, fmt.Errorf("has parameters beyond those accepted (m to %d, t to %d, m*t to %d)", maxMemoryKiB, maxArgonPasses, maxArgonMemPass)
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[2])
	if err != nil || len(salt) < 1 {
		return nil, errCut
	}
	want, err := base64.RawStdEncoding.DecodeString(fields[3])
	if err != nil || len(want) < 4 || len(want) > 512 {
		return nil, errCut
	}
	derive := argon2.IDKey
	if prefix == "$argon2i$" {
		derive = argon2.Key
	}
	return &verifier{cost: float64(memory) * float64(passes) / 1024, check: func(given string) bool {
		got := derive([]byte(given), salt, passes, memory, lanes, uint32(len(want)))
		return subtle.ConstantTimeCompare(got, want) == 1
	}}, nil
}
