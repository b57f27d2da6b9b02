package acl

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseReadsWhatDovecotReads(t *testing.T) {
	l, err := Parse([]byte("# who may what\n" +
		"anyone  \t lr\r\n\n" +
		"-group=staff w :read,post other\n" +
		`"user=a \"b\\ \c" l:insert` + "\n" +
		`"-user=x" ` + "\n" +
		"anonymous :write-seen write-deleted\n" +
		"user=\n" +
		"group-override=x=y lrwstipekxa :\n# end"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{ID: ID{Anyone, ""}, Rights: RightsReadOnly, Line: 2},
		{ID: ID{Group, "staff"}, Negative: true, Rights: RightWrite | RightRead | RightPost, Named: []string{"other"}, Line: 4},
		{ID: ID{User, `a "b\ c`}, Rights: RightLookup | RightInsert, Line: 5},
		{ID: ID{User, "x"}, Negative: true, Line: 6},
		{ID: ID{Anyone, ""}, Rights: RightSeen | RightDeleteMessages, Line: 7},
		{ID: ID{User, ""}, Line: 8},
		{ID: ID{GroupOverride, "x=y"}, Rights: RightsAll, Line: 9},
	}
	if d := cmp.Diff(want, l.Entries, cmpopts.IgnoreUnexported(Entry{})); d != "" {
		t.Error(d)
	}
}

func TestParseNamesTheBadLine(t *testing.T) {
	for text, want := range map[string]string{
		"anyone lr\nanyone lz\n":    `line 2: unknown right 'z'`,
		"anyone\tlr\n":              `line 1: unknown identifier "anyone\tlr": it ends at a space, not at a TAB`,
		" anyone lr\n":              `line 1: no identifier: a line must not begin with a space`,
		"#\n\nbob lr":               `line 3: unknown identifier "bob"`,
		"anyone l r\n":              `line 1: "r" behind the rights: only names after a colon may follow`,
		"anyone lr # all\n":         `line 1: "# all" behind the rights: only names after a colon may follow`,
		"\"user=bob lr\n":           `line 1: the quote of the identifier does not end`,
		"\"user=bob\\\" lr\n":       `line 1: the quote of the identifier does not end`,
		"\"user=bob\\":              `line 1: the quote of the identifier does not end`,
		"\"user=bob\"lr\n":          `line 1: a space must follow the quoted identifier`,
		"-\"user=bob\" lr\n":        `line 1: unknown identifier "\"user=bob\""`,
		"--anyone lr\n":             `line 1: unknown identifier "-anyone"`,
		"anyone cd\n":               `line 1: unknown right 'c'`,
		"anyone lr\r\r\n":           `line 1: unknown right '\r'`,
		"anyone lr\x00\n":           `line 1: a NUL: this is no text`,
		"\x00\x00\x00":              `line 1: a NUL: this is no text`,
		"\xef\xbb\xbfanyone lr\n":   `line 1: unknown identifier "\ufeffanyone"`,
		"owner=x lr\n":              `line 1: unknown identifier "owner=x"`,
		strings.Repeat("\n", 1<<21): `line 1048577: too many lines`,
	} {
		_, err := Parse([]byte(text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func TestAppendKeepsWhatWasRead(t *testing.T) {
	for _, text := range []string{
		"", "\n", "# only this\n", "# and no end",
		"# a\n\nuser=bob  lr\t:x y\r\n#b\n\"user=plain\" rl\nanyone :read\nanyone lr\n# below\n",
	} {
		l, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(l.Append(nil)); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// names that need care in a file.
var oddNames = []string{"bob", "staff", "a b", `q"q`, `q "q`, `b\s`, `b \s`, "tab\tbed", "cr\r", "x=y", "-dash", "owner", "", "ä", "\xff", "#x", ":x"}

func anyID() *rapid.Generator[ID] {
	return rapid.Custom(func(t *rapid.T) ID {
		id := ID{Kind: Kind(rapid.IntRange(0, len(words)-1).Draw(t, "kind"))}
		if id.Kind.named() {
			id.Name = rapid.SampledFrom(oddNames).Draw(t, "name")
		}
		return id
	})
}

func anyEntry() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		return Entry{
			ID:       anyID().Draw(t, "id"),
			Negative: rapid.Bool().Draw(t, "negative"),
			Rights:   Rights(rapid.IntRange(0, int(RightsAll)).Draw(t, "rights")),
			Named:    rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "foo", "vendor-right"}), 0, 2, rapid.ID).Draw(t, "named"),
		}
	})
}

// TestListsSurviveTheFile: a list that is written and read says the same, whatever its names are.
func TestListsSurviveTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &List{Entries: rapid.SliceOfN(anyEntry(), 0, 8).Draw(t, "entries")}
		text := l.Append(nil)
		read, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		opts := []cmp.Option{cmpopts.IgnoreUnexported(Entry{}), cmpopts.IgnoreFields(Entry{}, "Line"), cmpopts.EquateEmpty()}
		if d := cmp.Diff(l.Entries, read.Entries, opts...); d != "" {
			t.Fatalf("%q: %s", text, d)
		}
		if again := read.Append(nil); string(again) != string(text) {
			t.Fatalf("%q became %q", text, again)
		}
	})
}

// texts are files that the fuzzers and the models begin with.
var texts = []string{
	"", "anyone lr\n", "# c\n\nuser=bob lr :x\n-group=staff w\n", "\"user=a b\" lrwstipekxa\r\n", "anyone\tlr\n", "owner", "-owner a\n\"-user=\\\"\" :read,post\n#",
	"group-override=a l\ngroup=b r\ngroup=b s\n", "owner aceilrstwx\nanyone lr\n-user=mary r\nadministrators aceilrstwx\n",
}

func FuzzParse(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Line > 1+strings.Count(string(b), "\n") {
				t.Fatalf("%q: error %v", b, err)
			}
			return
		}
		written := l.Append(nil)
		if s := string(b); string(written) != s && (len(l.Entries) == 0 || string(written) != s+"\n") {
			t.Fatalf("%q became %q", b, written)
		}
		l.explained(t, &Who{User: "bob", Groups: []string{"a", "b"}})
		l.explained(t, &Who{User: "bob", Owner: true})
		for i := range l.Entries {
			e := &l.Entries[i]
			back, err := parseLine(e.String())
			if err != nil || !back.same(e) {
				t.Fatalf("%+v as a line is %q: %+v, %v", e, e, back, err)
			}
		}
		after, changed := l.Apply(Change{ID: ID{Kind: User, Name: "bob"}, Op: Add, Rights: RightRead})
		read, err := Parse(after.Append(nil))
		if err != nil {
			t.Fatalf("%q after a change: %v", b, err)
		}
		if _, again := read.Apply(Change{ID: ID{Kind: User, Name: "bob"}, Op: Add, Rights: RightRead}); again {
			t.Fatalf("%q: the change (%v) does not last: %q", b, changed, read.Append(nil))
		}
	})
}

// explained checks that the steps lead to what Rights says, and that each right of it is somebody's.
func (l *List) explained(t interface {
	Helper()
	Fatalf(string, ...any)
}, w *Who) {
	t.Helper()
	r, matched := l.Rights(w)
	steps := l.Explain(w)
	if !l.Union && matched != (len(steps) > 0) {
		t.Fatalf("%q for %+v: matched is %v, with %d steps", l.Append(nil), w, matched, len(steps))
	}
	if len(steps) == 0 {
		return
	}
	var before, decided Rights
	for _, s := range steps {
		if s.Before != before || s.Decides&decided != 0 {
			t.Fatalf("%q for %+v: steps %+v", l.Append(nil), w, steps)
		}
		before, decided = s.After, decided|s.Decides
	}
	if before != r || !decided.Has(r) {
		t.Fatalf("%q for %+v: steps end with %s, of which %s are decided; the rights are %s", l.Append(nil), w, before, decided, r)
	}
}

func TestIdentifiersOfFiles(t *testing.T) {
	for s, want := range map[string]ID{
		"anyone": {Anyone, ""}, "anonymous": {Anyone, ""}, "authenticated": {Authenticated, ""}, "owner": {Owner, ""},
		"user=a b": {User, "a b"}, `"user=a b"`: {User, "a b"}, "group=g": {Group, "g"}, "group-override=g": {GroupOverride, "g"}, "user=-x": {User, "-x"},
	} {
		if id, err := ParseID(s); id != want || err != nil {
			t.Errorf("%s is %+v, %v", s, id, err)
		}
	}
	for _, s := range []string{"", "bob", "user=", "group=", "-user=bob", "user=a\nb", "user=a\tb", `"user=a`, `"user=a" l`, "Anyone", "owner="} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q is %+v", s, id)
		}
	}
	for _, name := range oddNames {
		id := ID{User, name}
		if back, err := ParseID(id.String()); err == nil && back != id || err != nil && name != "" && !strings.ContainsAny(name, "\t\r") {
			t.Errorf("%q comes back as %+v, %v", id, back, err)
		}
	}
}

func TestIdentifiersOfTheProtocol(t *testing.T) {
	type answer struct {
		id       ID
		negative bool
	}
	for s, want := range map[string]answer{
		"anyone": {ID{Anyone, ""}, false}, "-anyone": {ID{Anyone, ""}, true}, "authenticated": {ID{Authenticated, ""}, false}, "owner": {ID{Owner, ""}, false},
		"bob": {ID{User, "bob"}, false}, "-bob": {ID{User, "bob"}, true}, "--bob": {ID{User, "-bob"}, true}, "$staff": {ID{Group, "staff"}, false},
		"-!$staff": {ID{GroupOverride, "staff"}, true}, "!staff": {ID{User, "!staff"}, false}, "user=bob": {ID{User, "user=bob"}, false},
		"anonymous": {ID{User, "anonymous"}, false}, "ANYONE": {ID{User, "ANYONE"}, false}, "a\u00adb": {ID{User, "ab"}, false}, "\u2168": {ID{User, "IX"}, false},
	} {
		id, negative, err := ParseIMAPID(s)
		if (answer{id, negative}) != want || err != nil {
			t.Errorf("%q is %+v, %v, %v", s, id, negative, err)
		}
	}
	for _, s := range []string{"", "-", "$", "-$", "!$", "#x", "-#x", "a\tb", "a\x00b", "a\nb", "\u00ad", "\xff", "\u0007"} {
		if id, negative, err := ParseIMAPID(s); err == nil {
			t.Errorf("%q is %+v, %v", s, id, negative)
		}
	}
}

func FuzzParseIMAPID(f *testing.F) {
	for _, s := range []string{"anyone", "-bob", "!$g", "$", "#", "\u00ad", "owner", "a b", `q"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, negative, err := ParseIMAPID(s)
		if err != nil {
			return
		}
		e := Entry{ID: id, Negative: negative}
		line := e.String()
		if back, err := parseLine(line); err != nil || back.ID != id || back.Negative != negative || strings.ContainsAny(line, "\n\x00") {
			t.Fatalf("%q is %+v, %v; as a line %q: %+v, %v", s, id, negative, line, back, err)
		}
		// What a client is told it can set again, but for users who are called like something else.
		if again, minus, err := ParseIMAPID(id.IMAP()); id.Kind != User && (err != nil || minus || again != id) {
			t.Fatalf("%q is %+v and answered as %q: %+v, %v", s, id, id.IMAP(), again, err)
		}
	})
}

func TestLettersOfTheProtocol(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "lr": "lr", "rl": "lr", "c": "kxc", "d": "ted", "k": "kc", "x": "xc", "t": "td", "e": "ed", "lrswipcda": "lrswipkxteacd", "lll": "l",
	} {
		if r, err := ParseRights(s); err != nil || r.IMAP() != want {
			t.Errorf("%q is %q, %v; want %q", s, r.IMAP(), err, want)
		}
	}
	for _, s := range []string{"z", "L", "l r", "0", "+l", "lä", "\xff"} {
		if r, err := ParseRights(s); err == nil {
			t.Errorf("%q is %q", s, r)
		}
	}
}
