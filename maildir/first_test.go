package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkFirstSelect opens a mailbox of 10,000 messages that has no state on disk.
func BenchmarkFirstSelect(b *testing.B) {
	dir := b.TempDir()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 10000 {
		name := fmt.Sprintf("%d.M%dP1.host,S=3,W=4:2,S", 1700000000+i/3, i*7919%1000000)
		if err := os.WriteFile(filepath.Join(dir, "cur", name), []byte("\n\nx"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		b.StopTimer()
		for _, name := range []string{uidlistFile, indexName, cacheName} {
			os.Remove(filepath.Join(dir, name))
		}
		s, err := NewStore(StoreOptions{})
		if err != nil {
			b.Fatal(err)
		}
		tree, err := s.Tree(TreeOptions{Root: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		h, err := tree.Open(b.Context(), "INBOX", Select)
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		h.Close()
		tree.Close()
		s.Close()
		b.StartTimer()
	}
}
