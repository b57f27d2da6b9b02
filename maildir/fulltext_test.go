package maildir

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// textMail is a message of about 3 KiB; n is in it, and every tenth has a needle.
func textMail(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	var b strings.Builder
	fmt.Fprintf(&b, "From: Ann%d <ann%d@example.org>\nTo: bob@example.net\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_%d?=\nMessage-ID: <%d@example.org>\nContent-Type: text/plain; charset=utf-8\n\n", n%7, n%7, n, n)
	for b.Len() < 3000 {
		for range 10 {
			for range 2 + r.IntN(8) {
				b.WriteByte("etaoinshrdlucmfwypv"[r.IntN(19)])
			}
			b.WriteByte(' ')
		}
		b.WriteByte('\n')
	}
	if n%10 == 0 {
		b.WriteString("Der zehnte\n hat einen Schlüssel.\n")
	}
	return b.String()
}

// fillText puts messages into cur/ and opens the mailbox.
func fillText(t testing.TB, b *spot, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		name := fmt.Sprintf("17%08d.M%dP1.test:2,S", i, i)
		if err := os.WriteFile(filepath.Join(b.dir, "cur", name), []byte(textMail(i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// buildText makes the index now.
func buildText(t testing.TB, h *Handle) {
	t.Helper()
	var w textWorker
	if !h.store.join(h.m) {
		t.Fatal("nobody has it open")
	}
	defer h.store.release(h.m)
	if err := w.index(context.Background(), h.m); err != nil {
		t.Fatal(err)
	}
}

// wantProof compares what the index says with the messages: nothing that contains
// a needle may be denied. It returns how many are, for each needle.
func wantProof(t testing.TB, h *Handle, what string, needles ...string) []int {
	t.Helper()
	folded := make([][]byte, len(needles))
	for i, n := range needles {
		folded[i] = message.Fold(nil, []byte(n))
	}
	sets, err := h.Without(context.Background(), folded)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, len(needles))
	if sets == nil {
		return counts
	}
	var walk message.SearchText
	for _, msg := range h.Messages(nil, 0, maxUID, 1<<20) {
		f, err := h.OpenMessage(context.Background(), msg.UID)
		if err != nil {
			continue
		}
		var p message.Parser
		m, _ := p.Parse(f)
		var text []byte
		walk.Walk(m, f, message.ScopeText, func(b []byte) bool { text = append(text, b...); return true })
		f.Close()
		for i := range needles {
			if !setHolds(sets[i], msg.UID) {
				continue
			}
			counts[i]++
			if bytes.Contains(text, folded[i]) {
				t.Errorf("%s: UID %d is said to be without %q", what, msg.UID, needles[i])
			}
		}
	}
	return counts
}

func textPath(b *spot) string { return filepath.Join(b.dir, textName) }

func textSize(t testing.TB, b *spot) int64 {
	t.Helper()
	st, err := os.Stat(textPath(b))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func TestTextIndex(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 300)
	h := b.open(Select)
	if sets, err := h.Without(context.Background(), [][]byte{[]byte("ABCDEF")}); sets != nil || err != nil {
		t.Errorf("without an index: %v %v", sets, err)
	}
	buildText(t, h)
	n := wantProof(t, h, "built", "zehnte hat EINEN schlüssel", "Grüße 123", "ann3@example.org", "not there at all", "ab", "a")
	if n[0] < 260 || n[0] > 270 || n[1] < 250 || n[2] < 200 || n[3] < 270 || n[4] != 0 || n[5] != 0 {
		t.Errorf("proved for %v messages", n)
	}
	if s := textSize(t, b); s > 300*3000*15/100 {
		t.Errorf("%d bytes for %d of text", s, 300*3000)
	}
	// New mail has no record before the next time.
	fillText(t, b, 300, 310)
	refresh(t, h)
	if n := wantProof(t, h, "new mail", "not there at all"); n[0] > 300 {
		t.Errorf("proved for %v", n)
	}
	size := textSize(t, b)
	buildText(t, h)
	if n := wantProof(t, h, "completed", "not there at all"); n[0] < 285 {
		t.Errorf("proved for %v", n)
	}
	if grown := textSize(t, b) - size; grown > 10*500 || grown < 10*200 {
		t.Errorf("grew by %d bytes for ten messages", grown)
	}
	b.check()
}

// TestTextBackground: IndexText returns at once, the index comes by itself, and not
// for small mailboxes.
func TestTextBackground(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, textLeast-1)
	h := b.open(Select)
	h.IndexText()
	h.store.text.done.Wait()
	if _, err := os.Stat(textPath(b)); err == nil {
		t.Error("an index of a small mailbox")
	}
	fillText(t, b, textLeast-1, 400)
	refresh(t, h)
	h.IndexText()
	h.IndexText()
	h.store.text.done.Wait()
	if n := wantProof(t, h, "built", "not there at all"); n[0] < 360 {
		t.Errorf("proved for %v", n)
	}
	id, _ := os.Stat(textPath(b))
	h.IndexText()
	if h.store.text.done.Wait(); h.store.text.busy {
		t.Error("still busy")
	}
	if again, _ := os.Stat(textPath(b)); !again.ModTime().Equal(id.ModTime()) {
		t.Error("written again for nothing")
	}
	// Deleted by hand: the first search notices, and it is made again.
	os.Remove(textPath(b))
	wantProof(t, h, "deleted", "not there at all")
	h.IndexText()
	h.store.text.done.Wait()
	if n := wantProof(t, h, "made again", "not there at all"); n[0] < 360 {
		t.Errorf("proved for %v", n)
	}
	// Work ends with the store, whatever it is doing.
	os.Remove(textPath(b))
	wantProof(t, h, "deleted", "not there at all")
	h.IndexText()
	h.Close()
	b.store.Close()
	h2 := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantProof(t, h2, "cut short", "schlüssel", "not there at all")
}

// TestTextDamage: whatever happens to the file, no message that has the needle is
// denied, and the next time it is whole again.
func TestTextDamage(t *testing.T) {
	t.Parallel()
	b := newSpot(t)
	fillText(t, b, 0, 210)
	h := b.open(Select)
	buildText(t, h)
	good, err := os.ReadFile(textPath(b))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	other := bytes.Clone(good)
	other[8]++ // another UIDVALIDITY
	version := bytes.Clone(good)
	version[12]++
	damages := map[string][]byte{
		"empty": {}, "head": good[:10], "torn": good[:len(good)-7], "foreign": other, "version": version,
		"zeros": append(bytes.Clone(good), make([]byte, 5000)...), "huge": append(bytes.Clone(good), 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0),
		"doubled": append(bytes.Clone(good), good[textHead:]...), "text": []byte(strings.Repeat("not an index\n", 1000)),
	}
	most := 30
	if underRace() {
		most = 5
	}
	for i := range most {
		x := bytes.Clone(good)
		x[r.IntN(len(x))] ^= 1 << r.IntN(8)
		damages[fmt.Sprint("bit ", i)] = x
		damages[fmt.Sprint("cut ", i)] = good[:r.IntN(len(good))]
	}
	needles := []string{"zehnte hat einen schlüssel", "grüße 77", "ann4@example.org"}
	for what, damage := range damages {
		if err := os.WriteFile(textPath(b), damage, 0o644); err != nil {
			t.Fatal(err)
		}
		wantProof(t, h, what, needles...)
		h.IndexText() // what the search has found wrong is mended after it
		h.store.text.done.Wait()
		if n := wantProof(t, h, what+", built again", needles...); n[0] < 180 || n[0] > 189 {
			t.Errorf("%s: proved for %v", what, n)
		}
		var seen textSet
		h.m.scanText(context.Background(), func(r textEntry) {
			if what != "doubled" && setHolds(seen.set(), r.uid) {
				t.Errorf("%s: UID %d twice", what, r.uid)
			}
			seen.add(r.uid)
		})
		if len(seen.set()) != 1 || seen.set()[0] != (imap.UIDRange{Start: 1, Stop: 210}) {
			t.Errorf("%s: records of %v", what, seen.set())
		}
	}
}

// TestTextProcesses: two processes make the index at one time.
func TestTextProcesses(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 1500)
	h := b.open(Select)
	other := openSpot(t, b.dir, fsx.FS{}).open(Select)
	other.IndexText()
	h.IndexText()
	h.store.text.done.Wait()
	other.store.text.done.Wait()
	buildText(t, h)
	n := wantProof(t, h, "two", "zehnte hat einen schlüssel", "not there at all")
	if n[0] < 1300 || n[0] > 1350 || n[1] < 1350 {
		t.Errorf("proved for %v", n)
	}
	b.check()
}

// TestTextOvertaken: another process makes all of the index while one begins to.
func TestTextOvertaken(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 2*textBatch+10)
	h := b.open(Select)
	var once sync.Once
	slow := openSpot(t, b.dir, fsx.FS{Fault: func(_, path string) error {
		if strings.Contains(path, "M0P1") {
			once.Do(func() { buildText(t, h) })
		}
		return nil
	}})
	buildText(t, slow.open(Select))
	if n := wantProof(t, h, "overtaken", "not there at all"); n[0] < 900 {
		t.Errorf("proved for %v", n)
	}
	b.check()
}

// TestTextLarge: the records of large messages are not gathered without end.
func TestTextLarge(t *testing.T) {
	b := newSpot(t)
	r := rand.New(rand.NewPCG(5, 6))
	text := []byte("Subject: large\n\n")
	for len(text) < (textMost+100)*textShare {
		text = append(text, byte('!'+r.IntN('~'-'!')))
	}
	const n = 100
	for i := range n {
		if err := os.WriteFile(filepath.Join(b.dir, "cur", fmt.Sprintf("17%08d.M%dP1.test:2,S", i, i)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := b.open(Select)
	h.store.join(h.m)
	defer h.store.release(h.m)
	var w textWorker
	if err := w.index(context.Background(), h.m); err != nil {
		t.Fatal(err)
	}
	if got := textSize(t, b); got < n*textMost {
		t.Fatalf("the index has %d bytes", got)
	}
	if most := 2 * (textWrite + textToken*(textMost+textRecord)); cap(w.records) > most {
		t.Errorf("%d bytes of records were gathered", cap(w.records))
	}
	b.check()
}

// TestTextExpunged: records of what is gone go when they are most of the file.
func TestTextExpunged(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 1500)
	h := b.open(Select)
	buildText(t, h)
	before := textSize(t, b)
	ctx := context.Background()
	if _, err := h.Store(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 1200}}, Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Expunge(ctx, nil); err != nil {
		t.Fatal(err)
	}
	for d := (Delta{More: true}); d.More; { // too many for one
		h.Sync(true, &d)
	}
	buildText(t, h)
	if after := textSize(t, b); after > before/3 {
		t.Errorf("%d bytes, were %d", after, before)
	}
	if n := wantProof(t, h, "expunged", "zehnte hat einen schlüssel"); n[0] < 255 || n[0] > 270 {
		t.Errorf("proved for %v", n)
	}
	b.check()
}

// TestTextUnwritable: a mailbox that cannot be written, or a full disk, has no index,
// and no search notices.
func TestTextUnwritable(t *testing.T) {
	full := func(op, path string) error {
		if strings.Contains(path, textName) && op != "open" && op != "stat" {
			return syscall.ENOSPC
		}
		return nil
	}
	b := openSpot(t, t.TempDir(), fsx.FS{Fault: full})
	fillText(t, b, 0, 250)
	h := b.open(Select)
	for range 3 {
		h.IndexText()
		h.store.text.done.Wait()
	}
	if n := wantProof(t, h, "full", "not there at all"); n[0] != 0 {
		t.Errorf("proved for %v", n)
	}
	if h.m.text.later.IsZero() {
		t.Error("tried again at once")
	}
	h.m.frozen.Store(true)
	h.IndexText()
	if h.store.text.busy {
		t.Error("an index for a mailbox that cannot be written")
	}
}

// TestTextUnread: an index that cannot be read now is neither believed nor thrown away. The searches read the
// messages, and nothing is written over what is there.
func TestTextUnread(t *testing.T) {
	for _, op := range []string{"open", "read"} {
		t.Run(op, func(t *testing.T) {
			var armed atomic.Bool
			b := openSpot(t, t.TempDir(), fsx.FS{Fault: func(o, path string) error {
				if armed.Load() && o == op && strings.HasSuffix(path, "/"+textName) {
					return syscall.EIO
				}
				return nil
			}})
			fillText(t, b, 0, 250)
			h := b.open(Select)
			buildText(t, h)
			good, err := os.ReadFile(textPath(b))
			if err != nil {
				t.Fatal(err)
			}
			fillText(t, b, 250, 260)
			refresh(t, h)
			ctx := context.Background()
			armed.Store(true)
			if sets, err := h.Without(ctx, [][]byte{[]byte("NOT THERE AT ALL")}); sets != nil || err != nil {
				t.Errorf("a search: %v %v", sets, err)
			}
			have := imap.UIDSet(nil)
			for what, run := range map[string]func() error{
				"complete": func() error { return new(textWorker).index(ctx, h.m) },
				"compact":  func() error { return h.m.compactText(ctx) },
				"append": func() error {
					h.m.text.forget()
					return h.m.writeText(ctx, appendTextRecord(nil, 255, 1, func(dst []byte) []byte { return dst }), &have)
				},
			} {
				if err := run(); !errors.Is(err, syscall.EIO) {
					t.Errorf("%s: %v", what, err)
				}
				if now, err := os.ReadFile(textPath(b)); err != nil || !bytes.Equal(now, good) {
					t.Errorf("%s: changed the index (%v)", what, err)
				}
			}
			armed.Store(false)
			buildText(t, h)
			if n := wantProof(t, h, "readable again", "not there at all"); n[0] < 235 {
				t.Errorf("proved for %v", n)
			}
			b.check()
		})
	}
}

// TestTextFaults fails, crashes and tears before every operation of making,
// completing and compacting the index: no answer is wrong afterwards, in this
// process or another.
func TestTextFaults(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(n int64) func(op, path string) error{
		"fail":  func(n int64) func(string, string) error { return fsx.FailAt(n, syscall.ENOSPC) },
		"crash": func(n int64) func(string, string) error { return fsx.CrashAt(n, false) },
		"torn":  func(n int64) func(string, string) error { return fsx.CrashAt(n, true) },
	}
	jobs := map[string]func(h *Handle) error{
		"make": func(h *Handle) error {
			os.Remove(filepath.Join(h.m.dir.Path(), textName))
			return new(textWorker).index(context.Background(), h.m)
		},
		"complete": func(h *Handle) error { return new(textWorker).index(context.Background(), h.m) },
		"compact":  func(h *Handle) error { return h.m.compactText(context.Background()) },
		"mend": func(h *Handle) error {
			os.Truncate(filepath.Join(h.m.dir.Path(), textName), 700)
			return new(textWorker).index(context.Background(), h.m)
		},
	}
	for kind, plan := range kinds {
		for job, run := range jobs {
			t.Run(job+" "+kind, func(t *testing.T) {
				t.Parallel()
				for n := int64(0); n < 100; n++ {
					what := fmt.Sprintf("%s %s before %d", job, kind, n)
					if !inRound(t, n, func(t *testing.T) bool { return textFault(t, what, run, plan(n)) }) || t.Failed() {
						return
					}
				}
				t.Error("no end of operations")
			})
		}
	}
}

func textFault(t *testing.T, what string, run func(h *Handle) error, plan func(op, path string) error) bool {
	var armed, hit, asked atomic.Bool
	b := openSpot(t, unsynced(t), fsx.FS{Fault: func(op, path string) error {
		if !armed.Load() {
			return nil
		}
		err := plan(op, path)
		if op == "read" && strings.HasSuffix(path, "/"+textName) {
			asked.Store(true)
		}
		if err != nil {
			hit.Store(true)
		}
		return err
	}})
	fillText(t, b, 0, 6)
	h := b.open(Select)
	buildText(t, h)
	fillText(t, b, 6, 11)
	refresh(t, h)
	armed.Store(true)
	err := run(h)
	armed.Store(false)
	if !hit.Load() && !asked.Load() && !strings.HasPrefix(what, "make ") {
		t.Errorf("%s: the index was read behind the plan's back", what)
	}
	needles := []string{"zehnte hat einen schlüssel", "grüße 7", "ann4@example.org"}
	if !errors.Is(err, fsx.ErrCrash) {
		wantProof(t, h, what, needles...)
	}
	fresh := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantProof(t, fresh, what+", another process", needles...)
	buildText(t, fresh)
	if n := wantProof(t, fresh, what+", built again", needles...); n[0] < 8 || n[0] > 9 {
		t.Errorf("%s: proved for %v", what, n)
	}
	// Who comes next breaks a lock that could not be removed; with nothing to write nobody has come yet.
	x, err := fresh.m.begin(context.Background(), nil, true)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	x.end(nil)
	for _, err := range Check(b.dir) {
		t.Errorf("%s: %v", what, err)
	}
	os.RemoveAll(b.dir)
	return hit.Load()
}

// TestTextShort: of a message whose file is for now not as long as it was, nothing is said: it may be whole again.
func TestTextShort(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 20)
	h := b.open(Select)
	msgs := h.Messages(nil, 0, maxUID, 100)
	for i := range msgs {
		if _, err := h.Structure(context.Background(), &msgs[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(b.dir, "cur", "1700000010.M10P1.test:2,S")
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	buildText(t, h)
	if err := os.WriteFile(path, []byte(textMail(10)), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := wantProof(t, h, "whole again", "der zehnte hat einen schlüssel"); n[0] != 18 {
		t.Errorf("proved for %v", n)
	}
}

// TestTextPanic: a message that nobody can read is left out, and ends neither the index nor the process.
func TestTextPanic(t *testing.T) {
	var armed atomic.Bool
	b := openSpot(t, t.TempDir(), fsx.FS{Fault: func(_, path string) error {
		if armed.Load() && strings.Contains(path, "M7P1") {
			panic("this message")
		}
		return nil
	}})
	fillText(t, b, 0, 20)
	h := b.open(Select)
	armed.Store(true)
	buildText(t, h)
	armed.Store(false)
	if n := wantProof(t, h, "but one", "not there at all"); n[0] != 19 {
		t.Errorf("proved for %v", n)
	}
	if n := len(h.store.readers.tokens); n != 0 {
		t.Errorf("%d tokens are not given back", n)
	}
}

func TestTextCancelled(t *testing.T) {
	b := newSpot(t)
	fillText(t, b, 0, 10)
	h := b.open(Select)
	buildText(t, h)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Without(ctx, [][]byte{[]byte("ABC")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestTextCorpus: the index denies no message of real mail that has the needle, and
// is no bigger than it may be.
func TestTextCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MAILDIR_IMAPD_CORPUS")
	if dir == "" {
		dir = "../../shared/corpus"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus of test mail")
	}
	t.Run("open", func(t *testing.T) {
		var mails [][]byte
		list, _ := filepath.Glob(filepath.Join(dir, "open", "*.eml"))
		for _, name := range list {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			mails = append(mails, text)
		}
		textCorpus(t, mails)
	})
	t.Run("lists", func(t *testing.T) {
		xz := exec.Command("xz", "-dc", filepath.Join(dir, "list-open.tar.xz"))
		out, err := xz.Output()
		if err != nil {
			t.Skip("cannot unpack: ", err)
		}
		var mails [][]byte
		for r := tar.NewReader(bytes.NewReader(out)); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := io.ReadAll(r); h.Typeflag == tar.TypeReg && len(mails) < 2500 {
				mails = append(mails, text)
			}
		}
		textCorpus(t, mails)
	})
}

func textCorpus(t *testing.T, mails [][]byte) {
	if len(mails) == 0 {
		t.Skip("no mail")
	}
	if underRace() {
		mails = mails[:min(len(mails), 500)]
	}
	b := newSpot(t)
	for i, text := range mails {
		os.WriteFile(filepath.Join(b.dir, "cur", fmt.Sprintf("17%08d.M%dP1.test:2,S", i, i)), text, 0o644)
	}
	h := b.open(Select)
	buildText(t, h)
	var walk message.SearchText
	var size int64
	var texts [][]byte
	for _, msg := range h.Messages(nil, 0, maxUID, 1<<20) {
		f, err := h.OpenMessage(context.Background(), msg.UID)
		if err != nil {
			t.Fatal(err)
		}
		var p message.Parser
		m, _ := p.Parse(f)
		var text []byte
		walk.Walk(m, f, message.ScopeText, func(b []byte) bool { text = append(text, b...); return true })
		size += walk.Size()
		texts = append(texts, text)
		f.Close()
	}
	s := textSize(t, b)
	t.Logf("%d bytes for %d of text in %d messages: %.1f %%", s, size, len(mails), float64(s)*100/float64(size))
	if s*100 > size*15 {
		t.Error("too many")
	}
	r := rand.New(rand.NewPCG(3, 4))
	rates := map[string][2]int{}
	for range 300 {
		// Some bytes out of some message, wherever they are cut; or a word.
		text := texts[r.IntN(len(texts))]
		i := r.IntN(max(1, len(text)))
		needle, kind := text[i:min(len(text), i+3+r.IntN(20))], "any bytes"
		if words := bytes.Fields(text[i:min(len(text), i+60)]); r.IntN(2) == 0 && len(words) > 2 {
			needle, kind = words[1], "short words"
			if len(needle) > 5 {
				kind = "words"
			}
		}
		if bytes.IndexByte(needle, 0) >= 0 || len(needle) < 3 {
			continue
		}
		sets, err := h.Without(context.Background(), [][]byte{needle})
		if err != nil || sets == nil {
			t.Fatal(err)
		}
		rate := rates[kind]
		for k, text := range texts {
			has, denied := bytes.Contains(text, needle), setHolds(sets[0], imap.UID(k+1))
			if has && denied {
				t.Errorf("UID %d has %q", k+1, needle)
			}
			if !has {
				rate[1]++
				if !denied {
					rate[0]++
				}
			}
		}
		rates[kind] = rate
	}
	for kind, rate := range rates {
		t.Logf("%s: %.2f %% of the messages that lack them must be read for nothing", kind, float64(rate[0])*100/float64(rate[1]))
	}
}

// BenchmarkWithout asks the index of 20,000 messages for a rare word.
func BenchmarkWithout(b *testing.B) {
	s := newSpot(b)
	for i := range 20000 {
		if err := os.WriteFile(filepath.Join(s.dir, "cur", fmt.Sprintf("17%08d.M%dP1.test:2,S", i, i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	h := s.open(Select)
	x := append([]byte{}, textHeader(h.UIDValidity())...)
	filter := make([]byte, 430)
	r := rand.New(rand.NewPCG(5, 6))
	st := &h.m.state
	for e := range st.list.all() {
		for i := range filter {
			filter[i] = byte(r.Uint32()) & byte(r.Uint32()|0x55)
		}
		x = appendTextRecord(x, e.uid, textNameOf(st, e), func(dst []byte) []byte { return append(dst, filter...) })
	}
	if err := os.WriteFile(textPath(s), x, 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(x)))
	b.ReportAllocs()
	for b.Loop() {
		sets, err := h.Without(context.Background(), [][]byte{[]byte("NOT THERE AT ALL")})
		if err != nil || len(sets) != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndexText makes the index of 2,000 messages that are in the cache.
func BenchmarkIndexText(b *testing.B) {
	s := newSpot(b)
	fillText(b, s, 0, 2000)
	h := s.open(Select)
	buildText(b, h)
	b.SetBytes(2000 * 3000)
	for b.Loop() {
		os.Remove(textPath(s))
		h.m.text.forget()
		buildText(b, h)
	}
}
