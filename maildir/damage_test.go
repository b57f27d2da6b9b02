package maildir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// filled is a life with the messages 1, 3, 4 and 5, known to all files there are.
func filled(t *testing.T) (l *life, h *Handle) {
	t.Helper()
	l = newLife(t, t.TempDir(), t.TempDir())
	h = l.open(Select)
	for i := range 5 {
		appendText(t, h, fmt.Sprintf("Subject: %d\n\ntext\n", i+1), "$Work")
	}
	refresh(t, h)
	ctx := context.Background()
	if _, err := h.Store(ctx, uidSet(2), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Expunge(ctx, nil); err != nil {
		t.Fatal(err)
	}
	learn(t, h, KindEnvelope)
	h.FlushCache()
	refresh(t, h)
	return l, h
}

// harm is what may happen to one file.
type harm struct {
	name string
	do   func(b []byte) []byte // nil: the file goes
}

var harms = []harm{
	{"removed", nil},
	{"emptied", func([]byte) []byte { return []byte{} }},
	{"cut", func(b []byte) []byte { return b[:len(b)*2/3] }},
	{"garbage", func(b []byte) []byte { return []byte(strings.Repeat("\x00\xffgarbage\n", len(b)/9+1)) }},
	{"head", func(b []byte) []byte { return append([]byte("3 Vxx N"), b[7:]...) }},
}

func (l *life) harm(file string, h harm) {
	l.t.Helper()
	path := filepath.Join(l.dir, file)
	if h.do == nil {
		l.remove(file)
		return
	}
	b := h.do(mustRead(l.t, l.dir, file))
	if err := os.WriteFile(path+"~", b, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil { // as who restores it, or an editor
		l.t.Fatal(err)
	}
}

const intact = "1:,$Work 3:,$Work 4:,$Work 5:,$Work"

// Whatever happens to one of the files, or to two of them at once: UIDVALIDITY
// stays, and so do the UIDs as long as anything knows them.
func TestDamage(t *testing.T) {
	for _, list := range append([]harm{{name: "good"}}, harms...) {
		for _, index := range append([]harm{{name: "good"}}, harms...) {
			for _, serving := range []bool{true, false} {
				t.Run(fmt.Sprintf("list %s, index %s, serving=%v", list.name, index.name, serving), func(t *testing.T) {
					t.Parallel()
					damaged(t, list, index, serving)
				})
			}
		}
	}
}

func damaged(t *testing.T, list, index harm, serving bool) {
	l, h := filled(t)
	was := ident(h)
	if !serving {
		h.Close()
		l.store.Close()
	}
	if list.name != "good" {
		l.harm(uidlistFile, list)
	}
	if index.name != "good" {
		l.harm(indexName, index)
	}
	l.harm(cacheName, harms[3])
	if serving {
		refresh(t, h)
		appendText(t, h, "Subject: new\n\n", "$Work")
	} else {
		l = newLife(t, l.dir, l.state)
		h = l.open(Select)
	}
	refresh(t, h)
	if got := ident(h); got != was {
		t.Errorf("is %s, was %s", got, was)
	}
	listLost := list.name == "removed" || list.name == "emptied" || list.name == "garbage"
	lost := listLost && (index.name == "removed" || index.name == "emptied" || index.name == "garbage" || index.name == "head")
	partly := (listLost || list.name == "cut") && index.name != "good" // what is cut off was in the other one
	view := look(h)
	switch {
	case serving:
		if first, _, _ := strings.Cut(view, " 6:"); first != intact {
			t.Errorf("view %q", view)
		}
	case lost:
		if want := "6:,$Work 7:,$Work 8:,$Work 9:,$Work"; view != want {
			t.Errorf("view %q, want %q", view, want)
		}
	case partly || lost:
		if n := len(strings.Fields(view)); n != 4 || !strings.HasPrefix(view, "1:,$Work") && !(lost && strings.HasPrefix(view, "6:")) {
			t.Errorf("view %q", view)
		}
	default:
		wantLook(t, h, intact)
	}
	if bad := list.name == "emptied" || list.name == "garbage" || list.name == "head"; bad {
		l.wantLog("damaged list of UIDs put aside", 1)
		if aside, _ := filepath.Glob(filepath.Join(l.dir, uidlistFile+".damaged-*")); len(aside) != 1 {
			t.Errorf("%d lists put aside", len(aside))
		}
	}
	if h.Renumbered() || l.store.Resets() != 0 {
		t.Error("said to have a new UIDVALIDITY")
	}
	h.Close()
	l = l.next()
	wantLook(t, l.open(Select), view)
	l.check()
}

// All three copies are gone.
func TestRenumbered(t *testing.T) {
	l, h := filled(t)
	was := h.UIDValidity()
	h.Close()
	l.store.Close()
	l.remove(uidlistFile, indexName)
	for _, pattern := range []string{filepath.Join(l.dir, validityFile+"*"), filepath.Join(l.state, treesDir, "*")} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(l.dir, validityFile), []byte("00000005"), 0o600); err != nil {
		t.Fatal(err)
	}
	l = newLife(t, l.dir, l.state)
	h = l.open(Select)
	if h.UIDValidity() <= was || !h.Renumbered() || l.store.Resets() != 1 {
		t.Errorf("UIDVALIDITY %d after %d, told: %v, counted: %d", h.UIDValidity(), was, h.Renumbered(), l.store.Resets())
	}
	l.wantLog("all copies of the mailbox's UIDVALIDITY are gone", 1)
	wantLook(t, h, "1:,$Work 2:,$Work 3:,$Work 4:,$Work")
	h.Close()
	l = l.next()
	if h = l.open(Select); h.Renumbered() || l.store.Resets() != 0 {
		t.Error("told again by the next process")
	}
}

// UIDVALIDITY grows even if the clock and the tree's own number are behind what
// a cache remembers.
func TestUIDValidityAbove(t *testing.T) {
	dir := t.TempDir()
	d, err := new(fsx.FS).OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	floor := uint32(4e9)
	for i := range uint32(3) {
		v, err := uidValidityAbove(d, floor, time.Unix(1700000000, 0))
		if err != nil || v != 4e9+1+i {
			t.Errorf("UIDVALIDITY %d, %v", v, err)
		}
		floor = 7 // the sentinel knows
	}
}

// A Maildir of a mail program is no damage.
func TestPlainMaildirIsNew(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	l.drop("new", "Subject: x\n\n")
	l.dropAs("cur", "1700000001.M1P1.mutt:2,FS", "Subject: y\n\n")
	h := l.open(Select)
	if h.Renumbered() || l.store.Resets() != 0 || l.log.Len() != 0 {
		t.Errorf("alarm: %s", l.log)
	}
}

// Single lines that cannot be read cost nothing while the index is there, and
// the list as it was is kept.
func TestDamagedLine(t *testing.T) {
	l, h := filled(t)
	was := ident(h)
	h.Close()
	l.store.Close()
	l.harm(uidlistFile, harm{"line", func(b []byte) []byte { return []byte(strings.Replace(string(b), "\n4 :", "\nx4 ", 1)) }})
	l = newLife(t, l.dir, l.state)
	h = l.open(Select)
	wantLook(t, h, intact)
	if got := ident(h); got != was {
		t.Errorf("is %s, was %s", got, was)
	}
	l.wantLog("damaged lines in the list of UIDs", 1)
	if aside, _ := filepath.Glob(filepath.Join(l.dir, uidlistFile+".damaged-*")); len(aside) != 1 {
		t.Errorf("%d lists put aside", len(aside))
	}
	l.check()
}

// Of a list whose header names UIDVALIDITY but no next UID, all is kept even
// if it is the only copy left.
func TestSalvageByHeader(t *testing.T) {
	l, h := filled(t)
	validity := h.UIDValidity()
	h.Close()
	l.store.Close()
	l.remove(indexName)
	l.harm(uidlistFile, harm{"next", func(b []byte) []byte { return []byte(strings.Replace(string(b), " N", " Nx", 1)) }})
	l = newLife(t, l.dir, t.TempDir())
	h = l.open(Select)
	if h.UIDValidity() != validity || h.UIDNext() != 6 {
		t.Errorf("UIDVALIDITY %d, was %d; next %d", h.UIDValidity(), validity, h.UIDNext())
	}
	wantLook(t, h, intact)
}

func TestDamagedCourierList(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	l.drop("new", "Subject: x\n\n")
	if err := os.WriteFile(filepath.Join(l.dir, courierList), []byte("1 nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.open(Select)
	l.wantLog("cannot read Courier's UIDs", 1)
}

// Damage to the letters of keywords: while serving nothing is lost; after a start, what the good lines say is left.
func TestDamagedKeywords(t *testing.T) {
	cut := harm{"line", func(b []byte) []byte { return []byte(strings.Replace(string(b), "0 $Work", "\x00\x01", 1)) }}
	for _, h := range []harm{harms[0], harms[1], harms[3], cut} {
		for _, serving := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, serving=%v", h.name, serving), func(t *testing.T) {
				l, b := filled(t)
				if _, err := b.Store(context.Background(), uidSet(5), Add, []imap.Flag{"$Home"}, 0, nil); err != nil {
					t.Fatal(err)
				}
				want := intact + ",$Home"
				if !serving {
					b.Close()
					l.store.Close()
				}
				l.harm(keywordsFile, h)
				if serving {
					appendText(t, b, "Subject: new\n\n")
					want += " 6:"
				} else {
					l = newLife(t, l.dir, l.state)
					b = l.open(Select)
					want = strings.ReplaceAll(strings.ReplaceAll(want, ",$Work", ""), ",$Home", "")
					if h.name == "line" { // a letter that nobody knows stays, without a name
						want = "1:, 3:, 4:, 5:,,$Home"
					}
				}
				refresh(t, b)
				wantLook(t, b, want)
				damaged := 1
				if h.name == "emptied" || h.name == "removed" { // an empty list is a good one
					damaged = 0
				}
				if aside, _ := filepath.Glob(filepath.Join(l.dir, keywordsFile+".damaged-*")); len(aside) != damaged {
					t.Errorf("%d lists put aside", len(aside))
				}
				if serving {
					damaged = 1
				}
				l.wantLog("list of keywords damaged or gone", damaged)
				if serving {
					b.Close()
					l = l.next()
					wantLook(t, l.open(Select), want)
				}
			})
		}
	}
}

func TestDamagedKeywordLines(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "0 a\n1 b\n": 0, "0 a": 0, "27 far\n300 farther\n": 0, "3 gr\xc3\xbcn\n": 0, "\n": 0,
		"x\n": 1, "0 a\n\x00\x00\x00": 1, "0\n1 \n 2 b\n": 3, "0 a\tb\n": 1,
	} {
		if n := damagedKeywords([]byte(text)); n != want {
			t.Errorf("%q: %d, want %d", text, n, want)
		}
	}
}

// Keywords alone are no sign of a life before: converters write them.
func TestKeywordsAloneAreNew(t *testing.T) {
	l := newLife(t, t.TempDir(), t.TempDir())
	l.dropAs("cur", "1700000001.M1P1.mutt:2,Sa", "Subject: y\n\n")
	if err := os.WriteFile(filepath.Join(l.dir, keywordsFile), []byte("0 $Work\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := l.open(Select)
	if h.Renumbered() || l.log.Len() != 0 {
		t.Errorf("alarm: %s", l.log)
	}
}
