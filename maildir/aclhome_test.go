package maildir

import (
	"errors"
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

// TestBarredFolder: of a folder that the daemon may not enter, or that a link keeps elsewhere, nobody is told that there is
// one, whatever is asked. In one's own mail there is nothing to hide.
func TestBarredFolder(t *testing.T) {
	for _, layout := range bothLayouts {
		for _, name := range []string{"news", "news/sub", "link"} {
			root, outside := t.TempDir(), t.TempDir()
			l := newListed(t, TreeOptions{Root: root, Layout: layout, NoInbox: true})
			l.def = parsedList(t, "anyone lrswipkxtea\n")
			for _, dir := range []string{"news", "news/sub", "free"} {
				makeDirsOS(filepath.Join(root, inLayout(layout, dir)))
			}
			if err := os.Symlink(outside, filepath.Join(root, inLayout(layout, "link"))); err != nil {
				t.Fatal(err)
			}
			makeDirsOS(outside)
			barred := filepath.Join(root, inLayout(layout, "news"))
			l.fault = func(op, path string) error {
				if op == "opendir" && path == barred || strings.HasPrefix(path, barred+"/") || strings.HasPrefix(path, barred+".") {
					return &os.PathError{Op: op, Path: path, Err: syscall.EACCES}
				}
				return nil
			}
			if layout == MaildirPP { // a state can be had without entering
				l.fault = func(op, path string) error {
					if strings.HasPrefix(path, barred+"/") || strings.HasPrefix(path, barred+".sub/") || op == "opendir" && strings.HasPrefix(path, barred) {
						return &os.PathError{Op: op, Path: path, Err: syscall.EACCES}
					}
					return nil
				}
			}
			ctx := t.Context()
			_, _, aclErr := l.ACL(ctx, name)
			_, rightsErr := l.Tree.Rights(ctx, name)
			for what, err := range map[string]error{
				"SELECT": discard(l.Open(ctx, name, Select)), "STATUS": discard(l.Open(ctx, name, Peek)), "APPEND": discard(l.Open(ctx, name, Target)),
				"GETACL": aclErr, "MYRIGHTS": rightsErr,
				"DELETE": l.Delete(ctx, name), "RENAME": l.Rename(ctx, name, "other"),
			} {
				if !errors.Is(err, ErrNotExist) {
					t.Errorf("%v: %s %s: %v", layout, what, name, err)
				}
			}
			if there, err := l.Exists(name); there || err != nil {
				t.Errorf("%v: Exists(%s) is %v, %v", layout, name, there, err)
			}
			list, err := l.List(ctx)
			if err != nil || len(list) != 1 || list[0].Name != "free" {
				t.Errorf("%v: LIST is %v, %v", layout, list, err)
			}
			if log := l.log.take(); !strings.Contains(log, "not served") && !strings.Contains(log, "nobody has access") {
				t.Errorf("%v: %s: the log is %q", layout, name, log)
			}
		}
	}
}

func discard(h *Handle, err error) error {
	if err == nil {
		h.Close()
	}
	return err
}
