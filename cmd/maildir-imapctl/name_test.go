package main

import (
	"testing"

	"maildir-imapd/imapd/config"
)

// TestResolve: names lead where they lead in the daemon.
func TestResolve(t *testing.T) {
	c := config.Default()
	c.Auth.File = t.TempDir() + "/none"
	c.Mail.Separator = "/"
	c.Namespaces = []config.Namespace{
		{Name: "public", Kind: config.KindPublic, Prefix: "Public.", Separator: "."},
		{Name: "deep", Kind: config.KindPublic, Prefix: "Public.deep.", Separator: "."},
		{Name: "shared", Kind: config.KindOther, Prefix: "Shared/%u/"},
	}
	c.Aliases = []config.Alias{{Name: "Team", Target: "Public.team"}, {Name: "Team/own", Target: "Work"}, {Name: "Of", Target: "Shared/bob"}, {Name: "Two", Target: "Team"}}
	s := &site{c: c}
	for name, want := range map[string][3]string{
		"INBOX":          {"", "", "INBOX"},
		"Work/a":         {"", "", "Work/a"},
		"Public.a":       {"public", "", "a"},
		"Public.deep.a":  {"deep", "", "a"},
		"Team":           {"public", "", "team"},
		"Team/old/older": {"public", "", "team.old.older"},
		"Two/old":        {"public", "", "team.old"},
		"Team/own/a":     {"", "", "Work/a"},
		"Team/v1.2":      {"public", "", "team.."}, // no mailbox has this name
		"Of/work/a":      {"shared", "bob", "work/a"},
	} {
		p, err := s.resolve(name)
		got := [3]string{"", p.owner, p.inner}
		if p.space != nil {
			got[0] = p.space.Name
		}
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
}
