package maildir

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// tmpAge is how old a file in tmp/ must be before nobody can be writing it, by
// the rules of Maildir. The time of its last change of any kind counts: its
// modification time may be set before it is delivered.
const tmpAge = 36 * time.Hour

// abandoned calls f with what work that was cut short has left in a mailbox:
// the directory and the name in it.
func (t *Tree) abandoned(b *boxDirs, f func(in *fsx.Dir, name string)) error {
	for _, name := range []string{deletedDir, uidlistFile + ".tmp", keywordsFile + ".tmp", indexName + ".tmp", cacheName + ".tmp", propsFile + ".tmp", marksName + ".tmp",
		textName + ".tmp", indexName + besideSuffix, cacheName + besideSuffix} {
		d := b.of(name)
		if d == nil {
			continue
		}
		if st, err := d.StatName(name); err == nil && t.old(st, time.Minute) {
			f(d, name)
		}
	}
	tmp, err := b.dir.Sub("tmp")
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer tmp.Close()
	names, err := tmp.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if st, err := tmp.StatName(name); err == nil && t.old(st, tmpAge) {
			f(tmp, name)
		}
	}
	return nil
}

func (t *Tree) old(st fsx.Stat, age time.Duration) bool {
	return t.store.now().Sub(time.Unix(0, max(st.Mtime, st.Ctime))) > age
}

func (k *treeCheck) left(b *boxDirs) {
	err := k.tree.abandoned(b, func(in *fsx.Dir, name string) {
		k.fail(invLeft, strings.TrimPrefix(in.Path()+"/"+name, b.of(name).Path()+"/"), "left behind by work that was cut short")
	})
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

func (k *treeCheck) leftInRoot() {
	if st, err := k.root.StatName(trashDir); err == nil && k.tree.old(st, time.Minute) {
		k.fail(invLeft, trashDir, "a mailbox that was deleted, but not to the end")
	}
	err := k.tree.inLocked(k.root, func(d *fsx.Dir) error {
		if pid, gone := deadLock(d, "mailboxes.lock"); gone {
			k.path = d.Path()
			k.fail(invLock, "mailboxes.lock", "left behind by process %d, which is gone", pid)
		}
		return nil
	})
	if pid, gone := deadLock(k.root, marksName+".lock"); gone {
		k.fail(invLock, marksName+".lock", "left behind by process %d, which is gone", pid)
	}
	moves, lerr := k.tree.apart.left()
	if len(moves) > 0 || errors.Is(lerr, ErrCorrupt) {
		k.path = k.tree.apart.noted()
		k.fail(invLeft, movingFile, "a rename that was cut short: lists of %d mailboxes may lie under their old names", len(moves))
	} else if lerr != nil {
		err = errors.Join(err, lerr)
	}
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

// owners finds what is not its mailbox's owner's, or not to be read and changed
// by them: mostly files that somebody made as root.
func (k *treeCheck) owners(b *boxDirs) {
	box, err := b.dir.Stat()
	if err != nil {
		k.errs = append(k.errs, err)
		return
	}
	said, more := 0, 0
	judge := func(name string, st fsx.Stat) {
		need := uint32(0o600)
		switch {
		case st.IsDir():
			need = 0o700
		case !st.IsRegular():
			return
		}
		shared := st.Gid == box.Gid && box.Mode&0o070 == 0o070 && st.Mode&(need>>3) == need>>3
		if st.Uid == box.Uid && st.Mode&need == need || shared {
			return
		}
		if said++; said > ownersMost {
			more++
			return
		}
		k.fail(invOwner, name, "is of user %d with mode %04o, the mailbox is of user %d", st.Uid, st.Mode&0o7777, box.Uid)
	}
	b.distinct(func(d *fsx.Dir) { k.ownersOf(d, box.Uid, judge) })
	for _, sub := range messageDirs {
		s, err := b.dir.Sub(sub)
		if err != nil {
			continue
		}
		list, err := s.Names()
		for _, name := range list {
			if st, err := s.StatName(name); err == nil && isMessageName(name) {
				judge(sub+"/"+name, st)
			}
		}
		s.Close()
		if err != nil {
			k.errs = append(k.errs, err)
		}
	}
	if more > 0 {
		k.fail(invOwner, "", "%s", fmt.Sprintf("and %d files more", more))
	}
}

// ownersOf finds them among the files beside messages in one of the directories.
func (k *treeCheck) ownersOf(d *fsx.Dir, owner uint32, judge func(string, fsx.Stat)) {
	names, err := d.Names()
	if err != nil {
		k.errs = append(k.errs, err)
		return
	}
	for _, name := range names {
		if !isControlName(name) {
			continue
		}
		st, err := d.StatName(name)
		if err == nil && !(strings.HasPrefix(name, validityFile+".") && st.Uid == owner) { // the empty one is read-only
			judge(name, st)
		}
	}
}

// ownersMost is how many files of other owners are named.
const ownersMost = 20
