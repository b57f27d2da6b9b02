package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slow gives a file's verifiers a check that takes d of the bubble's time, and counts.
func slow(f *File, d time.Duration) (running, most, total *atomic.Int32) {
	running, most, total = new(atomic.Int32), new(atomic.Int32), new(atomic.Int32)
	for _, a := range f.users {
		for _, v := range a.verifiers {
			check := v.check
			v.cost = 1000
			v.check = func(p string) bool {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				total.Add(1)
				time.Sleep(d)
				running.Add(-1)
				return check(p)
			}
		}
	}
	return running, most, total
}

func TestFailuresTakeOneTime(t *testing.T) {
	for name, check := range map[string]time.Duration{"cheap": 0, "usual": 300 * time.Millisecond, "dear": 2500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := testFile(t, "alice:"+shaLine, "bob:"+scramLine)
				if check > 0 {
					slow(f, check)
				}
				want := (check/(2*time.Second) + 1) * 2 * time.Second
				a := New(Options{File: f})
				for _, user := range []string{"alice", "bob", "nobody", "../x", "", strings.Repeat("x", 5000)} {
					for _, password := range []string{"wrong", "", "a\x00b", strings.Repeat("x", 5000)} {
						start := time.Now()
						_, err := a.Login(t.Context(), user, password, overTLS)
						if took := time.Since(start); err == nil || took != want {
							t.Errorf("%.10q %.10q: %v after %v, want %v", user, password, err, took, want)
						}
					}
				}
			})
		})
	}
}

func TestFailedExchangesTakeOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{File: testFile(t, "alice:"+scramLine, "alice:"+cramLine), Delay: 3 * time.Second})
		for _, tt := range []struct {
			mech      string
			responses []string
		}{
			{"PLAIN", []string{"\x00alice\x00wrong"}},
			{"PLAIN", []string{"garbage"}},
			{"LOGIN", []string{"alice", "wrong"}},
			{"CRAM-MD5", []string{"", "alice 00000000000000000000000000000000"}},
			{"CRAM-MD5", []string{"", "nobody 00000000000000000000000000000000"}},
			{"CRAM-MD5", []string{"", "garbage"}},
			{"SCRAM-SHA-256", []string{"n,,n=alice,r=x", "c=biws,r=x,p=AAAA"}},
			{"SCRAM-SHA-256", []string{"n,,n=nobody,r=x", "c=biws,r=x,p=AAAA"}},
			{"SCRAM-SHA-256", []string{"garbage"}},
		} {
			x := start(t, a, tt.mech, overTLS)
			var err error
			for i, r := range tt.responses {
				time.Sleep(time.Minute) // a slow client gains nothing
				response := []byte(r)
				if r == "" {
					response = nil
				}
				began := time.Now()
				_, _, err = x.Next(t.Context(), response)
				want := time.Duration(0)
				if i == len(tt.responses)-1 {
					want = 3 * time.Second
				}
				if took := time.Since(began); took != want {
					t.Errorf("%s %q step %d took %v", tt.mech, tt.responses, i, took)
				}
			}
			if err == nil {
				t.Errorf("%s %q: no error", tt.mech, tt.responses)
			}
		}
	})
}

// TestCheapestLineFirst: after a restart everybody comes at once, so the hash that costs fifty milliseconds is only tried
// where the line that costs one does not take the password; and once for all connections of a user.
func TestCheapestLineFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testFile(t, "alice:"+bcryptPW, "alice:"+scramLine, "bob:"+bcryptPW)
		dear := 0
		for _, a := range f.users {
			for _, v := range a.verifiers {
				if check := v.check; v.kind() == "bcrypt" {
					v.check = func(p string) bool { dear++; time.Sleep(time.Second); return check(p) }
				}
			}
		}
		a := New(Options{File: f, Workers: 1})
		if _, err := a.Login(t.Context(), "alice", "secret", overTLS); err != nil || dear != 0 {
			t.Errorf("%v after %d checks of bcrypt", err, dear)
		}
		if _, err := a.Login(t.Context(), "alice", "wrong", overTLS); err == nil || dear != 1 {
			t.Errorf("%v after %d checks of bcrypt", err, dear)
		}
		dear = 0
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := a.Login(t.Context(), "bob", "secret", overTLS); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if dear != 1 {
			t.Errorf("%d checks for five connections", dear)
		}
	})
}

func TestSuccessIsNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{File: testFile(t, "alice:"+bcryptPW)})
		start := time.Now()
		if _, err := a.Login(t.Context(), "alice", "secret", overTLS); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestContextEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testFile(t, "alice:"+shaLine)
		slow(f, time.Hour)
		a := New(Options{File: f, Workers: 1})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { a.Login(t.Context(), "alice", "secret", overTLS) }) // holds the one worker
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.Login(ctx, "alice", "secret", overTLS)
		var e *Error
		if !errors.As(err, &e) || e.ResponseCode() != "UNAVAILABLE" || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("waiting for a worker: %v after %v", err, time.Since(start))
		}
		quick := New(Options{File: testFile(t, "bob:"+shaLine)})
		start = time.Now()
		ctx2, cancel2 := context.WithTimeout(t.Context(), time.Second)
		defer cancel2()
		_, err = quick.Login(ctx2, "bob", "wrong", overTLS)
		cause(t, err, ErrBadPassword)
		if time.Since(start) != time.Second {
			t.Errorf("waiting for the delay: %v", time.Since(start))
		}
	})
}

func TestWorkersBoundHashing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testFile(t, "alice:"+shaLine)
		_, most, total := slow(f, time.Second)
		a := New(Options{File: f, Workers: 3})
		var wg sync.WaitGroup
		for i := range 20 {
			user := "alice"
			if i%2 == 1 {
				user = "nobody" // the unknown queue and hash as the known do
			}
			wg.Go(func() { a.Login(t.Context(), user, "wrong", overTLS) })
		}
		wg.Wait()
		if most.Load() != 3 || total.Load() != 20 {
			t.Errorf("%d checks at once, %d in all; want 3 and 20", most.Load(), total.Load())
		}
	})
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := func(lines ...string) (*File, *atomic.Int32) {
			f := testFile(t, lines...)
			_, _, total := slow(f, 0)
			return f, total
		}
		f, total := load("alice:"+shaLine, "bob:"+shaLine)
		a := New(Options{File: f})
		login := func(user, password string, ok bool, hashed int32) {
			t.Helper()
			_, err := a.Login(t.Context(), user, password, overTLS)
			if (err == nil) != ok || total.Load() != hashed {
				t.Errorf("%s %s: %v, hashed %d times, want %d", user, password, err, total.Load(), hashed)
			}
			total.Store(0)
		}
		login("alice", "secret", true, 1)
		login("alice", "secret", true, 0)
		login("alice", "wrong", false, 1)
		login("alice", "wrong", false, 1) // failures are not remembered
		login("bob", "secret", true, 1)   // nor one user for another
		time.Sleep(5 * time.Minute)
		login("alice", "secret", true, 1)

		f, total = load("alice:"+shaLine, "bob:"+bcryptPW) // bob has another verifier
		a.Replace(f)
		login("alice", "secret", true, 0)
		login("bob", "secret", true, 1)
		old, _ := load("alice:"+shaLine, "bob:"+shaLine)
		f, total = load("bob:" + shaLine) // back again, and alice gone
		a.Replace(f)
		login("bob", "secret", true, 1)
		a.Replace(old)
		if len(a.cache.m) != 1 {
			t.Errorf("%d successes remembered, want bob's", len(a.cache.m))
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(time.Hour)
	v := &verifier{raw: "x", cost: 1}
	for i := range cacheMax + 100 {
		c.add(strings.Repeat("u", i%7)+string(rune(i)), v, "p")
	}
	if len(c.m) > cacheMax {
		t.Errorf("%d entries", len(c.m))
	}
	off := newCache(-1)
	off.add("u", v, "p")
	if off.has("u", v, "p") {
		t.Error("a cache that is off remembers")
	}
}

func TestReplaceUnderLoad(t *testing.T) {
	f, g := testFile(t, "alice:"+shaLine), testFile(t, "alice:"+scramLine)
	a := quick(f)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := a.Login(t.Context(), "alice", "secret", overTLS); err != nil {
					t.Error(err)
				}
				a.Mechanisms(bound)
			}
		})
	}
	for range 50 {
		a.Replace(g)
		a.Replace(f)
	}
	wg.Wait()
}

func TestNobody(t *testing.T) {
	a := New(Options{Delay: time.Microsecond})
	_, err := a.Login(t.Context(), "alice", "", overTLS)
	cause(t, err, ErrNoUser)
}
