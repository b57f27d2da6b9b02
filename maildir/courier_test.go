package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
)

// courierBox writes files of courierimapkeywords.
func courierBox(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	sub := filepath.Join(dir, courierKeywords)
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(sub, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// courierLeft makes it look as if Courier had left keywords of two messages.
func courierLeft(h *Handle) {
	dir := filepath.Join(h.m.dir.Path(), courierKeywords)
	os.Mkdir(dir, 0o700)
	for _, m := range h.Messages(nil, 0, 2, 2) {
		os.WriteFile(filepath.Join(dir, string(h.m.state.base(h.m.state.find(m.UID)))), []byte("Work\nCourier\n"), 0o600)
	}
	h.m.courier.Store(true)
}

// shown is the keywords of all messages, by UID.
func shown(h *Handle) string {
	var b strings.Builder
	for _, m := range h.Messages(nil, 0, maxUID, 1000) {
		words := []string{}
		for bit := range 64 {
			if m.Flags.Keywords&(1<<bit) != 0 {
				words = append(words, h.m.state.keys[bit])
			}
		}
		slices.Sort(words)
		fmt.Fprintf(&b, "%d:%s ", m.UID, strings.Join(words, ","))
	}
	return strings.TrimSpace(b.String())
}

func TestCourierKeywordFiles(t *testing.T) {
	b := newSpot(t)
	courierBox(t, b.dir, map[string]string{
		":list":        "$Junk\nWork\nbad word\n\na:0 1\nb:1\nc:0 2 7 x\nd:0\ngarbage\n:1\n",
		"d":            "",               // cleared
		"b":            "Later\nWork\n",  // newest
		".5000.b":      "Older\n",        // older than b
		".5000.a":      "First\n",        // older than .5001.a
		".5001.a":      "Second\nwork\n", // a second spelling
		".tmp.1.x":     "Never\n",
		".x":           "Never\n",
		"e":            "\\Evil\nFine\n\n",
		".18446744.e ": "x\n",
	})
	d, err := b.store.fs.OpenDir(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	k, err := readCourierKeys(d)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for base, list := range k.of {
		var words []string
		for _, i := range list {
			words = append(words, k.names[i])
		}
		got[base] = strings.Join(words, " ")
	}
	want := map[string]string{"a": "Second Work", "b": "Later Work", "c": "$Junk", "d": "", "e": "Fine", "e ": "x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if k.odd != 2 {
		t.Errorf("%d keywords refused, want 2", k.odd)
	}
}

func TestCourierKeywordsTakenOver(t *testing.T) {
	b := newSpot(t)
	one, two, fresh := b.drop("cur", mail), b.drop("cur", mail), b.drop("new", mail)
	os.WriteFile(filepath.Join(b.dir, courierList), []byte("1 726000000 30\n7 "+two+"\n12 "+one+"\n"), 0o644)
	courierBox(t, b.dir, map[string]string{
		":list": "$Label1\nWork\n\n" + one + ":0 1\n" + two + ":1\ngone:0\n",
		one:     "$Label1\nLater\n$Forwarded\n",
		fresh:   "Work\n",
	})
	before := courierFiles(t, b.dir)
	h := b.open(Select)
	const want = "7:Work 12:$Forwarded,$Label1,Later 30:Work"
	if got := shown(h); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	names := b.names("cur")
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, one) && strings.HasSuffix(n, ":2,Pbcd") }) {
		t.Errorf("no letters in %q", names) // Work is in most use: a
	}
	if diff := cmp.Diff(before, courierFiles(t, b.dir)); diff != "" {
		t.Errorf("Courier's files were changed: %s", diff)
	}
	if h.m.courier.Load() {
		t.Error("not done")
	}
	// What is taken away afterwards stays away, in this process and the next.
	if _, err := h.Store(context.Background(), uidSet(12), Remove, []imap.Flag{"Later"}, 0, nil); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(b.dir, indexName))
	again := openSpot(t, b.dir, fsx.FS{}).open(Select)
	if got := shown(again); got != "7:Work 12:$Forwarded,$Label1 30:Work" {
		t.Errorf("in the next process: %q", got)
	}
	b.check()
}

// courierFiles is the bytes of Courier's files.
func courierFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths := []string{filepath.Join(dir, courierList)}
	entries, err := os.ReadDir(filepath.Join(dir, courierKeywords))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, courierKeywords, e.Name()))
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = string(b)
	}
	return out
}

// TestCourierManyKeywords: the 26 in most use get the letters, 38 more get bits
// of the index, the others are told of.
func TestCourierManyKeywords(t *testing.T) {
	b := newSpot(t)
	const keywords = 70
	var head, lines strings.Builder
	for k := range keywords {
		fmt.Fprintf(&head, "K%02d\n", k)
	}
	for i := range keywords { // K69 is on all messages, K00 on one
		fmt.Fprintf(&lines, "%s:", b.drop("cur", mail))
		for k := keywords - 1 - i; k < keywords; k++ {
			fmt.Fprintf(&lines, " %d", k)
		}
		lines.WriteString("\n")
	}
	courierBox(t, b.dir, map[string]string{":list": head.String() + "\n" + lines.String()})
	h := b.open(Select)
	for k := range keywords {
		bit := h.m.state.keyword(fmt.Sprintf("K%02d", k))
		switch {
		case k >= keywords-26 && (bit < 0 || bit >= 26):
			t.Errorf("K%02d has bit %d, want a letter", k, bit)
		case k < keywords-26 && k >= keywords-64 && bit < 26:
			t.Errorf("K%02d has bit %d, want one of the index", k, bit)
		case k < keywords-64 && bit >= 0:
			t.Errorf("K%02d has bit %d, want none", k, bit)
		}
	}
	want := shown(h)
	if n := strings.Count(want, "K69"); n != keywords {
		t.Errorf("K69 is on %d messages, want %d", n, keywords)
	}
	if got := shown(openSpot(t, b.dir, fsx.FS{}).open(Select)); got != want {
		t.Errorf("the next process shows %q, want %q", got, want)
	}
	b.check()
}

// TestCourierServedSince: Courier, ours, Courier again, ours again.
func TestCourierServedSince(t *testing.T) {
	b := newSpot(t)
	one := b.drop("cur", mail)
	list := filepath.Join(b.dir, courierList)
	os.WriteFile(list, []byte("1 726000000 30\n7 "+one+"\n"), 0o644)
	courierBox(t, b.dir, map[string]string{one: "Work\n"})
	b.open(Select).Close()
	// Courier knows 30 as its next UID; so did we.
	later, last := b.drop("cur", mail), b.drop("cur", mail)
	os.WriteFile(list, []byte("1 726000000 41\n7 "+one+"\n31 "+last+"\n40 "+later+"\n"), 0o644)
	courierBox(t, b.dir, map[string]string{later: "Since\n"})
	os.Chtimes(filepath.Join(b.dir, courierKeywords), time.Time{}, time.Now().Add(time.Second))
	p := openSpot(t, b.dir, fsx.FS{})
	target := p.open(Target) // an APPEND comes first: it must not get a UID that Courier gave
	if uid := appendText(t, target, "new\n"); uid != 41 {
		t.Errorf("UID %d for a message after Courier's 40", uid)
	}
	h := p.open(Select)
	if got := shown(h); got != "7:Work 31: 40:Since 41:" {
		t.Errorf("got %q", got)
	}
	p.check()
}

// TestCourierDisagrees: UIDs that both have given are not taken, and messages stay what they are.
func TestCourierDisagrees(t *testing.T) {
	b := newSpot(t)
	one := b.drop("cur", mail)
	list := filepath.Join(b.dir, courierList)
	os.WriteFile(list, []byte("1 726000000 30\n7 "+one+"\n"), 0o644)
	h := b.open(Select)
	uid := appendText(t, h, "ours\n")
	h.Close()
	theirs := b.drop("cur", mail)
	os.WriteFile(list, []byte(fmt.Sprintf("1 726000000 40\n7 %s\n%d %s\n", one, uid, theirs)), 0o644)
	h = openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantLook(t, h, "7: 30: 40:")
	if got := readAll(t, h, uid); got != "ours\n" {
		t.Errorf("UID %d is now %q", uid, got)
	}
	os.WriteFile(list, []byte("1 5 2\n1 "+one+"\n"), 0o644)
	h = openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantLook(t, h, "7: 30: 40:")
	b.check()
}

// TestCourierDamagedNumber: a digit gone wrong in Courier's list does not use up the mailbox's UIDs.
func TestCourierDamagedNumber(t *testing.T) {
	for name, c := range map[string]struct {
		list string // of a message at 7 and one that came since
		uid  imap.UID
	}{
		"next":           {"1 726000000 4294967290\n7 %s\n40 %s\n", 41},
		"next, some way": {"1 726000000 1048680\n7 %s\n40 %s\n", 41},
		"next, in reach": {"1 726000000 1048610\n7 %s\n40 %s\n", 1048610},
		"record":         {"1 726000000 4294967290\n7 %s\n4294967280 %s\n", 31},
	} {
		for _, served := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, served=%v", name, served), func(t *testing.T) {
				b := newSpot(t)
				one := b.drop("cur", mail)
				list := filepath.Join(b.dir, courierList)
				if served {
					os.WriteFile(list, []byte("1 726000000 30\n7 "+one+"\n"), 0o644)
					courierBox(t, b.dir, map[string]string{one: "Work\n"})
					b.open(Select).Close()
				}
				since := b.drop("cur", mail)
				os.WriteFile(list, []byte(fmt.Sprintf(c.list, one, since)), 0o644)
				courierBox(t, b.dir, map[string]string{since: "Since\n"})
				os.Chtimes(filepath.Join(b.dir, courierKeywords), time.Time{}, time.Now().Add(time.Second))
				h := openSpot(t, b.dir, fsx.FS{}).open(Select)
				uid := appendText(t, h, "new\n")
				switch {
				case served && name == "record": // one of 30 and 31 is the message that has no good line
					if uid != c.uid {
						t.Errorf("UID %d, want %d", uid, c.uid)
					}
				case served && uid != c.uid, uid > maxUID/2:
					t.Errorf("UID %d, want %d", uid, c.uid)
				}
				if got := shown(h); !strings.HasPrefix(got, "7:") {
					t.Errorf("the good line is not believed: %s", got)
				}
			})
		}
	}
}

// TestCourierLocked: while a Courier holds its lock, nothing is taken; then all is.
func TestCourierLocked(t *testing.T) {
	b := newSpot(t)
	one := b.drop("cur", mail)
	courierBox(t, b.dir, map[string]string{one: "Work\n"})
	lock := filepath.Join(b.dir, "tmp", "courier.lock")
	os.WriteFile(lock, []byte("1:elsewhere.example"), 0o600)
	h := b.open(Select)
	if got := shown(h); got != "1:" {
		t.Errorf("under the lock: %q", got)
	}
	os.Remove(lock)
	refresh(t, h)
	if got := shown(h); got != "1:Work" {
		t.Errorf("afterwards: %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "tmp", "*")); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

// TestCourierFaults cuts the take-over short before every operation. The next
// process has all of it.
func TestCourierFaults(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(n int64) func(op, path string) error{
		"fail":  func(n int64) func(string, string) error { return fsx.FailAt(n, syscall.ENOSPC) },
		"crash": func(n int64) func(string, string) error { return fsx.CrashAt(n, false) },
		"torn":  func(n int64) func(string, string) error { return fsx.CrashAt(n, true) },
	}
	for kind, plan := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := int64(0); ; n++ {
				what := fmt.Sprintf("%s before %d", kind, n)
				hit := inRound(t, n, func(t *testing.T) bool { return courierFault(t, what, plan(n)) })
				if !hit && n < 20 {
					t.Errorf("only %d operations", n)
				}
				if !hit || t.Failed() {
					return
				}
			}
		})
	}
}

func courierFault(t *testing.T, what string, plan func(op, path string) error) bool {
	root := unsynced(t)
	defer os.RemoveAll(root)
	var hit atomic.Bool
	b := openSpot(t, root, fsx.FS{Fault: func(op, path string) error {
		err := plan(op, path)
		if err != nil {
			hit.Store(true)
		}
		return err
	}})
	var list, keys strings.Builder
	list.WriteString("1 726000000 30\n")
	for k := range 30 {
		fmt.Fprintf(&keys, "K%02d\n", k)
	}
	keys.WriteString("\n")
	want := make([]string, 4)
	for i := range want {
		base := fmt.Sprintf("17000000%02d.M1P1.h", i)
		os.MkdirAll(filepath.Join(root, "cur"), 0o700)
		os.WriteFile(filepath.Join(root, "cur", base+":2,S"), []byte(fmt.Sprintf("Subject: %d\n\n", i)), 0o600)
		fmt.Fprintf(&list, "%d %s\n", 5+i, base)
		fmt.Fprintf(&keys, "%s:%d %d\n", base, i, 29-i)
		want[i] = fmt.Sprintf("%d:K%02d,K%02d", 5+i, i, 29-i)
	}
	os.WriteFile(filepath.Join(root, courierList), []byte(list.String()), 0o600)
	courierBox(t, root, map[string]string{":list": keys.String()})

	if h, err := b.store.open(context.Background(), b.loc, Select); err == nil {
		h.Close()
	}
	h := openSpot(t, root, fsx.FS{}).open(Select)
	if got := shown(h); got != strings.Join(want, " ") || h.UIDValidity() != 726000000 || h.UIDNext() < 30 {
		t.Errorf("%s: %s, UIDVALIDITY %d, next %d", what, got, h.UIDValidity(), h.UIDNext())
	}
	for _, err := range Check(root) {
		t.Errorf("%s: %v", what, err)
	}
	return hit.Load()
}

func FuzzCourierKeywords(f *testing.F) {
	f.Add([]byte("A\nB\n\nx:0 1\ny:1\n"))
	f.Add([]byte("\n\n:\n"))
	f.Add([]byte("A"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := newCourierKeys()
		k.parseList(b)
		k.update("u", b)
		for base, list := range k.of {
			for _, i := range list {
				if !validKeyword(k.names[i]) {
					t.Errorf("%q has %q", base, k.names[i])
				}
			}
		}
	})
}
