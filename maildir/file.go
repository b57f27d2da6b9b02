package maildir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// File is an open message as it lies on disk, with whatever line ends it has.
type File struct{ f fsx.File }

var (
	_ io.ReaderAt   = (*File)(nil)
	_ io.ReadCloser = (*File)(nil)
)

// Read reads on.
func (f *File) Read(b []byte) (int, error) { return f.f.Read(b) }

// ReadAt reads at an offset.
func (f *File) ReadAt(b []byte, off int64) (int, error) { return f.f.ReadAt(b, off) }

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// FileSize is the file's length on disk, which is not RFC822.SIZE.
func (f *File) FileSize() int64 { return f.f.Stat().Size }

// ModTime is the INTERNALDATE.
func (f *File) ModTime() time.Time { return time.Unix(0, f.f.Stat().Mtime) }

func (m *Mailbox) openMessage(ctx context.Context, uid imap.UID, f *fsx.File) error {
	return m.follow(ctx, uid, func(d *fsx.Dir, name string) (err error) {
		*f, err = d.OpenRead(name)
		return err
	})
}

// follow calls f with the place of a message's file until it is not told that
// there is none. First memory is asked, then the disk is looked at (which
// finds whatever else has moved, at once), and last the file is searched for.
func (m *Mailbox) follow(ctx context.Context, uid imap.UID, f func(d *fsx.Dir, name string) error) error {
	for tries := 0; ; tries++ {
		m.mu.RLock()
		e := m.state.find(uid)
		if e == nil {
			m.mu.RUnlock()
			return ErrExpunged
		}
		d := m.sub(dirOf(e.bits))
		var buf [256]byte
		name := m.state.appendFileName(buf[:0], e)
		base := len(m.state.base(e))
		full := string(name)
		m.mu.RUnlock()
		err := f(d, full)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := m.alive(); err != nil {
			return err
		}
		if tries == 0 {
			if err := m.refresh(ctx, nil); err != nil {
				return err
			}
			continue
		}
		where, info, ok, err := m.findFile(full[:base])
		if err != nil {
			return err
		}
		if !ok {
			return ErrExpunged
		}
		if err := f(m.sub(dirOf(where)), full[:base]+info); !errors.Is(err, fs.ErrNotExist) || tries == 5 {
			return err
		}
	}
}

// findFile looks for a base name in both directories. It looks twice at least,
// and until nothing moves in there, before it says no.
func (m *Mailbox) findFile(base string) (where entryBits, info string, ok bool, err error) {
	for pass := range looksMost {
		before, err := m.times()
		if err != nil {
			return 0, "", false, err
		}
		l := &sweep{}
		for dir := range before {
			err := l.read(m.sub(dir), dir, func() bool {
				for _, x := range l.list {
					if string(l.base(x)) == base && (!ok || x.where == 0) {
						where, info, ok = x.where, string(l.info(x)), true
					}
				}
				return true
			})
			if err != nil {
				return 0, "", false, err
			}
		}
		if ok {
			return where, info, true, nil
		}
		if after, err := m.times(); err != nil || pass > 0 && before == after {
			return 0, "", false, err
		}
	}
	return 0, "", false, nil
}
