package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"maildir-imapd/imapd/config"
)

// identity is what files are judged by, in the thread of the caller.
func identity(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		for _, want := range []string{"Uid:", "Gid:", "Groups:", "CapEff:"} {
			if strings.HasPrefix(line, want) {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(out, "\n")
}

// TestAsOwner: work in a tree is done by all threads as its owner, with that account's groups alone, and afterwards
// everything is as it was, whatever the work came to.
func TestAsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become anybody")
	}
	const nobody, stranger = 65534, 54321
	dir, err := os.MkdirTemp("/tmp", "owner") // which everybody may enter, unlike the test's own directory
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	account, err := user.LookupId(strconv.Itoa(nobody))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name              string
		uid, gid          int
		wantGid, wantSupp string
	}{
		{"of an account", nobody, nobody, account.Gid, account.Gid},
		{"of an account, in a group of others", nobody, 8, account.Gid, account.Gid},
		{"of no account", stranger, stranger, strconv.Itoa(stranger), strconv.Itoa(stranger)},
		{"of no account, in root's group", stranger, 0, strconv.Itoa(nogroup), strconv.Itoa(nogroup)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-"))
			if err := errors.Join(os.Mkdir(tree, 0o700), os.Chown(tree, tt.uid, tt.gid)); err != nil {
				t.Fatal(err)
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			before := identity(t)
			failure := errors.New("the work failed")
			s := &site{c: config.Default(), rights: systemRights}
			got := make(chan string)
			err := s.asOwner(tree, func(owner int) error {
				if owner != tt.uid {
					t.Errorf("told of user %d", owner)
				}
				go func() { // another thread
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					got <- identity(t)
				}()
				want := fmt.Sprintf("Uid: 0 %d 0 %[1]d\nGid: 0 %s 0 %[2]s\nGroups: %s\nCapEff: 0000000000000000", tt.uid, tt.wantGid, tt.wantSupp)
				if other, here := <-got, identity(t); !sameIDs(other, want) || !sameIDs(here, want) {
					t.Errorf("works as\n%s\nand\n%s\nwant\n%s", here, other, want)
				}
				return errors.Join(os.WriteFile(filepath.Join(tree, "file"), nil, 0o600), failure)
			})
			if !errors.Is(err, failure) {
				t.Errorf("the work's error: %v", err)
			}
			if after := identity(t); after != before {
				t.Errorf("is\n%s\nand was\n%s", after, before)
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(tree, "file"), &st); err != nil || int(st.Uid) != tt.uid || strconv.Itoa(int(st.Gid)) != tt.wantGid {
				t.Errorf("made a file of %d:%d (%v)", st.Uid, st.Gid, err)
			}
		})
	}
	if err := (&site{c: config.Default(), rights: systemRights}).asOwner(dir, func(int) error { return nil }); err == nil || !strings.Contains(err.Error(), "belongs to root") {
		t.Errorf("a tree of root's: %v", err)
	}
	served := config.Default()
	served.Server.Root = true
	if err := (&site{c: served, rights: systemRights}).asOwner(dir, func(owner int) error { return fmt.Errorf("%d", owner) }); err == nil || err.Error() != "-1" {
		t.Errorf("a tree of root's where root serves: %v", err)
	}
}

// sameIDs ignores the order in which supplementary groups are told.
func sameIDs(a, b string) bool {
	words := func(s string) []string { w := strings.Fields(s); slices.Sort(w); return w }
	return slices.Equal(words(a), words(b))
}

// TestHalfASwitch: whichever step fails, those before it are undone, the last one first; and where undoing fails
// the process ends there.
func TestHalfASwitch(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	steps := []string{"groups [7 8]", "gid 7", "uid 9"}
	undone := []string{fmt.Sprint("groups ", groups), fmt.Sprint("gid ", gid), fmt.Sprint("uid ", uid)}
	for failing := 0; failing < 2*len(steps)+1; failing++ {
		var did []string
		call := func(what string) error {
			did = append(did, what)
			if len(did) == failing+1 {
				return syscall.EPERM
			}
			return nil
		}
		worked := false
		var died error
		r := rights{
			setgroups: func(g []int) error { return call(fmt.Sprint("groups ", g)) },
			setegid:   func(g int) error { return call(fmt.Sprint("gid ", g)) },
			seteuid:   func(u int) error { return call(fmt.Sprint("uid ", u)) },
			die:       func(err error) { died = err; panic(died) },
		}
		err := func() (err error) {
			defer func() {
				if died != nil {
					recover()
				}
			}()
			return r.as(account{9, 7, []int{7, 8}}, func() error { worked = true; return nil })
		}()
		var want []string
		switch n := len(steps); {
		case failing < n: // a step
			want = slices.Clone(steps[:failing+1])
			for i := failing - 1; i >= 0; i-- {
				want = append(want, undone[i])
			}
			if worked || died != nil || !errors.Is(err, syscall.EPERM) {
				t.Errorf("step %d failed: worked %v, died of %v, error %v", failing, worked, died, err)
			}
		default: // an undoing, or nothing
			want = append(slices.Clone(steps), undone[2], undone[1], undone[0])
			want = want[:min(failing+1, 2*n)]
			if !worked || err != nil || (died != nil) != (failing < 2*n) {
				t.Errorf("undoing %d failed: worked %v, died of %v, error %v", failing-n, worked, died, err)
			}
		}
		if !slices.Equal(did, want) {
			t.Errorf("call %d failed: did %q, want %q", failing, did, want)
		}
	}
}

// TestTreeChangedHands: a path that leads elsewhere once the rights are taken on is left alone.
func TestTreeChangedHands(t *testing.T) {
	dir := t.TempDir()
	if err := ownedBy(dir, uint32(os.Geteuid())); err != nil {
		t.Error(err)
	}
	if err := ownedBy(dir, uint32(os.Geteuid())+1); err == nil || !strings.Contains(err.Error(), "it was user") {
		t.Errorf("%v", err)
	}
}

// TestLinksToTrees: a link decides whose tree is worked in only where it is the administrator's or the owner's.
func TestLinksToTrees(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become anybody")
	}
	const eve, bob = 54321, 54322
	top, err := os.MkdirTemp("/tmp", "links")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	var make error
	dir := func(name string, uid int, mode os.FileMode) string {
		path := filepath.Join(top, name)
		make = errors.Join(make, os.MkdirAll(path, 0o755), os.Chown(path, uid, uid), os.Chmod(path, mode))
		return path
	}
	link := func(name string, uid int, to string) string {
		path := filepath.Join(top, name)
		make = errors.Join(make, os.Symlink(to, path), os.Lchown(path, uid, uid))
		return path
	}
	make = os.Chmod(top, 0o755)
	dir("disk/bob", bob, 0o700)
	dir("disk/eve", eve, 0o700)
	dir("eve", eve, 0o755)
	dir("bob", bob, 0o755)
	dir("mail", 0, 0o777|os.ModeSticky)
	dir("group", 0, 0o775)
	for _, tt := range []struct {
		name, path string
		want       int // 0: refused
	}{
		{"no link", dir("bob/Maildir", bob, 0o700), bob},
		{"another's tree, by one's own link", link("eve/Maildir", eve, "../bob/Maildir"), 0},
		{"another's tree, by a link of theirs that was moved here", link("eve/moved", bob, top+"/bob/Maildir"), 0},
		{"another's tree, by a link of root's that was renamed here", link("eve/renamed", 0, top+"/bob/Maildir"), 0},
		{"one's own tree elsewhere", link("eve/own", eve, "../disk/eve"), eve},
		{"one's own tree elsewhere, by root's link", link("eve/roots", 0, "../disk/eve"), eve},
		{"the administrator's link", link("spool", 0, "disk"), 0}, // root's tree, refused for that
		{"below the administrator's link", top + "/spool/bob", bob},
		{"a link of the administrator's, by whomever", link("given", eve, "disk/bob"), bob},
		{"in a directory for all, with the sticky bit, by root", link("mail/bob", 0, "../disk/bob"), bob},
		{"there, by the owner", link("mail/eve", eve, "../disk/eve"), eve},
		{"there, by another", link("mail/bob2", eve, "../disk/bob"), 0},
		{"where a group may rename, by root", link("group/bob", 0, "../disk/bob"), 0},
		{"where a group may rename, by the owner", link("group/eve", eve, "../disk/eve"), eve},
		{"a link on the way", link("eve/way", eve, "..") + "/bob/Maildir", 0},
		{"a link behind a good one", link("chain", 0, "eve/Maildir"), 0},
		{"in circles", link("circle", 0, "circle"), 0},
		{"nowhere", link("dangling", 0, "nowhere"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if make != nil {
				t.Fatal(make)
			}
			got := 0
			err := (&site{c: config.Default(), rights: systemRights}).asOwner(tt.path, func(owner int) error { got = owner; return nil })
			if got != tt.want || (err != nil) != (tt.want == 0) {
				t.Errorf("worked as %d, error %v", got, err)
			}
		})
	}
	err = (&site{c: config.Default(), rights: systemRights}).asOwner(top+"/eve/Maildir", nil)
	want := fmt.Sprintf("%s/eve/Maildir is a link by which user %d could choose what is worked on as user %d", top, eve, bob)
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("chown -h %d %s/eve/Maildir", bob, top)) {
		t.Errorf("error %v", err)
	}
}
