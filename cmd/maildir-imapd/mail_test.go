package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// TestMailMemory: what a session has open costs little, and other namespaces not much more.
func TestMailMemory(t *testing.T) {
	const public = "[namespace \"public\"]\nprefix = P/\npath = public\nlayout = fs\n"
	for _, tt := range []struct {
		namespaces string
		most       int64 // bytes a session
	}{
		{"", 800},
		{public, 1600},
		{public + "[namespace \"shared\"]\nprefix = S/%u/\n", 2200},
	} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "public"), 0o755))
		must(t, os.MkdirAll(filepath.Join(dir, "mail"), 0o755))
		c := parseConfig(t, "[mail]\npath = "+dir+"/mail/%u\n"+tt.namespaces)
		for i := range c.Namespaces {
			if n := &c.Namespaces[i]; n.Path != "" {
				n.Path = dir + "/public"
			}
		}
		store, err := maildir.NewStore(maildir.StoreOptions{})
		must(t, err)
		users, err := auth.Parse("users", nil)
		must(t, err)
		m := &mailOpener{cfg: c, store: store, log: slog.New(slog.DiscardHandler), rules: new(rules)}
		m.rules.set(c, users, nil)
		mails := make([]*imapd.Mail, 1000)
		logins := make([]imapd.Login, len(mails))
		heap := func() int64 {
			var s runtime.MemStats
			for range 3 {
				runtime.GC()
			}
			runtime.ReadMemStats(&s)
			return int64(s.HeapAlloc)
		}
		before := int64(0)
		for i := range mails {
			if i == 1 { // what they share is there
				before = heap()
			}
			logins[i].User = "ann"
			mails[i], err = m.open(t.Context(), &logins[i])
			must(t, err)
		}
		each := (heap() - before) / int64(len(mails)-1)
		t.Logf("%d namespaces: %d bytes a session", len(mails[0].Namespaces), each)
		if each > tt.most {
			t.Errorf("%d namespaces: %d bytes a session, want %d at most", len(mails[0].Namespaces), each, tt.most)
		}
		for _, mail := range mails {
			for _, ns := range mail.Namespaces {
				must(t, ns.Tree.Close())
			}
		}
		must(t, store.Close())
	}
}
