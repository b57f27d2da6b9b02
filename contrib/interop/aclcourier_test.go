//go:build interop

package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maildir-imapd/maildir/acl"
)

// TestCourierACLFiles: Courier's own tool computes the same rights from courierimapacl files.
func TestCourierACLFiles(t *testing.T) {
	root := courierRoot(t)
	t.Parallel()
	libs := filepath.Join(root, "usr/lib")
	env := []string{"LD_LIBRARY_PATH=" + strings.Join([]string{libs, filepath.Join(libs, "x86_64-linux-gnu"), filepath.Join(libs, "aarch64-linux-gnu"),
		filepath.Join(libs, "courier-authlib")}, ":")}
	box := filepath.Join(workDir(t), "Maildir")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(box, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	who := map[string]acl.Who{
		"owner user=alice":     {User: "alice", Owner: true},
		"user=bob group=staff": {User: "bob", Groups: []string{"staff"}},
		"user=carol":           {User: "carol"},
		"user=dora group=administrators group=staff": {User: "dora", Groups: []string{"administrators", "staff"}},
		"owner user=alice group=administrators":      {User: "alice", Groups: []string{"administrators"}, Owner: true},
	}
	r := rand.New(rand.NewPCG(5, 6))
	files := []string{
		"", "owner aceilrstwx\nanyone lr\nuser=john w\n-user=mary r\nadministrators aceilrstwx\n", "anyone   lr", "anyone\tlr\n", "# anyone lr\n", "\n\nanyone lr\n",
		"anyone lr\nanyone s\nanonymous w\n", "-owner a\nowner lra\n", "-administrators lrax\n", "-anyone lra\nadministrators l\n", "group=administrators p\nadministrators r\n",
		"-group=administrators lw\n", "anyone l r s\n", "anyone LRQ\n", "anyone kdpz\n", "user=bob\n", "anyone lr\r\n", "authenticated lr\ngroup-override=staff lr\n", "bob lr\n",
	}
	for len(files) < 80 {
		files = append(files, madeUpCourierACL(r))
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(box, "courierimapacl"), []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := acl.ParseCourier([]byte(file))
		if err != nil {
			t.Errorf("%q: %v", file, err)
			continue
		}
		for words, w := range who {
			args := append([]string{"-compute", box, "INBOX"}, strings.Fields(words)...)
			said := command(t, env, filepath.Join(root, "usr/bin/maildiracl"), args...)
			var theirs acl.Rights
			for _, c := range strings.TrimSpace(said) {
				switch one, err := acl.ParseRights(string(c)); {
				case c == 'c':
					theirs |= acl.RightCreate
				case err == nil && c != 'k' && c != 'd': // letters that it has no use for
					theirs |= one
				}
			}
			if ours, _ := list.Rights(&w); ours != theirs {
				t.Errorf("%q gives %s %s, with us %s", file, words, theirs, ours)
			}
		}
	}
}

func madeUpCourierACL(r *rand.Rand) string {
	ids := []string{"anyone", "anonymous", "owner", "user=alice", "user=bob", "user=carol", "group=staff", "group=news", "administrators", "group=administrators", "authenticated", "bob"}
	var b strings.Builder
	for range r.IntN(8) {
		id := ids[r.IntN(len(ids))]
		if r.IntN(3) == 0 {
			id = "-" + id
		}
		letters := ""
		for _, c := range "aceilrstwxpkd" {
			if r.IntN(3) == 0 {
				letters += string(c)
			}
		}
		fmt.Fprintf(&b, "%s%s%s\n", id, []string{" ", "  ", "\t"}[r.IntN(7)/3], letters)
	}
	return b.String()
}
