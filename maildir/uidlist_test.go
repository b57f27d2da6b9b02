package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

const sampleUIDList = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1 P%08Xu Zfuture\n" +
	"25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394\n" +
	"25017 W2481 Xunknown Gabc :1276533073.M242911P3632.kurkku\n"

func TestUIDListKeepsEverything(t *testing.T) {
	u, err := parseUIDList([]byte(sampleUIDList))
	if err != nil {
		t.Fatal(err)
	}
	if u.validity != 1275660208 || u.next != 25022 || u.guid != "3085f01b7f11094c501100008c4a11c1" || u.rewrite {
		t.Errorf("header: %+v", u)
	}
	if got := string(u.encode(nil)); got != sampleUIDList {
		t.Errorf("written back:\n%s\nwant\n%s", got, sampleUIDList)
	}
	if k := u.records[1].keys; !strings.Contains(k, "Gabc") {
		t.Errorf("keys: %q", k)
	}
}

func TestUIDListReading(t *testing.T) {
	g := " G3085f01b7f11094c501100008c4a11c1\n"
	for _, c := range []struct {
		name, in string
		want     []uidRecord
		next     uint32
		rewrite  bool
	}{
		{"version 1", "1 5 9\n3 a.b\n7 c d\n", []uidRecord{{3, "a.b", ""}, {7, "c d", ""}}, 9, true},
		{"version 1, UID beyond next", "1 5 9\n3 a\n9 b\n", []uidRecord{{3, "a", ""}}, 9, true},
		{"no GUID", "3 V5 N9\n3 :a\n", []uidRecord{{3, "a", ""}}, 9, true},
		{"header in another order", "3 N9 V5" + g, nil, 9, false},
		{"next lags", "3 V5 N1" + g + "5 :a\n", []uidRecord{{5, "a", ""}}, 6, false},
		{"info is cut off", "3 V5 N9" + g + "5 :a:2,S\n", []uidRecord{{5, "a", ""}}, 9, false},
		{"read twice", "3 V5 N9" + g + "5 :a\n6 :b\n5 :a\n6 :b\n7 :c\n", []uidRecord{{5, "a", ""}, {6, "b", ""}, {7, "c", ""}}, 9, false},
		{"bad lines", "3 V5 N9" + g + "x :a\n0 :a\n4294967295 :a\n2 nocolon\n3 :a/b\n4 :\n\n5 :ok\n", []uidRecord{{5, "ok", ""}}, 9, true},
		{"greatest UID", "3 V5 N9" + g + "4294967294 :a\n", []uidRecord{{4294967294, "a", ""}}, 4294967295, false},
		{"bad keys", "3 V5 N9" + g + "5 W1 lower S2 :a\n", []uidRecord{{5, "a", "W1 S2 "}}, 9, true},
		{"colon in a key", "3 V5 N9" + g + "5 Wa:b :a\n", []uidRecord{{5, "a", "Wa:b "}}, 9, false},
		{"unfinished line", "3 V5 N9" + g + "5 :a\n6 :b", []uidRecord{{5, "a", ""}}, 9, false},
		{"space in a name", "3 V5 N9" + g + "5 :a b :c\n", []uidRecord{{5, "a b ", ""}}, 9, false},
	} {
		u, err := parseUIDList([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(u.records) == 0 {
			u.records = nil
		}
		if d := cmp.Diff(c.want, u.records, cmp.AllowUnexported(uidRecord{})); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if uint32(u.next) != c.next || u.rewrite != c.rewrite {
			t.Errorf("%s: next %d rewrite %v, want %d %v", c.name, u.next, u.rewrite, c.next, c.rewrite)
		}
	}
	for _, in := range []string{"", "\n", "3 V5 N9", "2 V5 N9\n", "3 V0 N9\n", "3 V5 N0\n", "3 N9\n", "3 V5\n", "1 5\n", "3 V99999999999 N1\n", "\x00\x00\x00\n"} {
		if _, err := parseUIDList([]byte(in)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: got %v, want ErrCorrupt", in, err)
		}
	}
}

func TestUIDListAppended(t *testing.T) {
	// Whatever the places where a writer's bytes are cut, the result is the same.
	all := []byte(sampleUIDList + "25020 :x\n25021 :y\n")
	want, _ := parseUIDList(all)
	head := len("3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1 P%08Xu Zfuture\n")
	for cut := head; cut < len(all); cut++ {
		u, err := parseUIDList(all[:cut])
		if err != nil {
			t.Fatal(err)
		}
		if err := u.parseAppended(all[cut:]); err != nil {
			t.Fatal(err)
		}
		if string(u.encode(nil)) != string(want.encode(nil)) {
			t.Fatalf("cut at %d:\n%s", cut, u.encode(nil))
		}
	}
}

func FuzzUIDList(f *testing.F) {
	f.Add([]byte(sampleUIDList))
	f.Add([]byte("1 5 9\n3 a\n"))
	f.Add([]byte("3 V5 N9\n5 W1 lower :a\n6 Wa:b :c\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := parseUIDList(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for i, r := range u.records {
			if i > 0 && r.uid <= u.records[i-1].uid || r.uid >= u.next && r.uid != 1<<32-1 || r.base == "" {
				t.Fatalf("record %d: %+v, next %d", i, r, u.next)
			}
		}
		out := u.encode(nil)
		again, err := parseUIDList(out)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if d := cmp.Diff(u.records, again.records, cmp.AllowUnexported(uidRecord{})); d != "" {
			t.Fatalf("%q -> %q: %s", b, out, d)
		}
		if again.validity != u.validity || again.next != u.next || again.guid != u.guid {
			t.Fatalf("%q -> %q", b, out)
		}
		if u.guid != "" && again.rewrite {
			t.Fatalf("%q: what we wrote must not need rewriting", out)
		}
	})
}

func TestKeywords(t *testing.T) {
	in := "1 b\n0 $Junk\nold-line\n26 far\n1 second\n3 $junk\n2 c d\n5 ok\n25 last\nx y\n"
	m := parseKeywords([]byte(in))
	if got, want := string(m.encode(nil)), "0 $Junk\n1 b\n5 ok\n25 last\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if m.find("$JUNK") != 0 || m.find("none") != -1 || m.firstFree() != 2 {
		t.Errorf("find %d %d, free %d", m.find("$JUNK"), m.find("none"), m.firstFree())
	}
	for i := range m.names {
		m.names[i] = string(rune('A' + i))
	}
	if m.firstFree() != -1 {
		t.Error("a free letter in a full map")
	}
}

func FuzzKeywords(f *testing.F) {
	f.Add([]byte("0 $Junk\n1 b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := parseKeywords(b)
		if again := parseKeywords(m.encode(nil)); again != m {
			t.Fatalf("%q: %v, then %v", b, m, again)
		}
	})
}

func rootDir(t *testing.T, f *fsx.FS, path string) *fsx.Dir {
	t.Helper()
	d, err := f.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestUIDValidity(t *testing.T) {
	dir := t.TempDir()
	d := rootDir(t, &fsx.FS{}, dir)
	now := time.Unix(0x6b025f00, 0)
	for i, want := range []uint32{0x6b025f00, 0x6b025f01, 0x6b025f02} {
		v, err := takeUIDValidity(d, now)
		if err != nil || v != want {
			t.Fatalf("%d: got %08x, %v; want %08x", i, v, err, want)
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "dovecot-uidvalidity"))
	if string(b) != "6b025f02" {
		t.Errorf("the file holds %q", b)
	}
	st, err := os.Stat(filepath.Join(dir, "dovecot-uidvalidity.6b025f02"))
	if err != nil || st.Mode().Perm() != 0o444 || st.Size() != 0 {
		t.Errorf("the empty file: %v %v", st, err)
	}
	// Several: the greatest counts, the others go. Things of another shape stay.
	for _, n := range []string{"6b025fff", "6b024000", "6B02FFFF", "zzzzzzzz", "6b02", "6b025fff0"} {
		os.WriteFile(filepath.Join(dir, "dovecot-uidvalidity."+n), nil, 0o444)
	}
	if v, err := takeUIDValidity(d, now); err != nil || v != 0x6b026000 {
		t.Errorf("got %08x, %v", v, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "dovecot-uidvalidity.*")); len(names) != 5 {
		t.Errorf("left: %q", names)
	}
	// Only the number is left: it still counts.
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, "dovecot-uidvalidity"), []byte("7fffffff"), 0o600)
	if v, err := takeUIDValidity(rootDir(t, &fsx.FS{}, other), now); err != nil || v != 0x80000000 {
		t.Errorf("from the file: %08x, %v", v, err)
	}
}

func TestUIDValidityCrash(t *testing.T) {
	for n := int64(0); ; n++ {
		dir := t.TempDir()
		now := time.Unix(0x6b025f00, 0)
		given := map[uint32]bool{}
		f := &fsx.FS{}
		d := rootDir(t, f, dir)
		v, _ := takeUIDValidity(d, now)
		given[v] = true
		f.Fault = fsx.CrashAt(n, true)
		v, err := takeUIDValidity(d, now)
		if err == nil {
			if given[v] {
				t.Fatalf("crash before operation %d: %08x twice", n, v)
			}
			given[v] = true
		}
		next, nerr := takeUIDValidity(rootDir(t, &fsx.FS{}, dir), now)
		if nerr != nil || given[next] {
			t.Fatalf("after a crash before operation %d: %08x again or %v", n, next, nerr)
		}
		if err == nil {
			return
		}
	}
}

// TestUIDsUsedUp: where there are not as many UIDs left as messages come, none is given: they do not begin anew.
func TestUIDsUsedUp(t *testing.T) {
	for n := 1; n <= 4; n++ {
		b := newSpot(t)
		list := filepath.Join(b.dir, uidlistFile)
		text := fmt.Sprintf("3 V7 N%d G%s\n", maxUID, newGUID())
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range n {
			b.drop("cur", mail)
		}
		h, err := b.store.open(t.Context(), b.loc, Select)
		if err == nil {
			h.Close()
		}
		if errors.Is(err, errNoUIDs) != (n > 1) {
			t.Errorf("%d messages: %v", n, err)
		}
		got, err := os.ReadFile(list)
		if lines := strings.Count(string(got), "\n"); err != nil || n > 1 && lines > 1 || n == 1 && lines != 2 {
			t.Errorf("%d messages: %q, %v", n, got, err)
		}
	}
}

// TestIndexUIDs: an index with UIDs that no message can have is damaged.
func TestIndexUIDs(t *testing.T) {
	for uid, want := range map[uint32]bool{0: false, 1: true, maxUID: true, maxUID + 1: false} {
		var s state
		b := appendMessage(nil, &s, appendEntry(&s, entry{uid: 1}, "base"))
		le.PutUint32(b, uid)
		m := &Mailbox{}
		a := applier{x: &m.index, m: m, s: &m.state}
		if got := a.messages(b); got != want || m.state.list.len() != map[bool]int{true: 1}[want] {
			t.Errorf("UID %d: %v, %d messages", uid, got, m.state.list.len())
		}
	}
}
