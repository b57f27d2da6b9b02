package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir/acl"
)

func parseConfig(t *testing.T, text string) *config.Config {
	t.Helper()
	c, warnings, err := config.Parse([]byte(text), "ini", "/")
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return c
}

func parseUsers(t *testing.T, text string) *auth.File {
	t.Helper()
	f, err := auth.Parse("users", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRulesAreLive: a tree that was opened before a reload is asked by what holds after it.
func TestRulesAreLive(t *testing.T) {
	const public = "[namespace \"public\"]\nprefix = P/\npath = /srv/p\n"
	users := parseUsers(t, "ann:{PLAIN}x::::::groups=board\nbob:{PLAIN}x\n")
	groups, err := auth.ParseGroups("group", []byte("staff:ann\n"))
	if err != nil {
		t.Fatal(err)
	}
	var r rules
	r.set(parseConfig(t, public+"acl = group=staff lrs\n"), users, groups)
	v := &visitor{rules: &r, id: &imapd.Identity{User: "ann", Extra: map[string]string{"groups": "old"}}}
	a := r.live("public").of(v)
	check := func(who []string, rights string, private, anyone bool) {
		t.Helper()
		w := a.Who()
		if d := cmp.Diff(acl.Who{User: "ann", Groups: who}, w); d != "" {
			t.Error(d)
		}
		if got, _ := a.Default().Rights(&w); got.String() != rights || a.Private() != private || a.Anyone() != anyone {
			t.Errorf("rights %s, private %v, anyone %v", got, a.Private(), a.Anyone())
		}
	}
	check([]string{"board", "staff"}, "lrs", true, false)
	if n := testing.AllocsPerRun(100, func() { a.Who(); a.Default(); a.Private(); a.Anyone() }); n > 0 {
		t.Errorf("%v allocations a question", n)
	}
	shape := r.now.Load().shape
	r.set(parseConfig(t, public+"acl = group=staff lr, group=board w\nseen = shared\nanyone = yes\nhide = x\nsubscribe = P/a\n"), users, groups)
	check([]string{"board", "staff"}, "lrw", false, true)
	r.set(parseConfig(t, public+"acl = group=board lr\n"), users, nil)
	check([]string{"board"}, "lr", true, false)
	r.set(parseConfig(t, public+"acl = group=board lr\n"), parseUsers(t, "bob:{PLAIN}x\n"), nil)
	check(nil, "", true, false) // nothing is left of a user whom the file does not know
	r.set(parseConfig(t, public+"acl =\n"), users, groups)
	if a.Default() != nil {
		t.Error("an empty list is one")
	}
	if r.now.Load().shape != shape {
		t.Error("namespaces are opened anew for what is asked for at each use")
	}
	for i, text := range []string{"", public, public + "layout = fs\n", public + "domains = example.org\n", public + "storage = 1G\n", public + "[namespace \"shared\"]\nprefix = S/%u/\n"} {
		r.set(parseConfig(t, text), users, groups)
		if got := r.now.Load().shape; got != shape+uint64(i)+1 {
			t.Errorf("%q: shape %d", text, got-shape)
		}
	}
	r.set(parseConfig(t, ""), users, groups)
	if a.Default() != nil || a.Anyone() {
		t.Error("a section that is gone gives rights")
	}
}

func TestPublicQuota(t *testing.T) {
	const public = "[namespace \"public\"]\nprefix = P/\npath = /srv/p\n"
	var r rules
	r.set(parseConfig(t, public), nil, nil)
	if r.publicQuota("public") != nil || r.publicQuota("none") != nil {
		t.Error("limits out of nothing")
	}
	r.set(parseConfig(t, "[quota]\nstorage = 1K\nexceeded = warn\n"+public+"messages = 7\n"), nil, nil)
	q := r.publicQuota("public")
	if got := q(); !got.Set || got.Storage != 0 || got.Messages != 7 || got.MessagesKey != `[namespace "public"] messages` || !got.Warn {
		t.Errorf("%+v", got)
	}
	r.set(parseConfig(t, public+"messages = unlimited\nstorage = 2K\n"), nil, nil)
	if got := q(); !got.Set || got.Storage != 2048 || got.Messages != 0 || got.Warn {
		t.Errorf("%+v", got)
	}
	r.set(parseConfig(t, ""), nil, nil)
	if got := q(); got.Set {
		t.Errorf("%+v", got)
	}
}
