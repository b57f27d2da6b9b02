package main

import (
	"bytes"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

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
	m := newMemory(store, limit, slog.New(slog.NewTextHandler(&log, nil)))
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
	if m.set(96 << 20); inForce() != 96<<20 {
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
	m := newMemory(store, 1<<30, slog.New(slog.DiscardHandler))
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

var garbage [][]byte

func stats() (s runtime.MemStats) {
	runtime.ReadMemStats(&s)
	return s
}
