package maildir

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// cacheText is a message of its own for every number.
func cacheText(i int) string {
	return fmt.Sprintf("From: a%d@example.org\nSubject: number %d\nReferences: <x@y>\nX-Other: z\nTo: b@c\n\n%d\n", i, i, i)
}

// cached fills a mailbox and its cache with these kinds.
func cached(t testing.TB, n int, kinds ...Kind) (*spot, *Handle) {
	t.Helper()
	b := newSpot(t)
	for i := range n {
		b.drop("cur", cacheText(i))
	}
	h := b.open(Select)
	learn(t, h, kinds...)
	return b, h
}

func learn(t testing.TB, h *Handle, kinds ...Kind) {
	t.Helper()
	if err := h.Learn(context.Background(), h.Messages(nil, 0, maxUID, 1<<20), kinds...); err != nil {
		t.Fatal(err)
	}
	h.FlushCache()
	h.m.flushCache(true)
}

// wantCached looks whether all messages have the right sections on disk.
func wantCached(t testing.TB, h *Handle, kinds ...Kind) {
	t.Helper()
	var e message.Envelope
	var p message.Message
	for _, m := range h.Messages(nil, 0, maxUID, 1<<20) {
		text := readAll(t, h, m.UID)
		for _, k := range kinds {
			b := h.Cached(&m, k)
			switch k {
			case KindEnvelope:
				if err := e.UnmarshalBinary(b); err != nil || !bytes.Contains([]byte(text), append([]byte("Subject: "), append(e.Subject, '\n')...)) {
					t.Fatalf("UID %d: %v, subject %q", m.UID, err, e.Subject)
				}
			case KindStructure:
				if err := p.UnmarshalBinary(b); err != nil || p.FileSize != int64(len(text)) {
					t.Fatalf("UID %d: %v, %d bytes", m.UID, err, p.FileSize)
				}
			default:
				if want := fmt.Sprintf("%d of %d", k, m.UID); string(b) != want {
					t.Fatalf("UID %d has %q, want %q", m.UID, b, want)
				}
			}
		}
	}
}

// TestCacheSections: a section that is learnt joins those that are there.
func TestCacheSections(t *testing.T) {
	b, h := cached(t, 300, KindEnvelope)
	wantCached(t, h, KindEnvelope)
	for _, m := range h.Messages(nil, 0, maxUID, 1000) {
		h.Remember(m.UID, KindPreview, fmt.Appendf(nil, "%d of %d", KindPreview, m.UID))
		if m.UID%2 == 0 {
			h.Remember(m.UID, KindBody, fmt.Appendf(nil, "%d of %d", KindBody, m.UID))
		}
	}
	wantCached(t, h, KindEnvelope, KindPreview) // waiting
	h.m.flushCache(true)
	wantCached(t, h, KindEnvelope, KindPreview)
	learn(t, h, KindStructure)
	h.Remember(7, KindPreview, []byte("another"))
	h.Close()
	b.check()
	again := openSpot(t, b.dir, fsx.FS{}).open(Select)
	if n := again.m.cache.pending.Load(); n != 0 {
		t.Errorf("%d messages wait in a new process", n)
	}
	if got := again.Cached(&Message{UID: 7}, KindPreview); string(got) != "another" {
		t.Errorf("%q", got)
	}
	again.Remember(7, KindPreview, fmt.Appendf(nil, "%d of 7", KindPreview))
	wantCached(t, again, KindEnvelope, KindPreview, KindStructure)
	if again.Cached(&Message{UID: 8}, KindBody) == nil || again.Cached(&Message{UID: 9}, KindBody) != nil {
		t.Error("a section is lost, or comes from nowhere")
	}
}

// TestCacheLearnsFields: the fields that are kept are those of the file.
func TestCacheLearnsFields(t *testing.T) {
	b, h := cached(t, 20, KindEnvelope)
	long := "Subject: x\nTo: " + string(bytes.Repeat([]byte("a@b,\n "), 20000)) + "c@d\n\n"
	for _, text := range []string{long, "", "\n", "no header", "From: a\n\tb\n \n\tc\nfrom : d\r\n\r\nTo: x", "Subject: \x00\r\r\nX: y\nCc: z"} {
		b.drop("new", text)
	}
	refresh(t, h)
	for pass := range 3 {
		if pass == 1 {
			learn(t, h, KindEnvelope, KindFields)
		}
		for _, m := range h.Messages(nil, 0, maxUID, 100) {
			text := readAll(t, h, m.UID)
			got, err := h.Fields(context.Background(), &m)
			if err != nil {
				t.Fatal(err)
			}
			if text == long {
				if got != nil {
					t.Error("too many fields were kept")
				}
				continue
			}
			header := []byte(text)
			if p, err := h.Structure(context.Background(), &m, nil); err != nil {
				t.Fatal(err)
			} else {
				header = header[:p.Parts[0].Header.End]
			}
			// h's Structure may have moved the window: ask again.
			got, _ = h.Fields(context.Background(), &m)
			for _, names := range [][]string{{"From"}, {"subject", "TO", "cc"}, listFields} {
				a, b := message.HeaderFields(nil, header, names, false), message.HeaderFields(nil, got, names, false)
				if !bytes.Equal(a, b) {
					t.Errorf("%v of %q: %q from the file, %q from the cache", names, text, a, b)
				}
			}
		}
	}
	for _, name := range listFields {
		if !ListField(name) {
			t.Errorf("%s is not found in its list", name)
		}
	}
	if ListField("Received") || ListField("") {
		t.Error("what is not listed is found")
	}
}

// TestCacheCompaction: when most of the file is of no use the rest is copied, and
// a process that has the old file open goes on.
func TestCacheCompaction(t *testing.T) {
	b, h := cached(t, 40, KindEnvelope)
	other := openSpot(t, b.dir, fsx.FS{}).open(Select)
	stale := other.Messages(nil, 0, maxUID, 100)
	wantCached(t, other, KindEnvelope)
	big := make([]byte, 200<<10)
	for range 3 {
		for uid := imap.UID(1); uid <= 40; uid++ {
			h.Remember(uid, KindBody, big)
			h.m.flushCache(true)
			b.compacted()
		}
	}
	size := func() int64 {
		st, err := os.Stat(filepath.Join(b.dir, cacheName))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	b.compacted()
	if n := size(); n > 2*41*int64(len(big))+cacheLoose {
		t.Errorf("the file has %d bytes for %d", n, 40*len(big))
	}
	h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	var gone imap.UIDSet
	gone.AddRange(1, 37)
	h.Expunge(context.Background(), gone)
	h.Close()
	b.compacted()
	if n := size(); n > 5*int64(len(big)) {
		t.Errorf("%d bytes for 3 messages", n)
	}
	var e message.Envelope
	for _, m := range stale[37:] { // places of the first file
		if err := e.UnmarshalBinary(other.Cached(&m, KindEnvelope)); err != nil {
			t.Errorf("UID %d: %v", m.UID, err)
		}
	}
	// What the other process adds joins the records that this one has moved.
	third := openSpot(t, b.dir, fsx.FS{}).open(Select)
	third.Remember(40, KindPreview, []byte("seen"))
	third.m.cache.reading(third.UIDValidity())
	wide := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wide.Remember(38, KindPreview, []byte("another's"))
	wide.m.flushCache(true)
	if err := wide.m.compactCache(context.Background()); err != nil {
		t.Fatal(err)
	}
	third.m.flushCache(true)
	if got := third.Cached(&Message{UID: 40}, KindBody); !bytes.Equal(got, big) {
		t.Errorf("%d bytes of a section that another process has moved", len(got))
	}
	refresh(t, other)
	for _, m := range other.Messages(nil, 0, maxUID, 100) {
		if !bytes.Equal(other.Cached(&m, KindBody), big) {
			t.Errorf("UID %d lost a section", m.UID)
		}
	}
	wantCached(t, other, KindEnvelope)
	other.Close()
	b.check()
}

// TestCacheDamage: whatever lies in the file, no section comes out that was not put
// in, and the mailbox works.
func TestCacheDamage(t *testing.T) {
	b, h := cached(t, 50, KindEnvelope, KindStructure)
	h.Close()
	path := filepath.Join(b.dir, cacheName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		bad := bytes.Clone(good)
		switch i % 4 {
		case 0:
			bad = bad[:rnd.IntN(len(bad))]
		case 1:
			for range 1 + rnd.IntN(50) {
				bad[rnd.IntN(len(bad))] ^= byte(1 << rnd.IntN(8))
			}
		case 2:
			at := rnd.IntN(len(bad))
			bad = append(bad[:at:at], bad[min(len(bad), at+rnd.IntN(100)):]...)
		default:
			rnd.Shuffle(len(bad), func(i, j int) { bad[i], bad[j] = bad[j], bad[i] })
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openSpot(t, b.dir, fsx.FS{})
		h := s.open(Select)
		var e message.Envelope
		for _, m := range h.Messages(nil, 0, maxUID, 100) {
			if err := h.Envelope(context.Background(), &m, &e); err != nil {
				t.Fatal(err)
			}
			if p, err := h.Structure(context.Background(), &m, nil); err != nil || p.FileSize != int64(len(readAll(t, h, m.UID))) {
				t.Fatal(p, err)
			}
		}
		h.FlushCache()
		wantCached(t, h, KindEnvelope, KindStructure)
		h.Close()
		s.check()
	}
}

// TestCacheBounded: what cannot be written does not pile up.
func TestCacheBounded(t *testing.T) {
	_, h := cached(t, 200)
	h.m.frozen.Store(true) // as in a directory that cannot be written
	big := make([]byte, 100<<10)
	for uid := imap.UID(1); uid <= 200; uid++ {
		h.Remember(uid, KindBody, big)
		h.FlushCache()
	}
	if n := h.m.cache.bytes; n > cacheMost+len(big)+1<<10 {
		t.Errorf("%d bytes wait", n)
	}
	h.m.frozen.Store(false)
	h.FlushCache()
	if n := h.m.cache.bytes; n != 0 {
		t.Errorf("%d bytes wait after a flush", n)
	}
}

// TestReaders: several Readers of one mailbox, beside one that flushes and one
// that compacts.
func TestReaders(t *testing.T) {
	_, h := cached(t, 400)
	msgs := h.Messages(nil, 0, maxUID, 1000)
	var wg sync.WaitGroup
	for w := range 4 {
		r := h.NewReader()
		wg.Go(func() {
			var e message.Envelope
			var p message.Message
			for i := range msgs {
				m := &msgs[(i*7+w)%len(msgs)]
				if err := r.Envelope(context.Background(), m, &e); err != nil {
					t.Error(err)
				}
				if _, err := r.Structure(context.Background(), m, &p); err != nil {
					t.Error(err)
				}
				if string(e.Subject) != fmt.Sprintf("number %d", m.UID-1) && len(h.Name()) > 0 {
					if p.FileSize == 0 {
						t.Errorf("UID %d: %q", m.UID, e.Subject)
					}
				}
				if i%50 == 0 {
					h.m.flushCache(w == 0)
				}
			}
		})
	}
	wg.Wait()
	h.m.flushCache(true)
	wantCached(t, h, KindEnvelope, KindStructure)
}

// FuzzCacheRecord: what is read out of a record was written into one.
func FuzzCacheRecord(f *testing.F) {
	s := &sections{}
	s.set(KindEnvelope, []byte("an envelope"))
	s.set(KindFields, nil)
	s.set(KindPreview, []byte("p"))
	f.Add(appendCacheRecord(nil, 7, s), uint32(7))
	f.Add(appendCacheRecord(nil, 8, &sections{}), uint32(8))
	f.Fuzz(func(t *testing.T, b []byte, uid uint32) {
		var back sections
		kinds, ok := cacheTable(b, imap.UID(uid))
		for k := range kindCount {
			x := cacheSection(b, imap.UID(uid), k)
			if x != nil && (!ok || !kinds.has(k)) {
				t.Fatalf("section %d of a record that has none", k)
			}
			if x != nil {
				back.set(k, x)
			}
		}
		again := appendCacheRecord(nil, imap.UID(uid), &back)
		for k := range kindCount {
			if d := cmp.Diff(back.b[k], cacheSection(again, imap.UID(uid), k)); d != "" && len(back.b[k]) > 0 {
				t.Fatal(d)
			}
		}
	})
}
