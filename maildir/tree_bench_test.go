package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// BenchmarkListFolders is LIST of 10,000 folders with lists of rights, in which nothing changes.
func BenchmarkListFolders(b *testing.B) {
	for _, layout := range bothLayouts {
		b.Run(layout.String(), func(b *testing.B) {
			root := unsynced(b)
			for i := range 10_000 {
				dir := filepath.Join(root, inLayout(layout, fmt.Sprintf("g%02d/f%d", i%100, i)))
				if err := makeDirsOS(dir); err != nil {
					b.Fatal(err)
				}
				if i%10 == 0 {
					os.WriteFile(filepath.Join(dir, dovecotACL), []byte("anyone lrs\n"), 0o600)
				}
			}
			os.WriteFile(filepath.Join(root, dovecotACL), []byte("anyone lr\n"), 0o600)
			time.Sleep(1100 * time.Millisecond)
			s, err := NewStore(StoreOptions{FS: fsx.FS{}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			tree, err := s.Tree(TreeOptions{Root: root, Layout: layout, NoInbox: true, Access: &Access{Who: func() acl.Who { return acl.Who{User: "bob"} }}})
			if err != nil {
				b.Fatal(err)
			}
			defer tree.Close()
			b.ReportAllocs()
			for b.Loop() {
				if list, err := tree.List(b.Context()); err != nil || len(list) != 10_100 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
