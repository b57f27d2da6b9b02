package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"maildir-imapd/maildir/fsx"
)

// What callers tell apart with errors.Is.
var (
	ErrNotExist     = errors.New("no such mailbox")
	ErrExist        = errors.New("mailbox exists")
	ErrNoPermission = errors.New("no permission")
	ErrInUse        = errors.New("mailbox is locked by another program")
	ErrFull         = errors.New("no space left")
	ErrExpunged     = errors.New("message was expunged")
	ErrBadName      = errors.New("bad mailbox name")
	ErrReadOnly     = errors.New("mailbox is read-only")
	ErrKeywordLimit = errors.New("too many keywords")
	ErrCorrupt      = errors.New("damaged file")
	// ErrTemporary is trouble of the machine, of which the mailbox knows nothing:
	// an unreadable disk, no descriptors left, a server of files that has restarted.
	ErrTemporary = errors.New("temporary trouble of the system")
)

// Error is an error of one operation on one mailbox. Its text may hold paths
// and is for the log; for the client there are the sentinels and Reason.
type Error struct {
	Op   string // "create", "open", ...
	Name string // the mailbox, as the client names it; may be empty
	Err  error
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s %q: %v", e.Op, e.Name, e.Err)
}

// Unwrap makes the cause visible to errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// Is maps the system's words for things to this package's.
func (e *Error) Is(target error) bool { return classify(e.Err) == target }

// nameError is ErrBadName with the reason, which never holds a path.
type nameError struct{ reason string }

func (e *nameError) Error() string        { return e.reason }
func (e *nameError) Is(target error) bool { return target == ErrBadName }

func badName(format string, a ...any) error { return &nameError{fmt.Sprintf(format, a...)} }

// Reason is the text of a bad-name error for the client, "" for other errors.
func Reason(err error) string {
	var n *nameError
	if errors.As(err, &n) {
		return n.reason
	}
	return ""
}

// classify finds this package's sentinel for a system error; nil if there is none.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fsx.ErrLocked), errors.Is(err, fsx.ErrOverridden):
		return ErrInUse
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ErrFull
	case errors.Is(err, syscall.EROFS):
		return ErrReadOnly
	case errors.Is(err, fsx.ErrName), errors.Is(err, syscall.ENAMETOOLONG):
		return ErrBadName
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ELOOP):
		return ErrNoPermission
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return ErrNotExist
	case errors.Is(err, fs.ErrExist):
		return ErrExist
	}
	for _, errno := range temporary {
		if errors.Is(err, errno) {
			return ErrTemporary
		}
	}
	return nil
}

var temporary = [...]syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ESTALE, syscall.ENOMEM,
	syscall.EAGAIN, syscall.ETIMEDOUT, syscall.EBUSY, syscall.ENODEV, syscall.ENXIO, syscall.EHOSTDOWN, syscall.ENOLCK}

// opError wraps err once; nil stays nil and an *Error stays as it is.
func opError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Name: name, Err: err}
}

// corrupt is a damaged file: which one, where in it, and what is wrong.
func corrupt(file string, line int, format string, a ...any) error {
	return fmt.Errorf("%s line %d: %s: %w", file, line, fmt.Sprintf(format, a...), ErrCorrupt)
}
