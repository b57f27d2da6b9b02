package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"maildir-imapd/maildir/fsx"
)

// watcher tells when one of a few files has become another one. It watches directories, because editors and
// certbot replace files by rename, and those of every symbolic link on the way, because certbot and Kubernetes
// swap links; what it compares is what the name leads to in the end. Where the kernel has no more watches it
// looks every pollEvery, and asks again each time. The kernel is asked through the process's one fsx.Watcher.
type watcher struct {
	changed chan struct{} // gets one element when something changed

	events *fsx.Watcher
	stirs  chan struct{} // gets one element when something happened in one of the directories
	log    *slog.Logger
	done   chan struct{}
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	prints map[string]string
	dirs   map[string]*fsx.Watch // nil: cannot be watched, and said so
}

const (
	settle    = 200 * time.Millisecond // of quiet before a look: files are often written in several steps
	settleMax = 2 * time.Second        // and no longer than this after the first event
	pollEvery = 10 * time.Second
)

func newWatcher(events *fsx.Watcher, log *slog.Logger) *watcher {
	w := &watcher{changed: make(chan struct{}, 1), events: events, stirs: make(chan struct{}, 1), log: log,
		done: make(chan struct{}), prints: map[string]string{}, dirs: map[string]*fsx.Watch{}}
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		w.loop()
	}()
	return w
}

func (w *watcher) close() {
	close(w.done)
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.dirs {
		if v != nil {
			v.Close()
		}
	}
	clear(w.dirs)
}

// stir runs on the process's watcher.
func (w *watcher) stir(fsx.Change) {
	select {
	case w.stirs <- struct{}{}:
	default:
	}
}

// look takes note of the files as they are now. Call it before reading them: what changes later is told.
func (w *watcher) look(files []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range files {
		w.prints[f] = fingerprint(f)
	}
	w.rewatch()
}

// only forgets all files but these, and notes those that are new.
func (w *watcher) only(files []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f := range w.prints {
		if !slices.Contains(files, f) {
			delete(w.prints, f)
		}
	}
	for _, f := range files {
		if _, known := w.prints[f]; !known {
			w.prints[f] = fingerprint(f)
		}
	}
	w.rewatch()
}

// rewatch brings the kernel's watches in line with the files. Called with mu held.
func (w *watcher) rewatch() {
	want := map[string]bool{}
	for f := range w.prints {
		for _, dir := range directories(f) {
			want[dir] = true
		}
	}
	for dir, v := range w.dirs {
		if !want[dir] {
			delete(w.dirs, dir)
			if v != nil {
				v.Close()
			}
		}
	}
	for dir := range want {
		was, known := w.dirs[dir]
		// Asking again is cheap, and needed where the directory itself was replaced.
		now, err := w.events.Watch(dir, w.stir)
		if err != nil && (was != nil || !known) {
			w.log.Warn("cannot watch a directory; its files are looked at every "+pollEvery.String(), "dir", dir, "err", err)
		}
		if was != nil {
			was.Close()
		}
		w.dirs[dir] = now
	}
}

// polls tells that there is a directory that cannot be watched.
func (w *watcher) polls() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.dirs {
		if v == nil {
			return true
		}
	}
	return false
}

func (w *watcher) loop() {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	defer quiet.Stop()
	var first time.Time
	wake := func() {
		if first.IsZero() {
			first = time.Now()
		}
		quiet.Reset(max(0, min(settle, settleMax-time.Since(first))))
	}
	for {
		select {
		case <-w.done:
			return
		case <-w.stirs:
			wake()
		case <-poll.C:
			if w.polls() {
				w.compare()
			}
		case <-quiet.C:
			first = time.Time{}
			w.compare()
		}
	}
}

// compare looks at every file and tells if one has changed.
func (w *watcher) compare() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rewatch() // a directory on the way may have come or gone; before the look, so that nothing falls between
	changed := false
	for f, was := range w.prints {
		if is := fingerprint(f); is != was {
			w.prints[f] = is
			changed = true
		}
	}
	if !changed {
		return
	}
	select {
	case w.changed <- struct{}{}:
	default: // told already
	}
}

// fingerprint names what a path leads to now. The change time notices new rights, and writes that keep size
// and modification time.
func fingerprint(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim, st.Mode)
	}
	return fmt.Sprint(info.Size(), info.ModTime())
}

// directories lists where the meaning of path can change: the directory of its last part, and of every
// symbolic link on the way there; a directory itself as well. Where a part is missing, the directory that would get it.
func directories(path string) []string {
	var dirs []string
	at, rest := "/", strings.Split(path, "/")
	for hops := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			return append(dirs, at)
		case info.Mode()&os.ModeSymlink != 0:
			dirs = append(dirs, at)
			target, err := os.Readlink(next)
			if hops++; err != nil || hops > 40 {
				return dirs
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		case len(rest) == 0:
			dirs = append(dirs, at)
			if info.IsDir() { // what lies in it is meant
				dirs = append(dirs, next)
			}
		}
		at = next
	}
	return dirs
}
