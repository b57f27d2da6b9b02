package maildir

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// listReads counts how often a process opens the uidlist to read it.
func listReads(n *atomic.Int64) fsx.FS {
	return fsx.FS{Fault: func(op, path string) error {
		if op == "open" && filepath.Base(path) == uidlistFile {
			n.Add(1)
		}
		return nil
	}}
}

// warm is a mailbox of ten messages, of which the third to the fifth have been
// expunged, with their names.
func warm(t *testing.T) (b *spot, bases []string) {
	b = openSpot(t, unsynced(t), fsx.FS{})
	for i := range 10 {
		base := fmt.Sprintf("17000000%02d.M1P1.other", i)
		bases = append(bases, base)
		b.dropAs("cur", base+":2,", mail)
	}
	h := b.open(Select)
	time.Sleep(1100 * time.Millisecond) // so that no directory need be looked at again
	refresh(t, h)
	expunge(t, h, 3, 4)
	h.Close()
	h = openSpot(t, b.dir, fsx.FS{}).open(Select) // expunges without having parsed the list
	expunge(t, h, 5)
	h.Close()
	return b, bases
}

func expunge(t *testing.T, h *Handle, uids ...imap.UID) {
	t.Helper()
	if _, err := h.Store(context.Background(), uidSet(uids...), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Expunge(context.Background(), nil); err != nil || n != len(uids) {
		t.Fatal(n, err)
	}
	refresh(t, h)
}

// TestListUnread: with the index telling what the uidlist holds beside messages, a
// process that starts appends, copies and takes in deliveries without parsing it.
func TestListUnread(t *testing.T) {
	t.Parallel()
	b, _ := warm(t)
	for range 3 {
		var reads atomic.Int64
		x := openSpot(t, b.dir, listReads(&reads))
		h := x.open(Select)
		appendText(t, h, mail)
		if _, err := h.Copy(context.Background(), uidSet(1), h); err != nil {
			t.Fatal(err)
		}
		x.drop("new", mail)
		refresh(t, h)
		if n := reads.Load(); n != 0 {
			t.Errorf("the uidlist was read %d times", n)
		}
		h.Close()
		b.check()
	}
}

// TestReappearing: a name that comes back after its message was expunged is a new
// message, whichever process expunged it, and whoever has written to the uidlist or
// the index since.
func TestReappearing(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(t *testing.T, b *spot){
		"nothing": func(*testing.T, *spot) {},
		"a line of another program": func(t *testing.T, b *spot) {
			f, err := os.OpenFile(filepath.Join(b.dir, uidlistFile), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(f, "30 :gone.already\n")
			f.Close()
		},
		"a writer that says nothing of the list": func(t *testing.T, b *spot) {
			forget(t, b.dir)
		},
		"a process that appends": func(t *testing.T, b *spot) {
			h := openSpot(t, b.dir, fsx.FS{}).open(Select)
			appendText(t, h, mail)
			h.Close()
		},
		"a process that writes the index anew": func(t *testing.T, b *spot) {
			h := openSpot(t, b.dir, fsx.FS{}).open(Select)
			h.m.index.broken = true
			appendText(t, h, mail)
			h.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, bases := warm(t)
			between(t, b)
			x := openSpot(t, b.dir, fsx.FS{})
			h := x.open(Select)
			next := h.UIDNext()
			for _, base := range bases[2:5] {
				x.dropAs("cur", base+":2,", mail)
			}
			refresh(t, h)
			var low []imap.UID
			for _, m := range h.Messages(nil, 0, maxUID, 100) {
				if m.UID < next {
					low = append(low, m.UID)
				}
			}
			if slices.Contains(low, 3) || slices.Contains(low, 4) || slices.Contains(low, 5) || h.UIDNext() != next+3 {
				t.Errorf("UIDs %v below the next one, %d after, was %d", low, h.UIDNext(), next)
			}
			h.Close()
			b.check()
		})
	}
}

// forget leaves out of the index what it tells of the uidlist last, as a program
// would have that does not know those records.
func forget(t *testing.T, dir string) {
	name := filepath.Join(dir, indexName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	from, to := 0, 0
	for at := len(indexMagic); at < len(b); {
		n := checks(b[at:])
		if b[at+8] == recList {
			from, to = at, at+n
		}
		at += n
	}
	if from == 0 {
		t.Fatal("no such record")
	}
	if err := os.WriteFile(name, slices.Delete(b, from, to), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestIndexUnreadable: an index that the disk does not give is no torn index: the
// command fails and the file stays as it is.
func TestIndexUnreadable(t *testing.T) {
	dir, index := indexBytes(t)
	var broken atomic.Bool
	broken.Store(true)
	x := openSpot(t, dir, fsx.FS{Fault: func(op, path string) error {
		if broken.Load() && op == "read" && filepath.Base(path) == indexName {
			return syscall.EIO
		}
		return nil
	}})
	if h, err := x.store.open(context.Background(), x.loc, Select); err == nil {
		h.Close()
		t.Error("opened")
	}
	if now, err := os.ReadFile(filepath.Join(dir, indexName)); err != nil || !bytes.HasPrefix(now, index) {
		t.Error("the index has been written", err)
	}
	broken.Store(false)
	h := x.open(Select)
	if n := len(h.Keywords()); n < 30 {
		t.Errorf("%d keywords, there were 30", n)
	}
}

// TestDamagedIndex: what stands behind damage is lost, but not thrown away and not
// in silence; the torn end of a writer that died is nothing to speak of.
func TestDamagedIndex(t *testing.T) {
	dir, index := indexBytes(t)
	b := openSpot(t, dir, fsx.FS{})
	h := b.open(Select)
	want := look(h)
	h.Close()
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		aside  int
	}{
		"garbage at the beginning": {func(b []byte) []byte { copy(b, "garbage!"); return b }, 1},
		"garbage in the middle":    {func(b []byte) []byte { copy(b[len(b)/3:], "garbage!"); return b }, 1},
		"zeros in the middle":      {func(b []byte) []byte { clear(b[len(b)/3 : len(b)/3+64]); return b }, 1},
		"another file":             {func([]byte) []byte { return []byte("#!/bin/sh\necho hello\n") }, 1},
		"torn":                     {func(b []byte) []byte { return b[:len(b)-5] }, 0},
		"torn early":               {func(b []byte) []byte { return b[:len(indexMagic)+3] }, 0},
		"empty":                    {func([]byte) []byte { return nil }, 0},
		"nothing but zeros":        {func(b []byte) []byte { clear(b); return b }, 0},
	} {
		os.WriteFile(filepath.Join(dir, indexName), c.damage(slices.Clone(index)), 0o644)
		var log strings.Builder
		s, err := NewStore(StoreOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h, err := s.open(context.Background(), b.loc, Select)
			if err != nil {
				t.Fatal(name, err)
			}
			if got := look(h); len(strings.Fields(got)) != len(strings.Fields(want)) {
				t.Errorf("%s: %q, was %q", name, got, want)
			}
			h.Close()
		}
		s.Close()
		aside, _ := filepath.Glob(filepath.Join(dir, indexName+".damaged-*"))
		if lines := strings.Count(log.String(), "damaged index put aside"); len(aside) != c.aside || lines != c.aside {
			t.Errorf("%s: %d files put aside, %d lines in the log, want %d", name, len(aside), lines, c.aside)
		}
		for _, f := range aside {
			os.Remove(f)
		}
		for _, err := range Check(dir) {
			t.Error(name, err)
		}
	}
}
