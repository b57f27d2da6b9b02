package imapd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"maildir-imapd/maildir"
	"maildir-imapd/pubroot"
)

// makeFolders makes Maildirs below a directory.
func makeFolders(t testing.TB, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(root, name, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAliasesBetweenSeparators: each namespace has its own, and a level of a name is a level on both sides.
func TestAliasesBetweenSeparators(t *testing.T) {
	s := startServer(t, func(s *testServer) {
		s.withPublic, s.withPrefix = true, true
		s.tweakMail = func(m *Mail) {
			m.Tilde = true
			m.Aliases = func() map[string]string {
				return map[string]string{"INBOX.Team": "Public/news", "INBOX.Own": "INBOX.Work", "INBOX": "Public/news", "INBOX.Team.old": "INBOX.Work"}
			}
		}
	})
	makeFolders(t, s.public, "news", "news/old", "news/old/er", "news/v1.2")
	c := s.client(t).login()
	if l := c.do("a CREATE INBOX.Work.Sub"); !strings.HasPrefix(l, "a OK") {
		t.Fatal(l)
	}
	c.do("a CREATE INBOX.Work")
	for name, want := range map[string]string{
		"INBOX":             "OK", // no alias has this name
		"INBOX.Team":        "OK",
		"INBOX.Team.v1.2":   "NO [NONEXISTENT]", // its dot cannot be told from one between levels
		"INBOX.Team/old":    "NO [NONEXISTENT]",
		"INBOX.Team.old":    "OK", // the longer alias
		"INBOX.Team.old.er": "NO [NONEXISTENT]",
		"INBOX.Own.Sub":     "OK",
		"~public.news.old":  "OK",
		"~public":           "NO [NONEXISTENT]",
		"~alice":            "OK",
		"~alice.Work.Sub":   "OK",
		"~bob.INBOX":        "NO [NONEXISTENT]",
		"~":                 "NO [NONEXISTENT]",
		"INBOX.Own.none":    "NO [NONEXISTENT]",
	} {
		if got := c.do("b EXAMINE " + name); !strings.HasPrefix(got, "b "+want) {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	listed := func(pattern string) (names []string) {
		for line := range strings.SplitSeq(c.whole(`c LIST "" `+pattern), "\r\n") {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "LIST" {
				names = append(names, f[len(f)-1])
			}
		}
		return names
	}
	for pattern, want := range map[string][]string{
		"INBOX.Team*":  {"INBOX.Team", "INBOX.Team.old", "INBOX.Team.old.Sub"},
		"INBOX.Own.%":  {"INBOX.Own.Sub"},
		"inbox.Team":   {"INBOX.Team"},
		"INBOX.Tea":    nil,
		"Public/news":  {"Public/news"},
		"Public/new%":  {"Public/news"},
		"Publi":        nil,
		"Public":       {"Public"},
		"Public/news/": nil,
	} {
		if got := listed(pattern); !slices.Equal(got, want) {
			t.Errorf("LIST %s: %q, want %q", pattern, got, want)
		}
	}
}

// TestAliasCovers: an alias covers a folder of its name, and what is below, as a mount does: what cannot be reached is not
// listed, and it is there again when the alias is gone.
func TestAliasCovers(t *testing.T) {
	aliases := map[string]string{"Team": "Public/news", "Gone": "Public/none"}
	var covered atomic.Bool
	s := startServer(t, func(s *testServer) {
		s.withPublic = true
		s.tweakMail = func(m *Mail) {
			m.Aliases = func() map[string]string {
				if covered.Load() {
					return aliases
				}
				return nil
			}
		}
	})
	makeFolders(t, s.public, "news", "news/old")
	c := s.client(t).login()
	for _, name := range []string{"Team", "Team/sub", "Gone/sub", "Teams"} {
		if got := c.do("a CREATE " + name); !strings.HasPrefix(got, "a OK") {
			t.Fatal(got)
		}
	}
	for on, want := range map[bool]string{
		true:  "INBOX Public Public/news Public/news/old Team Team/old Teams",
		false: "Gone Gone/sub INBOX Public Public/news Public/news/old Team Team/sub Teams",
	} {
		covered.Store(on)
		var names []string
		for line := range strings.SplitSeq(c.whole(`b LIST "" *`), "\r\n") {
			f := strings.Fields(line)
			if len(f) < 3 || f[1] != "LIST" {
				continue
			}
			name := f[len(f)-1]
			names = append(names, name)
			if got := c.do("c EXAMINE " + name); !strings.Contains(line, `\Noselect`) && !strings.HasPrefix(got, "c OK") {
				t.Errorf("%s is listed: %q", name, got)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("aliases %v: %q, want %q", on, got, want)
		}
	}
}

// TestAliasBehindTilde: what is an alias is none the less one where its user's name stands in front.
func TestAliasBehindTilde(t *testing.T) {
	s := startServer(t, func(s *testServer) {
		s.tweakMail = func(m *Mail) {
			m.Tilde = true
			m.Aliases = func() map[string]string { return map[string]string{"Team": "Work"} }
		}
	})
	c := s.client(t).login()
	c.do("a CREATE Work")
	for _, command := range []string{"DELETE ~alice/Team", "RENAME ~alice/Team Other", "CREATE ~alice/Team", "RENAME Work ~alice/Team", "DELETE Team"} {
		if got := c.do("b " + command); !strings.HasPrefix(got, "b NO [CANNOT]") {
			t.Errorf("%s: %q", command, got)
		}
	}
	if got := c.do("c EXAMINE Work"); !strings.HasPrefix(got, "c OK") {
		t.Errorf("it is gone: %q", got)
	}
}

// TestTildeWithSeparatorsInUsers: where users' names have the separator in them, the longest name that there is counts.
func TestTildeWithSeparatorsInUsers(t *testing.T) {
	users := []string{"al", "al.ice.x", "ann", "ann.lee", "ann.lee.jr", "bob.box"}
	for _, sep := range []byte{'.', '/'} {
		s := session{login: &Login{Identity: Identity{User: "al.ice"}}, mail: &Mail{Tilde: true, Namespaces: []Namespace{
			{Kind: Personal, Separator: '.'},
			{Kind: OtherUsers, Prefix: "Shared" + string(sep), Separator: sep, Tree: pubroot.NewUsers(pubroot.UsersOptions{
				Separator: sep, Self: "al.ice", Users: func() []string { return users },
			})},
		}}}
		for name, want := range map[string]string{
			"~ann":             "Shared/ann",
			"~ann.box":         "Shared/ann/box",
			"~ann.leeward":     "Shared/ann/leeward",
			"~ann.lee":         "Shared/ann.lee",
			"~ann.lee.box":     "Shared/ann.lee/box",
			"~ann.lee.jr.a.b":  "Shared/ann.lee.jr/a/b",
			"~bob.box":         "Shared/bob.box",
			"~bob.other":       "Shared/bob/other", // there is no bob
			"~al.box":          "Shared/al/box",
			"~al.ice":          "INBOX",
			"~al.ice.inbox":    "INBOX",
			"~al.ice.Work":     "Work",
			"~al.ice.x.Work":   "Shared/al.ice.x/Work",
			"~al.ice.xy":       "xy",
			"~ann.lee.":        "Shared/ann.lee",
			"~nobody.at.all.x": "Shared/nobody/at/all/x",
		} {
			if sep == '.' {
				want = strings.ReplaceAll(want, "/", ".")
			}
			if got, err := s.behindTilde(name); strings.TrimSuffix(got, string(sep)) != want || err != nil { // of a user alone nothing is behind the separator
				t.Errorf("separator %c: %s is %q, %v, want %q", sep, name, got, err, want)
			}
		}
	}
}

// TestListAsksWhatAPatternReaches: a namespace that no pattern can match is left in peace.
func TestListAsksWhatAPatternReaches(t *testing.T) {
	var asked atomic.Int32
	s := startServer(t, func(s *testServer) {
		s.withPublic = true
		s.tweakMail = func(m *Mail) {
			public := &m.Namespaces[1]
			public.Tree = countingTree{public.Tree, &asked}
			m.Aliases = func() map[string]string { return map[string]string{"Team": "Public/news", "Other": "Work"} }
		}
	})
	makeFolders(t, s.public, "news")
	c := s.client(t).login()
	for pattern, want := range map[string]int32{
		"*": 1, "%": 1, "Pub*": 1, "P%": 1, "Public/*": 1, "public/*": 0, "Public": 1, "Public/news": 1, "Publicity*": 0, "INBOX": 0, "Work*": 0, "Pub": 0,
		"Te*": 1, "Team": 1, "Team/%": 1, "Teams": 0, "(INBOX Work)": 0, "(INBOX Public)": 1, "Other": 0, `""`: 0,
	} {
		asked.Store(0)
		c.do(`a LIST "" ` + pattern)
		if got := asked.Load(); got != want {
			t.Errorf("LIST %s asks %d times, want %d", pattern, got, want)
		}
	}
	asked.Store(0)
	c.do(`a LIST Public/ n*`)
	c.do("b ESEARCH IN (mailboxes INBOX) ALL")
	c.do("c ESEARCH IN (subtree Public) ALL")
	if got := asked.Load(); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
}

type countingTree struct {
	Tree
	lists *atomic.Int32
}

func (t countingTree) List(ctx context.Context) ([]maildir.Entry, error) {
	t.lists.Add(1)
	return t.Tree.List(ctx)
}

// TestManyAliases: eight are followed, the ninth is one too many.
func TestManyAliases(t *testing.T) {
	chain := map[string]string{}
	names := strings.Split("a b c d e f g h i j", " ")
	for i, name := range names[:len(names)-1] {
		chain[name] = names[i+1]
	}
	s := startServer(t, func(s *testServer) {
		s.tweakMail = func(m *Mail) { m.Aliases = func() map[string]string { return chain } }
	})
	c := s.client(t).login()
	c.do("a CREATE j")
	for name, want := range map[string]string{"j": "OK", "i": "OK", "b": "OK", "a": "NO [NONEXISTENT]"} {
		if got := c.do("b EXAMINE " + name); !strings.HasPrefix(got, "b "+want) {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
}

// TestSearchMeansAMailboxOnce: an alias does not have its mailbox searched a second time among the personal ones.
func TestSearchMeansAMailboxOnce(t *testing.T) {
	s := startServer(t, func(s *testServer) {
		s.tweakMail = func(m *Mail) { m.Aliases = func() map[string]string { return map[string]string{"Again": "Work"} } }
	})
	c := s.client(t).login()
	c.do("a CREATE Work")
	c.do("b APPEND Again {8+}\r\nA: b\r\n\r\n")
	for source, want := range map[string]string{"personal": "MAILBOX Work", "mailboxes Again": "MAILBOX Again"} {
		got := c.whole("c ESEARCH IN (" + source + ") ALL")
		if strings.Count(got, "* ESEARCH") != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: %q", source, got)
		}
	}
}
