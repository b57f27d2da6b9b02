package maildir

import (
	"context"
	"os"

	"maildir-imapd/maildir/fsx"
)

// beside is a file of ours that is written anew beside the one in use, which stays in
// use: under no lock but for the beginning and the end. Only who holds the dotlock
// makes the name of the new file and takes it away, so that a rename of it, under the
// same lock, moves the file that was written and no other process's.
type beside struct {
	m    *Mailbox
	name string   // of the one in use
	f    *os.File // the new one
	size int64    // of it
	buf  []byte   // what is to be written next
	done bool     // it has the name
}

const besideSuffix = ".new"

// rewriting is what writes one kind of file.
type rewriting interface {
	// begin notes what there is. False: there is nothing to be done. The lock is held.
	begin(t *txn) (bool, error)
	// copy writes what there was, under no lock.
	copy(ctx context.Context) error
	// finish adds what has come meanwhile and has the new file replace the one in use,
	// unless that is another one by now. The lock is held.
	finish(t *txn) error
}

// run writes the file anew.
func (b *beside) run(ctx context.Context, w rewriting) error {
	err := b.locked(ctx, func(t *txn) error {
		wanted, err := w.begin(t)
		if wanted && err == nil {
			err = b.create()
		}
		return err
	})
	if err != nil || b.f == nil {
		return err
	}
	if err = w.copy(ctx); err == nil {
		err = b.locked(ctx, func(t *txn) error {
			if !b.ours() {
				return nil
			}
			return w.finish(t)
		})
	}
	b.f.Close()
	if !b.done {
		b.m.own.Remove(b.name + besideSuffix) // another process's, perhaps, which then does without
	}
	return err
}

// locked calls f with the dotlock, where that can be had.
func (b *beside) locked(ctx context.Context, f func(*txn) error) error {
	t, err := b.m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	if t.lock != nil {
		err = f(t)
	}
	t.end(err)
	return err
}

// create makes the file, in the place of what was left when its writer died.
func (b *beside) create() (err error) {
	name := b.name + besideSuffix
	if err = b.m.own.Remove(name); err != nil && !isGone(err) {
		return err
	}
	b.f, err = b.m.own.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0)
	return err
}

// ours tells that the name is still the file's that has been written.
func (b *beside) ours() bool {
	named, err := b.m.own.StatName(b.name + besideSuffix)
	if err != nil {
		return false
	}
	st, err := fsx.FileStat(b.f)
	return err == nil && st.Ino == named.Ino
}

// write writes what has been gathered.
func (b *beside) write() error {
	err := b.m.own.WriteAll(b.f, b.buf)
	b.size += int64(len(b.buf))
	b.buf = b.buf[:0]
	return err
}

// replace gives the file the name of the one in use.
func (b *beside) replace() error {
	err := b.m.own.Rename(b.name+besideSuffix, b.m.own, b.name)
	b.done = err == nil
	return err
}
