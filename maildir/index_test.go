package maildir

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// indexBytes is a mailbox with something of everything in its index.
func indexBytes(t testing.TB) (dir string, index []byte) {
	b := newSpot(t)
	h := b.open(Select)
	for range 6 {
		appendText(t, h, mail, "one")
	}
	b.dropAs("cur", "odd:2,Zz,x", mail)
	refresh(t, h)
	var many []imap.Flag
	for i := range 30 {
		many = append(many, imap.Flag("key"+string(rune('a'+i%26))+string(rune('a'+i/26))))
	}
	h.Store(context.Background(), uidSet(2), Add, many, 0, nil)
	h.Store(context.Background(), uidSet(3, 4), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	h.Expunge(context.Background(), nil)
	refresh(t, h)
	h.Structure(context.Background(), &Message{UID: 1}, nil)
	h.Close()
	index, err := os.ReadFile(filepath.Join(b.dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	return b.dir, index
}

// TestTornIndex cuts the index at every length: what is left is believed, the
// rest comes from the directories, and numbers do not go back. (A cut right after
// a command's records is the file as it once was, which no reader can tell.)
func TestTornIndex(t *testing.T) {
	dir, index := indexBytes(t)
	first := openSpot(t, dir, fsx.FS{}).open(Examine)
	validity, next, high, guid := first.UIDValidity(), first.UIDNext(), first.HighestModSeq(), first.GUID()
	var uids []imap.UID
	for _, m := range first.Messages(nil, 0, maxUID, 100) {
		uids = append(uids, m.UID)
	}
	first.Close()
	whole := make(map[int]bool) // cuts that a command's end would leave
	for at := len(indexMagic); at < len(index); {
		kind := index[at+8]
		if at += 8 + int(le.Uint32(index[at:])); kind == recDisk {
			whole[at] = true
		}
	}
	for n := 0; n < len(index); n += 1 + n/40 {
		if whole[n] {
			continue
		}
		os.WriteFile(filepath.Join(dir, indexName), index[:n], 0o644)
		b := openSpot(t, dir, fsx.FS{})
		h := b.open(Select)
		var got []imap.UID
		for _, m := range h.Messages(nil, 0, maxUID, 100) {
			got = append(got, m.UID)
		}
		if !slices.Equal(got, uids) || h.UIDValidity() != validity || h.UIDNext() < next || h.HighestModSeq() < high || h.GUID() != guid {
			t.Fatalf("cut at %d of %d: %v, want %v; next %d, was %d; modseq %d, was %d", n, len(index), got, uids, h.UIDNext(), next, h.HighestModSeq(), high)
		}
		h.Close()
		b.store.Close()
		for _, err := range Check(dir) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// FuzzIndex feeds any bytes as an index: no crash, and a mailbox that agrees
// with its directories.
func FuzzIndex(f *testing.F) {
	dir, index := indexBytes(f)
	f.Add(index)
	f.Add([]byte(indexMagic))
	f.Add([]byte{})
	for i := 0; i < len(index); i += 37 {
		x := slices.Clone(index)
		x[i] ^= 0x41
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Raw: checksums make most inputs short; the appliers must hold on their own.
		m := &Mailbox{}
		m.index.m = m
		a := applier{x: &m.index, m: m, s: &m.state}
		if len(b) > 1 {
			a.record(b[0], b[1:])
			for e := range m.state.list.all() {
				m.state.appendFileName(nil, e)
			}
		}
		os.WriteFile(filepath.Join(dir, indexName), b, 0o644)
		s := openSpot(t, dir, fsx.FS{})
		h := s.open(Examine)
		files := len(s.names("cur"))
		if int(h.Count()) != files {
			t.Fatalf("%d messages, %d files", h.Count(), files)
		}
		h.Close()
		s.store.Close()
	})
}

// FuzzCache feeds any bytes as a cache.
func FuzzCache(f *testing.F) {
	b := newSpot(f)
	h := b.open(Select)
	appendText(f, h, mail)
	refresh(f, h)
	h.Structure(context.Background(), &Message{UID: 1}, nil)
	h.m.flushCache(true)
	good, err := os.ReadFile(filepath.Join(b.dir, cacheName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		os.WriteFile(filepath.Join(b.dir, cacheName+".x"), data, 0o644)
		os.Rename(filepath.Join(b.dir, cacheName+".x"), filepath.Join(b.dir, cacheName))
		s := openSpot(t, b.dir, fsx.FS{})
		h := s.open(Examine)
		p, err := h.Structure(context.Background(), &Message{UID: 1}, nil)
		if err != nil || p.Size != int64(len(mail)+4) {
			t.Fatal(p, err)
		}
		h.Close()
		s.store.Close()
	})
}
