package fsx

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Watcher tells of changes in directories: one inotify instance and one
// goroutine, however many ask, for systems allow a user few instances (128). Both
// live while something is watched. The zero value is ready. A process needs one.
//
// A directory is one inode, whatever paths lead to it: the kernel tells of it once,
// and everybody who watches it hears of it.
type Watcher struct {
	// Fault is asked before the kernel is: "inotify" for the instance, "watch" for a
	// directory. An error is what the kernel would have said. Nil lets all pass.
	Fault func(op, dir string) error

	mu     sync.Mutex
	notify *fsnotify.Watcher
	done   chan struct{}
	dirs   map[inode]*watchedDir
	byPath map[string]*watchedDir // by the path that the kernel was given

	barrier barrier
}

type inode struct{ dev, ino uint64 }

type watchedDir struct {
	path string
	id   inode
	subs []*Watch
}

// Watch is one party's interest in a directory.
type Watch struct {
	w    *Watcher
	dir  *watchedDir
	tell func(Change)
}

// Change is what has happened in a directory.
type Change struct {
	Name string // of the entry
	What What
}

// What has happened.
type What uint8

// Came and Left tell that the name is there now, or not any more. Touched: its
// content or rights. Lost: events have been dropped, and everything must be looked
// at. Ended: that, and nothing more will be told: the directory has been renamed or
// removed, or its path leads to another one; whoever wants to hear on asks again. A
// directory that somebody has open is removed without a word: the kernel ends the
// watch when the last descriptor is closed.
const (
	Came What = iota
	Left
	Touched
	Lost
	Ended
)

const eventsKept = 256 // between the kernel's queue and those who are told

// Watch begins to call tell for what happens in dir. tell runs under no lock, on the
// watcher's goroutine or, to say Ended, on that of somebody who asks; it must not
// wait, and not call the Watcher. Asking again for a directory whose path leads to
// another one now is what it takes to follow it.
func (w *Watcher) Watch(dir string, tell func(Change)) (*Watch, error) {
	dir = filepath.Clean(dir)
	if w.Fault != nil {
		if err := w.Fault("watch", dir); err != nil {
			return nil, pathError("watch", dir, "", err)
		}
	}
	// On a file system that does not answer this is where we hang, and nobody else.
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Stat(dir, &st) }); err != nil {
		return nil, pathError("watch", dir, "", err)
	}
	id := inode{uint64(st.Dev), st.Ino}
	w.mu.Lock()
	err := w.start()
	var ended []*Watch
	if err == nil {
		ended = w.displace(dir, id)
		// Whoever watches it already: the number may be a removed directory's.
		err = w.notify.Add(dir)
	}
	if err != nil {
		wait := w.endIfIdle()
		w.mu.Unlock()
		wait()
		tellEnded(ended)
		return nil, pathError("watch", dir, "", err)
	}
	defer tellEnded(ended)
	defer w.mu.Unlock()
	d := w.dirs[id]
	if d == nil {
		d = &watchedDir{path: dir, id: id}
		w.dirs[id], w.byPath[dir] = d, d
	}
	v := &Watch{w: w, dir: d, tell: tell}
	d.subs = append(d.subs, v)
	return v, nil
}

// displace ends the watch of a directory that the path led to before: the instance
// knows directories by path, and would forget which one it was told of. Those who
// are to be told Ended are returned. mu is held.
func (w *Watcher) displace(path string, id inode) []*Watch {
	old := w.byPath[path]
	if old == nil || old.id == id {
		return nil
	}
	_ = w.notify.Remove(path)
	delete(w.byPath, path)
	if w.dirs[old.id] == old {
		delete(w.dirs, old.id)
	}
	return old.subs
}

func tellEnded(subs []*Watch) {
	for _, v := range subs {
		v.tell(Change{What: Ended})
	}
}

// Close ends the interest. A call of tell that has begun may still be running.
func (v *Watch) Close() {
	w := v.w
	w.mu.Lock()
	d := v.dir
	for i, x := range d.subs {
		if x == v {
			// A new list: the goroutine may be walking over the old one.
			d.subs = append(append([]*Watch(nil), d.subs[:i]...), d.subs[i+1:]...)
			break
		}
	}
	if len(d.subs) == 0 && w.dirs[d.id] == d {
		delete(w.dirs, d.id)
		if w.byPath[d.path] == d {
			delete(w.byPath, d.path)
			_ = w.notify.Remove(d.path) // gone with the directory, perhaps
		}
	}
	wait := w.endIfIdle()
	w.mu.Unlock()
	wait()
}

// start makes the instance; mu is held.
func (w *Watcher) start() error {
	if w.notify != nil {
		return nil
	}
	if w.Fault != nil {
		if err := w.Fault("inotify", ""); err != nil {
			return err
		}
	}
	n, err := fsnotify.NewBufferedWatcher(eventsKept)
	if err != nil {
		return err
	}
	w.notify, w.done = n, make(chan struct{})
	w.dirs, w.byPath = make(map[inode]*watchedDir), make(map[string]*watchedDir)
	w.barrier.open(n)
	go w.run(n, w.done)
	return nil
}

// endIfIdle takes the instance away when nothing is watched. It returns what to
// call, under no lock, to see it ended. mu is held.
func (w *Watcher) endIfIdle() (wait func()) {
	if w.notify == nil || len(w.dirs) > 0 {
		return func() {}
	}
	n, done := w.notify, w.done
	w.notify = nil
	w.barrier.close()
	return func() {
		n.Close()
		<-done
	}
}

// run is the goroutine.
func (w *Watcher) run(n *fsnotify.Watcher, done chan struct{}) {
	defer close(done)
	events, errs := n.Events, n.Errors
	for events != nil || errs != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.event(e)
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			w.failed(err)
		}
	}
}

// event tells who wants to know. What happens to a directory itself and what happens
// to its name in a directory that is watched as well come under one path, and once:
// both are told.
func (w *Watcher) event(e fsnotify.Event) {
	if w.barrier.reached(e.Name) {
		return
	}
	dir, name := filepath.Split(e.Name)
	w.mu.Lock()
	var subs, ended []*Watch
	if d := w.byPath[filepath.Clean(dir)]; d != nil {
		subs = d.subs
	}
	self := w.byPath[e.Name]
	if self != nil && e.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		ended = self.subs
		if w.dirs[self.id] == self {
			delete(w.dirs, self.id)
		}
		delete(w.byPath, self.path)
		_ = w.notify.Remove(self.path)
	}
	w.mu.Unlock()
	tellEnded(ended)
	out := Change{Name: name, What: Touched}
	switch {
	case self != nil && e.Op == fsnotify.Chmod:
		return // of the directory itself
	case e.Op&fsnotify.Create != 0:
		out.What = Came
	case e.Op&(fsnotify.Remove|fsnotify.Rename) != 0:
		out.What = Left
	}
	for _, v := range subs {
		v.tell(out)
	}
}

// failed: events were dropped, so everybody must look.
func (w *Watcher) failed(error) {
	var all []*Watch
	w.mu.Lock()
	for _, d := range w.dirs {
		all = append(all, d.subs...)
	}
	w.mu.Unlock()
	for _, v := range all {
		v.tell(Change{What: Lost})
	}
}

// Drain waits until all that had happened before the call has been told, or
// returns false when that cannot be known in time.
func (w *Watcher) Drain(wait time.Duration) bool {
	w.mu.Lock()
	on := w.notify != nil
	w.mu.Unlock()
	return on && w.barrier.pass(wait)
}

// barrier finds out that the kernel's queue has been read: events come in the
// order of what they tell, so one that we make ourselves, on a file in memory that
// nobody else has, comes after all others.
type barrier struct {
	turn sync.Mutex // one passes at a time

	mu     sync.Mutex
	fd     int
	path   string
	passed chan struct{}
	broken bool // somebody has not waited for his event: the next one might be that
}

func (b *barrier) open(n *fsnotify.Watcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.path, b.broken = "", false
	fd, err := unix.MemfdCreate("events", unix.MFD_CLOEXEC)
	if err != nil {
		return
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	if n.Add(path) != nil {
		unix.Close(fd)
		return
	}
	b.fd, b.path = fd, path
}

func (b *barrier) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path != "" {
		unix.Close(b.fd)
		b.path, b.passed = "", nil
	}
}

// reached tells whether an event is the barrier's.
func (b *barrier) reached(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path == "" || name != b.path {
		return false
	}
	if b.passed != nil {
		close(b.passed)
		b.passed = nil
	} else {
		b.broken = false // the event of one who has not waited: no other is on its way
	}
	return true
}

func (b *barrier) pass(wait time.Duration) bool {
	b.turn.Lock()
	defer b.turn.Unlock()
	passed := make(chan struct{})
	b.mu.Lock()
	err := errBroken
	if b.path != "" && !b.broken {
		b.passed = passed
		err = unix.Fchmod(b.fd, 0o600) // a change of rights is told; writing to memory is not
	}
	b.mu.Unlock()
	if err != nil {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-passed:
		return true
	case <-t.C:
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.passed != passed { // it has come just now, or the instance is another one
			return false
		}
		b.broken, b.passed = true, nil
		return false
	}
}

var errBroken = errors.New("cannot tell where the events are")
