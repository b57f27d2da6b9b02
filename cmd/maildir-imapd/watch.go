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

	"github.com/fsnotify/fsnotify"
)

// watcher tells when one of a few files has become another one. It watches directories, because editors and
// certbot replace files by rename, and those of every symbolic link on the way, because certbot and Kubernetes
// swap links; what it compares is what the name leads to in the end. Where the kernel has no more watches it
// looks every pollEvery.
type watcher struct {
	changed chan struct{} // gets one element when something changed

	fs   *fsnotify.Watcher // nil: polling
	log  *slog.Logger
	done chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	prints map[string]string
	dirs   map[string]bool // true: watched, false: cannot be, and said so
}

const (
	settle    = 200 * time.Millisecond // of quiet before a look: files are often written in several steps
	settleMax = 2 * time.Second        // and no longer than this after the first event
	pollEvery = 10 * time.Second
)

func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{changed: make(chan struct{}, 1), log: log, done: make(chan struct{}),
		prints: map[string]string{}, dirs: map[string]bool{}}
	var err error
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("files are looked at every "+pollEvery.String()+" instead of watched", "err", err,
			"do", "raise fs.inotify.max_user_instances")
		w.fs = nil
	}
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		w.loop()
	}()
	return w
}

func (w *watcher) close() {
	close(w.done)
	if w.fs != nil {
		_ = w.fs.Close()
	}
	w.wg.Wait()
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
	if w.fs == nil {
		return
	}
	want := map[string]bool{}
	for f := range w.prints {
		for _, dir := range directories(f) {
			want[dir] = true
		}
	}
	for dir := range w.dirs {
		if !want[dir] {
			_ = w.fs.Remove(dir) // gone with the directory, perhaps
			delete(w.dirs, dir)
		}
	}
	for dir := range want {
		// Adding again is cheap, and needed where the directory itself was replaced.
		err := w.fs.Add(dir)
		if watched, known := w.dirs[dir]; err != nil && (watched || !known) {
			w.log.Warn("cannot watch a directory; SIGHUP reloads its files", "dir", dir, "err", err)
		}
		w.dirs[dir] = err == nil
	}
}

func (w *watcher) loop() {
	var events <-chan fsnotify.Event
	var errs <-chan error
	var poll <-chan time.Time
	if w.fs != nil {
		events, errs = w.fs.Events, w.fs.Errors
	} else {
		t := time.NewTicker(pollEvery)
		defer t.Stop()
		poll = t.C
	}
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
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			wake()
		case _, ok := <-errs: // an overflow: anything may have changed
			if !ok {
				errs = nil
				continue
			}
			wake()
		case <-poll:
			w.compare()
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
// symbolic link on the way there. Where a part is missing, the directory that would get it.
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
		}
		at = next
	}
	return dirs
}
