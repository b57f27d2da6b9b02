package acl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// change is a SETACL, or a DELETEACL where rights are absent.
func change(t *testing.T, words string) Change {
	t.Helper()
	name, rights, set := strings.Cut(words, " ")
	id, negative, err := ParseIMAPID(name)
	if err != nil {
		t.Fatal(err)
	}
	c := Change{ID: id, Negative: negative, Op: Delete}
	if set {
		if c.Op, c.Rights, err = ParseChange(strings.Trim(rights, `"`)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestApply has what Dovecot made of the same files and commands, but for order and comments, which it does not keep.
func TestApply(t *testing.T) {
	const file = "# team\nanyone  lr\n\n# us\nuser=alice lra :foo\nuser=bob ls :read bar\n-user=bob w\n# end\n"
	for _, tc := range []struct{ before, change, after string }{
		{file, "bob +s", file},
		{file, "bob +i", strings.Replace(file, "user=bob ls :read bar\n", "user=bob lrsi :bar\n", 1)},
		{file, "bob -sr", strings.Replace(file, "ls :read bar", "l :bar", 1)},
		{file, "bob lrc", strings.Replace(file, "ls :read bar", "lrkx", 1)},
		{file, "bob d", strings.Replace(file, "ls :read bar", "te", 1)},
		{file, `bob ""`, strings.Replace(file, " ls :read bar", "", 1)},
		{file, "bob -lrs", strings.Replace(file, " ls :read bar", " :bar", 1)},
		{file, "bob", strings.Replace(file, "user=bob ls :read bar\n", "", 1)},
		{file, "-bob +s", strings.Replace(file, "=bob w", "=bob sw", 1)},
		{file, "-bob", strings.Replace(file, "-user=bob w\n", "", 1)},
		{file, "alice", strings.Replace(file, "user=alice lra :foo\n", "", 1)},
		{file, "carol lr", strings.Replace(file, "# end", "user=carol lr\n# end", 1)},
		{file, "carol +w", strings.Replace(file, "# end", "user=carol w\n# end", 1)},
		{file, "$staff lr", strings.Replace(file, "\n# us", "group=staff lr\n\n# us", 1)},
		{file, "-anyone i", strings.Replace(file, "\n# us", "-anyone i\n\n# us", 1)},
		{file, "!$staff ted", strings.Replace(file, "# end", "group-override=staff te\n# end", 1)},
		{file, "carol -w", file},
		{file, `carol ""`, file},
		{file, "-carol +", file},
		{file, "carol", file},
		{file, "-alice", file},
		{"# only\n# words", "bob lr", "# only\n# words\nuser=bob lr\n"},
		{"# head\n\n# alice\nuser=alice l\n", "anyone lr", "# head\n\nanyone lr\n# alice\nuser=alice l\n"},
		{"# alice\nuser=alice l\n", "anyone lr", "anyone lr\n# alice\nuser=alice l\n"},
		{"user=alice l\n", "owner l", "owner l\nuser=alice l\n"},
		{"user=b l\nuser=b r\n", "b +s", "user=b lrs\n-user=b\n"},
		{"-user=b l\n# c\n-user=b r\n", "-b -l", "user=b\n-user=b r\n# c\n"},
		{"-user=b l\n-user=b r\n", "-b", "user=b\n"},
		{"-user=b l\n-user=b r\n", "b", "-user=b lr\n"},
		{"-user=b l\n-user=b r\n", "c", "-user=b l\n-user=b r\n"},
		{"user=b l :x\n#2\nuser=b r :y x\n#3\n-user=b i\n", "b +s", "user=b lrs :x y\n#2\n#3\n-user=b i\n"},
		{"user=b l :x\n#2\nuser=b r :y x\n", "b", "-user=b\n#2\n"},
		{"user=b l\nuser=b r\n", "b +l", "user=b lr\n-user=b\n"},
		{"user=b l\n", "b l", "user=b l\n"},
		{"user=b l :x\n", "b l", "user=b l\n"},
	} {
		before, err := Parse([]byte(tc.before))
		if err != nil {
			t.Fatal(err)
		}
		was := string(before.Append(nil))
		after, changed := before.Apply(change(t, tc.change))
		if got := string(after.Append(nil)); got != tc.after || changed != (tc.after != tc.before) {
			t.Errorf("%q of\n%s changed %v:\n%s", tc.change, tc.before, changed, cmp.Diff(tc.after, got))
		}
		if now := string(before.Append(nil)); now != was {
			t.Errorf("%q changed the list it was applied to: %q", tc.change, now)
		}
	}
}

func TestApplyToNothing(t *testing.T) {
	var none *List
	l, changed := none.Apply(change(t, "a\u00a0b lr")) // SASLprep makes it a space
	if got := string(l.Append(nil)); got != "\"user=a b\" lr\n" || !changed {
		t.Errorf("%q, %v", got, changed)
	}
	for _, name := range []string{"a\nanyone lr", "a\x00"} {
		if l, changed := none.Apply(Change{ID: ID{User, name}, Rights: RightRead}); changed || len(l.Entries) != 0 {
			t.Errorf("%q was written: %q", name, l.Append(nil))
		}
	}
	made := &List{Entries: []Entry{{ID: ID{User, "b"}, Rights: RightRead}}}
	if _, changed := made.Apply(Change{ID: ID{User, "b"}, Op: Add, Rights: RightRead}); changed {
		t.Error("a list that was not read is said to change, and does not")
	}
}

// TestApplyIsAChangeOfMeaning: whatever the list is like, a change does what it says to the line it is about, nothing
// to others, loses no comment and lasts.
func TestApplyIsAChangeOfMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for i, e := range rapid.SliceOfN(anyEntry(), 0, 6).Draw(t, "entries") {
			if rapid.Bool().Draw(t, "comment") {
				text = append(text, "# c"+string(rune('a'+i))+"\n"...)
			}
			text = append(e.append(text), '\n')
		}
		before, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c := Change{anyID().Draw(t, "id"), rapid.Bool().Draw(t, "negative"), Op(rapid.IntRange(0, 3).Draw(t, "op")),
			Rights(rapid.IntRange(0, int(RightsAll)).Draw(t, "rights"))}
		after, changed := before.Apply(c)
		written := after.Append(nil)
		if read, err := Parse(written); err != nil || cmp.Diff(read.Merged(), after.Merged(), cmpopts.IgnoreUnexported(Entry{}), cmpopts.IgnoreFields(Entry{}, "Line")) != "" {
			t.Fatalf("%q reads back as %+v, %v", written, read, err)
		}
		if got, want := meaning(after), c.of(meaning(before)); !cmp.Equal(got, want) {
			t.Fatalf("%q, %+v: %s", text, c, cmp.Diff(want, got))
		}
		if a, b := strings.Count(string(text), "# c"), strings.Count(string(written), "# c"); a != b {
			t.Fatalf("%d comments, then %d: %q", a, b, written)
		}
		if _, again := after.Apply(c); again || !changed && string(written) != string(text) {
			t.Fatalf("%+v: changed is %v for %q, which became %q, and again %v", c, changed, text, written, again)
		}
	})
}

type subject struct {
	ID       ID
	Negative bool
}

func meaning(l *List) map[subject]Rights {
	m := map[subject]Rights{}
	for _, e := range l.Merged() {
		m[subject{e.ID, e.Negative}] = e.Rights
	}
	return m
}

// of is what the change means, the plain way.
func (c Change) of(m map[subject]Rights) map[subject]Rights {
	s := subject{c.ID, c.Negative}
	was, there := m[s]
	now := map[Op]Rights{Replace: c.Rights, Add: was | c.Rights, Remove: was &^ c.Rights}[c.Op]
	switch {
	case c.Op == Delete:
		delete(m, s)
	case there || now != 0:
		m[s] = now
	}
	return m
}
