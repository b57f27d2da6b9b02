package maildir

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// StateFor tells whether the process, as the user that it is now, can use a state
// directory for the tree at root. An error: there is one, and it cannot. What lies
// in it must be open to it as well: a directory that cannot be read must not look
// like one that knows nothing.
func StateFor(state, root string) (usable bool, err error) {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	trees := filepath.Join(state, treesDir)
	for _, x := range []struct {
		path string
		mode uint32
	}{
		{state, unix.R_OK | unix.W_OK | unix.X_OK},
		{trees, unix.R_OK | unix.W_OK | unix.X_OK},
		{filepath.Join(trees, fileOf(root)), unix.R_OK | unix.W_OK},
	} {
		err := unix.Faccessat(unix.AT_FDCWD, x.path, x.mode, unix.AT_EACCESS)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return x.path != state, nil // what is missing in it will be made
		case err != nil:
			return false, &fs.PathError{Op: "use", Path: x.path, Err: err}
		}
	}
	return true, nil
}

// needThird are the invariants whose repair could give UIDs or a UIDVALIDITY that
// only the third copy knows to be wrong.
var needThird = map[int]bool{
	invList: true, invNoList: true, invIndexID: true, invIndexUIDs: true, invMODSEQ: true, invThird: true, invSentinel: true,
}

// Withhold keeps Repair from whatever must not be done without the third copy, and
// says why instead. Any repair of a mailbox opens it, and so does all of them: the
// other findings of such a mailbox are withheld too.
func Withhold(found []Finding, why string) (n int) {
	boxes := make(map[string]bool)
	for i := range found {
		if f := &found[i]; !f.ByHand && needThird[f.Invariant] {
			boxes[f.Mailbox] = true
		}
	}
	for i := range found {
		if f := &found[i]; !f.ByHand && boxes[f.Mailbox] {
			f.Repair, f.ByHand = why, true
			n++
		}
	}
	return n
}
