package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"maildir-imapd/maildir/fsx"
)

// A file of marks is read in pieces, and what it tells is folded together as it comes: a long file that has not been written
// anew for some time takes no more memory than the marks that come of it. Those are bounded, for all mailboxes of a user
// together: beyond marksMost no more are set until others are joined or gone, and a file with more than that twice
// (nobody has written it here) is not used, and left as it is.
//
// Who reads without the lock may see a writer at work: a torn end being cut off while he reads it, and new records
// in its place. He then takes the file for shorter than it was, which his next look mends, or for damaged; of that
// nobody is sure without the lock, so who finds it reads again with it.

const (
	marksPiece      = 256 << 10
	markRecordMost  = 64 << 20 // longer ones are none
	marksFollowSpan = 32 << 20 // what is longer than that behind the last record is not the end of one
	marksMost       = 32 << 20 // bytes of memory for one user's
	markRangesMost  = 1 << 16  // in one record
)

var errTooManyMarks = fmt.Errorf("too many read marks in the user's mailboxes: %w", ErrFull)

// errUnsure: the file seems to be damaged to one who has no lock.
var errUnsure = errors.New("read marks seem to be damaged")

// marksAt reads a file of marks.
type marksAt struct {
	d *fsx.Dir
	f *os.File
}

func (r marksAt) ReadAt(b []byte, off int64) (int, error) { return r.d.ReadAt(r.f, b, off) }

// markReader reads records from off on.
type markReader struct {
	src io.ReaderAt
	off int64  // of what buf begins with
	buf []byte // read, and not taken
	end bool   // there is no more
}

// more reads a piece more.
func (r *markReader) more() error {
	n := len(r.buf)
	if cap(r.buf)-n < marksPiece {
		r.buf = append(make([]byte, 0, 2*n+marksPiece), r.buf...)
	}
	got, err := r.src.ReadAt(r.buf[n:n+marksPiece], r.off+int64(n))
	r.buf = r.buf[:n+got]
	if errors.Is(err, io.EOF) || err == nil && got == 0 {
		r.end, err = true, nil
	}
	return err
}

// records has take consume what there is of whole records, until it is at the end or at something else.
func (r *markReader) records(take func(b []byte) (n int, err error)) error {
	for !r.end {
		if err := r.more(); err != nil {
			return err
		}
		n, err := take(r.buf)
		if n > 0 {
			r.off += int64(n)
			r.buf = r.buf[:copy(r.buf, r.buf[n:])]
		}
		if err != nil {
			return err
		}
		if len(r.buf) >= 9 && (checks(r.buf) == 0 || le.Uint32(r.buf) > markRecordMost) {
			return nil
		}
	}
	return nil
}

// follow tells whether what the records end with is more than the torn end of one.
func (r *markReader) follow() (bool, error) {
	for !r.end && len(r.buf) <= marksFollowSpan {
		if err := r.more(); err != nil {
			return false, err
		}
	}
	return len(r.buf) > marksFollowSpan || marksFollow(r.buf), nil
}

// readMarks reads a whole file. n is how much of it are whole records; good: it is a file of marks,
// and nothing but the end of a record that was not finished follows them.
func readMarks(src io.ReaderAt) (img markImage, n int64, good bool, err error) {
	img = newMarkImage()
	head := make([]byte, marksHead)
	got, err := src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return img, 0, false, err
	}
	r := markReader{src: src}
	if got == marksHead && string(head[:len(marksMagic)]) == marksMagic {
		r.off = int64(marksHead)
		err = r.records(func(b []byte) (int, error) {
			n := img.fold(b, nil)
			if img.held > 2*marksMost {
				return n, fmt.Errorf("more read marks than fit into memory: %w", ErrCorrupt)
			}
			return n, nil
		})
		if err != nil {
			return img, 0, false, err
		}
		follows, err := r.follow()
		return img, r.off, !follows, err
	}
	for good = true; good && !r.end; r.off, r.buf = r.off+int64(len(r.buf)), r.buf[:0] {
		if err := r.more(); err != nil {
			return img, 0, false, err
		}
		good = len(bytes.Trim(r.buf, "\x00")) == 0
	}
	return img, 0, good, nil
}
