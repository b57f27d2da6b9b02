package fsx

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// WriteFile replaces name by data: see Replace.
func (d *Dir) WriteFile(name string, data []byte, perm fs.FileMode, sync bool) error {
	return d.Replace(name, perm, sync, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Replace replaces name by what write writes: name.tmp is written, synced if asked,
// renamed over name, and the directory synced if asked. Readers see the old
// bytes or the new ones. The caller holds whatever lock guards name: the
// temporary name is always the same, so that a crash leaves one at most.
func (d *Dir) Replace(name string, perm fs.FileMode, sync bool, write func(w io.Writer) error) error {
	tmp := name + ".tmp"
	f, err := d.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrExist) {
		if err = d.Remove(tmp); err == nil || errors.Is(err, fs.ErrNotExist) {
			f, err = d.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		}
	}
	if err != nil {
		return err
	}
	err = write(writer{d, f})
	if err == nil && sync {
		err = d.SyncFile(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.Rename(tmp, d, name)
	}
	if err != nil {
		d.Remove(tmp)
		return err
	}
	if sync {
		return d.Sync()
	}
	return nil
}

// writer is WriteAll as an io.Writer.
type writer struct {
	d *Dir
	f *os.File
}

func (w writer) Write(b []byte) (int, error) {
	if err := w.d.WriteAll(w.f, b); err != nil {
		return 0, err
	}
	return len(b), nil
}
