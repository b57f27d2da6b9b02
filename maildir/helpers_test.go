package maildir

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.uber.org/goleak"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// TestMain lets more tests run side by side than there are cores: those that may do so wait most of the time, to break
// the locks of crashed lives and for the disk.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "24") // -parallel on the command line wins, as do -rapid.checks
	if underRace() {
		flag.Set("rapid.checks", "25") // of 100: the race detector makes each ten times as long
	}
	goleak.VerifyTestMain(m)
}

// unsynced is a directory in memory where the system has such a file system: for tests that end a process, not the
// machine, and to which syncing is only time.
func unsynced(t testing.TB) string {
	t.Helper()
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) != nil || st.Type != 0x01021994 { // TMPFS_MAGIC
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "maildir-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// spot is a mailbox directory on disk with a store of its own.
type spot struct {
	t     testing.TB
	dir   string
	store *Store
	loc   location
}

func newSpot(t testing.TB) *spot {
	t.Helper()
	return openSpot(t, t.TempDir(), fsx.FS{})
}

// alone makes breaking the locks of lives that have crashed a matter of a moment: no process but this one is there
// that could break the same one.
func alone(f fsx.FS) fsx.FS {
	f.BreakPause = 100 * time.Microsecond
	return f
}

// openSpot is another process's view of the same directory, as good as.
func openSpot(t testing.TB, dir string, f fsx.FS) *spot {
	t.Helper()
	for _, d := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := NewStore(StoreOptions{FS: alone(f), LockWait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &spot{t: t, dir: dir, store: s, loc: location{name: "INBOX", dir: dir, root: dir, rights: acl.RightsAll}}
}

func (b *spot) open(mode Mode) *Handle {
	b.t.Helper()
	h, err := b.store.open(context.Background(), b.loc, mode)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { h.Close() })
	return h
}

var testNames atomic.Int64

// drop puts a file into new/ or cur/ as another program would.
func (b *spot) drop(place, text string) (base string) {
	b.t.Helper()
	base = fmt.Sprintf("1700000000.M%dP1.test", testNames.Add(1))
	b.dropAs(place, base, text)
	return base
}

func (b *spot) dropAs(place, name, text string) {
	b.t.Helper()
	tmp := filepath.Join(b.dir, "tmp", name)
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(b.dir, place, name)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *spot) names(place string) []string {
	b.t.Helper()
	list, err := os.ReadDir(filepath.Join(b.dir, place))
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (b *spot) check() {
	b.t.Helper()
	b.compacted()
	for _, err := range Check(b.dir) {
		b.t.Error("check:", err)
	}
}

// compacted waits until files that were to be written anew have been.
func (b *spot) compacted() {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b.store.compact.mu.Lock()
		busy := b.store.compact.busy
		b.store.compact.mu.Unlock()
		if !busy {
			return
		}
		if time.Now().After(end) {
			b.t.Fatal("still at it")
		}
	}
}

func refresh(t testing.TB, h *Handle) Delta {
	t.Helper()
	if err := h.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	var d Delta
	h.Sync(true, &d)
	for more := d.More; more; {
		var next Delta
		h.Sync(true, &next)
		next.Expunged, next.ExpungedUIDs = append(d.Expunged, next.Expunged...), append(d.ExpungedUIDs, next.ExpungedUIDs...)
		next.Flags = append(d.Flags, next.Flags...)
		next.ExistsChanged, next.RecentChanged = next.ExistsChanged || d.ExistsChanged, next.RecentChanged || d.RecentChanged
		d, more = next, next.More
	}
	return d
}

// look is a view as text: "1:Seen,Deleted key 2:".
func look(h *Handle) string {
	var b strings.Builder
	keys := h.Keywords()
	for i, m := range h.Messages(nil, 0, maxUID, 1<<30) {
		if i > 0 {
			b.WriteByte(' ')
		}
		if int(m.Seq) != i+1 {
			fmt.Fprintf(&b, "[seq %d at %d]", m.Seq, i+1)
		}
		fmt.Fprintf(&b, "%d:", m.UID)
		if m.Gone {
			b.WriteString("gone")
			continue
		}
		for f := range 6 {
			if m.Flags.System&(1<<f) != 0 {
				b.WriteByte(systemLetters[f])
			}
		}
		for k := range keys {
			if m.Flags.Keywords&(1<<k) != 0 {
				b.WriteString("," + string(keys[k]))
			}
		}
	}
	return b.String()
}

func wantLook(t testing.TB, h *Handle, want string) {
	t.Helper()
	if got := look(h); got != want {
		t.Errorf("view is %q, want %q", got, want)
	}
}

func appendText(t testing.TB, h *Handle, text string, flags ...imap.Flag) imap.UID {
	t.Helper()
	uid, err := tryAppend(h, text, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func tryAppend(h *Handle, text string, flags ...imap.Flag) (imap.UID, error) {
	d, err := h.Deliver(context.Background(), int64(len(text)))
	if err != nil {
		return 0, err
	}
	if _, err := io.WriteString(d, text); err != nil {
		d.Abort()
		return 0, err
	}
	return d.Commit(context.Background(), flags, time.Unix(1600000000, 0))
}

func all() imap.UIDSet { return imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}} }

func uidSet(uids ...imap.UID) imap.UIDSet { return imap.UIDSetNum(uids...) }

func readAll(t testing.TB, h *Handle, uid imap.UID) string {
	t.Helper()
	f, err := h.OpenMessage(context.Background(), uid)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
