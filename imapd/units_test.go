package imapd

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	for i, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"%/%", "a/b", true}, {"a*", "a/b/c", true},
		{"a%", "a/b", false}, {"a/*", "a", false}, {"inbox", "INBOX", true}, {"inbox*", "INBOX", true},
		{"InBoX/%", "INBOX/a", true}, {"", "", true}, {"", "a", false}, {"*a*b*", "xaxxb", true}, {"%b", "ab", true},
		{"*%", "a/b", true}, {"%*", "a/b", true}, {"ä%", "äöü", true}, {"b", "B", false},
	} {
		if got := matches(c.pattern, c.name, '/'); got != c.want {
			t.Errorf("%d: matches(%q, %q) = %v", i, c.pattern, c.name, got)
		}
	}
}

// TestMatchesIsBounded: the pattern that makes a backtracking matcher take for ever.
func TestMatchesIsBounded(t *testing.T) {
	if matches(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 250), '/') {
		t.Error("matched")
	}
}

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z]{0,40}`).Draw(t, "text")
		skip := rapid.Int64Range(0, int64(len(text))).Draw(t, "skip")
		n := rapid.Int64Range(1, 50).Draw(t, "n")
		var got bytes.Buffer
		c := &clip{&got, skip, n}
		for piece := range strings.SplitSeq(text, "m") {
			if _, err := io.WriteString(c, piece); err == errClipped {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		plain := strings.ReplaceAll(text, "m", "")
		want := plain[min(skip, int64(len(plain))):]
		want = want[:min(n, int64(len(want)))]
		if got.String() != want {
			t.Fatalf("got %q, want %q", got.String(), want)
		}
	})
}

func TestBoundUIDs(t *testing.T) {
	for i, c := range []struct {
		in   imap.UIDSet
		last imap.UID
		want string
	}{
		{imap.UIDSet{{Start: 1, Stop: 0}}, 9, "1:9"},
		{imap.UIDSet{{Start: 20, Stop: 0}}, 9, "9:20"}, // RFC 9051 §9: a reversed range is the same range
		{imap.UIDSet{{Start: 0, Stop: 0}}, 9, "9"},
		{imap.UIDSet{{Start: 5, Stop: 7}, {Start: 1, Stop: 2}, {Start: 3, Stop: 4}, {Start: 6, Stop: 6}}, 9, "1:7"},
		{imap.UIDSet{{Start: 4294967295, Stop: 4294967295}, {Start: 1, Stop: 1}}, 9, "1,4294967295"},
	} {
		if got := boundUIDs(c.in, c.last).String(); got != c.want {
			t.Errorf("%d: %s, want %s", i, got, c.want)
		}
	}
}

// TestTableIsSound: every row has what the loop relies on.
func TestTableIsSound(t *testing.T) {
	x := newIndex(extensions)
	for name, row := range x.session {
		if row.in == 0 || row.parse == nil || name != strings.ToUpper(name) {
			t.Errorf("%s: incomplete row", name)
		}
		numbered := map[string]bool{"FETCH": true, "STORE": true, "SEARCH": true, "COPY": true, "SORT": true, "THREAD": true}
		if numbered[name] != (row.does&holdsExpunge != 0) {
			t.Errorf("%s: holdsExpunge is wrong (RFC 9051 §7.5.1)", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a name declared twice went unnoticed")
		}
	}()
	newIndex([]*extension{&extCore, &extCore})
}
