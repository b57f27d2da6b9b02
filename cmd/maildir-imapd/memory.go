package main

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// memory keeps the process within [limits] memory, and small when little is asked of it. One goroutine looks now
// and then: seldom while nothing happens.
//
// Short of memory is a process whose live objects and stacks take four fifths of the limit: what lies above them
// is garbage, which the collector lets grow up to the limit by itself. Then all that is kept for later goes. When
// that is not enough the limit is raised to what clients need and a fifth more: a collector that cannot keep a
// limit would take half of the processors trying. A limit that somebody has chosen also keeps new clients out then
// (memory_full.go).
//
// A load that has gone quiet leaves garbage, pooled buffers and stacks that have grown: the collector comes for
// them when as much again has been allocated, which on a quiet server is never, or after two minutes, and gives
// little back to the system. Two collections after the last command free all of it; each halves the stacks, so
// there are more while that is worth one.
//
// How soon that is: a collection by the runtime is a sign of work, and wakes the goroutine that looks.
type memory struct {
	store *maildir.Store
	log   *slog.Logger
	stop  chan struct{}
	done  chan struct{}
	work  chan struct{} // something was collected

	mu     sync.Mutex
	limit  int64 // as configured
	chosen bool  // by the administrator
	raised int64 // what is in force instead, 0: nothing

	full  atomic.Pointer[string] // the limit, while new connections are refused for it
	news  chan struct{}          // gets one element when that begins or ends
	eased time.Time              // the last collection to find out whether it ends

	read    func() (inUse int64, total uint64) // measure
	samples []metrics.Sample
	last    uint64 // bytes ever allocated, at the last look
	trimmed uint64 // and at the last trim
	told    time.Time
}

// What is looked at, in the order of samples.
const (
	liveBytes = iota
	stackBytes
	allocated
)

const (
	lookBusy  = 2 * time.Second
	lookQuiet = 16 * time.Second
	// busyBytes in one look are no quiet time.
	busyBytes = 1 << 20
	// worthTrimming is what must have been allocated since the last trim.
	worthTrimming = 2 << 20
	// tellEvery is how often it is told that memory was short.
	tellEvery = time.Minute
)

func newMemory(store *maildir.Store, limit config.Limit, log *slog.Logger) *memory {
	m := &memory{store: store, log: log, stop: make(chan struct{}), done: make(chan struct{}), work: make(chan struct{}, 1), samples: []metrics.Sample{
		liveBytes: {Name: "/gc/heap/live:bytes"}, stackBytes: {Name: "/memory/classes/heap/stacks:bytes"},
		allocated: {Name: "/gc/heap/allocs:bytes"},
	}, news: make(chan struct{}, 1)}
	m.read = m.measure
	m.set(limit)
	return m
}

// set puts a limit in force. Whether it is reached the next look tells.
func (m *memory) set(limit config.Limit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit.N == m.limit && limit.Set == m.chosen {
		return
	}
	m.limit, m.chosen, m.raised = limit.N, limit.Set, 0
	debug.SetMemoryLimit(m.limit)
	m.store.SetMemory(m.limit)
	m.setFull(nil)
}

// inForce is what set has put in force, and what instead of it.
func (m *memory) inForce() (limit, raised int64, chosen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit, m.raised, m.chosen
}

// run looks until close.
func (m *memory) run() {
	defer close(m.done)
	wait := lookBusy
	t := time.NewTimer(wait)
	defer t.Stop()
	m.feel()
	for {
		select {
		case <-m.stop:
			return
		case <-m.work:
			if wait > lookBusy {
				wait = lookBusy
				t.Reset(wait)
			}
			m.feel()
			continue
		case <-t.C:
		}
		if m.look() {
			wait = lookBusy
		} else {
			wait = min(2*wait, lookQuiet)
		}
		t.Reset(wait)
	}
}

// feel has the next collection tell of itself.
func (m *memory) feel() {
	runtime.AddCleanup(new([16]*byte), func(work chan<- struct{}) { work <- struct{}{} }, m.work) // there is room: one at a time
}

func (m *memory) close() {
	close(m.stop)
	<-m.done
	debug.SetMemoryLimit(math.MaxInt64)
}

// look tells whether the process is at work.
func (m *memory) look() (busy bool) {
	inUse, total := m.read()
	limit, raised, _ := m.inForce()
	switch {
	case m.short(inUse):
		m.relieve()
		return true
	case raised != 0 && inUse < fourFifths(limit)/2:
		m.force(0)
	}
	m.ease(inUse)
	busy = total-m.last > busyBytes
	m.last = total
	if !busy && total-m.trimmed > max(worthTrimming, uint64(inUse)/8) {
		m.trim()
		_, m.trimmed = m.read()
		m.last = m.trimmed
	}
	return busy
}

func fourFifths(n int64) int64 { return n / 5 * 4 }

// short tells whether there is something to be done about what is in use.
func (m *memory) short(inUse int64) bool {
	limit, raised, chosen := m.inForce()
	return inUse > fourFifths(max(limit, raised)) || chosen && inUse > limit && m.full.Load() == nil
}

// measure tells what is in use, and all that was ever allocated.
func (m *memory) measure() (inUse int64, total uint64) {
	metrics.Read(m.samples)
	return int64(m.samples[liveBytes].Value.Uint64() + m.samples[stackBytes].Value.Uint64()), m.samples[allocated].Value.Uint64()
}

// trim collects twice, since pooled buffers outlive one collection, and more often while stacks shrink by an eighth,
// and returns what is free.
func (m *memory) trim() {
	stacks := func() uint64 {
		metrics.Read(m.samples)
		return m.samples[stackBytes].Value.Uint64()
	}
	runtime.GC()
	for range mostShrinks {
		before := stacks()
		runtime.GC()
		if stacks() > before/8*7 {
			break
		}
	}
	debug.FreeOSMemory() // collects once more
}

// mostShrinks: from the 64 KiB of a command's deepest calls to 4.
const mostShrinks = 4

// relieve drops what is kept for later, and raises the limit when clients need more.
func (m *memory) relieve() {
	runtime.GC() // what is said to be in use was so when garbage was collected last
	inUse, total := m.read()
	if !m.short(inUse) {
		m.last = total
		return
	}
	dropped := m.store.DropIdle()
	m.trim()
	inUse, total = m.read()
	m.last, m.trimmed = total, total
	limit, raised, chosen := m.inForce()
	if chosen && inUse > limit {
		m.fill(inUse)
	}
	if inUse <= fourFifths(max(limit, raised)) {
		if time.Since(m.told) < tellEvery {
			return
		}
		m.told = time.Now()
		m.log.Info("memory was short: what nobody has selected was dropped", "mailboxes", dropped, "in use", mib(inUse), "limit", mib(limit),
			"key", "[limits] memory")
		return
	}
	m.force(inUse / 2 * 3) // with some room above: each time costs a collection
	if raised == 0 {
		m.log.Warn("clients need more than [limits] memory = "+mib(limit)+": more is taken; raise it, or lower [limits] max_connections",
			"in use", mib(inUse), "selected mailboxes", mib(m.store.Footprint()))
	}
}

// force puts another limit in force than the configured one; 0: that one again.
func (m *memory) force(raised int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raised = raised
	debug.SetMemoryLimit(max(m.limit, raised))
}

func mib(n int64) string { return fmt.Sprintf("%dM", n>>20) }
