//go:build interop

package interop

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// sortDifferences lists the messages that Dovecot sorts elsewhere, and the section that decides.
const sortDifferences = "testdata/sort-differences.txt"

// maxMoved is the share of messages that a key may place elsewhere.
const maxMoved = 0.01

// orderMail is a message of the corpus: its folder and file, and when it arrived.
type orderMail struct {
	folder, file string
	text         []byte
	at           time.Time
}

func (m *orderMail) name() string { return m.folder + "/" + m.file }

// orderCorpus reads the real mail of public lists, by folder and file name.
func orderCorpus(t *testing.T) []orderMail {
	t.Helper()
	archive := filepath.Join(corpusDir(), "list-open.tar.xz")
	var all []orderMail
	err := eachMail(archive, func(h *tar.Header, text []byte) bool {
		all = append(all, orderMail{path.Base(path.Dir(h.Name)), path.Base(h.Name), text, h.ModTime})
		return true
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no corpus of real mail: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b orderMail) int { return strings.Compare(a.name(), b.name()) })
	return all
}

// everything is the folder that has all of them.
const everything = "everything"

// place writes the messages into a user's Maildir; file names give them the same UIDs on every server.
func place(t *testing.T, root string, mail []orderMail) (folders []string) {
	t.Helper()
	for n, m := range mail {
		for _, folder := range []string{m.folder, everything} {
			dir := filepath.Join(root, "."+folder)
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
				for _, sub := range []string{"cur", "new", "tmp"} {
					if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
						t.Fatal(err)
					}
				}
			}
			file := filepath.Join(dir, "cur", fmt.Sprintf("%d.M1P1.list:2,S", 1_000_000_000+n))
			if err := errors.Join(os.WriteFile(file, m.text, 0o644), os.Chtimes(file, m.at, m.at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folders
}

// orderDifference is a line of the list.
type orderDifference struct {
	name, key string
	seen      bool
}

func readOrderDifferences(t *testing.T) (all []*orderDifference) {
	t.Helper()
	f, err := os.Open(sortDifferences)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, "|", 3)
		if len(f) != 3 || !strings.HasPrefix(strings.TrimSpace(f[2]), "RFC ") {
			t.Fatalf("%s: %q is not MESSAGE | KEY | RFC nnnn §n: WHY", sortDifferences, line)
		}
		all = append(all, &orderDifference{name: strings.TrimSpace(f[0]), key: strings.TrimSpace(f[1])})
	}
	return all
}

var (
	sortKeys = []string{"ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"}
	sortMore = []string{"SUBJECT DATE", "SUBJECT REVERSE DATE", "FROM REVERSE ARRIVAL", "REVERSE SUBJECT FROM SIZE", "CC TO DATE", "DISPLAYTO SUBJECT"}
	threaded = []string{"ORDEREDSUBJECT", "REFERENCES", "REFS"}
)

// TestOrderAsDovecot sorts and threads real mail by every key and algorithm, by folder and all together, with
// Dovecot beside: the answers are the same, or the list says of a message why not.
func TestOrderAsDovecot(t *testing.T) {
	mail := orderCorpus(t)
	if _, err := exec.LookPath("dovecot"); err != nil {
		missing(t, "dovecot", "dovecot-imapd")
		return
	}
	start := func(name string) (*raw, []string) {
		w := &world{startPeer(t, name, peer.Options{})}
		folders := place(t, w.MailDir("u0"), mail)
		w.own(t, w.MailDir("u0"))
		return dialRaw(t, w, "u0"), folders
	}
	ours, folders := start("maildir-imapd")
	theirs, _ := start("dovecot")
	listed := readOrderDifferences(t)
	for key, n := range countKeys(listed) {
		if float64(n) > maxMoved*float64(len(mail)) {
			t.Errorf("%d messages are sorted elsewhere by %s: more than %.0f %%", n, key, 100*maxMoved)
		}
	}
	for _, folder := range folders {
		ours.do(t, "EXAMINE "+folder)
		theirs.do(t, "EXAMINE "+folder)
		in := mail
		if folder != everything {
			in = slices.DeleteFunc(slices.Clone(mail), func(m orderMail) bool { return m.folder != folder })
		}
		for _, key := range sortKeys {
			compareSorts(t, ours, theirs, folder, key, in, listed)
			compareSorts(t, ours, theirs, folder, "REVERSE "+key, in, listed)
		}
		for _, keys := range sortMore {
			compareSorts(t, ours, theirs, folder, keys, in, listed)
		}
		for _, algorithm := range threaded {
			compareThreads(t, folder, algorithm, ours.do(t, "THREAD "+algorithm+" UTF-8 ALL"), theirs.do(t, "THREAD "+algorithm+" UTF-8 ALL"))
		}
	}
	for _, d := range listed {
		if !d.seen {
			t.Errorf("%s: %s by %s is listed, and does not differ", sortDifferences, d.name, d.key)
		}
	}
	fmt.Printf("SORT and THREAD of %d real messages beside Dovecot %s: %d messages listed as sorted elsewhere\n", len(mail), peer.DovecotVersion(), len(listed))
}

func countKeys(listed []*orderDifference) map[string]int {
	n := map[string]int{}
	for _, d := range listed {
		n[d.key]++
	}
	return n
}

func sorted(t *testing.T, k *raw, keys string) (nums []int) {
	t.Helper()
	for _, line := range k.do(t, "SORT ("+keys+") UTF-8 ALL") {
		rest, ok := strings.CutPrefix(line, "* SORT")
		for f := range strings.FieldsSeq(rest) {
			n, err := strconv.Atoi(f)
			if !ok || err != nil {
				t.Fatalf("SORT (%s): %q", keys, line)
			}
			nums = append(nums, n)
		}
	}
	return nums
}

// compareSorts leaves out what the list has for one of the keys; the rest must be in one order. With any one
// of the listed put back it must not.
func compareSorts(t *testing.T, ours, theirs *raw, folder, keys string, in []orderMail, listed []*orderDifference) {
	t.Helper()
	a, b := sorted(t, ours, keys), sorted(t, theirs, keys)
	if len(a) != len(in) || len(b) != len(in) {
		t.Errorf("%s (%s): %d and %d of %d messages", folder, keys, len(a), len(b), len(in))
		return
	}
	out := map[int]*orderDifference{}
	for _, d := range listed {
		if slices.Contains(strings.Fields(keys), d.key) {
			if i := slices.IndexFunc(in, func(m orderMail) bool { return m.name() == d.name }); i >= 0 {
				out[i+1] = d
			}
		}
	}
	without := func(nums []int, but int) []int {
		return slices.DeleteFunc(slices.Clone(nums), func(n int) bool { return out[n] != nil && n != but })
	}
	for n, d := range out {
		if !slices.Equal(without(a, n), without(b, n)) {
			d.seen = true
		}
	}
	a, b = without(a, 0), without(b, 0)
	if slices.Equal(a, b) {
		return
	}
	var names []string
	for _, n := range moved(a, b) {
		names = append(names, in[n-1].name())
	}
	t.Errorf("%s (%s): %d messages are sorted elsewhere, and no RFC says why: %s", folder, keys, len(names), strings.Join(names[:min(len(names), 40)], " "))
}

// moved is the fewest numbers without which both orders are the same: those outside of a longest common
// subsequence.
func moved(a, b []int) []int {
	place := map[int]int{}
	for i, n := range b {
		place[n] = i
	}
	var ends []int // index in a of the best end of an ascending run, by its length
	before := make([]int, len(a))
	for i, n := range a {
		k, _ := slices.BinarySearchFunc(ends, place[n], func(j, p int) int { return place[a[j]] - p })
		before[i] = -1
		if k > 0 {
			before[i] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, i)
		} else {
			ends[k] = i
		}
	}
	stays := map[int]bool{}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		stays[a[i]] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(n int) bool { return stays[n] })
}

// compareThreads tells of the first thread that differs.
func compareThreads(t *testing.T, folder, algorithm string, ours, theirs []string) {
	t.Helper()
	a, b := strings.Join(ours, ""), strings.Join(theirs, "")
	if a == b {
		return
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	from := max(0, at-60)
	t.Errorf("%s THREAD %s: ours %q, theirs %q", folder, algorithm, a[from:min(at+60, len(a))], b[from:min(at+60, len(b))])
}
