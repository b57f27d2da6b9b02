package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maildir-imapd/maildir/fsx"
)

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWatcher does to files what editors, certbot and Kubernetes do, and what must not count.
func TestWatcher(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(dir string)
		change  func(dir string)
		quiet   bool
	}{
		"written in place": {
			func(dir string) { write(t, dir+"/f", "a") },
			func(dir string) { write(t, dir+"/f", "b") }, false,
		},
		"replaced by rename": {
			func(dir string) { write(t, dir+"/f", "a") },
			func(dir string) { write(t, dir+"/g", "a"); must(t, os.Rename(dir+"/g", dir+"/f")) }, false,
		},
		"made": {
			func(string) {},
			func(dir string) { write(t, dir+"/f", "a") }, false,
		},
		"made with its directory": {
			func(dir string) { must(t, os.Symlink("later/deep/f", dir+"/f")) },
			func(dir string) {
				must(t, os.Mkdir(dir+"/later", 0o755))
				time.Sleep(2 * settle)
				write(t, dir+"/later/deep/f", "a")
			}, false,
		},
		"removed": {
			func(dir string) { write(t, dir+"/f", "a") },
			func(dir string) { must(t, os.Remove(dir+"/f")) }, false,
		},
		"link to another file, as certbot": {
			func(dir string) {
				write(t, dir+"/archive/f1", "a")
				write(t, dir+"/archive/f2", "b")
				must(t, os.Symlink("archive/f1", dir+"/f"))
			},
			func(dir string) { must(t, os.Remove(dir+"/f")); must(t, os.Symlink("archive/f2", dir+"/f")) }, false,
		},
		"target of the link": {
			func(dir string) { write(t, dir+"/archive/f1", "a"); must(t, os.Symlink("archive/f1", dir+"/f")) },
			func(dir string) {
				write(t, dir+"/archive/x", "b")
				must(t, os.Rename(dir+"/archive/x", dir+"/archive/f1"))
			}, false,
		},
		"link of the directory, as Kubernetes": {
			func(dir string) {
				write(t, dir+"/..1/f", "a")
				write(t, dir+"/..2/f", "b")
				must(t, os.Symlink("..1", dir+"/..data"))
				must(t, os.Symlink("..data/f", dir+"/f"))
			},
			func(dir string) {
				must(t, os.Symlink("..2", dir+"/tmp"))
				must(t, os.Rename(dir+"/tmp", dir+"/..data"))
			}, false,
		},
		"another file": {
			func(dir string) { write(t, dir+"/f", "a") },
			func(dir string) { write(t, dir+"/other", "b") }, true,
		},
		"loop of links": {
			func(dir string) { must(t, os.Symlink("f", dir+"/f")) },
			func(dir string) { write(t, dir+"/other", "b") }, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			dir := t.TempDir()
			tt.prepare(dir)
			w := newWatcher(new(fsx.Watcher), slog.New(slog.DiscardHandler))
			defer w.close()
			w.look([]string{dir + "/f"})
			tt.change(dir)
			wait := 10 * time.Second
			if tt.quiet {
				wait = 3 * settle
			}
			select {
			case <-w.changed:
				if tt.quiet {
					t.Error("told of nothing")
				}
			case <-time.After(wait):
				if !tt.quiet {
					t.Error("not told")
				}
			}
		})
	}
}

func TestWatcherForgets(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	write(t, dir+"/a/f", "a")
	write(t, dir+"/b/f", "b")
	w := newWatcher(new(fsx.Watcher), slog.New(slog.DiscardHandler))
	defer w.close()
	w.look([]string{dir + "/a/f"})
	w.only([]string{dir + "/b/f"})
	write(t, dir+"/a/f", "c")
	select {
	case <-w.changed:
		t.Error("told of a file that is no longer named")
	case <-time.After(3 * settle):
	}
	write(t, dir+"/b/f", "c")
	select {
	case <-w.changed:
	case <-time.After(10 * time.Second):
		t.Error("not told of the new one")
	}
}

// TestWatcherPolls: without inotify files are looked at all the same, and watched as soon as they can be.
func TestWatcherPolls(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	write(t, dir+"/f", "a")
	var refuse atomic.Bool
	refuse.Store(true)
	events := &fsx.Watcher{Fault: func(op, _ string) error {
		if op == "inotify" && refuse.Load() {
			return syscall.EMFILE
		}
		return nil
	}}
	var text bytes.Buffer
	w := newWatcher(events, slog.New(slog.NewTextHandler(&text, nil)))
	defer w.close()
	w.look([]string{dir + "/f"})
	w.compare()
	if len(w.changed) != 0 || !w.polls() {
		t.Error("told of nothing, or watched")
	}
	write(t, dir+"/f", "ab")
	w.compare()
	if len(w.changed) != 1 {
		t.Error("not told")
	}
	if n := strings.Count(text.String(), "cannot watch"); n != 1 {
		t.Errorf("%d warnings: %s", n, text.String())
	}
	<-w.changed
	refuse.Store(false)
	w.compare()
	if w.polls() {
		t.Error("still not watched")
	}
	write(t, dir+"/f", "abc")
	select {
	case <-w.changed:
	case <-time.After(10 * time.Second):
		t.Error("not told by the kernel")
	}
}
