package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"time"

	"maildir-imapd/maildir/fsx"
)

// The tree's root holds the last UIDVALIDITY given: the file
// dovecot-uidvalidity (8 hex digits), and beside it an empty file
// dovecot-uidvalidity.<8 hex digits>. Whoever renames the latter to the next
// number owns that number: no lock is needed, and no two mailboxes of a tree,
// not even one deleted and made again, ever get the same.
const (
	validityFile  = "dovecot-uidvalidity"
	validityTries = 10
)

// takeUIDValidity takes the next UIDVALIDITY of the tree.
func takeUIDValidity(root *fsx.Dir, now time.Time) (uint32, error) {
	for range validityTries {
		last, others, err := validitySentinels(root)
		if err != nil {
			return 0, err
		}
		for _, old := range others {
			if err := root.Remove(sentinel(old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
		}
		if last == 0 {
			v, err := seedUIDValidity(root, now)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return v, err
		}
		next := last + 1
		if next == 0 {
			next = 1
		}
		switch err := root.Rename(sentinel(last), root, sentinel(next)); {
		case err == nil:
			return next, writeUIDValidity(root, next)
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	// Others are faster every time: the clock is as good as anything, and
	// above every number that was seeded from it.
	return uint32(now.Unix()), nil
}

// uidValidityAbove takes the next UIDVALIDITY of the tree that is greater than
// floor, which the sentinel may have lost its memory of.
func uidValidityAbove(root *fsx.Dir, floor uint32, now time.Time) (uint32, error) {
	v, err := takeUIDValidity(root, now)
	if err != nil || v > floor || floor == math.MaxUint32 {
		return v, err
	}
	if err := root.Rename(sentinel(v), root, sentinel(floor+1)); err != nil {
		return 0, err
	}
	return floor + 1, writeUIDValidity(root, floor+1)
}

// seedUIDValidity starts the protocol: from the number in the file if the
// empty one beside it got lost, else from the clock.
func seedUIDValidity(root *fsx.Dir, now time.Time) (uint32, error) {
	v := uint32(now.Unix())
	if b, _, err := root.ReadFile(validityFile, 64); err == nil && len(b) >= 8 {
		if n, err := strconv.ParseUint(string(b[:8]), 16, 32); err == nil && n > 0 && uint32(n)+1 > v {
			v = uint32(n) + 1
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	f, err := root.OpenFile(sentinel(v), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	return v, writeUIDValidity(root, v)
}

// writeUIDValidity notes the number in place, as Dovecot does: the file's own
// bytes carry no meaning while the other's name exists. That name is made durable
// before a mailbox has the number: after a power cut it would else be given again.
func writeUIDValidity(root *fsx.Dir, v uint32) error {
	f, err := root.OpenFile(validityFile, os.O_RDWR|os.O_CREATE, 0)
	if err != nil {
		return err
	}
	err = root.WriteAll(f, fmt.Appendf(nil, "%08x", v))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = root.Sync()
	}
	return err
}

func sentinel(v uint32) string { return fmt.Sprintf("%s.%08x", validityFile, v) }

// validitySentinels lists the numbers of the empty files: the greatest, and
// the others, which crashes and copies leave behind.
func validitySentinels(root *fsx.Dir) (last uint32, others []uint32, err error) {
	err = root.Each(func(name []byte, _ fsx.Type) bool {
		if len(name) != len(validityFile)+9 || string(name[:len(validityFile)+1]) != validityFile+"." {
			return true
		}
		n, err := strconv.ParseUint(string(name[len(validityFile)+1:]), 16, 32)
		if err != nil || n == 0 || sentinel(uint32(n)) != string(name) {
			return true
		}
		if last != 0 {
			others = append(others, min(last, uint32(n)))
		}
		last = max(last, uint32(n))
		return true
	})
	return last, others, err
}
