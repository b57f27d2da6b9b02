package main

import "testing"

// TestStrangers: a session may know of a message by the UID of an unsolicited FETCH alone, and another program may
// unlink the file before anybody has read it. Its EXPUNGE is in order; one that nobody can have caused is not.
func TestStrangers(t *testing.T) {
	const box = 7
	for _, test := range []struct {
		name   string
		do     func(l *ledger)
		faults int
	}{
		{"unlinked unseen", func(l *ledger) { l.unlinked[mail{box, "mda-1"}] = true }, 0},
		{"nobody removed it", func(*ledger) {}, 1},
		{"another one was unlinked, and had its UID", func(l *ledger) {
			l.unlinked[mail{box, "mda-1"}] = true
			l.learn(place{box, 2}, "mda-1")
		}, 1},
		{"named later, unlinked", func(l *ledger) {
			l.unlinked[mail{box, "mda-1"}] = true
			l.learn(place{box, 1}, "mda-1")
		}, 0},
		{"named later, not removed", func(l *ledger) { l.learn(place{box, 1}, "mda-1") }, 1},
	} {
		l := newLedger(t.TempDir())
		l.fixed[box] = "INBOX"
		l.born(box, "mda-1")
		l.expunged(place{box, 1}, "c1")
		test.do(l)
		l.strangers()
		if len(l.faults) != test.faults {
			t.Errorf("%s: %q, want %d faults", test.name, l.faults, test.faults)
		}
	}
}
