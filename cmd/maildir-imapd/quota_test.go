package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// TestQuotaOfUser: the password file goes before the configuration, one limit at a time; what is in force is asked
// for at every use.
func TestQuotaOfUser(t *testing.T) {
	file := func(text string) *auth.File {
		t.Helper()
		f, err := auth.Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	parse := func(text string) *config.Config {
		t.Helper()
		c, warnings, err := config.Parse([]byte("[quota]\n"+text), "ini", "/")
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		return c
	}
	ours := func(storage, messages int64) maildir.Quota {
		return maildir.Quota{Set: true, Storage: storage, Messages: messages, StorageKey: "[quota] storage", MessagesKey: "[quota] messages"}
	}
	var q rules
	users := file("a:{PLAIN}x\nb:{PLAIN}x::::::quota=2G\nc:{PLAIN}x::::::userdb_quota_rule=*:storage=1M:messages=3\nd:{PLAIN}x::::::quota=unlimited\n")
	now := map[string]func() maildir.Quota{}
	for _, user := range []string{"a", "b", "c", "d", "gone"} {
		now[user] = q.quota(&imapd.Identity{User: user, Extra: map[string]string{"quota_messages": "9"}})
	}
	check := func(user string, want maildir.Quota) {
		t.Helper()
		if got := now[user](); got != want {
			t.Errorf("%s: %+v\nwant %+v", user, got, want)
		}
	}
	q.set(parse(""), users, nil)
	none := ours(0, 0)
	none.Set = false
	check("a", none)
	q.set(parse("storage = 1G\nmessages = 100\n"), users, nil)
	check("a", ours(1<<30, 100))
	own := ours(2<<30, 100)
	own.StorageKey = "quota"
	check("b", own)
	own = ours(1<<20, 3)
	own.StorageKey, own.MessagesKey = "quota", "quota_messages"
	check("c", own)
	own = ours(0, 100)
	own.StorageKey = "quota"
	check("d", own)
	own = ours(1<<30, 9) // no longer in the file: as at the login
	own.MessagesKey = "quota_messages"
	check("gone", own)
	q.set(parse("storage = unlimited\nexceeded = warn\nexceeded_text = \"Ask Eve; she knows\"\n"), file("a:{PLAIN}x\n"), nil)
	warn := ours(0, 0)
	warn.Warn, warn.Text = true, "Ask Eve; she knows"
	check("a", warn)

	// A file that is there and cannot be read: what the daemon has written into maildirsize rules.
	cfg := parse("storage = 1G\n")
	cfg.Auth.File = filepath.Join(t.TempDir(), "absent")
	q.load(cfg, slog.New(slog.DiscardHandler))
	now["a"] = q.quota(&imapd.Identity{User: "a"})
	check("a", ours(1<<30, 0))
	if err := os.Mkdir(cfg.Auth.File, 0o700); err != nil {
		t.Fatal(err)
	}
	q.load(cfg, slog.New(slog.DiscardHandler))
	check("a", none)
}
