package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestAdoptControl: a tree of Dovecot's with CONTROL= elsewhere keeps its UIDs,
// keywords and subscriptions once that directory is named.
func TestAdoptControl(t *testing.T) {
	for _, layout := range bothLayouts {
		t.Run(layout.String(), func(t *testing.T) {
			d := newDovecot(t, layout)
			control := filepath.Join(d.dir, "home", "control")
			conf, err := os.ReadFile(d.conf)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(conf), "maildir:"+d.mail, "maildir:"+d.mail+":CONTROL="+control, 1)
			if err := os.WriteFile(d.conf, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"Work/2024", "Grüße"} {
				d.run("", "mailbox", "create", "-s", name)
			}
			for _, name := range []string{"INBOX", "Work/2024"} {
				for range 3 {
					d.run("Subject: x\n\nbody\n", "save", "-m", name)
				}
				d.run("", "expunge", "mailbox", name, "uid", "1")
				for _, f := range d.fresh(name, layout) { // doveadm leaves them in new/, where they can have no flags
					if err := os.Rename(f, filepath.Join(filepath.Dir(filepath.Dir(f)), "cur", filepath.Base(f)+":2,")); err != nil {
						t.Fatal(err)
					}
				}
				d.run("", "flags", "add", `\Seen Label`, "mailbox", name, "uid", "3")
			}
			want := map[string]string{}
			for _, name := range []string{"INBOX", "Work/2024", "Grüße"} {
				want[name] = strings.TrimSpace(d.run("", "-f", "flow", "mailbox", "status", "uidvalidity uidnext messages", name))
			}
			d.quiet()

			ctx := context.Background()
			store, err := NewStore(StoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if _, err := store.Adopt(ctx, d.mail, AdoptOptions{Layout: &layout}); !errors.Is(err, ErrUnlisted) {
				t.Errorf("without the lists: %v, want ErrUnlisted", err)
			}
			o := AdoptOptions{Layout: &layout, Control: control}
			v, err := store.Survey(ctx, d.mail, o)
			if err != nil {
				t.Fatal(err)
			}
			kept := 0
			for _, f := range v.Folders {
				kept += f.Kept
				if f.Unlisted || f.Path != "" && !f.Subscribed {
					t.Errorf("survey: %+v", f)
				}
			}
			if kept != 4 || len(v.Folders) != 3 {
				t.Errorf("survey: %d messages of %d folders keep their UIDs", kept, len(v.Folders))
			}
			if _, err := store.Adopt(ctx, d.mail, o); err != nil {
				t.Fatal(err)
			}
			tree := testTree(t, TreeOptions{Root: d.mail, Control: control, Layout: layout, Separator: '/'}, fsx.FS{})
			for name, want := range want {
				h, err := tree.Open(ctx, name, Examine)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%s messages=%d uidnext=%d uidvalidity=%d", name, h.Count(), h.UIDNext(), h.UIDValidity()); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if msgs := h.Messages(nil, 0, maxUID, 10); name != "Grüße" && (len(msgs) != 2 || msgs[1].UID != 3 ||
					!slices.Contains(h.m.state.keys[:maxLetters], "Label") || msgs[1].Flags.Keywords == 0 || msgs[0].UID != imap.UID(2)) {
					t.Errorf("%s: %+v", name, msgs)
				}
				h.Close()
			}
			subs, err := tree.Subscriptions(ctx)
			if err != nil || !slices.Equal(sorted(subs), []string{"Grüße", "Work/2024"}) {
				t.Errorf("subscriptions: %q, %v", subs, err)
			}
			if _, err := os.Stat(filepath.Join(d.mail, uidlistFile)); !os.IsNotExist(err) {
				t.Errorf("a list beside the mail: %v", err)
			}
			// And back.
			for name, want := range want {
				if got := strings.TrimSpace(d.run("", "-f", "flow", "mailbox", "status", "uidvalidity uidnext messages", name)); got != want {
					t.Errorf("Dovecot afterwards: got %s, want %s", got, want)
				}
			}
			d.quiet()
		})
	}
}

// TestAdoptControlMissing: a folder that has nothing below CONTROL= is one whose list lies elsewhere, or
// that nobody has served.
func TestAdoptControlMissing(t *testing.T) {
	for _, layout := range bothLayouts {
		top, ctx := t.TempDir(), t.Context()
		o := apartOptions(top, layout, "control")
		tree := testTree(t, o, fsx.FS{})
		if err := tree.Create(ctx, "a", nil); err != nil {
			t.Fatal(err)
		}
		loc, err := tree.locate("a")
		if err != nil {
			t.Fatal(err)
		}
		deliver(t, loc.dir, "cur", "x")
		if err := os.RemoveAll(listOf(t, tree, "a")); err != nil {
			t.Fatal(err)
		}
		v, err := tree.store.Survey(ctx, o.Root, AdoptOptions{Layout: &layout, Control: o.Control})
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(v.Folders, func(f Surveyed) bool { return f.Path == loc.rel }); i < 0 || v.Folders[i].Messages != 1 || v.Folders[i].Kept != 0 {
			t.Errorf("%v: %+v", layout, v.Folders)
		}
	}
}

// fresh is the files in a mailbox's new/.
func (d *dovecot) fresh(name string, layout Layout) []string {
	box := filepath.Join(d.mail, newNames(&TreeOptions{Layout: layout, Separator: '/'}).path(name))
	if name == inbox {
		box = d.mail
	}
	list, err := filepath.Glob(filepath.Join(box, "new", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}
