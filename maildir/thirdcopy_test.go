package maildir

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildir-imapd/maildir/fsx"
)

// life is one process's life on a mail tree with a state directory.
type life struct {
	*spot
	log   *bytes.Buffer
	state string
}

func newLife(t testing.TB, dir, state string) *life {
	t.Helper()
	return newLifeFS(t, dir, state, fsx.FS{})
}

func newLifeFS(t testing.TB, dir, state string, f fsx.FS) *life {
	t.Helper()
	b := openSpot(t, dir, fsx.FS{}) // for the directories
	b.store.Close()
	l := &life{spot: b, log: new(bytes.Buffer), state: state}
	var err error
	l.store, err = NewStore(StoreOptions{LockWait: 5 * time.Second, State: state, FS: alone(f), Log: slog.New(slog.NewTextHandler(l.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.store.Close() })
	return l
}

// next ends this life in order and begins another one.
func (l *life) next() *life {
	l.t.Helper()
	if err := l.store.Close(); err != nil {
		l.t.Fatal(err)
	}
	return newLife(l.t, l.dir, l.state)
}

// ident is what must not change.
func ident(h *Handle) string {
	return fmt.Sprintf("V%d G%x", h.UIDValidity(), h.GUID())
}

func (l *life) remove(names ...string) {
	l.t.Helper()
	for _, n := range names {
		if err := os.Remove(filepath.Join(l.dir, n)); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *life) wantLog(want string, times int) {
	l.t.Helper()
	if n := strings.Count(l.log.String(), want); n != times {
		l.t.Errorf("log says %q %d times, want %d:\n%s", want, n, times, l.log)
	}
}

func (l *life) treeText() string {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(l.state, treesDir, fileOf(l.dir)))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

func TestTreeLines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := treeLine{
			kind: rapid.SampledFrom([]byte{lineFound, lineClaim, lineBack, lineDeleted}).Draw(rt, "kind"), validity: rapid.Uint32Min(1).Draw(rt, "v"),
			next: imap.UID(rapid.Uint32Min(1).Draw(rt, "n")), rel: string(rapid.SliceOf(rapid.Byte()).Draw(rt, "rel")),
			process: rapid.SampledFrom([]string{"", "12.3456"}).Draw(rt, "process"),
			guid:    rapid.SampledFrom([]string{"", "00112233445566778899aabbccddeeff"}).Draw(rt, "guid"),
		}
		b := appendTreeLine(nil, &l)
		got, ok := parseTreeLine(bytes.TrimSuffix(b, []byte{'\n'}))
		if !ok || got != l {
			rt.Fatalf("%q gives %+v, want %+v", b, got, l)
		}
		i := rapid.IntRange(0, len(b)-2).Draw(rt, "at")
		b[i] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if got, ok := parseTreeLine(b[:len(b)-1]); ok && got != l { // the sum itself may change its case
			rt.Fatalf("damaged %q gives %+v", b, got)
		}
	})
}

func TestTreeCopyMeaning(t *testing.T) {
	c := newTreeCopy()
	guid := strings.Repeat("a", 32)
	for _, l := range []treeLine{
		{kind: lineFound, validity: 7, next: 10, guid: guid, rel: ".A"},
		{kind: lineClaim, validity: 7, next: 1010, process: "gone.1", guid: guid, rel: ".A"},
		{kind: lineClaim, validity: 7, next: 1020, process: self, guid: guid, rel: ".A"},
		{kind: lineFound, validity: 99, next: 5, rel: ".B"},
		{kind: lineDeleted, validity: 99, next: 5, rel: ".B"},
	} {
		c.take(&l)
	}
	id := c.boxes[".A"]
	if id.most() != 1020 || id.least(processAlive) != 1010 {
		t.Errorf("most %d, least %d; want 1020, 1010", id.most(), id.least(processAlive))
	}
	again := newTreeCopy()
	again.parse(c.encode("/x", processAlive))
	want := map[string]*identity{".A": {validity: 7, guid: guid, next: 1010, claims: map[string]imap.UID{self: 1020}}}
	if diff := cmp.Diff(want, again.boxes, cmp.AllowUnexported(identity{})); diff != "" || again.high != 99 || again.bad != 0 {
		t.Errorf("written anew, high %d, bad %d: %s", again.high, again.bad, diff)
	}
}

// All that the mailbox's own directory knows is lost: what the third copy says goes on.
func TestThirdCopyAlone(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	h := l.open(Select)
	for i := range 3 {
		appendText(t, h, fmt.Sprintf("Subject: %d\n\n", i))
	}
	was := ident(h)
	h.Close()
	if st, err := os.Stat(filepath.Join(l.state, treesDir)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory: %v, %v", st.Mode(), err)
	}
	l = l.next()
	l.remove(uidlistFile, indexName)
	h = l.open(Select)
	if got := ident(h); got != was {
		t.Errorf("is %s, was %s", got, was)
	}
	wantLook(t, h, "4: 5: 6:")
	l.wantLog("taken from [server] state", 1)
	if h.Renumbered() || l.store.Resets() != 0 {
		t.Error("counted as a loss")
	}
	l.check()
}

func TestThirdCopyWritesSeldom(t *testing.T) {
	var synced int
	state := t.TempDir()
	l := newLifeFS(t, t.TempDir(), state, fsx.FS{Fault: func(op, path string) error {
		if strings.HasPrefix(path, state) && (op == "write" || op == "rename") {
			synced++
		}
		return nil
	}})
	h := l.open(Select)
	appendText(t, h, "Subject: first\n\n")
	synced = 0
	for range 200 {
		appendText(t, h, "Subject: more\n\n")
	}
	if synced != 0 {
		t.Errorf("%d writes for 200 messages", synced)
	}
	if err := os.WriteFile(filepath.Join(l.dir, uidlistFile), []byte(strings.Replace(string(mustRead(t, l.dir, uidlistFile)), " N", " N5000 X", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	refresh(t, h)
	if uid := appendText(t, h, "Subject: far\n\n"); uid != 5000 || synced == 0 {
		t.Errorf("UID %d, %d writes", uid, synced)
	}
	if !strings.Contains(l.treeText(), " 6001 ") {
		t.Errorf("no claim up to 6001:\n%s", l.treeText())
	}
}

func mustRead(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A backup of the mailbox is put back: UIDs given since are not given again, and
// Dovecot is told, too.
func TestBackupPutBack(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			l := newLife(t, t.TempDir(), t.TempDir())
			h := l.open(Select)
			appendText(t, h, "Subject: old\n\n")
			h.Close()
			l.store.Close()
			list, index := mustRead(t, l.dir, uidlistFile), mustRead(t, l.dir, indexName)
			l = newLife(t, l.dir, l.state)
			h = l.open(Select)
			for range 4 {
				appendText(t, h, "Subject: new\n\n")
			}
			h.Close()
			want := imap.UID(6)
			if clean {
				l.store.Close()
			} else { // as if this process had died
				_ = l.store.third.add(context.Background(), l.dir, func(c *treeCopy) ([]treeLine, bool) {
					return []treeLine{{kind: lineClaim, validity: c.boxes[""].validity, next: 1003, process: "4194305.1"}}, true
				})
				want = 1003
			}
			for name, b := range map[string][]byte{uidlistFile: list, indexName: index} {
				l.remove(name)
				if err := os.WriteFile(filepath.Join(l.dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range l.names("cur") {
				if !strings.Contains(string(list), strings.SplitN(n, ":", 2)[0]) {
					l.remove("cur/" + n)
				}
			}
			l = newLife(t, l.dir, l.state)
			h = l.open(Select)
			if h.UIDNext() != want {
				t.Errorf("next UID %d, want %d", h.UIDNext(), want)
			}
			wantLook(t, h, "1:")
			if uid := appendText(t, h, "Subject: newest\n\n"); uid != want {
				t.Errorf("UID %d, want %d", uid, want)
			}
			u, err := parseUIDList(mustRead(t, l.dir, uidlistFile))
			if err != nil || u.next != want+1 {
				t.Errorf("the list says %d, %v", u.next, err)
			}
			l.wantLog("gone back behind UIDs", 1)
			l.check()
		})
	}
}

// An orderly restart gives the very next UID.
func TestRestartSkipsNoUID(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	for i := 1; i < 5; i++ {
		h := l.open(Select)
		if uid := appendText(t, h, "Subject: x\n\n"); uid != imap.UID(i) {
			t.Errorf("UID %d in life %d", uid, i)
		}
		h.Close()
		l = l.next()
	}
	if n := strings.Count(l.treeText(), "\n"); n > 16 {
		t.Errorf("%d lines:\n%s", n, l.treeText())
	}
}

func TestThirdCopyFollowsTree(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, FS} {
		t.Run(layout.String(), func(t *testing.T) {
			l := newLife(t, t.TempDir(), t.TempDir())
			ctx := context.Background()
			tree, err := l.store.Tree(TreeOptions{Root: l.dir, Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			was := map[string]string{}
			for _, name := range []string{"A", "A/B", "C"} {
				if err := tree.Create(ctx, name, nil); err != nil {
					t.Fatal(err)
				}
				h, err := tree.Open(ctx, name, Select)
				if err != nil {
					t.Fatal(err)
				}
				appendText(t, h, "Subject: x\n\n")
				was[name] = ident(h)
				h.Close()
			}
			if err := tree.Rename(ctx, "A", "Z/A"); err != nil {
				t.Fatal(err)
			}
			h, err := tree.Open(ctx, "Z/A/B", Select) // still in memory
			if err != nil {
				t.Fatal(err)
			}
			appendText(t, h, "Subject: y\n\n")
			h.Close()
			if err := tree.Delete(ctx, "C"); err != nil {
				t.Fatal(err)
			}
			l = l.next()
			var copied *treeCopy
			l.store.third.look(l.dir, func(c *treeCopy) { copied = c })
			n := newNames(&TreeOptions{Layout: layout})
			got := map[string]string{}
			for rel, id := range copied.boxes {
				got[rel] = fmt.Sprintf("V%d G%s N%d", id.validity, id.guid, id.most())
			}
			want := map[string]string{n.path("Z/A"): was["A"] + " N2", n.path("Z/A/B"): was["A/B"] + " N3"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("third copy: %s\n%s", diff, l.treeText())
			}
		})
	}
}

func TestThirdCopyUnusable(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state") // a file: root could write to a directory
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLife(t, t.TempDir(), state)
	h := l.open(Select)
	appendText(t, h, "Subject: x\n\n")
	appendText(t, h, "Subject: x\n\n")
	refresh(t, h)
	wantLook(t, h, "1: 2:")
	l.wantLog("third copy", 1)
}

// A damaged file is put aside; what is good in it goes on. A line that a crash
// tore off is no damage.
func TestThirdCopyDamaged(t *testing.T) {
	for _, damage := range []string{"garbage\n", "torn off"} {
		l := newLife(t, t.TempDir(), t.TempDir())
		h := l.open(Select)
		appendText(t, h, "Subject: x\n\n")
		was := ident(h)
		h.Close()
		l = l.next()
		file := filepath.Join(l.state, treesDir, fileOf(l.dir))
		if err := os.WriteFile(file, []byte(l.treeText()+damage), 0o600); err != nil {
			t.Fatal(err)
		}
		l.remove(uidlistFile, indexName)
		h = l.open(Select)
		if got := ident(h); got != was {
			t.Errorf("%q: is %s, was %s", damage, got, was)
		}
		wantLook(t, h, "2:")
		aside, _ := filepath.Glob(file + ".damaged-*")
		if want := strings.Count(damage, "\n"); len(aside) != want || strings.Contains(l.treeText(), damage) {
			t.Errorf("%q: %d files aside, text %s", damage, len(aside), l.treeText())
		}
	}
}

// TestRewriteKeepsInbox: INBOX has the empty path; what is kept of a deleted mailbox's UIDVALIDITY is not about it.
func TestRewriteKeepsInbox(t *testing.T) {
	c := newTreeCopy()
	for _, l := range []treeLine{
		{kind: lineFound, validity: 5, next: 9, rel: ""},
		{kind: lineFound, validity: 7, next: 3, rel: ".A"},
		{kind: lineDeleted, validity: 7, next: 3, rel: ".A"},
	} {
		c.take(&l)
	}
	again := newTreeCopy()
	again.parse(c.encode("/x", processAlive))
	if id := again.boxes[""]; id == nil || id.validity != 5 || id.next != 9 || again.high != 7 {
		t.Errorf("%+v, greatest %d", id, again.high)
	}
}
