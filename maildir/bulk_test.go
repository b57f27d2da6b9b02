package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"maildir-imapd/maildir/fsx"
)

// manyFiles is how many messages the benchmarks of whole mailboxes have.
func manyFiles() int {
	if n, _ := strconv.Atoi(os.Getenv("MAILDIR_IMAPD_COSTS")); n > 0 {
		return n
	}
	return 100_000
}

// fill makes a mailbox of empty files, named as Dovecot's.
func fill(b testing.TB, dir string, n int) {
	b.Helper()
	for _, d := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	cur := filepath.Join(dir, "cur")
	for i := range n {
		name := fmt.Sprintf("%d.M%dP%dQ%d.mail.example.org,S=2048,W=2090:2,S", 1600000000+i/3, i*7919%1000000, i%30000, i)
		if err := os.WriteFile(filepath.Join(cur, name), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstSelect opens a mailbox that nobody has opened before.
func BenchmarkFirstSelect(b *testing.B) {
	dir := unsynced(b)
	fill(b, dir, manyFiles())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, name := range []string{uidlistFile, indexName} {
			os.Remove(filepath.Join(dir, name))
		}
		b.StartTimer()
		x := openSpot(b, dir, fsx.FS{})
		x.open(Select).Close()
		x.store.Close()
	}
}

// BenchmarkOpenIndex opens a mailbox of which this process knows nothing and the index all.
func BenchmarkOpenIndex(b *testing.B) {
	dir := unsynced(b)
	fill(b, dir, manyFiles())
	x := openSpot(b, dir, fsx.FS{})
	h := x.open(Select)
	time.Sleep(1100 * time.Millisecond) // so that no directory need be looked at again
	refresh(b, h)
	h.Close()
	b.ReportAllocs()
	for b.Loop() {
		x := openSpot(b, dir, fsx.FS{})
		h := x.open(Examine)
		if int(h.Count()) != manyFiles() {
			b.Fatal(h.Count())
		}
		h.Close()
		x.store.Close()
	}
}
