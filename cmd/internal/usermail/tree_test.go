package usermail

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/pubroot"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, warnings, err := config.Parse([]byte(text), "imapd.ini", "/etc/mail")
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return c
}

const shared = `[mail]
path = ~/Mail
control = /var/control/%u
index = /var/index/user-%u
layout = fs
separator = .
follow = /bigdisk
utf8 = yes
[namespace "all"]
prefix = All/
separator = /
path = /srv/all
[namespace "domain"]
prefix = Domain.
path = /srv/shared/%d
layout = fs
domains = !example.com
[namespace "shared"]
prefix = Others.%u.
`

// TestTrees: each key of the configuration that says where mail is and how it lies is heeded.
func TestTrees(t *testing.T) {
	c := parse(t, shared)
	ann := User{Name: "ann@example.org", Home: "/home/ann"}
	want := maildir.TreeOptions{
		Root: "/home/ann/Mail", Control: "/var/control/ann@example.org", Index: "/var/index/user-ann@example.org", Layout: maildir.FS, Separator: '.', Follow: []string{"/bigdisk"}, DiskUTF8: true,
		Foreign: []string{"All/", "Domain.", "Others."},
	}
	got, err := Own(c, ann)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("own: %v %s", err, diff)
	}
	// By a path alone nobody can tell where the lists are, unless it is a user's.
	c.Auth.File = filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(c.Auth.File, []byte("ann@example.org:{PLAIN}x::::/home/ann::\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := At(c, want.Root); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("by path: %v %+v", err, got)
	}
	if _, err := At(c, "/backup/ann"); err == nil || !strings.Contains(err.Error(), "name the user") {
		t.Errorf("of nobody: %v", err)
	}
	c.Mail.Control, c.Mail.Index = "", ""
	want.Root, want.Control, want.Index = "/backup/ann", "", ""
	if got, err := At(c, want.Root); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("elsewhere: %v %+v", err, got)
	}
	all := pubroot.Options{Root: "/srv/all", Layout: maildir.MaildirPP, Separator: '/', Follow: []string{"/bigdisk"}, DiskUTF8: true}
	domain := pubroot.Options{Root: "/srv/shared/example.org", Layout: maildir.FS, Separator: '.', Follow: []string{"/bigdisk"}, DiskUTF8: true}
	for i, want := range []pubroot.Options{all, domain} {
		got, err := Public(c, c.Namespaces[i], ann)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("namespace %d: %v %s", i, err, diff)
		}
	}
	folders := maildir.TreeOptions{Root: all.Root, Separator: '/', Follow: all.Follow, DiskUTF8: true, NoInbox: true}
	if diff := cmp.Diff(folders, all.Folders()); diff != "" {
		t.Error("to be maintained:", diff)
	}
	if diff := cmp.Diff([]pubroot.Options{all}, AllPublic(c, c.Namespaces[0], nil)); diff != "" {
		t.Error("one for all:", diff)
	}
	net := domain
	net.Root = "/srv/shared/example.net"
	users := []User{ann, {Name: "bob@example.net"}, {Name: "carl"}, {Name: "dora@example.org"}, {Name: "eve@example.com"}}
	if diff := cmp.Diff([]pubroot.Options{domain, net}, AllPublic(c, c.Namespaces[1], users)); diff != "" {
		t.Error("one a domain:", diff)
	}
	if others := AllPublic(c, c.Namespaces[2], users); others != nil {
		t.Error("other users' mail:", others)
	}
}

// TestHomes: the password file's, else the account's, and a reason where there is none; nobody is asked for a home
// that no path needs.
func TestHomes(t *testing.T) {
	c := parse(t, shared)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if o, err := Own(c, User{Name: me.Username}); err != nil || o.Root != filepath.Join(me.HomeDir, "Mail") {
		t.Errorf("%s: %v %v", me.Username, o.Root, err)
	}
	_, err = Own(c, User{Name: "no-such-account"})
	if !errors.Is(err, config.ErrNoHome) || !strings.Contains(err.Error(), "no-such-account") || !strings.Contains(err.Error(), "add the field") {
		t.Errorf("no account: %v", err)
	}
	c.Mail.Path = "/srv/mail/%u"
	if o, err := Own(c, User{Name: "no-such-account"}); err != nil || o.Root != "/srv/mail/no-such-account" {
		t.Errorf("no home is needed: %v %v", o.Root, err)
	}
}

func TestUsers(t *testing.T) {
	c := config.Default()
	if _, err := os.Stat(c.Auth.File); errors.Is(err, os.ErrNotExist) { // else this host has a daemon
		if got, err := Users(c); got != nil || err != nil {
			t.Errorf("no default file: %v %v", got, err)
		}
	}
	c.Auth.File = filepath.Join(t.TempDir(), "users")
	if _, err := Users(c); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "[auth] file") {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(c.Auth.File, []byte("bob:{PLAIN}x\nann:{PLAIN}y:5000:5000::/home/ann\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Users(c)
	if diff := cmp.Diff([]User{{Name: "ann", Home: "/home/ann"}, {Name: "bob"}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestOpen: special uses go to the folders that are there, in a tree of both kinds of configuration.
func TestOpen(t *testing.T) {
	for _, tt := range []struct{ special, want string }{
		{"", "Sent"},
		{"[special]\nsent = Sent, Sent Items\n", "Sent Items"},
	} {
		c := parse(t, tt.special)
		store, err := maildir.NewStore(maildir.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := At(c, filepath.Join(t.TempDir(), "Mail"))
		if err != nil {
			t.Fatal(err)
		}
		o.Create = true
		tree, err := Open(store, c, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Create(t.Context(), tt.want, nil); err != nil {
			t.Fatal(err)
		}
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
		if tree, err = Open(store, c, o); err != nil {
			t.Fatal(err)
		}
		entries, err := tree.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			found = found || e.Name == tt.want && slices.Contains(e.SpecialUse, imap.MailboxAttrSent)
		}
		if !found {
			t.Errorf("%q: %+v", tt.special, entries)
		}
		if err := errors.Join(tree.Close(), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnAboveHome: lists are not kept in a home directory, where folders' names would lead to other files, also where only
// the password file shows that it is one.
func TestOwnAboveHome(t *testing.T) {
	c := parse(t, "[mail]\npath = /mail/%u\ncontrol = /people/%u\n")
	if _, err := Own(c, User{Name: "ann", Home: "/elsewhere/ann"}); err != nil {
		t.Error(err)
	}
	for _, home := range []string{"/people/ann", "/people/ann/", "/people/ann/home"} {
		if _, err := Own(c, User{Name: "ann", Home: home}); !errors.Is(err, config.ErrAbove) {
			t.Errorf("%s: %v", home, err)
		}
	}
}
