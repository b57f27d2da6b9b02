package acl

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// john is the example of Courier's manual.
const john = "owner aceilrstwx\nanyone lr\nuser=john w\n-user=mary r\nadministrators aceilrstwx\n"

func TestCourierAddsUp(t *testing.T) {
	for _, tc := range []struct {
		file string
		who  Who
		want string
	}{
		{john, Who{User: "alice", Owner: true}, "lrswikxtea"},
		{john, Who{User: "john"}, "lrw"},
		{john, Who{User: "mary"}, "l"},
		{john, Who{User: "mary", Groups: []string{"administrators"}}, "lswikxtea"},
		{john, Who{Anonymous: true}, "lr"},
		{"", Who{User: "alice", Owner: true}, "a"},
		{"", Who{User: "bob"}, ""},
		{"", Who{User: "bob", Groups: []string{"administrators", "staff"}}, "lrswikxtea"},
		{"-administrators lax\n-group=administrators w\n", Who{User: "bob", Groups: []string{"administrators"}}, "lrswikxtea"},
		{"-anyone lax\n", Who{User: "bob", Groups: []string{"administrators"}}, "rswikte"},
		{"anyone l r\nuser=bob w\r\n", Who{User: "bob"}, ""},
		{"owner lr\n-owner a\n", Who{User: "alice", Owner: true}, "lra"},
		{"anonymous l\nanyone r\n-anyone l\nuser=bob s\nuser=bob w\n", Who{User: "bob"}, "rw"},
		{"# words lr\nbob lr\nanyone\tlr\nauthenticated w\ngroup=g   pkzd\n", Who{User: "bob", Groups: []string{"g"}}, "p"},
	} {
		l, err := ParseCourier([]byte(tc.file))
		if err != nil {
			t.Fatal(err)
		}
		if r, matched := l.Rights(&tc.who); r.String() != tc.want || !matched {
			t.Errorf("%q gives %+v %s, %v; want %s", tc.file, tc.who, r, matched, tc.want)
		}
		l.explained(t, &tc.who)
	}
	if _, err := ParseCourier([]byte("anyone lr\nowner \x00")); err == nil || err.Error() != "line 2: a NUL: this is no text" {
		t.Error(err)
	}
}

func TestExpand(t *testing.T) {
	l, err := ParseCourier([]byte(john + "user=alice w\ngroup=staff s\n-group=staff w\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "anyone lr\ngroup=staff lrs\n-group=staff w\nowner lrswikxtea\nuser=john lrw\n-user=mary rw\ngroup-override=administrators lrswikxtea\n"
	out := l.Expand("alice")
	if got := string(out.Append(nil)); got != want || out.Union {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if after, changed := l.Apply(Change{ID: ID{User, "mary"}, Op: Replace, Rights: RightPost}); !changed || after.Union {
		t.Errorf("a change leaves Courier's way: %v, %v", changed, after.Union)
	}
	if out.Expand("alice") != out {
		t.Error("a list that is Dovecot's already is made anew")
	}
}

// TestExpandGivesNobodyMore: for visitors and for owners in no group; and those whom one line is about at most,
// apart from anyone's, have neither less.
func TestExpandGivesNobodyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for _, e := range rapid.SliceOfN(anyEntry(), 0, 8).Draw(t, "entries") {
			text = append(e.append(text), '\n')
		}
		l, err := ParseCourier(text)
		if err != nil {
			t.Fatal(err)
		}
		who := Who{User: "bob", Owner: rapid.Bool().Draw(t, "owner")}
		if !who.Owner {
			who.Groups = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"administrators", "bob", "owner", "staff"}), 0, 3, rapid.ID).Draw(t, "groups")
			slices.Sort(who.Groups)
		}
		owner := "somebody"
		if who.Owner {
			owner = who.User
		}
		was, _ := l.Rights(&who)
		now, matched := l.Expand(owner).Rights(&who)
		if !was.Has(now) || !matched {
			t.Fatalf("%q gives %+v %s, and expanded %s, %v:\n%s", text, who, was, now, matched, l.Expand(owner).Append(nil))
		}
		taken := slices.ContainsFunc(l.Entries, func(e Entry) bool { return e.Negative && e.ID.Kind == Group })
		if len(who.Groups) == 0 && was != now && (who.Owner || !taken) {
			t.Fatalf("%q gives %+v %s, and expanded %s:\n%s", text, who, was, now, l.Expand(owner).Append(nil))
		}
	})
}

func FuzzParseCourier(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseCourier(b)
		if err != nil {
			return
		}
		for _, w := range []*Who{{User: "bob", Groups: []string{"administrators", "b"}}, {User: "bob", Owner: true}} {
			l.explained(t, w)
			was, _ := l.Rights(w)
			expanded := l.Expand("bob")
			read, err := Parse(expanded.Append(nil))
			if err != nil {
				t.Fatalf("%q expanded: %v", b, err)
			}
			if now, _ := read.Rights(w); !was.Has(now) {
				t.Fatalf("%q gives %+v %s, and expanded %s:\n%s", b, w, was, now, expanded.Append(nil))
			}
		}
	})
}
