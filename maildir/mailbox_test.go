package maildir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

const mail = "From: a@example.org\nSubject: one\n\nbody\n"

func TestSelectMovesNewMail(t *testing.T) {
	b := newSpot(t)
	b.drop("new", mail)
	b.drop("cur", mail)
	b.drop("new", mail)

	e := b.open(Examine)
	wantLook(t, e, "1: 2: 3:")
	if e.Recent() != 2 || len(b.names("new")) != 2 {
		t.Errorf("EXAMINE: %d recent, new has %v", e.Recent(), b.names("new"))
	}
	h := b.open(Select)
	wantLook(t, h, "1: 2: 3:")
	if h.Recent() != 2 || len(b.names("new")) != 0 {
		t.Errorf("SELECT: %d recent, new has %v", h.Recent(), b.names("new"))
	}
	for _, n := range b.names("cur")[:1] {
		if !strings.HasSuffix(n, ":2,") {
			t.Errorf("moved to %q without info", n)
		}
	}
	if h2 := b.open(Select); h2.Recent() != 0 {
		t.Error("recent in a second session too")
	}
	if c, _ := h.Counts(context.Background()); c != (Counts{Messages: 3, Unseen: 3}) {
		t.Errorf("counts %+v", c)
	}
	if n := h.FirstUnseen(); n != 1 {
		t.Errorf("first unseen %d", n)
	}
	b.check()
}

func TestStoreAndOthersSee(t *testing.T) {
	b := newSpot(t)
	for range 3 {
		b.drop("cur", mail)
	}
	one, two := b.open(Select), b.open(Select)
	var told []imap.UID
	high := one.HighestModSeq()
	_, err := one.Store(context.Background(), uidSet(1, 3), Add, []imap.Flag{imap.FlagSeen, "work", "$Forwarded"}, 0, func(m Message) {
		told = append(told, m.UID)
		if m.ModSeq <= high {
			t.Error("MODSEQ did not grow")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []imap.UID{1, 3}) {
		t.Error("told", told)
	}
	wantLook(t, one, "1:PS,work,$Forwarded 2: 3:PS,work,$Forwarded")
	var d Delta
	one.Sync(true, &d)
	if len(d.Flags) != 0 || !d.NewKeywords {
		t.Errorf("own changes told: %+v", d)
	}
	two.Sync(true, &d)
	if len(d.Flags) != 2 || d.Flags[1].Seq != 3 || !d.NewKeywords {
		t.Errorf("others are told %+v", d)
	}
	if names := b.names("cur"); !strings.HasSuffix(names[0], ":2,PSab") || strings.Contains(names[1], ":2,P") {
		t.Error(names)
	}
	keys, _ := os.ReadFile(filepath.Join(b.dir, keywordsFile))
	if string(keys) != "0 work\n1 $Forwarded\n" {
		t.Errorf("%q", keys)
	}
	// Unchanged messages are not renamed, conditional stores refuse.
	mod, err := two.Store(context.Background(), all(), Replace, []imap.Flag{imap.FlagSeen}, high, nil)
	if err != nil || mod.String() != "1,3" {
		t.Errorf("modified %v, %v", mod, err)
	}
	wantLook(t, two, "1:PS,work,$Forwarded 2:S 3:PS,work,$Forwarded")
	two.Store(context.Background(), uidSet(1), Remove, []imap.Flag{"$forwarded", "nowhere"}, 0, nil)
	wantLook(t, two, "1:S,work 2:S 3:PS,work,$Forwarded")
	b.check()
	again := openSpot(t, b.dir, fsx.FS{})
	h := again.open(Select)
	wantLook(t, h, "1:S,work 2:S 3:PS,work,$Forwarded")
	if h.HighestModSeq() != one.HighestModSeq() || h.UIDValidity() != one.UIDValidity() || h.GUID() != one.GUID() {
		t.Error("another process sees other numbers")
	}
}

func TestExpungeIsHeldBack(t *testing.T) {
	b := newSpot(t)
	for range 4 {
		b.drop("cur", mail)
	}
	one, two := b.open(Select), b.open(Select)
	one.Store(context.Background(), uidSet(2, 3), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
	if _, err := one.Expunge(context.Background(), uidSet(2, 4)); err != nil {
		t.Fatal(err)
	}
	b.drop("new", mail)
	refresh(t, one)
	wantLook(t, one, "1: 3:T 4: 5:")
	var d Delta
	two.Sync(false, &d)
	if d.Exists != 5 || len(d.Expunged) != 0 {
		t.Errorf("%+v", d)
	}
	wantLook(t, two, "1: 2:gone 3:T 4: 5:")
	if two.SeqOf(2) != 2 || two.SeqOf(5) != 5 || two.SeqOf(6) != 0 {
		t.Error("sequence numbers moved")
	}
	if set, ok := two.UIDsOf(imap.SeqSet{imap.SeqRange{Start: 2, Stop: 0}}); !ok || set.String() != "2:5" {
		t.Error(set, ok)
	}
	if _, ok := two.UIDsOf(imap.SeqSetNum(6)); ok {
		t.Error("number beyond the view")
	}
	one.Expunge(context.Background(), nil)
	two.Sync(true, &d)
	if !slices.Equal(d.Expunged, []uint32{2, 2}) || !slices.Equal(d.ExpungedUIDs, []imap.UID{2, 3}) || d.Exists != 3 || d.ExistsChanged {
		t.Errorf("%+v", d)
	}
	wantLook(t, two, "1: 4: 5:")
	if _, err := two.OpenMessage(context.Background(), 2); !errors.Is(err, ErrExpunged) {
		t.Error(err)
	}
	b.check()
}

func TestAppendCopyMove(t *testing.T) {
	b, other := newSpot(t), newSpot(t)
	h := b.open(Select)
	target := other.open(Target)
	text := "Subject: x\r\n\r\na\r\n\rb\r\n"
	uid := appendText(t, h, text, imap.FlagSeen, "key")
	if uid != 1 {
		t.Error(uid)
	}
	refresh(t, h)
	wantLook(t, h, "1:S,key")
	if got := readAll(t, h, 1); got != "Subject: x\n\na\n\rb\n" {
		t.Errorf("%q", got)
	}
	m := h.Messages(nil, 0, 1, 1)
	if m[0].Size != int64(len(text)) || m[0].InternalDate.Unix() != 1600000000 {
		t.Errorf("%+v", m[0])
	}
	if n := b.names("cur")[0]; !strings.HasSuffix(n, ",S=17,W=21:2,Sa") {
		t.Error(n)
	}
	r, err := h.Copy(context.Background(), all(), target)
	if err != nil || r.Dest.String() != "1" || r.UIDValidity != target.UIDValidity() {
		t.Fatal(r, err)
	}
	// Back again: the name is taken.
	back := b.open(Target)
	from := other.open(Select)
	wantLook(t, from, "1:S,key")
	if r, err = from.Copy(context.Background(), all(), back); err != nil || r.Dest.String() != "2" {
		t.Fatal(r, err)
	}
	if r, err = h.Move(context.Background(), all(), target); err != nil || r.Source.String() != "1" {
		t.Fatal(r, err)
	}
	refresh(t, h)
	wantLook(t, h, "2:S,key")
	refresh(t, from)
	wantLook(t, from, "1:S,key 2:S,key")
	for _, uid := range []imap.UID{1, 2} {
		if got := readAll(t, from, uid); !strings.HasPrefix(got, "Subject: x\n") {
			t.Errorf("%q", got)
		}
	}
	list, _ := os.ReadFile(filepath.Join(b.dir, uidlistFile))
	if !strings.Contains(string(list), " G1") {
		t.Errorf("no identity of the original in %q", list)
	}
	if len(b.names("tmp"))+len(other.names("tmp")) != 0 {
		t.Error("left in tmp")
	}
	b.check()
	other.check()
}

func TestForeignChanges(t *testing.T) {
	b := newSpot(t)
	var names []string
	for range 4 {
		names = append(names, b.drop("cur", mail))
	}
	h := b.open(Select)
	cur := filepath.Join(b.dir, "cur")
	os.Rename(filepath.Join(cur, names[0]), filepath.Join(cur, names[0]+":2,FSz,x=1"))
	os.Remove(filepath.Join(cur, names[1]))
	os.Rename(filepath.Join(cur, names[2]), filepath.Join(b.dir, "new", names[2]))
	b.dropAs("cur", names[3]+":2,S", "another message of one name\n")
	d := refresh(t, h)
	wantLook(t, h, "1:FS 3: 4: 5:S")
	if !slices.Equal(d.Expunged, []uint32{2}) || d.Exists != 4 || len(d.Flags) != 1 {
		t.Errorf("%+v", d)
	}
	// What we do not know in a name is kept.
	h.Store(context.Background(), uidSet(1), Remove, []imap.Flag{imap.FlagFlagged}, 0, nil)
	if _, err := os.Stat(filepath.Join(cur, names[0]+":2,Sz,x=1")); err != nil {
		t.Error(err, b.names("cur"))
	}
	// A flag change of ours follows a rename that nobody has told us of.
	os.Rename(filepath.Join(cur, names[0]+":2,Sz,x=1"), filepath.Join(cur, names[0]+":2,RSz,x=1"))
	if got := readAll(t, h, 1); got != mail {
		t.Error(got)
	}
	os.Rename(filepath.Join(cur, names[0]+":2,RSz,x=1"), filepath.Join(cur, names[0]+":2,DSz,x=1"))
	if _, err := h.Store(context.Background(), uidSet(1), Add, []imap.Flag{imap.FlagDeleted}, 0, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cur, names[0]+":2,DSTz,x=1")); err != nil {
		t.Error(err, b.names("cur"))
	}
	// Somebody undeletes it before the expunge: it stays.
	os.Rename(filepath.Join(cur, names[0]+":2,DSTz,x=1"), filepath.Join(cur, names[0]+":2,DS"))
	if _, err := h.Expunge(context.Background(), nil); err != nil {
		t.Error(err)
	}
	refresh(t, h)
	wantLook(t, h, "1:DS 3: 4: 5:S")
	b.check()
}

func TestNameComesBack(t *testing.T) {
	b := newSpot(t)
	name := b.drop("cur", mail)
	h := b.open(Select)
	os.Remove(filepath.Join(b.dir, "cur", name))
	refresh(t, h)
	b.dropAs("cur", name, mail)
	refresh(t, h)
	wantLook(t, h, "2:")
	b.check()
	again := openSpot(t, b.dir, fsx.FS{})
	wantLook(t, again.open(Select), "2:")
}

func TestOddNames(t *testing.T) {
	b := newSpot(t)
	for _, n := range []string{"plain", "a b c", "x:1,weird", ":2,S", "line\nbreak:2,F", "utf8-ü:2,", "ok:2,ZaS", ".hidden", "cr\r"} {
		b.dropAs("cur", n, mail)
	}
	os.Mkdir(filepath.Join(b.dir, "cur", "dir"), 0o755)
	os.Symlink("/etc/passwd", filepath.Join(b.dir, "cur", "link"))
	h := b.open(Select)
	if h.Count() != 8 {
		t.Errorf("%d messages: %s", h.Count(), look(h))
	}
	for _, m := range h.Messages(nil, 0, maxUID, 100) {
		if got := readAll(t, h, m.UID); got != mail {
			t.Errorf("%d: %q", m.UID, got)
		}
	}
	before := look(h)
	again := openSpot(t, b.dir, fsx.FS{})
	wantLook(t, again.open(Select), before)
	if _, err := h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil); err != nil {
		t.Error(err)
	}
	b.check()
}

func TestKeywordsPastTheLetters(t *testing.T) {
	b := newSpot(t)
	h := b.open(Select)
	appendText(t, h, mail)
	refresh(t, h)
	var flags []imap.Flag
	for i := range 40 {
		flags = append(flags, imap.Flag("k"+string(rune('A'+i/10))+string(rune('0'+i%10))))
	}
	if _, err := h.Store(context.Background(), all(), Replace, flags, 0, nil); err != nil {
		t.Fatal(err)
	}
	want := look(h)
	if strings.Count(want, ",") != 40 {
		t.Error(want)
	}
	again := openSpot(t, b.dir, fsx.FS{}).open(Select)
	wantLook(t, again, want)
	for i := range 40 {
		flags = append(flags, imap.Flag("l"+string(rune('A'+i/10))+string(rune('0'+i%10))))
	}
	if _, err := h.Store(context.Background(), all(), Replace, flags, 0, nil); !errors.Is(err, ErrKeywordLimit) {
		t.Error(err)
	}
	wantLook(t, h, want)
	// Dovecot gives one of ours a letter.
	keys, _ := os.ReadFile(filepath.Join(b.dir, keywordsFile))
	os.WriteFile(filepath.Join(b.dir, keywordsFile), []byte(strings.Replace(string(keys), "0 kA0\n", "", 1)), 0o644)
	b.check()
}

func TestUIDListLostOrDamaged(t *testing.T) {
	for _, damage := range []string{"removed", "garbage", "truncated", "index removed", "index garbage", "cache garbage"} {
		t.Run(damage, func(t *testing.T) {
			b := newSpot(t)
			h := b.open(Select)
			for range 5 {
				appendText(t, h, mail, "key")
			}
			refresh(t, h)
			h.Store(context.Background(), uidSet(2, 5), Add, []imap.Flag{imap.FlagDeleted}, 0, nil)
			h.Expunge(context.Background(), nil)
			refresh(t, h)
			want, validity, next, high := look(h), h.UIDValidity(), h.UIDNext(), h.HighestModSeq()
			path := filepath.Join(b.dir, uidlistFile)
			if strings.HasPrefix(damage, "index") {
				path = filepath.Join(b.dir, indexName)
			} else if strings.HasPrefix(damage, "cache") {
				path = filepath.Join(b.dir, cacheName)
			}
			data, _ := os.ReadFile(path)
			switch {
			case strings.HasSuffix(damage, "removed"):
				os.Remove(path)
			case strings.HasSuffix(damage, "garbage"):
				os.WriteFile(path, []byte("\x00\x01garbage\n\n\n and more"), 0o644)
			default:
				os.WriteFile(path, data[:len(data)-len(data)/3], 0o644)
			}
			refresh(t, h) // while serving
			wantLook(t, h, want)
			again := openSpot(t, b.dir, fsx.FS{}).open(Select)
			wantLook(t, again, want)
			if again.UIDValidity() != validity || again.UIDNext() < next || again.HighestModSeq() < high {
				t.Errorf("validity %d, was %d; next %d, was %d; modseq %d, was %d", again.UIDValidity(), validity, again.UIDNext(), next, again.HighestModSeq(), high)
			}
			if uid := appendText(t, again, mail); uid < next {
				t.Errorf("UID %d given again", uid)
			}
			b.check()
		})
	}
}

func TestDovecotChangesValidity(t *testing.T) {
	b := newSpot(t)
	h := b.open(Select)
	appendText(t, h, mail)
	list := filepath.Join(b.dir, uidlistFile)
	data, _ := os.ReadFile(list)
	parsed, err := parseUIDList(data)
	if err != nil {
		t.Fatal(err)
	}
	parsed.validity += 7
	os.WriteFile(list+".x", parsed.encode(nil), 0o644)
	os.Rename(list+".x", list)
	if err := h.Refresh(context.Background()); !errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
	n := b.open(Select)
	if n.UIDValidity() != parsed.validity {
		t.Error(n.UIDValidity())
	}
	wantLook(t, n, "1:")
	b.check()
}

func TestTakesOverCourier(t *testing.T) {
	b := newSpot(t)
	one, two := b.drop("cur", mail), b.drop("cur", mail)
	b.drop("new", mail)
	os.WriteFile(filepath.Join(b.dir, courierList), []byte("1 726000000 30\n7 "+two+"\n12 "+one+"\n"), 0o644)
	h := b.open(Select)
	wantLook(t, h, "7: 12: 30:")
	if h.UIDValidity() != 726000000 {
		t.Error(h.UIDValidity())
	}
	data, _ := os.ReadFile(filepath.Join(b.dir, uidlistFile))
	if !strings.HasPrefix(string(data), "3 V726000000 N31 G") {
		t.Errorf("%q", data)
	}
	b.check()
}

func TestReadOnlyMailbox(t *testing.T) {
	b := newSpot(t)
	b.drop("cur", mail)
	b.open(Select).Close()
	b.drop("cur", mail)
	ro := openSpot(t, b.dir, fsx.FS{Fault: func(op, path string) error {
		switch op {
		case "open", "opendir", "stat", "read", "readdir":
			return nil
		}
		return syscall.EACCES
	}})
	h := ro.open(Select)
	wantLook(t, h, "1:")
	if _, err := h.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil); !errors.Is(err, ErrNoPermission) && !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if _, err := tryAppend(h, mail); !errors.Is(err, ErrNoPermission) && !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	wantLook(t, b.open(Select), "1: 2:")
}

func TestEnvelopeAndSizes(t *testing.T) {
	b := newSpot(t)
	b.drop("cur", mail)
	b.dropAs("cur", "9.wrong,S=3,W=5:2,", mail)
	h := b.open(Select)
	msgs := h.Messages(nil, 0, maxUID, 10)
	if msgs[0].Size+msgs[1].Size != 4 { // 5 as promised, and not known
		t.Errorf("%+v", msgs)
	}
	if err := h.Load(context.Background(), msgs); err != nil {
		t.Fatal(err)
	}
	var e message.Envelope
	for uid := imap.UID(1); uid <= 2; uid++ {
		if h.Cached(&Message{UID: uid}, KindEnvelope) != nil {
			t.Error("cached before it was read")
		}
		p, err := h.Structure(context.Background(), &Message{UID: uid}, nil)
		if err != nil || string(p.Envelope.Subject) != "one" {
			t.Fatal(p, err)
		}
		if err := e.UnmarshalBinary(h.Cached(&Message{UID: uid}, KindEnvelope)); err != nil || string(e.Subject) != "one" {
			t.Error(err)
		}
	}
	for _, m := range h.Messages(nil, 0, maxUID, 10) {
		if m.Size != int64(len(mail)+4) || m.InternalDate.IsZero() {
			t.Errorf("%+v", m)
		}
	}
	size, _, err := h.TotalSize(context.Background())
	if err != nil || size != 2*int64(len(mail)+4) {
		t.Error(size, err)
	}
	h.Close() // writes everything down
	again := openSpot(t, b.dir, fsx.FS{}).open(Select)
	for uid := imap.UID(1); uid <= 2; uid++ {
		if err := e.UnmarshalBinary(again.Cached(&Message{UID: uid}, KindEnvelope)); err != nil || string(e.Subject) != "one" {
			t.Error(uid, err)
		}
	}
	for _, m := range again.Messages(nil, 0, maxUID, 10) {
		if m.Size != int64(len(mail)+4) {
			t.Errorf("%+v", m)
		}
	}
	b.check()
}

func TestIdleHearsOfMail(t *testing.T) {
	b := newSpot(t)
	h, other := b.open(Select), b.open(Select)
	changed := h.Changed()
	<-changed
	refresh(t, h)
	b.drop("new", mail)
	for h.Count() == 0 {
		select {
		case <-changed:
			refresh(t, h)
		case <-time.After(5 * time.Second):
			t.Fatal("no word of a delivery")
		}
	}
	refresh(t, other)
	other.Store(context.Background(), all(), Add, []imap.Flag{imap.FlagSeen}, 0, nil)
	for {
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Fatal("no word of a flag")
		}
		if d := refresh(t, h); len(d.Flags) == 1 {
			break
		}
	}
	if diff := cmp.Diff("1:S", look(h)); diff != "" {
		t.Error(diff)
	}
}
