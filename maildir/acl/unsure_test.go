package acl

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLeast(t *testing.T) {
	for _, c := range []struct {
		list, want string
		w          Who
	}{
		{"anyone lrs\n-group=out rs\n", "l", Who{User: "bob"}},
		{"anyone lr\ngroup=staff lrswi\n", "lr", Who{User: "bob"}},
		{"anyone lrs\ngroup=staff lr\n", "lr", Who{User: "bob"}},
		{"user=bob lrsw\n-group-override=out w\n", "lrs", Who{User: "bob"}},
		{"user=bob lrsw\ngroup-override=few lr\n", "lr", Who{User: "bob"}},
		{"anyone lrs\n-group=out rs\n", "lrs", Who{User: "bob", Owner: true}},
		{"group=staff lrs\n-group=out s\n", "lr", Who{User: "bob", Groups: []string{"staff"}}},
	} {
		l, err := Parse([]byte(c.list))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := ParseRights(c.want)
		if c.w.Owner {
			want = RightsAll
		}
		c.w.Unsure = true
		got := Least(&c.w, []*List{l}, func(w *Who) Rights { r, _ := l.Rights(w); return r })
		if got != want {
			t.Errorf("%q gives %v at least %v, want %v", c.list, c.w, got, want)
		}
	}
}

// TestLeastIsLeast: whatever groups somebody turns out to be in, they have no less.
func TestLeastIsLeast(t *testing.T) {
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		drawn := func(label string) *List {
			l := &List{Union: rapid.Bool().Draw(t, label+" adds up")}
			for range rapid.IntRange(0, 6).Draw(t, label) {
				e := Entry{Negative: rapid.Bool().Draw(t, "negative"), Rights: Rights(rapid.Uint16().Draw(t, "rights")) & RightsAll}
				e.ID.Kind = Kind(rapid.IntRange(int(Anyone), int(GroupOverride)).Draw(t, "kind"))
				switch e.ID.Kind {
				case Group, GroupOverride:
					e.ID.Name = rapid.SampledFrom(names).Draw(t, "group")
				case User:
					e.ID.Name = "bob"
				}
				l.Entries = append(l.Entries, e)
			}
			return l
		}
		lists := []*List{drawn("own"), drawn("root")}
		judge := func(w *Who) Rights {
			r, decided := lists[0].Rights(w)
			if !decided {
				r, _ = lists[1].Rights(w)
			}
			return r
		}
		subset := func(label string) (some []string) {
			for _, n := range names {
				if rapid.Bool().Draw(t, label+" "+n) {
					some = append(some, n)
				}
			}
			return some
		}
		known, really := subset("known"), subset("really")
		w := Who{User: "bob", Owner: rapid.Bool().Draw(t, "owner"), Groups: known, Unsure: true}
		least := Least(&w, lists, judge)
		truth := w
		truth.Unsure, truth.Groups = false, slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(known), really...))))
		if r := judge(&truth); least&^r != 0 {
			t.Fatalf("at least %v, but in %v it is %v", least, truth.Groups, r)
		}
	})
}
