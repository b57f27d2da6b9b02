package maildir

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"maildir-imapd/maildir/fsx"
)

// faultKind is a way in which things go wrong from the n-th operation on.
type faultKind struct {
	name string
	plan func(n int64) func(op, path string) error
	// lasting: what a command has begun cannot be taken back either. A message that was refused may
	// then be there all the same, as after a crash: never lost, at worst doubled.
	lasting bool
	crash   bool
	sparse  bool // not at each operation: the kinds differ in the error alone
}

var (
	opening  = []string{"open", "opendir", "create", "lock", "readdir"}
	growing  = []string{"create", "write", "sync", "mkdir", "link", "lock"}
	changing = append([]string{"rename", "remove", "truncate", "chtimes", "touch", "unlock"}, growing...)
)

var faultKinds = []faultKind{
	{name: "once", plan: func(n int64) func(string, string) error { return fsx.FailAt(n, syscall.ENOSPC) }},
	{name: "crash", crash: true, plan: func(n int64) func(string, string) error { return fsx.CrashAt(n, false) }},
	{name: "torn", crash: true, plan: tornAt},
	{name: "full disk", plan: func(n int64) func(string, string) error { return fsx.FailFrom(n, syscall.ENOSPC, growing...) }},
	{name: "no descriptors", plan: func(n int64) func(string, string) error { return fsx.FailFrom(n, syscall.EMFILE, opening...) }, sparse: true},
	{name: "broken disk", plan: func(n int64) func(string, string) error { return fsx.FailFrom(n, syscall.EIO) }, lasting: true, sparse: true},
	{name: "no permission", plan: func(n int64) func(string, string) error { return fsx.FailFrom(n, syscall.EACCES, changing...) }, lasting: true, sparse: true},
	{name: "read-only remount", plan: func(n int64) func(string, string) error { return fsx.FailFrom(n, syscall.EROFS, changing...) }, lasting: true, sparse: true},
}

// tornAt crashes in the middle of the n-th write: between writes a crash is like any other.
func tornAt(n int64) func(op, path string) error {
	return func(op, _ string) error {
		if op == "write" && atomic.AddInt64(&n, -1) == -1 {
			return fsx.ErrTorn
		}
		return nil
	}
}

// allFaults has all plans made at each operation, the sparse ones too: MAILDIR_FAULTS=all go test -run Faults ./maildir
// takes some ten minutes.
var allFaults = os.Getenv("MAILDIR_FAULTS") == "all"

// everyFault runs round for each kind at each operation, until the kind is not reached any more; at each fourth where
// it is sparse, another one for each kind.
func everyFault(t *testing.T, name string, least int64, sparse bool, round func(t *testing.T, k faultKind, n int64) (hit bool)) {
	for i, k := range faultKinds {
		step, first := int64(1), int64(0)
		switch {
		case testing.Short() || underRace():
			step, first = 5, int64(i)%5
		case allFaults:
		case k.sparse, sparse:
			step, first = 4, int64(i)%4
		}
		t.Run(name+" "+k.name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting to break the locks of crashed lives
			for n := first; !t.Failed(); n += step {
				if n > 1000 {
					t.Fatal("never came to its end")
				}
				if !inRound(t, n, func(t *testing.T) bool { return round(t, k, n) }) {
					if n < least && (k.name == "crash" || k.name == "once") {
						t.Errorf("only %d operations", n)
					}
					return
				}
			}
		})
	}
}

// inRound runs one round as a test of its own: what it has opened is closed before the next.
func inRound(t *testing.T, n int64, round func(t *testing.T) (hit bool)) (hit bool) {
	t.Run(strconv.FormatInt(n, 10), func(t *testing.T) { hit = round(t) })
	return hit
}
