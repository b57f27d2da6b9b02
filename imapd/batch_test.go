package imapd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBesides(t *testing.T) {
	ctx := context.Background()
	one, other := errors.New("one"), errors.New("other")
	// The two wait for each other: they run side by side.
	a, b := make(chan bool), make(chan bool)
	err := besides(ctx, func(context.Context) error { a <- true; <-b; return nil }, func() error { <-a; b <- true; return nil })
	if err != nil {
		t.Error(err)
	}
	if err := besides(ctx, func(context.Context) error { return one }, func() error { return nil }); !errors.Is(err, one) {
		t.Errorf("the work's error: %v", err)
	}
	// What the caller does has failed: the work is told, and waited for.
	var ended atomic.Bool
	work := func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond)
		ended.Store(true)
		return ctx.Err()
	}
	if err := besides(ctx, work, func() error { return other }); !errors.Is(err, other) || !ended.Load() {
		t.Errorf("%v, ended %v", err, ended.Load())
	}
}

// TestBesidesPanic: whichever of the two panics, the caller does, and nothing is left running.
func TestBesidesPanic(t *testing.T) {
	var ended atomic.Bool
	waits := func(ctx context.Context) error { <-ctx.Done(); ended.Store(true); return nil }
	for want, f := range map[string]func() error{
		"work": func() error {
			return besides(context.Background(), func(context.Context) error { panic("work") }, func() error { ended.Store(true); return nil })
		},
		"caller": func() error { return besides(context.Background(), waits, func() error { panic("caller") }) },
	} {
		ended.Store(false)
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, want) || !ended.Load() {
					t.Errorf("panic %q, want %q; the other ended: %v", p, want, ended.Load())
				}
			}()
			_ = f()
		}()
	}
}

// TestFetchAhead: over several batches of a set with many holes, nothing known of any, each message is answered
// once, in order, with what is its own.
func TestFetchAhead(t *testing.T) {
	const messages = 3*batchSize + 7
	s := startServer(t, func(s *testServer) { s.options.Log = quietLog })
	c := s.client(t).login()
	for i := 1; i <= messages; i++ {
		text := fmt.Sprintf("Subject: s%d\n\n%s\n", i, strings.Repeat("x", i))
		if err := os.WriteFile(filepath.Join(s.mail, "cur", fmt.Sprintf("%d.a.b:2,S", 100_000+i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.do("s SELECT INBOX")
	var set []string
	var uids []int
	for i := 1; i <= messages; i++ {
		if i%3 == 0 || i > 2*batchSize {
			uids = append(uids, i)
			set = append(set, fmt.Sprint(i))
		}
	}
	got := c.answers("f UID FETCH " + strings.Join(set, ",") + " (RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
	lines := strings.SplitAfter(got, "\r\n")
	if len(lines) != len(uids)+2 {
		t.Fatalf("%d lines for %d messages", len(lines), len(uids))
	}
	for i, uid := range uids {
		size := len(fmt.Sprintf("Subject: s%d\r\n\r\n", uid)) + uid + 2
		want := []string{
			fmt.Sprintf("* %d FETCH (UID %d RFC822.SIZE %d ENVELOPE ", uid, uid, size),
			fmt.Sprintf(" \"s%d\" ", uid), fmt.Sprintf(" %d 1 NIL ", uid+2),
		}
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Fatalf("%q lacks %q", lines[i], w)
			}
		}
	}
}
