package maildir

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// quotaStamp is what a mailbox's two directories looked like.
type quotaStamp struct {
	rel    string
	ino    [2]uint64
	mtimes [2]int64
}

// count adds up all mail and writes maildirsize anew, in d. When another program
// changes the mailboxes meanwhile it counts once more, and after that lets the
// next one to ask try.
func (r *quotaRoot) count(ctx context.Context, d *fsx.Dir, q Quota) (*quotaLook, error) {
	mail := d
	if t := r.tree; t.lists() != t.root {
		root, err := t.open()
		if err != nil {
			return nil, err
		}
		defer root.Close()
		mail = root
	}
	for try := 0; ; try++ {
		before, err := r.still(ctx, mail)
		if err != nil {
			return nil, err
		}
		l := &quotaLook{root: r, q: q, fresh: true}
		if l.sum, err = countMail(ctx, mail, before); err != nil {
			return nil, err
		}
		l.file, err = writeQuota(d, q, l.sum)
		if err != nil {
			// The sum is right all the same.
			r.warn("cannot write maildirsize, every question counts the mail anew", err)
			return l, nil
		}
		after, err := r.stamps(mail)
		if err == nil && slices.Equal(before, after) {
			return l, nil
		}
		if err == nil && try > 0 {
			if q.Set {
				err = d.Remove(quotaName)
			}
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				return l, nil
			}
		}
		l.close()
		if err != nil {
			return nil, err
		}
	}
}

// still is stamps once they are old enough to show a later change: within a
// tick of the clock a directory changes twice and has one time.
func (r *quotaRoot) still(ctx context.Context, d *fsx.Dir) ([]quotaStamp, error) {
	for try := 0; ; try++ {
		list, err := r.stamps(d)
		if err != nil {
			return nil, err
		}
		newest := int64(0)
		for _, s := range list {
			newest = max(newest, s.mtimes[0], s.mtimes[1])
		}
		age := time.Now().UnixNano() - newest // the file system's clock, not the store's
		if try > 0 || age < 0 || age > tick {
			return list, nil
		}
		select {
		case <-time.After(time.Duration(tick - age + 1)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stamps looks at every mailbox of the tree. What is no directory is none,
// whatever its name: files that begin with a dot lie in many home directories.
func (r *quotaRoot) stamps(root *fsx.Dir) ([]quotaStamp, error) {
	l, err := r.tree.listing(root)
	if err != nil {
		return nil, err
	}
	list := make([]quotaStamp, 0, len(l.boxes))
	for _, b := range l.boxes {
		s := quotaStamp{rel: b.rel}
		err := inMailbox(root, b.rel, func(d *fsx.Dir) error {
			for i, name := range messageDirs {
				st, err := d.StatName(name)
				if err == nil {
					s.ino[i], s.mtimes[i] = st.Ino, st.Mtime
				} else if !isGone(err) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

var messageDirs = [2]string{dirNew: "new", dirCur: "cur"}

// inMailbox calls f with the mailbox at rel open; one that is gone is passed over.
func inMailbox(root *fsx.Dir, rel string, f func(*fsx.Dir) error) error {
	if rel == "" {
		return f(root)
	}
	d, err := openBelow(root, rel)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return f(d)
}

// countMail adds up the message files of mailboxes.
func countMail(ctx context.Context, root *fsx.Dir, boxes []quotaStamp) (sum amount, err error) {
	for _, b := range boxes {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		err = inMailbox(root, b.rel, func(d *fsx.Dir) error {
			for _, name := range messageDirs {
				sub, err := d.Sub(name)
				if isGone(err) {
					continue
				}
				if err != nil {
					return err
				}
				a, err := countDir(sub)
				sub.Close()
				if err != nil {
					return err
				}
				sum = sum.plus(a)
			}
			return nil
		})
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// countDir adds up the files of one directory. The size that a name tells is
// believed, right or not: whoever removes the file will subtract the same.
func countDir(d *fsx.Dir) (sum amount, err error) {
	var ask []string
	err = d.Each(func(name []byte, typ fsx.Type) bool {
		switch {
		case name[0] == '.', typ != fsx.IsFile && typ != fsx.Unknown:
			return true
		case typ == fsx.IsFile:
			if n := sizeInFileName(name); n >= 0 {
				sum = sum.plus(amount{n, 1})
				return true
			}
		}
		ask = append(ask, string(name))
		return true
	})
	for _, name := range ask {
		a, serr := fileAmount(d, name)
		switch {
		case serr == nil:
			sum = sum.plus(a)
		case err == nil && !errors.Is(serr, fs.ErrNotExist):
			err = serr
		}
	}
	return sum, err
}

// fileAmount is what one message file counts for.
func fileAmount(d *fsx.Dir, name string) (amount, error) {
	if n := sizeField(name, ",S="); n >= 0 {
		return amount{n, 1}, nil
	}
	st, err := d.StatName(name)
	if err != nil || !st.IsRegular() {
		return amount{}, err
	}
	return amount{st.Size, 1}, nil
}

var sizeKey = []byte(",S=")

// sizeInFileName is sizeField of a name that is no string. The few bytes that
// matter make one that costs no allocation.
func sizeInFileName(name []byte) int64 {
	i := bytes.Index(name, sizeKey)
	if i < 0 {
		return -1
	}
	var few [32]byte
	return sizeField(string(few[:copy(few[:], name[i:])]), ",S=")
}

// writeQuota puts a maildirsize in place of the one there is. It is built in
// tmp/, where what a crash leaves is swept up. Only limits that stand nowhere
// else must outlive a power cut. The file is returned open.
func writeQuota(d *fsx.Dir, q Quota, sum amount) (*fsx.File, error) {
	dir, err := d.Sub("tmp")
	name := newBaseName(time.Now())
	if isGone(err) {
		dir, name, err = d, quotaName+"."+strings.ReplaceAll(name, "/", "_"), nil
	}
	if err != nil {
		return nil, err
	}
	if dir != d {
		defer dir.Close()
		dir.Like(d.Identity())
	}
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return nil, err
	}
	err = dir.WriteAll(f, newQuotaFile(q, sum))
	if err == nil && !q.Set {
		err = dir.SyncFile(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	var file fsx.File
	if err == nil {
		if file, err = dir.OpenRead(name); err == nil {
			if err = dir.Rename(name, d, quotaName); err != nil {
				file.Close()
			}
		}
	}
	if err != nil {
		dir.Remove(name)
		return nil, err
	}
	return &file, nil
}
