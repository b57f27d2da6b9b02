package acl

import (
	"cmp"
	"slices"
)

// Step is what one line does to somebody's rights on the way to the result.
type Step struct {
	Entry   *Entry // nil: what owners have without a line
	Before  Rights
	After   Rights // of the last step: the result
	Decides Rights // those of the result that this line has the last word on: that they are there, or are not
}

// Explain goes through the lines that are about somebody, in the order in which they count. No steps: no line is,
// and nothing is decided, or in Courier's way nothing is given.
func (l *List) Explain(w *Who) []Step {
	if l == nil {
		return nil
	}
	entries := l.about(w)
	if len(entries) == 0 && !l.Union {
		return nil
	}
	var x explanation
	if w.owns() && !l.Union {
		x.owner(RightsAll)
	}
	for i, e := range entries {
		own, other := false, false
		if !l.Union {
			own, other = replaces(entries, i)
		}
		x.line(e, own, other)
	}
	if w.owns() && l.Union {
		x.owner(RightAdmin)
	}
	x.decide()
	return x.steps
}

// about lists the lines that are about somebody as they count: by kind and name, positive first, then as they stand.
// In Courier's way all negative ones come last.
func (l *List) about(w *Who) []*Entry {
	var entries []*Entry
	for i := range l.Entries {
		e := &l.Entries[i]
		if w.is(e.ID) && (l.Union || !w.owns() || e.ID.Kind >= Owner) {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int {
		if l.Union {
			return cmp.Compare(btoi(a.Negative), btoi(b.Negative))
		}
		return compare(a, b)
	})
	return entries
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// replaces tells whether a line is the one of its kind and sign that replaces what was there before, and whether it
// replaces what is there of the other sign too, by nothing.
func replaces(entries []*Entry, i int) (own, other bool) {
	e, first := entries[i], i
	for ; first > 0 && entries[first-1].ID.Kind == e.ID.Kind; first-- {
		if entries[first-1].Negative == e.Negative {
			return false, false
		}
	}
	if entries[first].ID.Name != e.ID.Name {
		return false, false
	}
	lines := slices.DeleteFunc(slices.Clone(entries), func(o *Entry) bool { return o.ID != e.ID })
	alike := !slices.ContainsFunc(lines, func(o *Entry) bool { return o.Negative != e.Negative })
	return true, alike && len(lines) > 1
}

// explanation follows the evaluation, and remembers for every right which step had the last word on it: the number of
// the step, from 1, that gave it or replaced it away, and of the one that took it.
type explanation struct {
	steps             []Step
	given, taken, due Rights
	gave, took        [len(rightLetters)]int
}

func (x *explanation) result() Rights { return x.given&^x.taken | x.due }

// owner is what owners have without a line. It is given at the start of the evaluation, or due at its end whatever was
// taken.
func (x *explanation) owner(r Rights) {
	before := x.result()
	if len(x.steps) == 0 && r == RightsAll {
		x.given = r
	} else {
		x.due = r
	}
	x.steps = append(x.steps, Step{Before: before, After: x.result()})
	mark(&x.gave, x.result()&^before, len(x.steps))
}

func (x *explanation) line(e *Entry, own, other bool) {
	set, words := &x.given, &x.gave
	otherSet, otherWords := &x.taken, &x.took
	if e.Negative {
		set, otherSet, words, otherWords = otherSet, set, otherWords, words
	}
	before, changed, dropped := x.result(), e.Rights&^*set, Rights(0)
	if own {
		changed, *set = e.Rights|*set, 0
	}
	if other {
		dropped, *otherSet = *otherSet, 0
	}
	*set |= e.Rights
	x.steps = append(x.steps, Step{Entry: e, Before: before, After: x.result()})
	mark(words, changed, len(x.steps))
	mark(otherWords, dropped, len(x.steps))
}

func mark(words *[len(rightLetters)]int, r Rights, step int) {
	for i := range words {
		if r&(1<<i) != 0 {
			words[i] = step
		}
	}
}

// decide tells every step which rights it had the last word on. A right that nobody ever gave is nobody's.
func (x *explanation) decide() {
	for i := range x.gave {
		one := Rights(1) << i
		step := x.gave[i]
		if x.given&x.taken&^x.due&one != 0 {
			step = x.took[i]
		}
		if step > 0 {
			x.steps[step-1].Decides |= one
		}
	}
}
