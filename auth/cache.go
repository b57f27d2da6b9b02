package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// cacheMax bounds the cache; at twice its size entries go, the old ones first.
const cacheMax = 50_000

// cache remembers which passwords were right a moment ago, so that a client that
// opens ten connections costs one hash. What it holds cannot be tried against
// guesses outside this process: the key is made here and never leaves.
type cache struct {
	ttl time.Duration
	key [32]byte

	mu sync.Mutex
	m  map[[32]byte]cached
}

type cached struct {
	user     string
	verifier string
	until    time.Time
}

func newCache(ttl time.Duration) *cache {
	c := &cache{ttl: ttl, m: make(map[[32]byte]cached)}
	rand.Read(c.key[:]) // never fails: crypto/rand ends the process instead
	return c
}

// sum covers user, verifier and password, each with its length before it.
func (c *cache) sum(user string, v *verifier, password string) (sum [32]byte) {
	mac := hmac.New(sha256.New, c.key[:])
	for _, s := range []string{user, v.raw, password} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		mac.Write(n[:])
		mac.Write([]byte(s))
	}
	mac.Sum(sum[:0])
	return sum
}

func (c *cache) has(user string, v *verifier, password string) bool {
	if c.ttl < 0 || v.cost < queued {
		return false
	}
	sum := c.sum(user, v, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[sum]
	return ok && time.Now().Before(e.until)
}

func (c *cache) add(user string, v *verifier, password string) {
	if c.ttl < 0 || v.cost < queued {
		return
	}
	sum, now := c.sum(user, v, password), time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= cacheMax {
		for k, e := range c.m {
			if !now.Before(e.until) || len(c.m) >= cacheMax {
				delete(c.m, k)
			}
		}
	}
	c.m[sum] = cached{user: user, verifier: v.raw, until: now.Add(c.ttl)}
}

// keep drops the successes whose verifier is no longer the user's in f.
func (c *cache) keep(f *File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.m {
		acct := f.users[e.user]
		if acct == nil || !slices.ContainsFunc(acct.forPlain(), func(v *verifier) bool { return v.raw == e.verifier }) {
			delete(c.m, k)
		}
	}
}
