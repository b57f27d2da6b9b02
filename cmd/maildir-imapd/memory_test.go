package main

import (
	"bytes"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// TestMemoryLimit: the limit is the collector's; what clients need beyond it is taken, told once with key and
// value, and given back when they have gone.
func TestMemoryLimit(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer debug.SetMemoryLimit(math.MaxInt64)
	var log bytes.Buffer
	const limit = 64 << 20
	m := newMemory(store, config.Limit{N: limit}, slog.New(slog.NewTextHandler(&log, nil)))
	inForce := func() int64 { return debug.SetMemoryLimit(-1) }
	if m.look(); inForce() != limit {
		t.Fatalf("%d in force", inForce())
	}
	ballast := make([]byte, 80<<20)
	runtime.GC()
	for range 3 {
		m.look()
	}
	if got := inForce(); got < 80<<20 || got > 160<<20 {
		t.Errorf("%d in force while %d are needed", got, len(ballast))
	}
	if n := strings.Count(log.String(), "[limits] memory = 64M"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	runtime.KeepAlive(ballast)
	ballast = nil
	runtime.GC()
	if m.look(); inForce() != limit {
		t.Errorf("%d in force after all", inForce())
	}
	if m.set(config.Limit{N: 96 << 20}); inForce() != 96<<20 {
		t.Errorf("%d in force after a reload", inForce())
	}
}

// TestMemoryAfterALoad: garbage goes when nothing is allocated any more.
func TestMemoryAfterALoad(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer debug.SetMemoryLimit(math.MaxInt64)
	m := newMemory(store, config.Limit{N: 1 << 30}, slog.New(slog.DiscardHandler))
	m.look()
	before := stats()
	garbage = make([][]byte, 16)
	for i := range garbage {
		garbage[i] = make([]byte, 1<<20)
	}
	garbage = nil
	if !m.look() {
		t.Error("16 MiB of allocations are no load")
	}
	if m.look() {
		t.Error("still busy")
	}
	after := stats()
	if after.NumForcedGC <= before.NumForcedGC || after.HeapInuse > before.HeapInuse+4<<20 {
		t.Errorf("%d bytes of heap in use, %d before the load", after.HeapInuse, before.HeapInuse)
	}
	n := after.NumForcedGC
	for range 3 {
		m.look()
	}
	if got := stats().NumForcedGC; got != n {
		t.Errorf("a quiet process was collected %d times more", got-n)
	}
	go m.run()
	m.close()
}

// TestCollectionIsASign: a collection that the runtime begins by itself is told to who looks.
func TestCollectionIsASign(t *testing.T) {
	m := &memory{work: make(chan struct{}, 1)}
	for range 3 {
		m.feel()
		runtime.GC()
		select {
		case <-m.work:
		case <-time.After(10 * time.Second):
			t.Fatal("not told")
		}
	}
	runtime.GC()
	select {
	case <-m.work:
		t.Error("told twice of one")
	case <-time.After(20 * time.Millisecond):
	}
}

// TestTrimShrinksStacks: stacks that had grown go down to what their goroutines need, by more than two halves.
func TestTrimShrinksStacks(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer debug.SetMemoryLimit(math.MaxInt64)
	m := newMemory(store, config.Limit{N: 1 << 30}, slog.New(slog.DiscardHandler))
	const n = 100
	stop, ready := make(chan struct{}), make(chan struct{})
	defer close(stop)
	for range n {
		go func() {
			deep(40)
			ready <- struct{}{}
			<-stop
		}()
		<-ready
	}
	before := stats().StackInuse
	m.trim()
	if after := stats().StackInuse; after > before/6 {
		t.Errorf("%d bytes of stacks, %d before", after, before)
	}
}

// deep uses some 40 KiB of stack at 40.
//
//go:noinline
func deep(n int) byte {
	var room [1 << 10]byte
	if n > 0 {
		room[n] = deep(n - 1)
	}
	return room[n/2]
}

var garbage [][]byte

func stats() (s runtime.MemStats) {
	runtime.ReadMemStats(&s)
	return s
}

// TestMemoryFull: a limit that was chosen keeps new clients out from the moment that all of it is in use, after all that
// can go has gone, until a fifth is free; once is it said, and by key and value.
func TestMemoryFull(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer debug.SetMemoryLimit(math.MaxInt64)
	var log bytes.Buffer
	chosen := config.Limit{Set: true, N: 64 << 20}
	m := newMemory(store, chosen, slog.New(slog.NewTextHandler(&log, nil)))
	var readings []int64 // in MiB; the last one stays
	m.read = func() (int64, uint64) {
		now := readings[0]
		if len(readings) > 1 {
			readings = readings[1:]
		}
		return now << 20, 0
	}
	for i, step := range []struct {
		readings []int64
		full     bool
	}{
		{[]int64{40}, false},
		{[]int64{60}, false},         // short, and more is taken
		{[]int64{70, 70, 30}, false}, // what nobody has selected was enough
		{[]int64{60, 30}, false},     // and garbage
		{[]int64{65}, true},
		{[]int64{65}, true},
		{[]int64{200}, true},
		{[]int64{63}, true}, // no client comes or goes for that
		{[]int64{52}, true},
		{[]int64{51}, false},
		{[]int64{63}, false}, // nor back
		{[]int64{66}, true},
	} {
		readings = step.readings
		m.look()
		if limit, full := m.refusing(); full != step.full || full && limit != "64M" {
			t.Errorf("step %d: refusing %v %q", i, full, limit)
		}
		select {
		case <-m.news:
		default:
			if i > 0 && (i == 4 || i == 9 || i == 11) {
				t.Errorf("step %d: no news", i)
			}
		}
	}
	said := func(what string) int { return strings.Count(log.String(), what) }
	if said("new connections are refused until") != 2 || said("new connections are taken again") != 1 || said(`key="[limits] memory" value=64M`) != 3 {
		t.Errorf("log: %s", log.String())
	}
	// A reload begins anew, and a limit that nobody has chosen refuses nobody.
	for _, limit := range []config.Limit{{Set: true, N: 96 << 20}, {N: 64 << 20}} {
		m.set(limit)
		if m.look(); m.full.Load() != nil {
			t.Errorf("%+v: refused with 66 MiB in use", limit)
		}
	}
	if m.set(chosen); m.full.Load() != nil {
		t.Error("refused before a look")
	}
	if m.look(); m.full.Load() == nil {
		t.Error("not refused")
	}
}
