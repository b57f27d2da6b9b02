package maildir

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"maildir-imapd/maildir/fsx"
)

// marks checks the file of read marks in a directory, if there is one.
func (c *checker) marks(d *fsx.Dir) {
	f, st, err := d.OpenStat(marksName)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	defer f.Close()
	img, n, good, err := readMarks(marksAt{d, f})
	switch {
	case errors.Is(err, ErrCorrupt):
		c.fail(invMarks, marksName, "%v", err)
		return
	case err != nil:
		c.errs = append(c.errs, err)
		return
	case !good:
		c.fail(invMarks, marksName, "cannot be read from byte %d on, of %d", n, st.Size)
		return
	}
	for _, number := range slices.Sorted(maps.Keys(img.numbers)) {
		if what := img.numbers[number].sound(); what != "" {
			c.fail(invMarks, marksName, "mailbox %d: %s", number, what)
		}
	}
}

// repairMarks has the user's read marks written anew from what is good of them. Marks that make no sense are
// dropped, and clients told.
func (t *Tree) repairMarks(ctx context.Context, _ *fsx.Dir, found []Finding) error {
	todo := wants(found, t.root)
	if !todo[invMarks] && !todo[invLock] {
		return nil
	}
	k, err := t.store.Marks(t.root)
	if err != nil {
		return err
	}
	defer k.Close()
	w, err := k.write(ctx) // which breaks the lock of who died
	if err != nil {
		return err
	}
	defer w.done()
	k.mu.Lock()
	for _, box := range k.numbers {
		if box.sound() != "" {
			k.held -= box.weight()
			box.runs = nil
			k.held += box.weight()
			box.lose(t.store.now())
			k.anew = true
		}
	}
	k.mu.Unlock()
	if !k.anew {
		return nil
	}
	return w.append(nil, nil)
}
