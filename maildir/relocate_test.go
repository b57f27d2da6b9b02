package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestManyMoved: when another program has renamed or removed many messages behind a
// command's back, that costs some passes over the directories and not some a message.
func TestManyMoved(t *testing.T) {
	const n = 60
	ctx := context.Background()
	for name, command := range map[string]func(h, dst *Handle) error{
		"STORE": func(h, _ *Handle) error {
			_, err := h.Store(ctx, all(), Add, []imap.Flag{imap.FlagAnswered}, 0, nil)
			return err
		},
		"EXPUNGE": func(h, _ *Handle) error {
			_, err := h.Expunge(ctx, nil)
			return err
		},
		"COPY": func(h, dst *Handle) error {
			_, err := h.Copy(ctx, all(), dst)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var looks atomic.Int64
			var during atomic.Pointer[func()]
			b := openSpot(t, unsynced(t), fsx.FS{Fault: func(op, path string) error {
				if op == "readdir" {
					looks.Add(1)
				}
				if f := during.Load(); f != nil && (op == "remove" || op == "rename" || op == "link") && strings.Contains(path, "/cur") {
					during.Store(nil)
					(*f)()
				}
				return nil
			}})
			for i := range n {
				b.dropAs("cur", fmt.Sprintf("1700000%03d.M1P1.other:2,T", i), mail)
			}
			h, dst := b.open(Select), openSpot(t, unsynced(t), fsx.FS{}).open(Select)
			cur := filepath.Join(b.dir, "cur")
			// Once the command is at work: the second of three is renamed, the third
			// removed (but not where COPY would have to refuse).
			behind := func() {
				for i := range n {
					file := filepath.Join(cur, fmt.Sprintf("1700000%03d.M1P1.other:2,T", i))
					switch {
					case i%3 == 1:
						os.Rename(file, file+"x")
					case i%3 == 2 && name != "COPY":
						os.Remove(file)
					}
				}
			}
			during.Store(&behind)
			looks.Store(0)
			if err := command(h, dst); err != nil {
				t.Fatal(err)
			}
			if during.Load() != nil {
				t.Fatal("nothing was moved")
			}
			if got := looks.Load(); got > 12 {
				t.Errorf("%d passes over directories", got)
			}
			refresh(t, h)
			left := strings.Fields(look(h))
			switch name {
			case "STORE":
				if len(left) != n/3*2 {
					t.Errorf("%d messages, want %d", len(left), n/3*2)
				}
				for _, m := range left {
					if !strings.Contains(m, "R") {
						t.Errorf("%s is not answered", m)
					}
				}
			case "EXPUNGE":
				if len(left) != 0 || len(b.names("cur")) != 0 {
					t.Errorf("%q is left, files %q", left, b.names("cur"))
				}
			case "COPY":
				refresh(t, dst)
				if copies := len(strings.Fields(look(dst))); copies != n || len(left) != n {
					t.Errorf("%d copies of %d messages, want %d", copies, len(left), n)
				}
			}
			b.check()
		})
	}
}

// TestSlices: a STORE and an EXPUNGE of more messages than are published at once, a
// second session looking on: no MODSEQ that it has seen covers a later change.
func TestSlices(t *testing.T) {
	const n = storeSlice + 100
	ctx := context.Background()
	b := openSpot(t, unsynced(t), fsx.FS{})
	for i := range n {
		if err := os.WriteFile(filepath.Join(b.dir, "cur", fmt.Sprintf("%d.M1P1.other:2,", 1700000000+i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := b.open(Select)
	before := h.HighestModSeq()
	if _, err := h.Store(ctx, all(), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	first, last := uint64(0), uint64(0)
	for _, m := range h.Messages(nil, 0, maxUID, n) {
		if m.ModSeq <= before || m.ModSeq < last || m.Flags.System&Deleted == 0 {
			t.Fatalf("UID %d has MODSEQ %d after %d and flags %v", m.UID, m.ModSeq, last, m.Flags)
		}
		if last = m.ModSeq; first == 0 {
			first = last
		}
	}
	if first == last || last != h.HighestModSeq() {
		t.Errorf("MODSEQs %d to %d, highest %d", first, last, h.HighestModSeq())
	}
	copies := openSpot(t, unsynced(t), fsx.FS{}).open(Select)
	if r, err := h.Copy(ctx, all(), copies); err != nil || len(r.Dest) != 1 || r.Dest[0] != (imap.UIDRange{Start: 1, Stop: n}) {
		t.Errorf("copied to %v, %v", r.Dest, err)
	}
	refresh(t, copies)
	if got := int(copies.Count()); got != n {
		t.Errorf("%d copies", got)
	}
	modified, err := h.Store(ctx, all(), Remove, []imap.Flag{imap.FlagDeleted}, first, nil)
	if err != nil || len(modified) != 1 || modified[0] != (imap.UIDRange{Start: storeSlice + 1, Stop: n}) {
		t.Errorf("modified %v, %v", modified, err)
	}
	h.Store(ctx, all(), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	if gone, err := h.Expunge(ctx, nil); err != nil || gone != n {
		t.Errorf("%d expunged, %v", gone, err)
	}
	b.check()
}
