package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestQuotaOnlyRecord: limits that stand only in maildirsize are never replaced by none.
func TestQuotaOnlyRecord(t *testing.T) {
	ctx := t.Context()
	asks := map[string]func(*Tree, *Handle){
		"ask":    func(tree *Tree, _ *Handle) { tree.Quota(ctx) },
		"append": func(_ *Tree, h *Handle) { appendText(t, h, "x") },
		"delete": func(tree *Tree, _ *Handle) { tree.Delete(ctx, "Work") },
		"repair": func(tree *Tree, _ *Handle) {
			d, err := tree.open()
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := tree.repairQuota(ctx, d, []Finding{{Invariant: invQuota}}); err != nil {
				t.Error(err)
			}
		},
	}
	for name, text := range map[string]string{"no LF": "10000000S", "empty": "", "NUL": "10000000S\x00\x00\n1 1\n", "zeros": "\x00\x00\x00\x00"} {
		for how, ask := range asks {
			for _, young := range []bool{false, true} {
				root := filepath.Join(t.TempDir(), "mail")
				tree := quotaTree(t, root, nil, fsx.FS{})
				if err := tree.Create(ctx, "Work", nil); err != nil {
					t.Fatal(err)
				}
				h := openIn(t, tree, "INBOX", Select)
				path := filepath.Join(root, quotaName)
				os.WriteFile(path, []byte(text), 0o600)
				if !young {
					old := time.Now().Add(-time.Minute)
					os.Chtimes(path, old, old)
				}
				ask(tree, h)
				aside, _ := filepath.Glob(path + ".damaged-*")
				now := quotaText(t, root)
				switch {
				case name == "no LF":
					if !strings.HasPrefix(now, "10000000S\n") || len(aside) != 0 {
						t.Errorf("%s, %s: %q", name, how, now)
					}
				case young:
					if now != text || len(aside) != 0 {
						t.Errorf("%s, %s: still being written, but %q %v", name, how, now, aside)
					}
				default:
					if _, err := os.Stat(path); !os.IsNotExist(err) || len(aside) != 1 {
						t.Errorf("%s, %s: %q, put aside %v", name, how, now, aside)
					} else if b, _ := os.ReadFile(aside[0]); string(b) != text {
						t.Errorf("%s, %s: aside is %q", name, how, b)
					}
				}
			}
		}
	}
	// Limits that are configured are all that counts.
	root := filepath.Join(t.TempDir(), "mail")
	tree := quotaTree(t, root, &Quota{Set: true, Storage: 1000}, fsx.FS{})
	os.WriteFile(filepath.Join(root, quotaName), nil, 0o600)
	if usage(t, tree); quotaText(t, root) != "1000S\n0 0\n" {
		t.Errorf("%q", quotaText(t, root))
	}
}

// TestQuotaBegins: a quota is set, and another session counts, in the middle of a change that began without.
func TestQuotaBegins(t *testing.T) {
	ctx := t.Context()
	for name, change := range map[string]func(h, work *Handle) error{
		"expunge": func(h, _ *Handle) error { _, err := h.Expunge(ctx, nil); return err },
		"move":    func(h, work *Handle) error { _, err := h.Move(ctx, uidSet(1), work); return err },
		"copy":    func(h, work *Handle) error { _, err := h.Copy(ctx, uidSet(1), work); return err },
		"append":  func(h, _ *Handle) error { _, err := tryAppend(h, "12345678"); return err },
	} {
		for _, set := range []bool{true, false} {
			root := filepath.Join(t.TempDir(), "mail")
			var q Quota
			armed, counted := false, false
			// The first change of a message's name is the middle; it is counted just before.
			hook := func(op, path string) error {
				if armed && !counted && (op == "rename" || op == "remove" || op == "link") && !strings.Contains(path, quotaName) {
					counted = true
					q = Quota{Set: set, Storage: 1 << 20}
					quotaTree(t, root, &q, fsx.FS{}).Quota(ctx)
				}
				return nil
			}
			tree := quotaTree(t, root, &q, fsx.FS{Fault: hook})
			if err := tree.Create(ctx, "Work", nil); err != nil {
				t.Fatal(err)
			}
			h, work := openIn(t, tree, "INBOX", Select), openIn(t, tree, "Work", Target)
			appendText(t, h, "one\n")
			refresh(t, h)
			if _, err := h.Store(ctx, uidSet(1), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
				t.Fatal(err)
			}
			armed = true
			if err := change(h, work); err != nil {
				t.Fatal(name, err)
			}
			if got, want := usage(t, quotaTree(t, root, &q, fsx.FS{})), onDisk(t, root); got != want || !counted {
				t.Errorf("%s, set=%v: %v, really %v; counted in the middle: %v", name, set, got, want, counted)
			}
		}
	}
}
