package maildir

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"maildir-imapd/maildir/fsx"
)

// A power cut is not a crash: what a process has done is not yet on the disk. The model here knows what
// has happened (recorder) and makes from any moment of it what the disk may then hold (cut.build):
//
//   - Of a file's bytes, what was there at its last sync; of a directory's names, those of its last sync.
//   - Of everything since, any part: none, all, all but one, only one, or some by chance. Bytes that were
//     not synced may also be there by half, or be zeros.
//   - A directory's time is what it was before the cut whatever has become of the names.
//   - A rename, also across directories, is one step, done or not done; it is durable once either directory
//     is synced. So ext4, xfs and btrfs have it. They do more, for they keep the order of changes of names;
//     the model does not rely on that.
//
// Locks are left out: who finds one of a dead process breaks it, which TestLockAfterCrash proves.

// recorder is what has happened to a directory of the test, by inodes that are never given twice.
type recorder struct {
	mu     sync.Mutex
	events []fsx.Event
	ids    map[uint64]uint64 // the system's numbers, which it gives again
	last   uint64
	base   int // events before it are durable: the fixture
}

func newRecorder(t *testing.T, root string) *recorder {
	r := &recorder{ids: map[uint64]uint64{}}
	r.ids[inodeOf(t, root)] = 0
	return r
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// done is the hook fsx.FS.Done.
func (r *recorder) done(e fsx.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Op == "create" || e.Op == "mkdir" {
		r.last++
		r.ids[e.File] = r.last
	}
	e.Dir, e.To, e.File = r.ids[e.Dir], r.ids[e.To], r.ids[e.File]
	e.Data = slices.Clone(e.Data)
	r.events = append(r.events, e)
}

// delivered tells of a file that another program has put there, and has synced.
func (r *recorder) delivered(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, file := inodeOf(t, filepath.Dir(path)), inodeOf(t, path)
	for _, e := range []fsx.Event{{Op: "create", Dir: dir, Name: filepath.Base(path), File: file}, {Op: "write", File: file, Data: b},
		{Op: "sync", File: file}, {Op: "syncdir", Dir: dir}} {
		r.done(e)
	}
}

func (r *recorder) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// node is a file or a directory of the model.
type node struct {
	names map[string]uint64 // of a directory
	data  []byte
	mtime int64
}

// chance is what becomes of one change that was not synced.
type chance byte

const (
	lost chance = iota
	whole
	half  // of bytes
	zeros // instead of bytes
)

// cut is the power cut after n events.
type cut struct {
	events  []fsx.Event
	pending []int // those that are not durable
}

func (r *recorder) cut(n int) *cut {
	c := &cut{events: r.events[:n]}
	synced, named := map[uint64]int{}, map[uint64]int{} // by inode, the last sync
	for i, e := range c.events {
		switch e.Op {
		case "sync":
			synced[e.File] = i
		case "syncdir":
			named[e.Dir] = i
		}
	}
	for i, e := range c.events {
		durable := i < r.base
		switch e.Op {
		case "sync", "syncdir":
			continue
		case "write", "truncate", "chtimes":
			durable = durable || i < synced[e.File]
		case "rename":
			durable = durable || i < max(named[e.Dir], named[e.To])
		case "link":
			durable = durable || i < named[e.To]
		default:
			durable = durable || i < named[e.Dir]
		}
		if !durable {
			c.pending = append(c.pending, i)
		}
	}
	return c
}

// build is the disk when the changes in fate, in the order of pending, fared so.
func (c *cut) build(fate []chance) map[uint64]*node {
	nodes := map[uint64]*node{0: {names: map[string]uint64{}}}
	next := 0
	for i, e := range c.events {
		f, durable := whole, true
		if next < len(c.pending) && c.pending[next] == i {
			f, durable = fate[next], false
			next++
		}
		c.apply(nodes, e, f, durable)
	}
	return nodes
}

func (c *cut) apply(nodes map[uint64]*node, e fsx.Event, f chance, durable bool) {
	// An inode is there once anything leads to it.
	if n := nodes[e.File]; n == nil {
		nodes[e.File] = &node{}
		if e.Op == "mkdir" {
			nodes[e.File].names = map[string]uint64{}
		}
	}
	// A directory's time may be durable without its names.
	if e.DirTime != 0 {
		nodes[e.Dir].mtime = e.DirTime
	}
	if e.ToTime != 0 {
		nodes[e.To].mtime = e.ToTime
	}
	if f == lost {
		return
	}
	n := nodes[e.File]
	switch e.Op {
	case "create", "mkdir":
		nodes[e.Dir].names[e.Name] = e.File
	case "remove":
		delete(nodes[e.Dir].names, e.Name)
	case "rename":
		if id, ok := nodes[e.Dir].names[e.Name]; ok && id == e.File {
			delete(nodes[e.Dir].names, e.Name)
		} else if !durable {
			return // it never had that name
		}
		nodes[e.To].names[e.New] = e.File
	case "link":
		nodes[e.To].names[e.New] = e.File
	case "chtimes":
		n.mtime = e.Off
	case "truncate":
		n.data = resized(n.data, e.Off)
	case "write":
		b := e.Data
		switch f {
		case half:
			b = b[:len(b)/2]
		case zeros:
			b = make([]byte, len(b))
		}
		n.data = resized(n.data, max(int64(len(n.data)), e.Off+int64(len(b))))
		copy(n.data[e.Off:], b)
	}
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// fates are the ways in which the cut is tried. What was pending long ago was recent at cuts before this one.
func (c *cut) fates(seed uint64) [][]chance {
	const recent = 8
	k := len(c.pending)
	all := slices.Repeat([]chance{whole}, k)
	none := make([]chance, k)
	out := [][]chance{none, all}
	with := func(f []chance, i int, x chance) {
		f = slices.Clone(f)
		f[i] = x
		out = append(out, f)
	}
	for i := max(0, k-recent); i < k; i++ {
		with(all, i, lost)
		with(none, i, whole)
		if c.events[c.pending[i]].Op == "write" {
			with(all, i, half)
			with(all, i, zeros)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 4))
	for range 4 {
		f := make([]chance, k)
		for i := range f {
			f[i] = chance(rng.IntN(4))
		}
		out = append(out, f)
	}
	return out
}

var hashSeed = maphash.MakeSeed()

// sum tells states of the disk apart.
func sum(nodes map[uint64]*node) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	var walk func(id uint64)
	walk = func(id uint64) {
		n := nodes[id]
		if n.names == nil {
			binary.Write(&h, binary.LittleEndian, int64(len(n.data)))
			h.Write(n.data)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			h.WriteString(name)
			h.WriteByte(0)
			walk(n.names[name])
		}
		h.WriteByte(1)
	}
	walk(0)
	return h.Sum64()
}

// layOut writes the state below dir.
func layOut(t *testing.T, nodes map[uint64]*node, dir string) {
	t.Helper()
	var walk func(id uint64, path string)
	walk = func(id uint64, path string) {
		n := nodes[id]
		if n.names != nil {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			for name, to := range n.names {
				walk(to, filepath.Join(path, name))
			}
			if n.mtime != 0 {
				os.Chtimes(path, time.Time{}, time.Unix(0, n.mtime))
			}
			return
		}
		if err := os.WriteFile(path, n.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if n.mtime != 0 {
			os.Chtimes(path, time.Time{}, time.Unix(0, n.mtime))
		}
	}
	walk(0, dir)
}

// TestPowerCutModel: the model itself.
func TestPowerCutModel(t *testing.T) {
	root := t.TempDir()
	r := newRecorder(t, root)
	d, err := (&fsx.FS{Done: r.done}).OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, err := range []error{d.WriteFile("synced", []byte("1234"), 0, true), d.WriteFile("not", []byte("5678"), 0, false), d.Rename("synced", d, "moved")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := r.cut(r.now())
	states := map[string]bool{}
	for _, f := range c.fates(1) {
		dir := filepath.Join(t.TempDir(), "disk")
		layOut(t, c.build(f), dir)
		b, err := os.ReadFile(filepath.Join(dir, "moved"))
		if err != nil {
			b, err = os.ReadFile(filepath.Join(dir, "synced"))
		}
		if err != nil || string(b) != "1234" {
			t.Errorf("what was synced is %q, %v", b, err)
		}
		for _, name := range []string{"not", "not.tmp"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				states[name+" "+string(b)] = true
			}
		}
	}
	for _, want := range []string{"not ", "not 5678", "not 56", "not \x00\x00\x00\x00", "not.tmp "} {
		if !states[want] {
			t.Errorf("never seen: %q in %q", want, slices.Sorted(maps.Keys(states)))
		}
	}
}
