//go:build interop

package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-maildir"
)

// runTogether: a deliverer as Postfix, a mail reader as mutt, which renames files without any lock, an IMAP
// session and mbsync, all on the same directories for some seconds. In the end every message is there once,
// and the server's UIDs never named two messages.
func runTogether(t *testing.T, w *world, user string) {
	const long = 12 * time.Second
	dir := w.MailDir(user)
	fill(t, w, user, "INBOX", mail(t, 200), 0)
	near := filepath.Join(t.TempDir(), "near")
	conf := mbsyncConfig(t, w, user, near)
	k := dialRaw(t, w, user)
	k.do(t, "SELECT INBOX")

	end := time.Now().Add(long)
	var wg sync.WaitGroup
	delivered := 0
	wg.Go(func() { delivered = deliverUntil(t, w, dir, end) })
	renames := 0
	wg.Go(func() { renames = renameUntil(t, dir, end) })
	syncs := 0
	wg.Go(func() {
		for time.Now().Before(end) {
			if out, err := try(t, nil, "mbsync", "-c", conf, "-a"); err != nil {
				t.Errorf("mbsync beside others: %v\n%s", err, tail(out))
				return
			}
			syncs++
		}
	})
	ids := map[string]string{}
	rounds := 0
	for ; time.Now().Before(end) && !t.Failed(); rounds++ {
		k.do(t, "NOOP")
		learnUIDs(t, ids, k.do(t, "UID FETCH 1:* (FLAGS RFC822.SIZE)"), rounds)
		k.do(t, fmt.Sprintf(`UID STORE %d +FLAGS.SILENT ($Label%d)`, 1+rounds%200, 1+rounds%5))
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d deliveries, %d renames, %d runs of mbsync, %d rounds of IMAP", delivered, renames, syncs, rounds)
	time.Sleep(1200 * time.Millisecond) // directory times have a granularity
	command(t, nil, "mbsync", "-c", conf, "-a")
	there, here := contents(t, dir), contents(t, filepath.Join(near, "INBOX"))
	if len(there) != 200+delivered || !slices.Equal(there, here) {
		t.Errorf("%d messages on the server, %d here, want %d of the same", len(there), len(here), 200+delivered)
	}
	if got := k.do(t, "STATUS INBOX (MESSAGES)"); !strings.Contains(strings.Join(got, ""), fmt.Sprintf("MESSAGES %d", 200+delivered)) {
		t.Errorf("STATUS: %q, want %d messages", got, 200+delivered)
	}
	k.do(t, "NOOP")
	last := k.do(t, "UID FETCH 1:* (FLAGS RFC822.SIZE)")
	learnUIDs(t, ids, last, rounds)
	// No message was expunged or got a second UID: the last answer names every UID that was ever named.
	if len(ids) != 200+delivered {
		t.Errorf("%d UIDs were given to %d messages", len(ids), 200+delivered)
	}
}

// deliverUntil delivers with go-maildir, which knows nothing of the server.
func deliverUntil(t *testing.T, w *world, dir string, end time.Time) int {
	n := 0
	for ; time.Now().Before(end); n++ {
		d, err := maildir.NewDelivery(dir)
		if err != nil {
			t.Error(err)
			return n
		}
		if _, err := d.Write(invented(10000 + n)); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if w.UID != os.Getuid() {
			newest, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
			for _, path := range newest {
				_ = os.Lchown(path, w.UID, w.UID)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return n
}

// renameUntil toggles \Seen and \Flagged as mutt does: a rename, no lock, at a mail reader's pace.
func renameUntil(t *testing.T, dir string, end time.Time) int {
	r := rand.New(rand.NewPCG(1, 1))
	n := 0
	for time.Now().Before(end) {
		entries, err := os.ReadDir(filepath.Join(dir, "cur"))
		if err != nil {
			t.Error(err)
			return n
		}
		if len(entries) > 0 {
			name := entries[r.IntN(len(entries))].Name()
			base, info, ok := strings.Cut(name, ":2,")
			letters := "S"
			if strings.Contains(info, "S") {
				letters = "FS"
			}
			if ok && strings.Trim(info, "FS") == "" {
				// The server may rename it first: then there is nothing to rename.
				if os.Rename(filepath.Join(dir, "cur", name), filepath.Join(dir, "cur", base+":2,"+letters)) == nil {
					n++
				}
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	return n
}

// learnUIDs remembers which UID has which size; one UID with two sizes is two messages.
func learnUIDs(t *testing.T, ids map[string]string, lines []string, round int) {
	for _, l := range lines {
		uid, size := numberAfter(l, "UID "), numberAfter(l, "RFC822.SIZE ")
		if uid == "" || size == "" {
			continue
		}
		if old, ok := ids[uid]; ok && old != size {
			t.Errorf("round %d: UID %s had %s bytes and now has %s", round, uid, old, size)
		}
		ids[uid] = size
	}
}

func numberAfter(s, word string) string {
	_, rest, ok := strings.Cut(s, word)
	if !ok {
		return ""
	}
	i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(rest)
	}
	if _, err := strconv.Atoi(rest[:i]); err != nil {
		return ""
	}
	return rest[:i]
}
