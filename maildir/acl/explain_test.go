package acl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// tell is an explanation as text: the line, and what it decides.
func tell(steps []Step) (lines []string) {
	for _, s := range steps {
		line := "owner"
		if s.Entry != nil {
			line = fmt.Sprintf("%d", s.Entry.Line)
		}
		lines = append(lines, fmt.Sprintf("%s: %s > %s (%s)", line, s.Before, s.After, s.Decides))
	}
	return lines
}

func TestExplain(t *testing.T) {
	alice := Who{User: "alice", Groups: []string{"news", "staff"}}
	for _, tc := range []struct {
		file string
		who  Who
		want []string
	}{
		{"user=bob lr\n", alice, nil},
		{"anyone lr\nuser=alice lw\n", alice, []string{"1:  > lr ()", "2: lr > lw (lrw)"}},
		{"anyone lrw\n-anyone w\nuser=alice lrw\n", alice, []string{"1:  > lrw ()", "2: lrw > lr (w)", "3: lr > lr (lr)"}},
		{"-anyone w\nuser=alice lrw\n-user=alice s\n", alice, []string{"1:  >  ()", "2:  > lr (lrw)", "3: lr > lrw ()"}},
		{"group=staff ls\ngroup=news lr\nanyone w\n", alice, []string{"3:  > w ()", "2: w > lr (lrw)", "1: lr > lrs (s)"}},
		{"anyone lr\n-group=news r\ngroup=staff s\n", alice, []string{"1:  > lr (l)", "2: lr > l (r)", "3: l > ls (s)"}},
		{"-user=alice s\nanyone lr\n-user=alice l\n", alice, []string{"2:  > lr ()", "1: lr >  (lr)", "3:  >  ()"}},
		{"user=alice l\nanyone lr\n-anyone l\nuser=alice r\n", alice, []string{"2:  > lr ()", "3: lr > r ()", "1: r > l (l)", "4: l > lr (r)"}},
		{"user=alice\nanyone lr\n", alice, []string{"2:  > lr ()", "1: lr >  (lr)"}},
		{"anyone i\n-owner x\n", Who{User: "alice", Owner: true}, []string{"owner:  > lrswipkxtea (lrswipktea)", "2: lrswipkxtea > lrswipktea (x)"}},
		{"owner l\ngroup-override=g a\n", Who{User: "a", Owner: true, Groups: []string{"g"}},
			[]string{"owner:  > lrswipkxtea ()", "1: lrswipkxtea > l (rswipkxte)", "2: l > a (la)"}},
	} {
		l, err := Parse([]byte(tc.file))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, tell(l.Explain(&tc.who))); d != "" {
			t.Errorf("%q: %s", tc.file, d)
		}
		l.explained(t, &tc.who)
	}
	l, err := ParseCourier([]byte("-user=alice ra\nowner lra\nanyone r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2:  > lra (l)", "3: lra > lra ()", "1: lra > l (r)", "owner: l > la (a)"}
	if d := cmp.Diff(want, tell(l.Explain(&Who{User: "alice", Owner: true}))); d != "" {
		t.Error(d)
	}
}

// model evaluates as Dovecot's documents tell it: lines merged and sorted, one after the other.
func model(l *List, w *Who) (given, taken Rights, matched bool) {
	type both struct {
		lines       int
		plus, minus *Rights
	}
	ids := map[ID]*both{}
	for _, e := range l.Entries {
		b := ids[e.ID]
		if b == nil {
			b = &both{}
			ids[e.ID] = b
		}
		side := &b.plus
		if e.Negative {
			side = &b.minus
		}
		if *side == nil {
			*side = new(Rights)
		}
		**side |= e.Rights
		if b.lines++; b.lines > 1 && b.plus == nil {
			b.plus = new(Rights)
		} else if b.lines > 1 && b.minus == nil {
			b.minus = new(Rights)
		}
	}
	var order []ID
	for id := range ids {
		order = append(order, id)
	}
	slices.SortFunc(order, func(a, b ID) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	if w.Owner {
		given = RightsAll
	}
	last := -1
	for _, id := range order {
		mine := id.Kind == Anyone || id.Kind == Authenticated || id.Kind == Owner && w.Owner || id.Kind == User && id.Name == w.User ||
			(id.Kind == Group || id.Kind == GroupOverride) && slices.Contains(w.Groups, id.Name)
		if !mine || w.Owner && id.Kind < Owner {
			continue
		}
		b := ids[id]
		if last != int(id.Kind) {
			if b.plus != nil {
				given = 0
			}
			if b.minus != nil {
				taken = 0
			}
		}
		if b.plus != nil {
			given |= *b.plus
		}
		if b.minus != nil {
			taken |= *b.minus
		}
		last, matched = int(id.Kind), true
	}
	return given, taken, matched
}

func TestRightsAreTheModels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &List{Entries: rapid.SliceOfN(anyEntry(), 0, 10).Draw(t, "entries")}
		w := &Who{User: rapid.SampledFrom(oddNames).Draw(t, "user"), Owner: rapid.Bool().Draw(t, "owner"),
			Groups: rapid.SliceOfNDistinct(rapid.SampledFrom(oddNames), 0, 4, rapid.ID).Draw(t, "groups")}
		slices.Sort(w.Groups)
		given, taken, want := model(l, w)
		r, matched := l.Rights(w)
		if r != given&^taken || matched != want {
			t.Fatalf("%q gives %+v %s, %v; the model %s, %v", l.Append(nil), w, r, matched, given&^taken, want)
		}
		l.explained(t, w)
		merged := &List{Entries: l.Merged()}
		if again, _ := merged.Rights(w); again != r {
			t.Fatalf("%q gives %s, and merged %s", l.Append(nil), r, again)
		}
		if len(l.Entries) > 0 {
			l.Union = true
			l.explained(t, w)
		}
	})
}

func TestNobodyInParticular(t *testing.T) {
	l, err := Parse([]byte("anyone l\nauthenticated lr\nuser=bob lrs\nuser=anonymous w\nowner a\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r, matched := l.Rights(&Who{User: "anonymous", Groups: []string{"g"}, Owner: true, Anonymous: true}); r != RightLookup || !matched {
		t.Errorf("who did not say their name has %s", r)
	}
	var none *List
	if r, matched := none.Rights(&Who{User: "bob"}); r != 0 || matched {
		t.Errorf("no list gives %s, %v", r, matched)
	}
	if r, matched := none.Rights(&Who{User: "bob", Owner: true}); r != RightsAll || matched {
		t.Errorf("no list gives the owner %s, %v", r, matched)
	}
	if none.Explain(&Who{}) != nil || none.Merged() != nil {
		t.Error("no list explains something")
	}
}

// TestRightsCostNoMemory: they are asked for every folder of a LIST.
func TestRightsCostNoMemory(t *testing.T) {
	l, err := Parse([]byte("anyone lr\ngroup=staff lrw\n-group=news w\nuser=bob lrsi\n"))
	if err != nil {
		t.Fatal(err)
	}
	w := &Who{User: "bob", Groups: []string{"news", "staff"}}
	if n := testing.AllocsPerRun(100, func() { l.Rights(w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRights(b *testing.B) {
	l, err := Parse([]byte("anyone lr\ngroup=staff lrw\n-group=news w\nuser=alice lrsi\nuser=bob lrsi\n"))
	if err != nil {
		b.Fatal(err)
	}
	w := &Who{User: "bob", Groups: []string{"news", "staff"}}
	for b.Loop() {
		l.Rights(w)
	}
}
