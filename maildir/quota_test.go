package maildir

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

func TestParseQuota(t *testing.T) {
	full := "1000S\n" + strings.Repeat("  100 1\n", 640) // 5126 bytes
	for _, c := range []struct {
		text              string
		storage, messages int64
		sum               amount
		lines             int
		bad               bool
	}{
		{"1000S,5C\n10 2\n", 1000, 5, amount{10, 2}, 1, false},
		{"5C\n         10 2\n        -4 -1\n", 0, 5, amount{6, 1}, 2, false},
		{"0S\n0 0\n", 0, 0, amount{}, 1, false},
		{"0S,7C\n1 1\n", 0, 7, amount{1, 1}, 1, false},
		{"\n1 1\n", 0, 0, amount{1, 1}, 1, false},                                    // Courier's, without a limit
		{"1000S\n      123456            7\n", 1000, 0, amount{123456, 7}, 1, false}, // Courier's width
		{"1000S\n10\t1 \n", 1000, 0, amount{10, 1}, 1, false},
		{"9223372036854775808S\n1 1\n", math.MaxInt64, 0, amount{1, 1}, 1, false},
		{"-5S,x,S,12Q,3C\n1 1\n", 0, 3, amount{1, 1}, 1, false},
		{"1000S\n10 1\n20 ", 1000, 0, amount{10, 1}, 1, false}, // being written
		{"1000S\n10 1\n20 1", 1000, 0, amount{10, 1}, 1, false},
		{"1000S", 1000, 0, amount{}, 0, true},
		{"1000S,5C", 1000, 5, amount{}, 0, true},
		{"1000S\n", 1000, 0, amount{}, 0, true},
		{"1000S\n10 1", 1000, 0, amount{}, 0, true},
		{"1000S\n10 1\n-11 0\n", 1000, 0, amount{-1, 1}, 2, true},
		{"1000S\n10 1\n0 -2\n", 1000, 0, amount{10, -1}, 2, true},
		{"1000S\n10 1\n\x00\x00\n", 1000, 0, amount{}, 0, true},
		{"1000S\n10 1\n20\n30 1\n", 1000, 0, amount{10, 1}, 1, true},
		{"1000S\n10 1 5 1\n", 1000, 0, amount{}, 0, true}, // two lines torn into one
		{"1000S\n9223372036854775807 1\n1 1\n", 1000, 0, amount{math.MaxInt64, 1}, 1, true},
		{full, 1000, 0, amount{}, 0, true},
	} {
		got := parseQuota([]byte(c.text))
		want := quotaFile{limits: Quota{Storage: c.storage, Messages: c.messages}, sum: c.sum, lines: c.lines, bad: c.bad}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%.60q:\n got %v\nwant %v", c.text, got, want)
		}
	}
	for text, unknown := range map[string]bool{
		"": true, "\x00\x00": true, "1000S\x00": true, "10\x0000S\n1 1\n": true, "1000": true, "x": true, "1000S,5": true,
		"12Q\n1 1\n": true, "\n1 1\n": false, "0S\n": false, "1000S\n\x00\x00": false, "1000S": false, "12Q,5C\n1 1\n": false,
	} {
		if f := parseQuota([]byte(text)); f.unknown != unknown || unknown && f.limits != (Quota{}) && text != "1000S,5" {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

func TestQuotaLine(t *testing.T) {
	for a, want := range map[amount]string{
		{1, 1}: "          1 1\n", {-4096, -1}: "     -4096 -1\n", {123456789, 12}: " 123456789 12\n",
		{1234567890, 12}: " 1234567890 12\n", {0, 0}: "          0 0\n",
	} {
		if got := string(appendQuotaLine(nil, a)); got != want || len(got) < quotaLine {
			t.Errorf("%v: %q, want %q", a, got, want)
		}
	}
	// What a full disk has torn must not become a number together with the next line.
	for cut := 1; cut < 20; cut++ {
		torn := appendQuotaLine([]byte("1S\n1 1\n"), amount{1234567890, 12})
		torn = torn[:min(7+cut, len(torn)-1)]
		f := parseQuota(appendQuotaLine(torn, amount{12345678901, 3}))
		if !f.bad && f.sum != (amount{12345678902, 4}) {
			t.Errorf("cut at %d: %v", cut, f)
		}
	}
}

func FuzzQuotaFile(f *testing.F) {
	f.Add([]byte("1000S,5C\n10 2\n        -4 -1\n"), int64(5), int64(1))
	f.Add([]byte("x"), int64(-1), int64(-1))
	f.Add([]byte("1S\n1 1\n12 "), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, b []byte, size, count int64) {
		got := parseQuota(b)
		if got.bad {
			return
		}
		// Written down, it is read as what it was.
		again := parseQuota(newQuotaFile(got.limits, got.sum))
		if again.bad || again.lines != 1 || again.sum != got.sum || again.limits != got.limits {
			t.Fatalf("%q: %v, written down %v", b, got, again)
		}
		// A line more is that much more, unless the last one was torn.
		delta := amount{size, count}
		more := parseQuota(appendQuotaLine(b, delta))
		if whole := b[len(b)-1] == '\n'; !more.bad && whole && more.sum != got.sum.plus(delta) {
			t.Fatalf("%q and %v: %v", b, delta, more)
		}
		if sum := got.sum.plus(delta); more.bad && b[len(b)-1] == '\n' && !overflows(got.sum, delta) && sum.bytes >= 0 && sum.count >= 0 && len(b)+40 < quotaFull {
			t.Fatalf("%q and %v: not read", b, delta)
		}
	})
}

// quotaTree is a tree with the limits that *q has at the time.
func quotaTree(t *testing.T, root string, q *Quota, f fsx.FS) *Tree {
	t.Helper()
	o := TreeOptions{Root: root, Create: true}
	if q != nil {
		o.Quota = func() Quota { return *q }
	}
	return testTree(t, o, f)
}

func openIn(t *testing.T, tree *Tree, name string, mode Mode) *Handle {
	t.Helper()
	h, err := tree.Open(context.Background(), name, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// usage asks as GETQUOTA does.
func usage(t *testing.T, tree *Tree) amount {
	t.Helper()
	u, _, err := tree.Quota(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return amount{u.Bytes, u.Count}
}

func quotaText(t *testing.T, root string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, quotaName))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// onDisk is what really lies in all mailboxes of a Maildir++ tree, by the files' own sizes.
func onDisk(t *testing.T, root string) (sum amount) {
	t.Helper()
	for _, pattern := range []string{"cur/*", "new/*", ".[^.]*/cur/*", ".[^.]*/new/*"} {
		paths, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, p := range paths {
			st, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			sum = sum.plus(amount{st.Size(), 1})
		}
	}
	return sum
}

// TestQuotaRecount: each reason to count anew, and each that is none.
func TestQuotaRecount(t *testing.T) {
	const mail = 2 // two messages of 100 bytes lie there
	for name, c := range map[string]struct {
		file  string
		age   time.Duration
		q     *Quota
		fresh bool // counted anew
		none  bool // no quota at all
		sum   amount
	}{
		"absent":            {"", 0, &Quota{Set: true, Storage: 1000}, true, false, amount{200, mail}},
		"absent, no limits": {"", 0, nil, false, true, amount{}},
		"absent, unlimited": {"", 0, &Quota{Set: true}, false, true, amount{}},
		"over, warned":      {"1000S\n900 1\n101 1\n", time.Hour, &Quota{Set: true, Storage: 1000, Warn: true}, false, false, amount{1001, 2}},
		"trusted":           {"1000S\n50 1\n5 1\n", 0, &Quota{Set: true, Storage: 1000}, false, false, amount{55, 2}},
		"file's own limits": {"1000S\n50 1\n5 1\n", 0, nil, false, false, amount{55, 2}},
		"other limits":      {"999S\n50 1\n", 0, &Quota{Set: true, Storage: 1000}, true, false, amount{200, mail}},
		"one limit more":    {"1000S\n50 1\n", 0, &Quota{Set: true, Storage: 1000, Messages: 9}, true, false, amount{200, mail}},
		"5120 bytes":        {"1000S\n50 1\n" + strings.Repeat("\n", 5109), 0, nil, true, false, amount{200, mail}},
		"5119 bytes":        {"1000S\n50 1\n" + strings.Repeat(" ", 5109-5) + "0 0\n", 0, nil, false, false, amount{50, 1}},
		"NUL":               {"1000S\n50 1\n\x00\n", 0, nil, true, false, amount{200, mail}},
		"negative":          {"1000S\n50 1\n-51 0\n", 0, nil, true, false, amount{200, mail}},
		"negative count":    {"1000S\n50 1\n0 -2\n", 0, nil, true, false, amount{200, mail}},
		"no line":           {"1000S\n", 0, nil, true, false, amount{200, mail}},
		"over, two lines":   {"1000S\n900 1\n101 1\n", 0, nil, true, false, amount{200, mail}},
		"over, one line":    {"1000S\n1001 1\n", 0, nil, false, false, amount{1001, 1}},
		"over, 14 minutes":  {"1000S\n1001 1\n", 14 * time.Minute, nil, false, false, amount{1001, 1}},
		"over, 16 minutes":  {"1000S\n1001 1\n", 16 * time.Minute, nil, true, false, amount{200, mail}},
		"count over, old":   {"5C\n10 6\n", 16 * time.Minute, nil, true, false, amount{200, mail}},
		"full, old":         {"1000S\n1000 1\n", time.Hour, nil, false, false, amount{1000, 1}},
		"0S is no limit":    {"0S\n99999 1\n5 1\n", time.Hour, nil, false, true, amount{99999 + 5, 2}},
		"unlimited is set":  {"1000S\n50 1\n", 0, &Quota{Set: true}, true, true, amount{200, mail}},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "mail")
			tree := quotaTree(t, root, c.q, fsx.FS{})
			text := strings.Repeat("x", 99) + "\n"
			os.WriteFile(filepath.Join(root, "new/1.M1P1.a"), []byte(text), 0o600)
			os.WriteFile(filepath.Join(root, "cur/2.M1P1.a,S=100:2,ST"), []byte(text), 0o600)
			path := filepath.Join(root, quotaName)
			if c.file != "" {
				os.WriteFile(path, []byte(c.file), 0o600)
				old := time.Now().Add(-c.age)
				os.Chtimes(path, old, old)
			}
			u, ok, err := tree.Quota(t.Context())
			if err != nil || ok == c.none || u.Bytes != c.sum.bytes || u.Count != c.sum.count {
				t.Errorf("%v, %v, %v; want %v", u, ok, err, c.sum)
			}
			now := quotaText(t, root)
			if (now != c.file) != c.fresh {
				t.Errorf("maildirsize is %q", now)
			}
			if c.fresh && !strings.HasSuffix(now, fmt.Sprintf("\n%d %d\n", c.sum.bytes, c.sum.count)) {
				t.Errorf("written anew: %q", now)
			}
		})
	}
}

// TestQuotaCounts: what is mail, and how large it is.
func TestQuotaCounts(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mail")
	q := Quota{Set: true, Storage: 1 << 30}
	tree := quotaTree(t, root, &q, fsx.FS{})
	for _, name := range []string{"Trash", "A", "A/B"} {
		if err := tree.Create(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for path, size := range map[string]int{
		"new/1.a": 10, "cur/2.a,S=1000:2,S": 20, "cur/3.a,S=x:2,": 30, "cur/4.a,S=7,W=8:2,T": 40,
		".Trash/cur/5.a:2,S": 100, ".A.B/new/6.a": 200,
		"tmp/7.a": 9999, "cur/.hidden": 9999, ".A/cur.old": 9999,
		".bashrc": 9999, ".profile,S=9999": 9999, // a home directory that is a Maildir
	} {
		if err := os.WriteFile(filepath.Join(root, path), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(filepath.Join(root, "cur/8.a,S=9999:2,"), 0o700)
	os.Symlink("/etc/passwd", filepath.Join(root, "cur/9.a,S=9999:2,"))
	os.MkdirAll(filepath.Join(root, "..DOVECOT-TRASHED/cur"), 0o700)
	os.WriteFile(filepath.Join(root, "..DOVECOT-TRASHED/cur/1.a"), make([]byte, 9999), 0o600)
	if got, want := usage(t, tree), (amount{10 + 1000 + 30 + 7 + 100 + 200, 6}); got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
	if st, err := os.Stat(filepath.Join(root, quotaName)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("maildirsize: %v %v", st.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 1 {
		t.Errorf("left in tmp: %v", left)
	}
}

// TestQuotaFollows: every command of ours keeps the sum, a line each, and nothing is counted anew.
func TestQuotaFollows(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, FS} {
		t.Run(layout.String(), func(t *testing.T) {
			ctx := t.Context()
			root := filepath.Join(t.TempDir(), "mail")
			q := Quota{Set: true, Storage: 1 << 20, Messages: 1000}
			tree := testTree(t, TreeOptions{Root: root, Create: true, Layout: layout, Quota: func() Quota { return q }}, fsx.FS{})
			os.WriteFile(filepath.Join(root, "cur/1.M1P1.foreign:2,S"), []byte("Subject: x\n\nfrom elsewhere\n"), 0o600)
			if err := tree.Create(ctx, "Work", nil); err != nil {
				t.Fatal(err)
			}
			have := usage(t, tree)
			h, work := openIn(t, tree, "INBOX", Select), openIn(t, tree, "Work", Target)
			ino := func() uint64 {
				st, err := tree.store.fs.Stat(filepath.Join(root, quotaName))
				if err != nil {
					t.Fatal(err)
				}
				return st.Ino
			}
			first := ino()
			step := func(what string, change amount, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(what, err)
				}
				have = have.plus(change)
				if got := usage(t, tree); got != have {
					t.Errorf("%s: %v, want %v; %q", what, got, have, quotaText(t, root))
				}
				if ino() != first {
					t.Errorf("%s: counted anew", what)
				}
			}
			_, err := tryAppend(h, "one\r\ntwo\r\n") // 8 bytes on disk
			step("append", amount{8, 1}, err)
			refresh(t, h)
			_, err = h.Copy(ctx, all(), work)
			step("copy", amount{8 + 27, 2}, err)
			_, err = h.Copy(ctx, uidSet(2), h)
			step("copy to itself", amount{8, 1}, err)
			refresh(t, h)
			lines := strings.Count(quotaText(t, root), "\n")
			_, err = h.Move(ctx, uidSet(3), work)
			step("move", amount{}, err)
			if now := strings.Count(quotaText(t, root), "\n"); now != lines {
				t.Error("a move within one quota has made a line")
			}
			_, err = h.Store(ctx, uidSet(1), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
			step("store", amount{}, err)
			_, err = h.Expunge(ctx, nil)
			step("expunge", amount{-27, -1}, err)
			os.Remove(onlyFile(t, filepath.Join(root, "cur")))
			refresh(t, h)
			step("another program's unlink is its own to subtract", amount{}, nil)
			step("rename", amount{}, tree.Rename(ctx, "Work", "Play"))
		})
	}
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return filepath.Join(dir, list[0].Name())
}

// TestQuotaTrees: what happens to whole mailboxes.
func TestQuotaTrees(t *testing.T) {
	for _, set := range []bool{true, false} {
		ctx := t.Context()
		root := filepath.Join(t.TempDir(), "mail")
		q := Quota{Set: set, Storage: 100, Messages: 4}
		tree := quotaTree(t, root, &q, fsx.FS{})
		if !set {
			os.WriteFile(filepath.Join(root, quotaName), []byte("100S,4C\n0 0\n"), 0o600)
		}
		h := openIn(t, tree, "INBOX", Select)
		for range 4 {
			appendText(t, h, "twenty bytes, so so.\n")
		}
		// INBOX is full; its messages move all the same, and MOVE is free within it.
		if err := tree.Rename(ctx, "INBOX", "Old"); err != nil {
			t.Fatal(err)
		}
		old := openIn(t, tree, "Old", Select)
		if _, err := old.Move(ctx, uidSet(1), h); err != nil {
			t.Fatal(err)
		}
		if _, err := old.Copy(ctx, uidSet(2), h); !errors.Is(err, ErrQuota) {
			t.Errorf("copy: %v", err)
		}
		if err := tree.Delete(ctx, "Old"); err != nil {
			t.Fatal(err)
		}
		if text := quotaText(t, root); set != (text == "") {
			t.Errorf("after a deletion, limits known: %v, maildirsize is %q", set, text)
		}
		if u, ok, err := tree.Quota(ctx); err != nil || !ok || u.Storage != 100 || u.Messages != 4 || u.Bytes != 21 || u.Count != 1 {
			t.Errorf("after a deletion: %+v %v %v", u, ok, err)
		}
	}
}

// TestQuotaRefuses: before the message is read, and again when its size is known.
func TestQuotaRefuses(t *testing.T) {
	ctx := t.Context()
	root := filepath.Join(t.TempDir(), "mail")
	q := Quota{Set: true, Storage: 2048, Messages: 2, StorageKey: "[quota] storage", MessagesKey: "[quota] messages", Text: "Ask Eve."}
	tree := quotaTree(t, root, &q, fsx.FS{})
	h := openIn(t, tree, "INBOX", Select)
	_, err := h.Deliver(ctx, 2049)
	var over *QuotaError
	if !errors.As(err, &over) || !errors.Is(err, ErrQuota) || errors.Is(err, ErrFull) || over.Text != "Ask Eve." {
		t.Fatalf("%v", err)
	}
	if text := over.Error(); !strings.Contains(text, "[quota] storage = 2K") || !strings.Contains(text, "2049") {
		t.Error(text)
	}
	d, err := h.Deliver(ctx, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d.Write(make([]byte, 2049)) // more than was said
	if _, err := d.Commit(ctx, nil, time.Time{}); !errors.Is(err, ErrQuota) {
		t.Errorf("commit: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
	appendText(t, h, strings.Repeat("x", 2048)) // to the brim
	if _, err := tryAppend(h, "x"); !errors.Is(err, ErrQuota) {
		t.Errorf("one byte more: %v", err)
	}
	q.Storage = 1 << 20 // a reload
	appendText(t, h, "x")
	_, err = tryAppend(h, "x")
	if !errors.As(err, &over) || !strings.Contains(over.Error(), "[quota] messages = 2,") {
		t.Errorf("the third message: %v", err)
	}
	q.Warn = true
	if h.QuotaExceeded() != nil {
		t.Error("warned too early")
	}
	appendText(t, h, "x")
	if over := h.QuotaExceeded(); over == nil || over.Used != 3 {
		t.Errorf("accepted without a word: %v", over)
	}
	refresh(t, h)
	if _, err := h.Copy(ctx, uidSet(1), h); err != nil || h.QuotaExceeded().Used != 4 {
		t.Errorf("%v %v", err, h.QuotaExceeded())
	}
	q = Quota{Set: true}
	appendText(t, h, "x")
	if h.QuotaExceeded() != nil {
		t.Error("warned where nothing is limited")
	}
	if got, want := usage(t, tree), onDisk(t, root); got != want {
		t.Errorf("%v, really %v", got, want)
	}
}
