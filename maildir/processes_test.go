package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// manyKeywords are more than there are letters.
func manyKeywords() (f []imap.Flag) {
	for i := range maxLetters + 4 {
		f = append(f, imap.Flag(fmt.Sprintf("key%d", i)))
	}
	return f
}

// TestOthersRewrite: another process changes what only the index knows and
// then replaces the index. Who has the mailbox in memory must take it from the
// new file: the directories do not show it, or are said to have been looked at.
func TestOthersRewrite(t *testing.T) {
	b := newSpot(t)
	one := b.open(Select)
	for range 4 {
		appendText(t, one, mail)
	}
	refresh(t, one)
	high := manyKeywords()
	if _, err := one.Store(context.Background(), uidSet(1), Add, high, 0, nil); err != nil {
		t.Fatal(err)
	}
	two := openSpot(t, b.dir, fsx.FS{}).open(Select)
	refresh(t, two)
	refresh(t, one)
	wantLook(t, two, look(one))

	steps := []struct {
		name string
		do   func() error
	}{
		{"keyword past the letters", func() error {
			_, err := one.Store(context.Background(), uidSet(2), Add, high[maxLetters:], 0, nil)
			return err
		}},
		{"removed again", func() error {
			_, err := one.Store(context.Background(), uidSet(2), Remove, high[maxLetters+1:], 0, nil)
			return err
		}},
		{"renamed files", func() error {
			_, err := one.Store(context.Background(), uidSet(1, 3), Add, []imap.Flag{imap.FlagSeen, imap.FlagDeleted}, 0, nil)
			return err
		}},
		{"expunged and arrived", func() error {
			appendText(t, one, mail)
			_, err := one.Expunge(context.Background(), uidSet(3))
			return err
		}},
		{"nothing", func() error {
			_, err := one.Store(context.Background(), uidSet(1), Remove, []imap.Flag{imap.FlagDeleted}, 0, nil)
			return err
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(step.name, err)
		}
		x, err := one.m.begin(context.Background(), one, true)
		if err != nil {
			t.Fatal(err)
		}
		one.m.index.broken = true // so that it ends with a rewrite
		x.end(nil)
		refresh(t, one)
		d := refresh(t, two)
		if got, want := look(two), look(one); got != want {
			t.Errorf("%s: the other process sees\n%s\nwant\n%s", step.name, got, want)
		}
		if got, want := two.HighestModSeq(), one.HighestModSeq(); got != want {
			t.Errorf("%s: HIGHESTMODSEQ %d, want %d", step.name, got, want)
		}
		if len(d.Flags) == 0 && len(d.ExpungedUIDs) == 0 {
			t.Errorf("%s: its session was told nothing", step.name)
		}
		if !slices.Equal(one.m.state.history, two.m.state.history) {
			t.Errorf("%s: expunge history %v, want %v", step.name, two.m.state.history, one.m.state.history)
		}
	}
	b.check()
}

// TestMovedAwayAndBack: Dovecot moves a message to another mailbox and back
// under its old base name before we look again: the file lies where it was, and
// dovecot-uidlist names it twice. The later line counts, as with Dovecot.
func TestMovedAwayAndBack(t *testing.T) {
	for _, how := range []string{"appended", "rewritten", "process started"} {
		t.Run(how, func(t *testing.T) {
			b := newSpot(t)
			h := b.open(Select)
			for range 3 {
				appendText(t, h, mail)
			}
			refresh(t, h)
			base, _ := splitName(b.names("cur")[1])
			var was imap.UID
			for e := range h.m.state.list.all() {
				if string(h.m.state.base(e)) == base {
					was = e.uid
				}
			}
			list := filepath.Join(b.dir, uidlistFile)
			text, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, "4 :"+base+"\n"...)
			if how == "appended" {
				err = os.WriteFile(list, text, 0o644)
			} else {
				err = errors.Join(os.WriteFile(list+".new", text, 0o644), os.Rename(list+".new", list))
			}
			if err != nil {
				t.Fatal(err)
			}
			if how == "process started" {
				h = openSpot(t, b.dir, fsx.FS{}).open(Select)
			}
			d := refresh(t, h)
			if how != "process started" && !slices.Equal(d.ExpungedUIDs, []imap.UID{was}) {
				t.Errorf("expunged %v, want %d", d.ExpungedUIDs, was)
			}
			var uids []imap.UID
			for _, m := range h.Messages(nil, 0, maxUID, 100) {
				uids = append(uids, m.UID)
				if readAll(t, h, m.UID) != mail {
					t.Error("cannot read", m.UID)
				}
			}
			want := slices.DeleteFunc([]imap.UID{1, 2, 3, 4}, func(u imap.UID) bool { return u == was })
			if !slices.Equal(uids, want) {
				t.Errorf("UIDs %v, want %v", uids, want)
			}
			if uid := appendText(t, h, mail); uid != 5 {
				t.Errorf("the next message is UID %d", uid)
			}
			b.check()
		})
	}
}

// TestIndexCannotGrow: on a full disk a command's records do not fit into the
// index. The next command must write what is missing there, not only its own:
// else a process that starts believes an index that leaves out changes.
func TestIndexCannotGrow(t *testing.T) {
	full := false
	b := openSpot(t, t.TempDir(), fsx.FS{Fault: func(op, name string) error {
		if full && strings.Contains(name, indexName) && (op == "write" || op == "openfile" || op == "create") {
			return syscall.ENOSPC
		}
		return nil
	}})
	h := b.open(Select)
	for range 4 {
		appendText(t, h, mail)
	}
	refresh(t, h)
	if _, err := h.Store(context.Background(), uidSet(1), Add, manyKeywords(), 0, nil); err != nil {
		t.Fatal(err)
	}
	full = true
	if _, err := h.Store(context.Background(), uidSet(2, 3), Add, []imap.Flag{imap.FlagDeleted, "key29"}, 0, nil); !errors.Is(err, ErrFull) { // key29 is in the index alone
		t.Fatal(err)
	}
	if _, err := h.Expunge(context.Background(), uidSet(3)); err != nil {
		t.Fatal(err)
	}
	if !h.m.index.broken {
		t.Fatal("the index could be written")
	}
	full = false
	if _, err := h.Store(context.Background(), uidSet(4), Add, []imap.Flag{imap.FlagSeen}, 0, nil); err != nil {
		t.Fatal(err)
	}
	refresh(t, h)
	fresh := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantLook(t, fresh, look(h))
	b.check()
}

// TestOthersLines: another process has a message come and go, then replaces the index. The line that is left
// of it in the uidlist must be known here too: the same name may come back, and has two lines then.
func TestOthersLines(t *testing.T) {
	ctx := context.Background()
	b, from := newSpot(t), newSpot(t)
	from.drop("cur", mail)
	source := from.open(Select)
	refresh(t, source)
	one := b.open(Select)
	appendText(t, one, mail) // the list has been read as a whole

	two := openSpot(t, b.dir, fsx.FS{}).open(Select)
	refresh(t, two)
	if _, err := source.Copy(ctx, all(), two); err != nil {
		t.Fatal(err)
	}
	refresh(t, two)
	if _, err := two.Store(ctx, uidSet(2), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Expunge(ctx, nil); err != nil {
		t.Fatal(err)
	}
	x, err := two.m.begin(ctx, two, true)
	if err != nil {
		t.Fatal(err)
	}
	two.m.index.broken = true // so that it ends with a rewrite
	x.end(nil)

	refresh(t, one)
	if _, err := source.Copy(ctx, all(), one); err != nil {
		t.Fatal(err)
	}
	b.check()
}

// TestListReplaced: the uidlist was written anew, and the new file has the old one's inode number. What lies behind
// the old length is not what was appended.
func TestListReplaced(t *testing.T) {
	ctx := context.Background()
	b, from := newSpot(t), newSpot(t)
	base := from.drop("cur", mail)
	source := from.open(Select)
	refresh(t, source)
	one := b.open(Select)
	appendText(t, one, mail)
	refresh(t, one)

	// Others have removed the message and had two come and go. The new list's second line begins where the old list
	// ended.
	path := filepath.Join(b.dir, uidlistFile)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, line, _ := strings.Cut(string(old), "\n")
	head = strings.Replace(head, " N", " N4 Z", 1)
	fill := len(line) - len("2 G :\n") - len(base) - len("4 Z")
	text := head + "\n2 G" + strings.Repeat("a", fill) + " :" + base + "\n"
	if len(text) != len(old) {
		t.Fatal(len(text), len(old))
	}
	if err := os.WriteFile(path, []byte(text+"3 :1700000000.M99P1.gone\n"), 0o600); err != nil { // the same inode
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.dir, "cur", b.names("cur")[0])); err != nil {
		t.Fatal(err)
	}
	refresh(t, one)
	if _, err := source.Copy(ctx, all(), one); err != nil {
		t.Fatal(err)
	}
	b.check()
}

// TestIndexReplaced: another process has written the index anew, and the file that has the name now has the number of
// the one that was read. What lies behind the old end is not what was appended.
func TestIndexReplaced(t *testing.T) {
	ctx := context.Background()
	b := newSpot(t)
	path := filepath.Join(b.dir, indexName)
	other := b.open(Select)
	appendText(t, other, mail)
	one := openSpot(t, b.dir, fsx.FS{}).open(Select)
	refresh(t, one)
	if _, err := other.Store(ctx, uidSet(1), Add, []imap.Flag{imap.FlagSeen}, 0, nil); err != nil {
		t.Fatal(err)
	}
	refresh(t, one)
	if err := os.Link(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	other.m.index.broken = true
	appendMany(t, other)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	if err := os.WriteFile(path+".kept", text, 0o600); err != nil { // the same inode
		t.Fatal(err)
	}
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	third := openSpot(t, b.dir, fsx.FS{}).open(Select)
	refresh(t, one)
	wantModSeqs(t, one, third)
	if _, err := one.Store(ctx, uidSet(1), Add, []imap.Flag{imap.FlagFlagged}, 0, nil); err != nil {
		t.Fatal(err)
	}
	wantModSeqs(t, one, openSpot(t, b.dir, fsx.FS{}).open(Select))
	b.check()
}

// TestIndexKept: what was read or written is kept open while it is gone by: the system gives its
// number to no other file until then.
func TestIndexKept(t *testing.T) {
	b := newSpot(t)
	other := b.open(Select)
	one := openSpot(t, b.dir, fsx.FS{}).open(Select)
	kept := func(when string) {
		t.Helper()
		for _, h := range []*Handle{other, one} {
			x := &h.m.index
			if x.f == nil {
				t.Fatal(when, "closed")
			}
			st, err := fsx.FileStat(x.f)
			if err != nil {
				t.Fatal(when, err)
			}
			if st.Ino != x.id.ino || h.m.seen.index.ino != st.Ino {
				t.Errorf("%s: inode %d; known is %d, to readers %d", when, st.Ino, x.id.ino, h.m.seen.index.ino)
			}
		}
	}
	appendText(t, other, mail)
	refresh(t, one)
	kept("appended")
	other.m.index.broken = true
	appendText(t, other, mail)
	refresh(t, one)
	kept("written anew")
	appendText(t, one, mail)
	refresh(t, other)
	kept("appended by one that had read")
}

// appendMany makes the index longer than it was, even when written anew.
func appendMany(t *testing.T, h *Handle) {
	t.Helper()
	for range 10 {
		appendText(t, h, mail)
	}
}

// wantModSeqs: two processes know the same messages under the same MODSEQs.
func wantModSeqs(t *testing.T, a, b *Handle) {
	t.Helper()
	x, y := a.Messages(nil, 0, maxUID, 100), b.Messages(nil, 0, maxUID, 100)
	if len(x) != len(y) {
		t.Fatalf("%d messages, %d for another process", len(x), len(y))
	}
	for i := range x {
		if x[i].ModSeq != y[i].ModSeq {
			t.Errorf("MODSEQ of UID %d is %d, for another process %d", x[i].UID, x[i].ModSeq, y[i].ModSeq)
		}
	}
}
