package pubroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildir-imapd/maildir"
)

// do is a change on disk.
func do(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestWhatOtherProgramsChange shows in the next LIST: the clock stands still, so that no look is believed for long.
func TestWhatOtherProgramsChange(t *testing.T) {
	for layout, dirs := range map[maildir.Layout][2]string{maildir.MaildirPP: {".Work", ".Work.Plans"}, maildir.FS: {"Work", "Work/Plans"}} {
		t.Run(layout.String(), func(t *testing.T) {
			v := newVillage(t, '/', "ann", "bob", "dan")
			v.layout = layout
			bob := v.others("bob")
			at := func(path string) string { return filepath.Join(v.dir, "ann", path) }
			put := func(dir, text string) {
				t.Helper()
				do(t, os.WriteFile(at(dir+"/dovecot-acl.new"), []byte(text), 0o600), os.Rename(at(dir+"/dovecot-acl.new"), at(dir+"/dovecot-acl")))
			}
			v.wantSeen(bob)
			put("", "user=bob lr\n") // as Dovecot writes it
			if ok, err := bob.Exists("ann/INBOX"); !ok || err != nil {
				t.Errorf("%v %v", ok, err)
			}
			v.wantSeen(bob, "ann-+", "ann/INBOX lr")
			do(t, os.WriteFile(at("dovecot-acl"), []byte("user=dan lr\n"), 0o600)) // as an editor may: in place
			v.wantSeen(bob)
			do(t, os.WriteFile(at("dovecot-acl"), []byte("user=bob lr\n"), 0o600)) // of the same size
			v.wantSeen(bob, "ann-+", "ann/INBOX lr")
			do(t, os.Remove(at("dovecot-acl")))
			v.wantSeen(bob)

			folder(t, at(dirs[0]))
			v.wantSeen(bob)
			put(dirs[0], "user=bob l\n") // where there was none
			v.wantSeen(bob, "ann-+", "ann/Work l")
			folder(t, at(dirs[1])) // a new folder with a list
			put(dirs[1], "user=bob lrs\n")
			v.wantSeen(bob, "ann-+", "ann/Work+ l", "ann/Work/Plans lrs")
			put(dirs[0], "user=bob this is nonsense\n")
			v.wantSeen(bob, "ann-+", "ann/Work+ l", "ann/Work/Plans lrs") // the last good version
			do(t, os.Remove(at(dirs[0]+"/dovecot-acl")), os.WriteFile(at(dirs[0]+"/courierimapacl"), []byte("user=bob lrs\n"), 0o600))
			v.wantSeen(bob, "ann-+", "ann/Work+ lrs", "ann/Work/Plans lrs")
			do(t, os.RemoveAll(at(dirs[1])))
			v.wantSeen(bob, "ann-+", "ann/Work lrs")
			do(t, os.Rename(at(dirs[0]), at(dirs[0]+"2")))
			v.wantSeen(bob, "ann-+", "ann/Work2 lrs")
			do(t, os.Rename(at(""), at("")+".away")) // all of it
			v.wantSeen(bob)
			do(t, os.Rename(at("")+".away", at("")))
			v.wantSeen(bob, "ann-+", "ann/Work2 lrs")
			if n := len(v.index.last.sharers); n != 1 {
				t.Errorf("%d owners are remembered", n)
			}
		})
	}
}

// TestLooksAreBelievedForAWhile: twenty times as long as one took, and half a minute at most; what this process changes
// shows at once.
func TestLooksAreBelievedForAWhile(t *testing.T) {
	for _, x := range []struct{ took, holds time.Duration }{{time.Millisecond, 20 * time.Millisecond}, {time.Minute, shareAge}} {
		v := newVillage(t, '/', "ann", "bob", "dan")
		bob := v.others("bob")
		v.tick = x.took
		v.wantSeen(bob)
		v.tick = 0
		do(t, os.WriteFile(filepath.Join(v.dir, "ann", "dovecot-acl"), []byte("user=bob lr\n"), 0o600))
		v.now = v.now.Add(x.holds - 1)
		v.wantSeen(bob)
		v.share("dan", "INBOX", "bob", "l")
		v.wantSeen(bob, "dan-+", "dan/INBOX l")
		v.now = v.now.Add(1)
		v.wantSeen(bob, "ann-+", "ann/INBOX lr", "dan-+", "dan/INBOX l")
		v.now = v.now.Add(-time.Hour) // the clock was set
		do(t, os.Remove(filepath.Join(v.dir, "ann", "dovecot-acl")))
		v.wantSeen(bob, "dan-+", "dan/INBOX l")
	}
}

// TestOwnersMove: after a reload of the password file mail is looked for where it says, and not where a tree is open.
func TestOwnersMove(t *testing.T) {
	v := newVillage(t, '/', "ann", "bob", "dan")
	v.share("ann", "INBOX", "bob", "lr")
	v.share("dan", "INBOX", "bob", "lr")
	bob := v.others("bob")
	v.tick = time.Second // what a look found is believed
	v.wantSeen(bob, "ann-+", "ann/INBOX lr", "dan-+", "dan/INBOX lr")
	h, err := bob.Open(t.Context(), "ann/INBOX", maildir.Select)
	do(t, err)
	defer h.Close()

	home := filepath.Join(v.dir, "elsewhere")
	folder(t, home)
	folder(t, filepath.Join(home, ".New"))
	do(t, os.WriteFile(filepath.Join(home, ".New/dovecot-acl"), []byte("user=bob lrs\n"), 0o600))
	v.homes["ann"], v.generation = home, 1
	v.opens.Store(0)
	if r, err := bob.Rights(t.Context(), "ann/INBOX"); !errors.Is(err, maildir.ErrNotExist) { // before any LIST
		t.Error(r, err)
	}
	v.wantSeen(bob, "ann-+", "ann/New lrs", "dan-+", "dan/INBOX lr")
	if v.opens.Load() != 1 {
		t.Errorf("%d trees were opened for one that has moved", v.opens.Load())
	}
	if _, err := h.Recheck(t.Context()); err != nil || h.Rights().String() != "lr" { // selected, it stays what it was
		t.Error(h.Rights(), err)
	}
	v.users, v.generation = []string{"bob", "dan"}, 2
	v.wantSeen(bob, "dan-+", "dan/INBOX lr")
	for _, x := range bob.open {
		if x.owner == "ann" {
			t.Error("the tree of one who is gone is open")
		}
	}
	v.users, v.generation = []string{"ann", "bob", "dan"}, 3
	delete(v.homes, "ann")
	v.wantSeen(bob, "ann-+", "ann/INBOX lr", "dan-+", "dan/INBOX lr")
}

// TestListsBehindLinks: what a link leads to outside of the owner's mail lets nobody in, also when it comes between two
// looks.
func TestListsBehindLinks(t *testing.T) {
	for _, layout := range []maildir.Layout{maildir.MaildirPP, maildir.FS} {
		v := newVillage(t, '/', "ann", "bob")
		v.layout = layout
		bob := v.others("bob")
		out := filepath.Join(t.TempDir(), "out")
		folder(t, out)
		do(t, os.WriteFile(filepath.Join(out, "dovecot-acl"), []byte("anyone lr\n"), 0o600))
		link := filepath.Join(v.dir, "ann", map[maildir.Layout]string{maildir.MaildirPP: ".Out", maildir.FS: "Out"}[layout])
		stop := make(chan struct{})
		var swap sync.WaitGroup
		swap.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if os.Symlink(out, link) == nil {
					os.Remove(link)
				}
				if os.Mkdir(link, 0o700) == nil && os.Mkdir(link+"/cur", 0o700) == nil {
					os.RemoveAll(link)
				}
			}
		})
		for range 300 {
			if list, err := bob.List(t.Context()); err != nil || len(list) > 0 {
				t.Errorf("%v %v", seen(t, list, nil), err)
			}
		}
		close(stop)
		swap.Wait()
		os.RemoveAll(link)
		do(t, os.Symlink(out, link))
		v.wantSeen(bob)
		inside := filepath.Join(v.dir, "ann", "archive")
		folder(t, inside)
		do(t, os.WriteFile(filepath.Join(inside, "dovecot-acl"), []byte("anyone lr\n"), 0o600), os.Remove(link), os.Symlink(inside, link))
		if list, err := bob.List(t.Context()); err != nil || !slices.ContainsFunc(list, func(e maildir.Entry) bool { return e.Name == "ann/Out" }) {
			t.Errorf("a link that stays inside is not followed: %v %v", list, err)
		}
	}
}

// TestManyListsAreNotKept: an owner's lists take no more memory than a person's do, and hold all the same.
func TestManyListsAreNotKept(t *testing.T) {
	v := newVillage(t, '/', "ann", "bob", "eve")
	for i := range 300 {
		dir := filepath.Join(v.dir, "ann", fmt.Sprintf(".f%03d", i))
		do(t, os.MkdirAll(filepath.Join(dir, "cur"), 0o700), os.WriteFile(filepath.Join(dir, "dovecot-acl"), []byte("user=bob lr\n"), 0o600))
	}
	do(t, os.WriteFile(filepath.Join(v.dir, "eve", "dovecot-acl"), []byte(strings.Repeat("# much to say\n", 10000)+"user=bob lr\n"), 0o600))
	bob := v.others("bob")
	list, err := bob.List(t.Context())
	if err != nil || len(list) != 303 {
		t.Errorf("%d entries, %v", len(list), err)
	}
	if len(v.index.last.sharers) != 2 {
		t.Errorf("%+v", v.index.last.sharers)
	}
	for _, x := range v.index.last.sharers {
		if nobody := visitor("nobody")(); !x.lists.LetIn(&nobody) { // nothing is known of it
			t.Error(x.owner)
		}
	}
	v.wantSeen(v.others("dan"))
}

// TestManyLookAtOnce: sessions that list at once do with one look, nobody misses what they have changed themselves, and
// who goes away meanwhile stops nobody.
func TestManyLookAtOnce(t *testing.T) {
	v := crowd(t, maildir.MaildirPP, 100, 3)
	v.index.Now = nil
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			me, owner := v.others("me"), fmt.Sprintf("u%05d", i)
			for range 20 {
				gone, cancel := context.WithCancel(t.Context())
				go cancel()
				if _, err := me.List(gone); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				v.share(owner, "f1", "me", "lr")
				list, err := me.List(t.Context())
				if err != nil || !slices.ContainsFunc(list, func(e maildir.Entry) bool { return e.Name == owner+"/f1" }) {
					t.Errorf("%s is missing: %v", owner, err)
				}
				v.share(owner, "f1", "me", "-lr")
				list, err = me.List(t.Context())
				if err != nil || slices.ContainsFunc(list, func(e maildir.Entry) bool { return e.Name == owner+"/f1" }) {
					t.Errorf("%s is still there: %v", owner, err)
				}
			}
		})
	}
	all.Wait()
	v.index.mu.Lock()
	defer v.index.mu.Unlock()
	if len(v.index.forgotten) > 8 {
		t.Errorf("%d owners wait", len(v.index.forgotten))
	}
}
