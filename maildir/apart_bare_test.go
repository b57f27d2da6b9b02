package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// TestBareMailbox: where the lists that lie apart are missing and cannot be made, a mailbox can be selected and changes
// nothing, neither there nor beside its mail; when they have come they count.
func TestBareMailbox(t *testing.T) {
	for _, layout := range bothLayouts {
		for _, what := range []string{"control", "index", "control index"} {
			for _, gone := range []string{"mailbox", "root"} {
				o := apartOptions(t.TempDir(), layout, what)
				owner := testTree(t, o, fsx.FS{})
				if err := owner.Create(t.Context(), "a", nil); err != nil {
					t.Fatal(err)
				}
				h, err := owner.Open(t.Context(), "a", Select)
				if err != nil {
					t.Fatal(err)
				}
				appendText(t, h, "Subject: x\n\n")
				validity := h.UIDValidity()
				h.Close()
				owner.store.Close()

				roots := []string{o.Control, o.Index}
				for _, root := range roots {
					if root == "" {
						continue
					}
					from := filepath.Join(root, owner.names.path("a"))
					if gone == "root" {
						from = root
					}
					if err := os.Rename(from, from+"-away"); err != nil {
						t.Fatal(err)
					}
				}
				before := filesBelow(t, filepath.Dir(o.Root))
				o.Create = false
				o.Access = &Access{Who: func() acl.Who { return acl.Who{User: "bob", Owner: true} }}
				writable := false
				tree := testTree(t, o, fsx.FS{Fault: func(op, path string) error {
					if !writable && op == "mkdir" {
						return syscall.EACCES
					}
					return nil
				}})
				want := uint32(1)
				if o.Control != "" {
					want = 0 // the list was there
				}
				for _, mode := range []Mode{Select, Examine, Peek, Target, Select} {
					h, err := tree.Open(t.Context(), "a", mode)
					if err != nil {
						t.Fatalf("%v, %s, %s: %v", layout, what, gone, err)
					}
					if mode != Target && (h.Count() != want || want == 1 && h.UIDValidity() != validity) {
						t.Errorf("%v, %s, %s: %d messages of UIDVALIDITY %d", layout, what, gone, h.Count(), h.UIDValidity())
					}
					if _, err := tryAppend(h, "Subject: y\n\n"); err == nil {
						t.Errorf("%v, %s, %s: appended", layout, what, gone)
					}
					again, err := tree.Open(t.Context(), "a", Examine) // does not end the first
					if err != nil || h.m != again.m {
						t.Errorf("%v, %s, %s: %v, another mailbox", layout, what, gone, err)
					}
					again.Close()
					h.Close()
				}
				if after := filesBelow(t, filepath.Dir(o.Root)); !slices.Equal(before, after) {
					t.Errorf("%v, %s, %s: files were %q, are %q", layout, what, gone, before, after)
				}
				for _, root := range roots {
					from := filepath.Join(root, owner.names.path("a"))
					if gone == "root" {
						from = root
					}
					if root != "" {
						if err := os.Rename(from+"-away", from); err != nil {
							t.Fatal(err)
						}
					}
				}
				writable = true
				h, err = tree.Open(t.Context(), "a", Select)
				if err != nil || h.Count() != 1 || h.UIDValidity() != validity {
					t.Fatalf("%v, %s, %s: %v, the lists are back", layout, what, gone, err)
				}
				appendText(t, h, "Subject: z\n\n")
				if err := errors.Join(h.Close()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
