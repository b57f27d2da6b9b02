package maildir

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// sound verifies what entries promises of its chunks.
func (l *entries) sound(t rapid.TB) {
	t.Helper()
	n, bytes, last := 0, 0, imap.UID(0)
	for k, c := range l.chunks {
		if len(c.list) == 0 || len(c.list) > chunkFull {
			t.Fatalf("chunk %d has %d messages", k, len(c.list))
		}
		if k > 0 && len(l.chunks[k-1].list)+len(c.list) <= chunkJoin {
			t.Fatalf("chunks %d and %d have %d and %d messages", k-1, k, len(l.chunks[k-1].list), len(c.list))
		}
		if l.first[k] != c.list[0].uid || l.before[k] != n || l.byID[c.id] != c {
			t.Fatalf("chunk %d: the table says UID %d and %d before, not %d and %d", k, l.first[k], l.before[k], c.list[0].uid, n)
		}
		names := 0
		for i := range c.list {
			e := &c.list[i]
			if e.uid <= last || e.chunk != c.id {
				t.Fatalf("UID %d after %d, of chunk %d in %d", e.uid, last, e.chunk, c.id)
			}
			last = e.uid
			names += l.extent(e)
		}
		if names+c.waste != len(c.names) {
			t.Fatalf("chunk %d: %d bytes of names and %d wasted are not %d", k, names, c.waste, len(c.names))
		}
		n, bytes = n+len(c.list), bytes+names
	}
	used := 0
	for _, c := range l.byID {
		if c != nil {
			used++
		}
	}
	if n != l.n || bytes != l.bytes || used != len(l.chunks) || used+len(l.free) != len(l.byID) ||
		len(l.first) != len(l.chunks) || len(l.before) != len(l.chunks) {
		t.Fatalf("%d messages of %d, %d bytes of %d, %d chunks of %d, %d free", n, l.n, bytes, l.bytes, used, len(l.chunks), len(l.free))
	}
}

// TestEntries compares the chunked list with a plain one.
func TestEntries(t *testing.T) {
	type plain struct {
		uid       imap.UID
		base, odd string
	}
	rapid.Check(t, func(t *rapid.T) {
		var l entries
		var want []plain
		next := imap.UID(1)
		check := func(t *rapid.T) {
			l.sound(t)
			if l.len() != len(want) {
				t.Fatalf("%d messages, want %d", l.len(), len(want))
			}
			i := 0
			for e := range l.all() {
				w := want[i]
				odd := ""
				if e.bits&oddInfo != 0 {
					odd = string(l.odd(e))
				}
				if e.uid != w.uid || string(l.base(e)) != w.base || odd != w.odd || l.at(i) != e || l.find(e.uid) != e {
					t.Fatalf("message %d is %d %q %q, want %+v", i, e.uid, l.base(e), odd, w)
				}
				i++
			}
			for range 20 {
				uid := imap.UID(rapid.Uint32Range(0, uint32(next)+2).Draw(t, "uid"))
				pos, there := slices.BinarySearchFunc(want, uid, func(w plain, uid imap.UID) int { return int(w.uid) - int(uid) })
				if l.pos(uid) != pos || (l.find(uid) != nil) != there {
					t.Fatalf("UID %d is at %d, want %d", uid, l.pos(uid), pos)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": check,
			"arrive": func(t *rapid.T) {
				n, gap := rapid.IntRange(1, 3000).Draw(t, "n"), rapid.Uint32Range(0, 3).Draw(t, "gap")
				if rapid.Bool().Draw(t, "expected") {
					l.expect(n, n*rapid.IntRange(0, 30).Draw(t, "bytes"))
				}
				for range n {
					base := strings.Repeat("x", int(next)%40) + fmt.Sprint(next)
					appendTo(&l, entry{uid: next}, base)
					want = append(want, plain{uid: next, base: base})
					next += 1 + imap.UID(gap)
				}
			},
			"expunge": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip()
				}
				from := rapid.IntRange(0, len(want)-1).Draw(t, "from")
				to := min(len(want), from+rapid.IntRange(1, 3000).Draw(t, "most"))
				every := rapid.SampledFrom([]int{1, 1, 2, 7, 900}).Draw(t, "every")
				var uids []imap.UID
				kept := slices.Clone(want[:from])
				for i, w := range want[from:] {
					if i < to-from && i%every == 0 {
						uids = append(uids, w.uid)
					} else {
						kept = append(kept, w)
					}
				}
				if rapid.Bool().Draw(t, "strangers") { // that are not there
					uids = append(uids, next+1, next+5)
				}
				var told []imap.UID
				l.drop(uids, func(e *entry) { told = append(told, e.uid) })
				if n := len(want) - len(kept); !slices.Equal(told, uids[:n]) {
					t.Fatalf("dropped %v, want %v", told, uids[:n])
				}
				want = kept
			},
			"odd": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip()
				}
				from, n := rapid.IntRange(0, len(want)-1).Draw(t, "from"), rapid.IntRange(1, 2000).Draw(t, "n")
				info := rapid.SampledFrom([]string{"", ":2,SR", ":1,", ":2,S,extra" + strings.Repeat("y", 60)}).Draw(t, "info")
				for i := from; i < min(len(want), from+n); i++ {
					l.setOdd(l.find(want[i].uid), info != "", info)
					want[i].odd = info
				}
			},
		})
	})
}

// TestWorkDoesNotGrow counts what one arrival and one expunge move in memory.
func TestWorkDoesNotGrow(t *testing.T) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var s state
			base := func(uid int) string { return fmt.Sprintf("%d.M%dP1.host", 1700000000+uid, uid) }
			for uid := 1; uid <= n; uid++ {
				appendEntry(&s, entry{uid: imap.UID(uid), size: -1}, base(uid))
			}
			if s.list.moved > n+chunkFull { // a chunk that was made without notice doubles
				t.Errorf("%d messages moved when %d came", s.list.moved, n)
			}
			if s.byName([]byte(base(n/2))) != s.find(imap.UID(n/2)) {
				t.Fatal("the table of names does not know a message")
			}
			most := func(what string, limit int, f func(i int)) {
				t.Helper()
				for i := range 2000 {
					moved := s.list.moved
					f(i)
					if moved = s.list.moved - moved; moved > limit {
						t.Fatalf("%s: %d messages moved", what, moved)
					}
				}
			}
			most("arrival", chunkFull, func(i int) {
				appendEntry(&s, entry{uid: imap.UID(n + i + 1), size: -1}, base(n+i+1))
			})
			most("expunge", 2*chunkFull, func(i int) { // from all over the mailbox
				l := &s.list
				s.drop([]imap.UID{l.at(i * 7919 % l.len()).uid})
			})
			s.list.sound(t)
			for _, p := range s.index.pieces {
				if len(p.slots) > pieceSlots {
					t.Errorf("a piece of the table of names has %d slots", len(p.slots))
				}
			}
		})
	}
}

// TestNameTable: the table finds each message by its name, however they come and go,
// and a damaged index that says one name for all of them does no harm.
func TestNameTable(t *testing.T) {
	var s state
	s.index.build(&s)
	next := imap.UID(1)
	for round := range 30 {
		for range 500 {
			appendEntry(&s, entry{uid: next, size: -1}, fmt.Sprint("name", next))
			next++
		}
		var uids []imap.UID
		for e := range s.list.all() {
			if (int(e.uid)+round)%3 == 0 {
				uids = append(uids, e.uid)
			}
		}
		s.drop(uids)
		for uid := imap.UID(1); uid < next; uid++ {
			if got := s.byName(fmt.Append(nil, "name", uid)); got != s.find(uid) {
				t.Fatalf("round %d: UID %d is found to be %v, not %v", round, uid, got, s.find(uid))
			}
		}
	}
	if n := s.index.footprint(); n > 32<<10 { // 15,000 names came, and 1,500 at most were there at once
		t.Errorf("%d bytes for %d messages", n, s.list.len())
	}
	s = state{}
	for uid := imap.UID(1); uid <= 5000; uid++ {
		appendEntry(&s, entry{uid: uid, size: -1}, "same")
	}
	if e := s.byName([]byte("same")); e == nil || len(s.index.pieces) > 256 {
		t.Errorf("one name: found %v in %d pieces", e, len(s.index.pieces))
	}
	if used := s.index.piece(maphash.String(nameSeed, "same")).used; used > 2*pieceRun {
		t.Errorf("one name %d times", used)
	}
}

// TestEntriesMemory: messages that are announced take what they need and little more,
// and not one of their places is given twice.
func TestEntriesMemory(t *testing.T) {
	for _, n := range []int{1, 30, 1000, 1025, 5000, 100_000} {
		var l entries
		base := func(i int) string { return fmt.Sprintf("%d.M%dP1.host", 1700000000+i, i) }
		bytes := 0
		for i := range n {
			bytes += len(base(i))
		}
		l.expect(n, bytes)
		for i := range n {
			appendTo(&l, entry{uid: imap.UID(i + 1)}, base(i))
		}
		if l.moved != 0 {
			t.Errorf("%d messages: %d moved", n, l.moved)
		}
		most := int64(n)*entrySize + int64(bytes)
		if got := l.footprint(); got > most+most/16+2048 {
			t.Errorf("%d messages: %d bytes for %d", n, got, most)
		}
		for i := range 2000 { // more than was announced
			appendTo(&l, entry{uid: imap.UID(n + i + 1)}, base(n+i))
		}
		l.sound(t)
		for e := range l.all() {
			if want := base(int(e.uid) - 1); string(l.base(e)) != want {
				t.Fatalf("%d messages: UID %d is %q, want %q", n, e.uid, l.base(e), want)
			}
		}
	}
}
