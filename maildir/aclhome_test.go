package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNewFolderHasNoLastGoodList: what was good of a folder that was removed is nothing to another one at its path, also
// where the file system gives it the same inode number, as ext4 does at once.
func TestNewFolderHasNoLastGoodList(t *testing.T) {
	for _, layout := range bothLayouts {
		root := t.TempDir()
		news := inLayout(layout, "news")
		l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		makeDirsOS(filepath.Join(root, news))
		l.put(news+"/"+dovecotACL, "user=bob lrx\n")
		l.wantRights("news", "lrx")
		l.put(news+"/"+dovecotACL, "user=bob lr\nnonsense\n")
		l.wantRights("news", "lrx")
		for range 3 {
			if err := os.RemoveAll(filepath.Join(root, news)); err != nil {
				t.Fatal(err)
			}
			makeDirsOS(filepath.Join(root, news))
			l.put(news+"/"+dovecotACL, "user=carol lr\nnonsense\n")
			l.wantRights("news", "")
		}
		l.put(news+"/"+dovecotACL, "user=bob lri\n")
		l.wantRights("news", "lri")
		l.put(news+"/"+dovecotACL, "nonsense\n")
		l.wantRights("news", "lri")
	}
}

// TestFailedRenameKeepsTheLastGoodList.
func TestFailedRenameKeepsTheLastGoodList(t *testing.T) {
	for _, layout := range bothLayouts {
		root := t.TempDir()
		news := inLayout(layout, "news")
		l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
		makeDirsOS(filepath.Join(root, news))
		l.put(dovecotACL, "user=bob lk\n")
		l.put(news+"/"+dovecotACL, "user=bob lrx\n")
		l.wantRights("news", "lrx")
		l.put(news+"/"+dovecotACL, "user=bob lrx\nnonsense\n")
		l.wantRights("news", "lrx")
		l.fault = func(op, path string) error {
			if strings.HasPrefix(op, "rename") && strings.HasSuffix(path, news) {
				return syscall.EACCES
			}
			return nil
		}
		if err := l.Rename(t.Context(), "news", "olds"); err == nil {
			t.Fatal("renamed")
		}
		l.fault = nil
		l.wantRights("news", "lrx")
	}
}
